"""The state machine: commands become rows, leaves and epochs, the same on every node.

One batch is one transaction and one sync of the disk. Each command in it stands alone: a refused
one is undone to its savepoint, in the database and in memory, and the others commit. Whatever else
goes wrong undoes the batch and is raised: nothing is ever half applied.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.approving import Approving
from rtgf_node.replication.commands import (
    AppendEvents,
    Applied,
    AskApproval,
    Command,
    ConfirmDataset,
    CosignCheckpoint,
    NoteBuild,
    NoteDelivery,
    Outcome,
    Proposal,
    PublishBuild,
    QuarantineDataset,
    RecordCosignatures,
    RecordDataset,
    RecordDecisionRoot,
    RecordFinding,
    RecordKeys,
    RecordRefusal,
    RestoreCosigned,
    Revoke,
    SeeHead,
    SettleApproval,
    SettleFindings,
    SignedHead,
    StageTokens,
    TakeSnapshot,
    TakeTerms,
    TakeWaiver,
    encode,
)
from rtgf_node.replication.kept_outcome import keep, recall
from rtgf_node.replication.publishing import Publishing
from rtgf_node.replication.terms_taking import take_terms
from rtgf_node.replication.version_order import is_newer
from rtgf_node.replication.withdrawal import Withdrawal
from rtgf_node.replication.witnessing import Witnessing
from rtgf_node.store import Store
from rtgf_node.store.command_store import CommandStore
from rtgf_node.store.decision_root_store import DecisionRootRow, DecisionRootStore
from rtgf_node.store.intake_store import (
    DatasetRow,
    IntakeStore,
    QuarantineRow,
    RefusalRow,
    SnapshotRow,
)
from rtgf_node.store.key_manifest_store import KeyDocuments, KeyManifestStore
from rtgf_node.store.log_writer import LogWriter, frame_of
from rtgf_node.store.registry_store import RegistryStore
from rtgf_node.store.revocation_store import RevocationRow, RevocationStore
from rtgf_node.store.terms_store import TermsStore
from rtgf_node.store.waiver_store import WaiverRow, WaiverStore
from rtgf_node.store.webhook_store import DeliveryRow, WebhookStore

Also: TypeAlias = Callable[[Sequence[Applied], LogWriter], None]
"""What else is written in the transaction of a batch, given what its commands came to."""


class StateMachine:
    """Applies commands to a store. The one writer: used by one thread, one call at a time."""

    def __init__(self, store: Store) -> None:
        self._conn = store.conn
        self._log = LogWriter(store.conn, store.log)
        self._commands = CommandStore(store.conn)
        self._intake = IntakeStore(store.conn)
        self._registry = RegistryStore(store.conn)
        self._revocation = RevocationStore(store.conn)
        self._keys = KeyManifestStore(store.conn)
        self._decision_roots = DecisionRootStore(store.conn)
        self._approving = Approving(store.conn, self._log)
        self._publishing = Publishing(store.conn, self._log)
        self._waivers = WaiverStore(store.conn)
        self._terms = TermsStore(store.conn)
        self._webhooks = WebhookStore(store.conn)
        self._witnessing = Witnessing(store.conn, self._log)
        self._rev_epoch = self._revocation.rev_epoch()
        self._sound = True

    @property
    def last_index(self) -> int:
        """The index of the newest command."""
        return self._commands.last_index

    def apply_batch(
        self, proposals: Sequence[Proposal], also: Also = lambda _applied, _log: None
    ) -> list[Applied]:
        """Apply `proposals` in their order and return what each came to, durably.

        What is written, in this order: BEGIN; of each command its events and its rows; tiles and
        times; the commands and what they came to; what `also` writes; COMMIT, which syncs. Readers
        see it after that, and askers are answered after that.

        Raises:
          sqlite3.Error: the disk did not take it; nothing of the batch is applied, in memory or on
            disk, and the node should stop.
        """
        if not self._sound:
            raise RtgfError(
                Code.RTGF_UNAVAILABLE, "the store failed before and was not opened again; restart"
            )
        # Broken until the end is reached, one way or the other.
        self._sound = False
        try:
            self._conn.execute("BEGIN IMMEDIATE")
            self._log.begin()
            applied: list[Applied] = []
            for appends, run in itertools.groupby(proposals, lambda one: bool(_only_events(one))):
                if appends:
                    applied += self._append_run(list(run))
                else:
                    applied += map(self._apply, run)
            self._log.flush()
            self._commands.flush()
            also(applied, self._log)
            self._conn.execute("COMMIT")
        except BaseException:
            self._undo_batch()
            raise
        self._log.commit()
        self._sound = True
        return applied

    def _undo_batch(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._conn.in_transaction:
                self._conn.execute("ROLLBACK")
            self._log.roll_back()
            self._commands.reload()
            self._rev_epoch = self._revocation.rev_epoch()
            self._sound = True

    def _apply(self, proposal: Proposal) -> Applied:
        command, client_id, seq = proposal.command, proposal.client_id, proposal.seq
        try:
            before = self._commands.outcome(client_id, seq)
        except RtgfError as unknown:
            return Applied(0, command, unknown, repeated=True)
        if before is not None:
            return Applied(before[0], command, recall(before[1]), repeated=True)
        return self._record(proposal, self._run(command))

    def _append_run(self, run: Sequence[Proposal]) -> list[Applied]:
        """Apply commands that only append events: with one statement if nothing was ever there."""
        new = self._commands.are_new((proposal.client_id, proposal.seq) for proposal in run)
        events = [_only_events(proposal) for proposal in run]
        index = self._log.append_new(list(itertools.chain(*events))) if new else None
        if index is None:
            return [self._apply(proposal) for proposal in run]
        self._log.accept()
        applied = []
        for proposal, own in zip(run, events, strict=True):
            first, index = index, index + len(own)
            outcome = Outcome(tuple(range(first, index)), index, self._rev_epoch)
            applied.append(self._record(proposal, outcome))
        return applied

    def _record(self, proposal: Proposal, outcome: Outcome | RtgfError) -> Applied:
        command = proposal.command
        kind = type(command).__name__
        index = self._commands.append(
            proposal.client_id, proposal.seq, kind, encode(command), keep(outcome)
        )
        return Applied(index, command, outcome)

    def _run(self, command: Command) -> Outcome | RtgfError:
        self._conn.execute("SAVEPOINT command")
        outcome: Outcome | RtgfError
        try:
            leaf_indexes, revocations = self._do(command)
        except RtgfError as refusal:
            self._conn.execute("ROLLBACK TO command")
            self._log.discard()
            outcome = refusal
        else:
            self._rev_epoch += len(revocations)
            self._log.accept()
            outcome = Outcome(leaf_indexes, self._log.size, self._rev_epoch, revocations)
        self._conn.execute("RELEASE command")
        return outcome

    def _do(self, command: Command) -> tuple[tuple[int, ...], tuple[RevocationRow, ...]]:
        leaves: tuple[int, ...] = ()
        revocations: tuple[RevocationRow, ...] = ()
        match command:
            case AppendEvents():
                leaves = self._append(command.events)
            case TakeSnapshot():
                leaves = (self._take_snapshot(command),)
            case RecordDataset():
                leaves = (self._record_dataset(command),)
            case ConfirmDataset():
                self._confirm_dataset(command)
            case QuarantineDataset(record, reason, at):
                kept = encode(record)
                row = QuarantineRow(record.name, record.raw_sha256, reason, at, kept)
                self._intake.put_quarantine(row)
            case RecordRefusal(code, subject, digest, at, detail):
                self._intake.insert_refusal(RefusalRow(code, subject, digest, at, detail))
            case StageTokens():
                self._publishing.stage(command)
            case PublishBuild():
                leaves = self._publishing.publish(command, rev_epoch=self._rev_epoch)
            case NoteBuild():
                self._publishing.note(command)
            case Revoke():
                revocations = self._revoke(command)
                leaves = tuple(row.leaf_index for row in revocations)
            case RecordKeys():
                leaves = self._record_keys(command)
            case TakeTerms():
                leaves = (take_terms(command, self._terms, self._log),)
            case TakeWaiver():
                leaves = (self._take_waiver(command),)
            case AskApproval():
                leaves = (self._approving.ask(command),)
            case SettleApproval():
                leaves = (self._approving.settle(command),)
            case RecordDecisionRoot():
                leaves = (self._record_decision_root(command),)
            case RecordCosignatures():
                self._witnessing.record_cosignatures(command)
            case CosignCheckpoint():
                self._witnessing.cosign(command)
            case RestoreCosigned():
                self._witnessing.restore(command)
                leaves = self._append(command.events)
            case SeeHead():
                self._witnessing.see(command)
            case RecordFinding():
                leaves = (self._witnessing.find(command),)
            case NoteDelivery(webhook, rev_epoch, at):
                self._webhooks.put(DeliveryRow(webhook, rev_epoch, at))
            case SettleFindings():
                leaves = (self._witnessing.settle(command),)
            case SignedHead(document, tree_size, root):
                self._log.record_head(document, tree_size, root)
        return leaves, revocations

    def _append(self, events: Sequence[bytes]) -> tuple[int, ...]:
        return tuple(self._log.append(entry) for entry in events)

    def _take_snapshot(self, command: TakeSnapshot) -> int:
        held = self._intake.snapshot_by_digest(command.digest)
        if held is not None:
            return held.leaf_index
        newest = self._intake.newest_snapshot(command.jurisdiction, command.domain)
        if newest is not None and not is_newer(command.version, newest.version):
            raise RtgfError(
                Code.RTGF_POL_MATRIX_STALE,
                f"{newest.snapshot_id} is held; a snapshot with other bytes needs a version after "
                f"{newest.version}, this one has {command.version}",
            )
        if self._intake.snapshot(command.snapshot_id) is not None:
            raise RtgfError(
                Code.RTGF_CONFLICT, f"{command.snapshot_id} is held with other bytes or members"
            )
        leaf_index = self._log.append(command.event)
        self._intake.insert_snapshot(
            SnapshotRow(
                snapshot_id=command.snapshot_id,
                digest=command.digest,
                jurisdiction=command.jurisdiction,
                domain=command.domain,
                version=command.version,
                body=command.body,
                at=frame_of(command.event).at,
                leaf_index=leaf_index,
            )
        )
        return leaf_index

    def _record_dataset(self, command: RecordDataset) -> int:
        held = self._intake.newest_dataset(command.name)
        if held is not None and (held.raw_sha256, held.content_sha256, held.version) == (
            command.raw_sha256,
            command.content_sha256,
            command.version,
        ):
            return held.leaf_index
        leaf_index = self._log.append(command.event)
        members = msgspec.structs.asdict(command)
        del members["event"]
        self._intake.insert_dataset(
            DatasetRow(**members, checked_at=command.retrieved_at, leaf_index=leaf_index)
        )
        return leaf_index

    def _confirm_dataset(self, command: ConfirmDataset) -> None:
        held = self._intake.newest_dataset(command.name)
        if held is None or held.raw_sha256 != command.raw_sha256:
            raise RtgfError(
                Code.RTGF_CONFLICT, f"{command.name} in force is not {command.raw_sha256}"
            )
        self._intake.confirm_dataset(command.name, at=command.at)

    def _revoke(self, command: Revoke) -> tuple[RevocationRow, ...]:
        withdrawal = Withdrawal(
            command,
            log=self._log,
            registry=self._registry,
            revocation=self._revocation,
            rev_epoch=self._rev_epoch,
        )
        return tuple(withdrawal.apply())

    def _record_keys(self, command: RecordKeys) -> tuple[int, ...]:
        if not command.events:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID, "keys are published with an event", pointer="/events"
            )
        leaves = self._append(command.events)
        by_subject = {
            frame_of(entry).subject: leaf
            for entry, leaf in zip(command.events, leaves, strict=True)
        }
        for key in command.keys:
            self._keys.put_key(key, by_subject.get(key.kid, leaves[-1]))
        self._keys.put_documents(
            KeyDocuments(command.manifest, command.jwks, command.jwks_jws, leaves[-1])
        )
        return leaves

    def _take_waiver(self, command: TakeWaiver) -> int:
        held = self._waivers.waiver(command.digest)
        if held is not None:
            return held.leaf_index
        leaf_index = self._log.append(command.event)
        self._waivers.insert(
            WaiverRow(
                digest=command.digest,
                policy_snapshot_hash=command.policy_snapshot_hash,
                body=command.body,
                at=command.at,
                leaf_index=leaf_index,
            )
        )
        return leaf_index

    def _record_decision_root(self, command: RecordDecisionRoot) -> int:
        interval, held = command.interval, self._decision_roots.newest(command.chain)
        if held is not None and held.interval() == interval:
            return held.leaf_index
        end = held.last_seq if held is not None else 0
        if interval.first_seq != end + 1 or interval.count != interval.last_seq - end:
            raise RtgfError(
                Code.RTGF_CONFLICT,
                f"the decisions of {command.chain} have roots up to {end}; one of "
                f"{interval.first_seq} to {interval.last_seq} does not follow",
            )
        leaf_index = self._log.append(command.event)
        self._decision_roots.insert(
            DecisionRootRow(
                chain=command.chain,
                first_seq=interval.first_seq,
                last_seq=interval.last_seq,
                count=interval.count,
                root=interval.root,
                head=interval.head,
                event_id=frame_of(command.event).event_id,
                leaf_index=leaf_index,
                begun_anew=interval.begun_anew,
            )
        )
        return leaf_index


def _only_events(proposal: Proposal) -> tuple[bytes, ...]:
    """Return the events of a command that does nothing but append them, else none."""
    return proposal.command.events if isinstance(proposal.command, AppendEvents) else ()
