"""The registry actor: which snapshots, lists and tokens the node holds, and the keys it signs with.

It decides what supersedes what, and turns each acceptance into one command for the log: the thing
and the event that says so are durable together or not at all.
"""

from __future__ import annotations

from typing import Any

import msgspec
import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import (
    AcceptDataset,
    AcceptSnapshot,
    Commit,
    HoldDatasetBack,
    Publish,
    RecordRefusal,
)
from rtgf_node.core import (
    digests,
    event,
    identifiers,
    manifest,
    snapshot,
    status_list,
    times,
    tokens,
)
from rtgf_node.core.clock import Clock
from rtgf_node.core.tokens import Token
from rtgf_node.key_files import KeyFiles
from rtgf_node.replication import commands
from rtgf_node.replication.commands import Outcome
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
        key_files: KeyFiles,
        issuer: str,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._mailbox = mailbox
        self._log = log
        self._store = store
        self._key_files = key_files
        self._issuer = issuer
        self._clock = clock
        self._metrics = metrics

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Log the keys this node signs with, if they are not logged yet; then answer requests."""
        await self._record_keys()
        task_status.started()
        async for envelope in self._mailbox:
            with self._mailbox.answering(envelope):
                match envelope.request:
                    case AcceptSnapshot() as request:
                        envelope.reply(await self._accept_snapshot(request))
                    case AcceptDataset() as request:
                        envelope.reply(await self._accept_dataset(request))
                    case HoldDatasetBack(record, reason):
                        held_back = commands.QuarantineDataset(
                            record=record, reason=reason, at=self._clock.now()
                        )
                        await self._log.ask(Commit(held_back))
                        envelope.reply(None)
                    case Publish() as request:
                        envelope.reply(await self._publish(request))
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

    async def _publish(self, request: Publish) -> Outcome:
        manifest_digest = digests.sha256(request.manifest)
        # What went in stands in the manifest: an IMT's own snapshot digest is that of the two
        # merged, which nobody signed and no event records.
        inputs = manifest.parse(request.manifest).inputs
        issued = [(tokens.parse(body), body) for body in request.tokens]
        events = [
            self._event(
                "build",
                subject=request.build_id,
                digest=manifest_digest,
                refs={
                    "snapshots": sorted({s.policy_snapshot_hash for s in inputs.snapshots}),
                    "datasets": sorted({d.content_sha256 for d in inputs.datasets}),
                },
                actor=request.actor,
                payload={"tokens": len(issued)},
            )
        ]
        approvals = [
            self._event(
                "approval",
                subject=f"{conflict['corridor']}:{conflict['domain']}",
                digest=digests.of_document(conflict),
                refs={"build": request.build_id},
                actor=request.actor,
                payload={"accepted": "the stricter rule of each conflict"},
            )
            for conflict in request.accepted_conflicts
        ]
        rows = []
        for token, body in issued:
            issue = self._event(
                "token_issue",
                subject=token.token_id,
                digest=token.canonical_hash,
                refs={"build": request.build_id, "derived_from": list(token.derived_from)},
                actor=self._issuer,
                payload={"jti": token.jti, "exp": token.effective.exp},
            )
            events.append(issue)
            rows.append(_row(token, body))
        command = commands.PublishBuild(
            build_id=request.build_id,
            manifest_digest=manifest_digest,
            at=self._clock.now(),
            events=tuple(event.to_bytes(entry) for entry in events),
            tokens=tuple(rows),
            rev_epoch=inputs.rev_epoch,
            approvals=tuple(event.to_bytes(approval) for approval in approvals),
        )
        return await self._log.ask(Commit(command))

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

    async def _record_keys(self) -> None:
        """Log the root-signed key manifest and JWKS that the operator put in place."""
        jwks = self._key_files.jwks
        held = self._store.keys.documents()
        if held is not None and held.jwks == jwks:
            return
        root, manifest_digest = self._key_files.root_kid, digests.sha256(self._key_files.manifest)
        key_events = [
            self._event(
                "key_event",
                subject=key.kid,
                digest=digests.sha256(key.public),
                refs={"manifest": manifest_digest},
                actor=root,
                payload={"act": "enrolled", "purpose": key.purpose},
            )
            for key in self._key_files.keys
        ]
        published = self._event(
            "jwks_publish",
            subject=self._issuer,
            digest=digests.sha256(jwks),
            refs={"manifest": manifest_digest},
            actor=root,
            payload={},
        )
        await self._log.ask(
            Commit(
                commands.RecordKeys(
                    manifest=self._key_files.manifest,
                    jwks=jwks,
                    jwks_jws=self._key_files.jwks_jws,
                    keys=self._key_files.keys,
                    events=tuple(event.to_bytes(e) for e in [*key_events, published]),
                )
            )
        )

    def _event(self, type_: str, **members: Any) -> event.Event:  # noqa: ANN401 - passed on to make
        return event.make(type=type_, at=self._clock.now(), **members)


def _row(token: Token, body: bytes) -> commands.TokenRow:
    name = identifiers.split_token_id(token.token_id)
    return commands.TokenRow(
        token_id=token.token_id,
        jti=token.jti,
        type=token.type,
        place=name.place,
        name=name.name,
        version=name.version,
        issue=name.issue or 0,
        canonical_hash=token.canonical_hash,
        nbf=times.parse(token.effective.nbf),
        exp=times.parse(token.effective.exp),
        body=body,
        status_list=status_list.number_of(token.revocation.status_list.uri),
        status_idx=token.revocation.status_list.idx,
        parents=tuple(token.derived_from),
    )
