"""From the signed tokens of a build to the commands that log and serve them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import structlog
import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Commit, Publish, Stage
from rtgf_node.core import digests, event, identifiers, manifest, status_list, times, tokens
from rtgf_node.core.clock import Clock
from rtgf_node.core.tokens import Token
from rtgf_node.errors import RtgfError
from rtgf_node.replication.build_commands import PublishBuild, StageTokens
from rtgf_node.replication.commands import Outcome
from rtgf_node.replication.issue_event import token_issued
from rtgf_node.store.registry_store import TokenRow

log = structlog.get_logger(__name__)


class Publication:
    """What the registry does for builds."""

    def __init__(self, *, log: Mailbox, issuer: str, clock: Clock) -> None:
        self._log = log
        self._issuer = issuer
        self._clock = clock

    async def forget_staged(self, build_ids: Iterable[str]) -> None:
        """Drop what a crash left staged of these builds; nobody goes on with it."""
        for build_id in build_ids:
            try:
                await self._log.ask(Commit(StageTokens(build_id, 0, ())))
            except RtgfError as error:
                # A log that takes nothing is for its own actor to tell; nobody sees what is staged.
                log.warning("staged_tokens_stay", build_id=build_id, detail=str(error))

    async def stage(self, request: Stage) -> None:
        """Have tokens kept until their build is published."""
        rows = await _rows(request.tokens)
        await self._log.ask(Commit(StageTokens(request.build_id, request.first, tuple(rows))))

    async def publish(self, request: Publish) -> Outcome:
        """Log a build and its tokens and serve them, all or nothing."""
        now = self._clock.now()
        manifest_digest = digests.sha256(request.manifest)
        # What went in stands in the manifest: an IMT's own snapshot digest is that of the two
        # merged, which nobody signed and no event records.
        inputs = manifest.parse(request.manifest).inputs
        stated = sorted({t.policy_snapshot_hash for t in inputs.terms})
        built = _event(
            "build",
            at=now,
            subject=request.build_id,
            digest=manifest_digest,
            refs={
                "snapshots": sorted({s.policy_snapshot_hash for s in inputs.snapshots}),
                "datasets": sorted({d.content_sha256 for d in inputs.datasets}),
                **({"terms": stated} if stated else {}),
            },
            actor=request.actor,
            payload={"tokens": request.staged + len(request.tokens)},
        )
        approvals = [
            _event(
                "approval",
                at=now,
                subject=f"{conflict['corridor']}:{conflict['domain']}",
                digest=digests.of_document(conflict),
                refs={"build": request.build_id},
                actor=request.approver,
                payload={"accepted": "the stricter rule of each conflict"},
            )
            for conflict in request.accepted_conflicts
        ]
        rows = await _rows(request.tokens)
        issued = [
            token_issued(row, build_id=request.build_id, at=now, issuer=self._issuer)
            for row in rows
        ]
        command = PublishBuild(
            build_id=request.build_id,
            manifest_digest=manifest_digest,
            at=now,
            events=(built, *issued),
            tokens=tuple(rows),
            rev_epoch=inputs.rev_epoch,
            approvals=tuple(approvals),
            summary=request.summary,
            staged=request.staged,
            issuer=self._issuer,
        )
        return await self._log.ask(Commit(command))


async def _rows(bodies: Iterable[bytes]) -> list[TokenRow]:
    rows = []
    for body in bodies:
        # Hundreds in a row: others get their turn, and no more than one is held read.
        await trio.lowlevel.checkpoint()
        rows.append(_row(tokens.parse(body), body))
    return rows


def _row(token: Token, body: bytes) -> TokenRow:
    name = identifiers.split_token_id(token.token_id)
    return TokenRow(
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


def _event(type_: str, **members: Any) -> bytes:  # noqa: ANN401 - passed on to make
    return event.to_bytes(event.make(type=type_, **members))
