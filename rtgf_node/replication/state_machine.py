"""The state machine: commands become rows, leaves and epochs, the same on every node.

One batch is one transaction and one sync of the disk. Each command in it stands alone: a refused
one is undone to its savepoint, in the database and in memory, and the others commit. Whatever else
goes wrong undoes the batch and is raised: nothing is ever half applied.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence

import msgspec

from rtgf_node.core.snapshot import compare_versions
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import (
    AppendEvents,
    Applied,
    Command,
    ConfirmDataset,
    CosignCheckpoint,
    NoteBuild,
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
    Revoke,
    SeeHead,
    SettleFindings,
    SignedHead,
    TakeSnapshot,
    encode,
)
from rtgf_node.replication.kept_outcome import keep, recall
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
from rtgf_node.store.registry_store import PUBLISHED, BuildRow, RegistryStore
from rtgf_node.store.revocation_store import RevocationRow, RevocationStore


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
        self._witnessing = Witnessing(store.conn, self._log)
        self._rev_epoch = self._revocation.rev_epoch()
        self._sound = True

    @property
    def last_index(self) -> int:
        """The index of the newest command."""
        return self._commands.last_index

    def apply_batch(self, proposals: Sequence[Proposal]) -> list[Applied]:
        """Apply `proposals` in their order and return what each came to, durably.

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
            applied = [self._apply(proposal) for proposal in proposals]
            self._log.flush()
            self._commands.flush()
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
        kind = type(command).__name__
        index = self._commands.append(client_id, seq, kind, encode(command))
        outcome = self._run(command)
        self._commands.record(client_id, seq, index, keep(outcome))
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
            root = self._log.accept()
            outcome = Outcome(leaf_indexes, self._log.size, root, self._rev_epoch, revocations)
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
            case PublishBuild():
                leaves = self._publish(command)
            case NoteBuild(build_id, state, at, summary, manifest_digest):
                self._note_build(BuildRow(build_id, state, manifest_digest, at, summary))
            case Revoke():
                revocations = self._revoke(command)
                leaves = tuple(row.leaf_index for row in revocations)
            case RecordKeys():
                leaves = self._record_keys(command)
            case RecordDecisionRoot():
                leaves = (self._record_decision_root(command),)
            case RecordCosignatures():
                self._witnessing.record_cosignatures(command)
            case CosignCheckpoint():
                self._witnessing.cosign(command)
            case SeeHead():
                self._witnessing.see(command)
            case RecordFinding():
                leaves = (self._witnessing.find(command),)
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
        if newest is not None and not _is_newer(command.version, newest.version):
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

    def _publish(self, command: PublishBuild) -> tuple[int, ...]:
        if len(command.events) != len(command.tokens) + 1:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID,
                f"{len(command.tokens)} tokens need {len(command.tokens) + 1} events, the build's "
                f"first; {len(command.events)} came",
                pointer="/events",
            )
        held = self._registry.build(command.build_id)
        if held is not None and held.state == PUBLISHED:
            return self._published_before(command, held)
        self._check_not_withdrawn(command)
        before = self._log.size
        leaves = self._append(command.events)
        if leaves != tuple(range(before, before + len(leaves))):
            raise RtgfError(
                Code.RTGF_CONFLICT,
                f"an event of {command.build_id} is in the log already; build again",
            )
        self._registry.put_build(
            BuildRow(
                build_id=command.build_id,
                state=PUBLISHED,
                manifest_digest=command.manifest_digest,
                at=command.at,
                summary=command.summary,
                leaf_index=leaves[0],
            )
        )
        for token, leaf_index in zip(command.tokens, leaves[1:], strict=True):
            self._registry.insert_token(token, build_id=command.build_id, leaf_index=leaf_index)
        for token in command.tokens:
            self._registry.insert_parents(token)
            self._check_parents(token.token_id)
        self._append(command.approvals)
        return leaves

    def _published_before(self, command: PublishBuild, held: BuildRow) -> tuple[int, ...]:
        issued = {row.token.token_id: row for row in self._registry.of_build(command.build_id)}
        same = held.manifest_digest == command.manifest_digest and {
            token.token_id: token.body for token in command.tokens
        } == {token_id: row.token.body for token_id, row in issued.items()}
        if not same or held.leaf_index is None:
            raise RtgfError(
                Code.RTGF_CONFLICT,
                f"{command.build_id} was published with other content; two builds of the same "
                "inputs must not differ, compare their manifests",
            )
        return (
            held.leaf_index,
            *(issued[token.token_id].leaf_index for token in command.tokens),
        )

    def _check_not_withdrawn(self, command: PublishBuild) -> None:
        if self._rev_epoch <= command.rev_epoch:
            return
        for token in command.tokens:
            newest = self._registry.newest(token.type, token.place, token.name)
            change = newest and self._revocation.newest(newest.token.token_id)
            if change and change.status != "valid" and change.rev_epoch > command.rev_epoch:
                raise RtgfError(
                    Code.RTGF_CONFLICT,
                    f"{change.token_id} was withdrawn while {token.token_id} was built; build"
                    " again",
                )

    def _check_parents(self, token_id: str) -> None:
        # A parent may have been revoked while the build ran; its cascade did not know this token.
        for parent in self._registry.parents(token_id):
            status = self._revocation.status(parent)
            if status != "valid":
                raise RtgfError(
                    Code.RTGF_CONFLICT,
                    f"{token_id} rests on {parent}, which is {status}; build again",
                )

    def _note_build(self, build: BuildRow) -> None:
        if build.state == PUBLISHED:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID, "a build becomes published by PublishBuild only"
            )
        self._registry.put_build(build)

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


def _is_newer(version: str, held: str) -> bool:
    try:
        return compare_versions(version, held) > 0
    except ValueError:
        raise RtgfError(
            Code.RTGF_POL_MATRIX_SCHEMA_INVALID, "a version is numbers between dots and dashes"
        ) from None
