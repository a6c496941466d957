"""The registry actor: which snapshots, lists and tokens the node holds, and the keys it signs with.

It decides what supersedes what, and turns each acceptance into one command for the log: the thing
and the event that says so are durable together or not at all.
"""

from __future__ import annotations

from typing import Any

import msgspec
import trio

from rtgf_node.actors.key_changes import KeyChanges
from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import (
    AcceptDataset,
    AcceptSnapshot,
    AcceptTerms,
    AcceptWaiver,
    ChangeKeys,
    Commit,
    HoldDatasetBack,
    Publish,
    RecordBuild,
    RecordRefusal,
    Stage,
)
from rtgf_node.actors.publication import Publication
from rtgf_node.core import (
    event,
    snapshot,
    terms_document,
    waiver,
)
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.clock import Clock
from rtgf_node.replication import commands
from rtgf_node.store import Store
from rtgf_node.telemetry import Metrics
from rtgf_node.wire import IntakeAnswer

REFUSAL_CHARS = 2000
"""Characters kept of what was refused and why: who sends garbage does not choose how much."""


class RegistryActor:
    """Owns what is held: one snapshot per jurisdiction and domain, one version per list."""

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        log: Mailbox,
        store: Store,
        keys: KeyChanges,
        alone: bool,
        issuer: str,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._mailbox = mailbox
        self._log = log
        self._store = store
        self._keys = keys
        self._alone = alone
        self._clock = clock
        self._metrics = metrics
        self._publication = Publication(log=log, issuer=issuer, clock=clock)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Log the keys this node signs with, if they are not logged yet; then answer requests."""
        await self._keys.record()
        if self._alone:
            # In a cluster, another member may be at it.
            await self._publication.forget_staged(self._store.staging.builds())
        task_status.started()
        async for envelope in self._mailbox:
            with self._mailbox.answering(envelope):
                match envelope.request:
                    case AcceptSnapshot() as request:
                        envelope.reply(await self._accept_snapshot(request))
                    case AcceptTerms() as request:
                        envelope.reply(await self._accept_terms(request))
                    case AcceptWaiver() as request:
                        envelope.reply(await self._accept_waiver(request))
                    case AcceptDataset() as request:
                        envelope.reply(await self._accept_dataset(request))
                    case HoldDatasetBack(record, reason):
                        held_back = commands.QuarantineDataset(
                            record=record, reason=reason, at=self._clock.now()
                        )
                        await self._log.ask(Commit(held_back))
                        envelope.reply(None)
                    case Stage() as request:
                        await self._publication.stage(request)
                        envelope.reply(None)
                    case Publish() as request:
                        envelope.reply(await self._publication.publish(request))
                    case RecordBuild(build_id, state, summary):
                        noted = commands.NoteBuild(
                            build_id=build_id, state=state, at=self._clock.now(), summary=summary
                        )
                        await self._log.ask(Commit(noted))
                        envelope.reply(None)
                    case ChangeKeys() as request:
                        envelope.reply(await self._keys.change(request))
                    case RecordRefusal() as request:
                        await self._refuse(request)
                        envelope.reply(None)
                    case unknown:
                        raise TypeError(f"not a registry request: {unknown!r}")

    async def _accept_snapshot(self, request: AcceptSnapshot) -> IntakeAnswer:
        _, new = snapshot.read(request.body, max_ttl_sec=snapshot.ANY_TTL)
        if self._store.intake.snapshot_by_digest(new.policy_snapshot_hash) is not None:
            # In force or superseded: what was taken in before changes nothing.
            return IntakeAnswer(new.id, "unchanged", new.policy_snapshot_hash, None)
        held = self._store.intake.newest_snapshot(new.jurisdiction, new.domain)
        if held is not None:
            snapshot.supersedes(new, snapshot.parse(held.body))
        accepted = self._event(
            "policy_snapshot",
            subject=new.id,
            digest=new.policy_snapshot_hash,
            refs={"supersedes": held.snapshot_id} if held is not None else {},
            actor=request.actor,
            payload={"status": new.status, "source": request.source, "issuer": new.issuer},
        )
        await self._log.ask(
            Commit(
                commands.TakeSnapshot(
                    snapshot_id=new.id,
                    digest=new.policy_snapshot_hash,
                    jurisdiction=new.jurisdiction,
                    domain=new.domain,
                    version=new.version,
                    body=request.body,
                    event=event.to_bytes(accepted),
                )
            )
        )
        return IntakeAnswer(new.id, "accepted", new.policy_snapshot_hash, accepted.event_id)

    async def _accept_terms(self, request: AcceptTerms) -> IntakeAnswer:
        _, new = terms_document.read(request.body, max_ttl_sec=snapshot.ANY_TTL)
        if self._store.terms.by_digest(new.policy_snapshot_hash) is not None:
            return IntakeAnswer(new.id, "unchanged", new.policy_snapshot_hash, None)
        held = self._store.terms.newest(*new.subject)
        if held is not None:
            snapshot.supersedes(new, terms_document.parse(held.body))
        accepted = self._event(
            "terms",
            subject=new.id,
            digest=new.policy_snapshot_hash,
            refs={"supersedes": held.terms_id} if held is not None else {},
            actor=request.actor,
            payload={"status": new.status, "source": request.source, "issuer": new.issuer},
        )
        await self._log.ask(
            Commit(
                commands.TakeTerms(
                    terms_id=new.id,
                    digest=new.policy_snapshot_hash,
                    token_type=new.subject.type,
                    place=new.subject.place,
                    name=new.subject.name,
                    domain=new.domain,
                    version=new.version,
                    body=request.body,
                    event=event.to_bytes(accepted),
                )
            )
        )
        return IntakeAnswer(new.id, "accepted", new.policy_snapshot_hash, accepted.event_id)

    async def _accept_waiver(self, request: AcceptWaiver) -> IntakeAnswer:
        taken = waiver.read(request.body)
        digest = waiver.digest(request.body)
        if self._store.waivers.waiver(digest) is not None:
            return IntakeAnswer(taken.approver, "unchanged", digest, None)
        approval = self._event(
            "approval",
            subject=taken.approver,
            digest=digest,
            refs={
                "snapshot": taken.policy_snapshot_hash,
                "clauses": [clause.clause_id for clause in taken.clauses],
            },
            actor=request.actor,
            payload={"waiver": parse(request.body)},
        )
        await self._log.ask(
            Commit(
                commands.TakeWaiver(
                    digest=digest,
                    policy_snapshot_hash=taken.policy_snapshot_hash,
                    body=request.body,
                    at=self._clock.now(),
                    event=event.to_bytes(approval),
                )
            )
        )
        return IntakeAnswer(taken.approver, "accepted", digest, approval.event_id)

    async def _accept_dataset(self, request: AcceptDataset) -> IntakeAnswer:
        record = request.record
        held = self._store.intake.newest_dataset(record.name)
        if held is not None and held.raw_sha256 == record.raw_sha256:
            confirmed = commands.ConfirmDataset(
                name=record.name, raw_sha256=record.raw_sha256, at=record.retrieved_at
            )
            await self._log.ask(Commit(confirmed))
            return IntakeAnswer(record.name, "unchanged", record.content_sha256, None)
        same_content = held is not None and held.content_sha256 == record.content_sha256
        accepted = self._event(
            "dataset",
            subject=f"{record.name}:{record.version}",
            digest=record.content_sha256,
            refs={"raw": record.raw_sha256},
            actor=request.actor,
            payload={
                "provider": record.provider,
                "reader": record.reader,
                "records": record.record_count,
                "uri": record.uri,
                "signature": record.signature_state,
                **({"released": request.released} if request.released is not None else {}),
            },
        )
        filled = msgspec.structs.replace(record, event=event.to_bytes(accepted))
        await self._log.ask(Commit(filled))
        return IntakeAnswer(
            record.name,
            "unchanged" if same_content else "accepted",
            record.content_sha256,
            accepted.event_id,
        )

    async def _refuse(self, request: RecordRefusal) -> None:
        await self._log.ask(
            Commit(
                commands.RecordRefusal(
                    code=request.code,
                    subject=request.subject[:REFUSAL_CHARS],
                    digest=request.digest,
                    at=self._clock.now(),
                    detail=request.detail[:REFUSAL_CHARS],
                )
            )
        )

    def _event(self, type_: str, **members: Any) -> event.Event:  # noqa: ANN401 - passed on to make
        return event.make(type=type_, at=self._clock.now(), **members)
