"""The approvals actor: what takes two persons waits here, and is done when the second agrees.

Whoever asks does not approve. What waits, and what was said, is in the log and in the store: a
restart loses neither, and what was settled just before a crash is done after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import msgspec
import structlog
import trio

from rtgf_node.actors.issuing import WAITING
from rtgf_node.actors.mailbox import Envelope, Mailbox
from rtgf_node.actors.messages import (
    AskForApproval,
    ChangeKeys,
    ChangeMembership,
    Commit,
    Settle,
    SettleBuild,
)
from rtgf_node.core import event, times
from rtgf_node.core.canonical_json import canonical_bytes, parse_object
from rtgf_node.core.clock import Clock
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys.key_change import KeyAct
from rtgf_node.keys.key_files import sequence_of
from rtgf_node.replication import commands
from rtgf_node.store import Store
from rtgf_node.store.approval_store import ApprovalRow, ApprovalState
from rtgf_node.store.registry_store import BuildRow
from rtgf_node.wire.approvals import ApprovalAnswer

log = structlog.get_logger(__name__)

LAPSE_EVERY_SECONDS = 5.0
"""How late it may be noted that a deadline has passed. Nobody can approve after it in any case."""


MEMBERSHIP = "membership"
"""The act that is a change of who is in the cluster."""

KEY_ACTS = get_args(KeyAct)
"""Acts that are changes of keys."""


class ApprovalsActor:
    """Owns what waits for a second person.

    Args:
      compiler: publishes the builds that were approved.
      membership: makes the changes of the cluster that were approved.
      registry: puts the changes of keys into force that were approved.
      deadline_seconds: how long a request may wait.
      leads: whether this node does now what one node of a cluster does for all.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        log: Mailbox,
        compiler: Mailbox,
        registry: Mailbox,
        membership: Mailbox,
        store: Store,
        deadline_seconds: int,
        leads: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._mailbox = mailbox
        self._leads = leads
        self._log = log
        self._compiler = compiler
        self._registry = registry
        self._membership = membership
        self._store = store
        self._deadline_seconds = deadline_seconds
        self._clock = clock

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer requests and let lapse what is over, until cancelled."""
        task_status.started()
        led = False
        while True:
            leads = self._leads()
            if leads and not led:
                await self._finish_what_was_settled()
            led = leads
            envelope: Envelope | None = None
            with trio.move_on_after(LAPSE_EVERY_SECONDS):
                envelope = await self._mailbox.receive()
            if envelope is not None:
                await self._serve(envelope)
            if led:
                await self._let_lapse()

    async def _let_lapse(self) -> None:
        now = self._clock.now()
        for row in self._store.approvals.waiting():
            if row.deadline <= now:
                try:
                    await self._settle(row, "lapsed", by=None, reason="nobody decided in time")
                except RtgfError as error:
                    # The log takes nothing now, or somebody decided at the last moment elsewhere.
                    log.warning("not_lapsed", approval_id=row.approval_id, detail=error.detail)

    async def _finish_what_was_settled(self) -> None:
        """Carry out what was settled by a run, here or elsewhere, that ended before it could."""
        for row in self._store.approvals.newest():
            build = self._store.registry.build(row.subject)
            waits = build is not None and build.state == WAITING
            if waits and row.state != WAITING and self._has_what_was_built(build):
                await self._carry_out(row)
            if row.acts in KEY_ACTS and row.state == "approved" and self._is_ahead(row):
                await self._carry_out(row)

    async def _serve(self, envelope: Envelope) -> None:
        with self._mailbox.answering(envelope):
            match envelope.request:
                case AskForApproval() as asked:
                    envelope.reply(await self._ask(asked))
                case Settle(approval_id, state, reason, actor):
                    row = self._store.approvals.approval(approval_id)
                    if row is None:
                        raise RtgfError(
                            Code.RTGF_NOT_FOUND,
                            "no such request for approval; rtgf approvals list shows them",
                        )
                    if row.acts == MEMBERSHIP and state == "approved" and not self._leads():
                        raise RtgfError(
                            Code.RTGF_CONFLICT,
                            "changes of members are approved on the node that leads; see "
                            "`rtgf cluster status`",
                        )
                    settled = await self._settle(row, state, by=actor, reason=reason)
                    envelope.reply(answer(settled))
                case unknown:
                    raise TypeError(f"not a request about approvals: {unknown!r}")

    async def _ask(self, asked: AskForApproval) -> str:
        acts, now = " ".join(asked.acts), self._clock.now()
        held = self._store.approvals.waiting_for(acts, asked.digest)
        if held is not None:
            return held.approval_id
        deadline = now + self._deadline_seconds
        made = event.make(
            type="approval",
            at=now,
            subject=asked.subject,
            digest=asked.digest,
            refs={},
            actor=asked.actor,
            payload={
                "outcome": "asked",
                "acts": list(asked.acts),
                "deadline": times.to_text(deadline),
            },
        )
        approval_id = made.event_id.rpartition(":")[2]
        await self._log.ask(
            Commit(
                commands.AskApproval(
                    approval_id=approval_id,
                    acts=acts,
                    subject=asked.subject,
                    digest=asked.digest,
                    request=asked.request,
                    asked_by=asked.actor,
                    asked_at=now,
                    deadline=deadline,
                    event=event.to_bytes(made),
                )
            )
        )
        log.info("approval_asked", approval_id=approval_id, acts=acts, subject=asked.subject)
        return approval_id

    async def _settle(
        self, row: ApprovalRow, state: ApprovalState, *, by: str | None, reason: str
    ) -> ApprovalRow:
        now = self._clock.now()
        made = event.make(
            type="approval",
            at=now,
            subject=row.subject,
            digest=row.digest,
            refs={"asked": f"evt:approval:{times.to_text(row.asked_at)}:{row.approval_id}"},
            actor=by or "deadline",
            payload={"outcome": state, "acts": [*row.acts.split(" ")], "reason": reason},
        )
        await self._log.ask(
            Commit(
                commands.SettleApproval(
                    approval_id=row.approval_id,
                    state=state,
                    by=by,
                    at=now,
                    reason=reason,
                    event=event.to_bytes(made),
                )
            )
        )
        log.info("approval_settled", approval_id=row.approval_id, state=state, actor=by)
        settled = self._store.approvals.approval(row.approval_id) or row
        await self._carry_out(settled)
        return settled

    def _has_what_was_built(self, build: BuildRow | None) -> bool:
        """Whether it was built here: another member publishes its own."""
        digest = None if build is None else build.manifest_digest
        return digest is None or self._store.objects.has(digest)

    def _is_ahead(self, row: ApprovalRow) -> bool:
        """Whether a change of keys was approved and not done before the node stopped."""
        asked = msgspec.json.decode(row.request, type=ChangeKeys)
        held = self._store.keys.documents()
        manifest = canonical_bytes(parse_object(asked.signed)["manifest"])
        return held is None or sequence_of(manifest) > sequence_of(held.manifest)

    async def _carry_out(self, row: ApprovalRow) -> None:
        try:
            if row.acts == MEMBERSHIP:
                if row.state == "approved":
                    wanted = msgspec.json.decode(row.request, type=ChangeMembership)
                    await self._membership.ask(
                        msgspec.structs.replace(wanted, approver=row.settled_by)
                    )
                return
            if row.acts in KEY_ACTS:
                if row.state == "approved":
                    asked = msgspec.json.decode(row.request, type=ChangeKeys)
                    await self._registry.ask(
                        msgspec.structs.replace(asked, approver=row.settled_by)
                    )
                return
            await self._compiler.ask(
                SettleBuild(
                    build_id=row.subject,
                    state=row.state,
                    by=row.settled_by,
                    reason=row.reason or "",
                    request=row.request,
                )
            )
        except RtgfError as error:
            # Settled it is; the build says why it is not published, and can be made again.
            log.error("approved_not_done", approval_id=row.approval_id, detail=str(error))


def answer(row: ApprovalRow) -> ApprovalAnswer:
    """Return a request for approval as it goes over the wire."""
    settled = None if row.settled_at is None else times.to_text(row.settled_at)
    return ApprovalAnswer(
        approval_id=row.approval_id,
        acts=row.acts.split(" "),
        subject=row.subject,
        digest=row.digest,
        state=row.state,
        asked_by=row.asked_by,
        asked_at=times.to_text(row.asked_at),
        deadline=times.to_text(row.deadline),
        settled_by=row.settled_by,
        settled_at=settled,
        reason=row.reason,
    )
