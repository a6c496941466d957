"""The approvals actor when the log takes nothing: it waits, and is not restarted for that."""

from __future__ import annotations

import structlog
import trio

from rtgf_node.actors import approvals
from rtgf_node.actors.approvals import ApprovalsActor
from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import AskForApproval
from rtgf_node.actors.supervisor import Child, Supervisor
from rtgf_node.core import digests
from tests.actors.logs import AT, our_log, until


class Clock:
    at = AT

    def now(self) -> int:
        return self.at


async def test_what_nobody_decided_lapses_once_the_log_takes_it(tmp_path, monkeypatch):
    monkeypatch.setattr(approvals, "LAPSE_EVERY_SECONDS", 0.01)
    clock = Clock()
    async with our_log(tmp_path) as log, trio.open_nursery() as nursery:
        box = Mailbox("approvals", capacity=8)
        others = {name: Mailbox(name, capacity=8) for name in ("compiler", "registry")}
        actor = ApprovalsActor(
            box,
            log=log.mailbox,
            membership=Mailbox("membership", capacity=8),
            store=log.store,
            deadline_seconds=60,
            leads=lambda: True,
            clock=clock,
            **others,
        )
        supervisor = Supervisor([Child("approvals", actor.run)])
        await nursery.start(supervisor.run)
        asked = AskForApproval(("membership",), "b", digests.sha256(b"b"), b"{}", "urn:a")
        approval_id = await box.ask(asked)
        log.actor.halted = "an incident"
        with structlog.testing.capture_logs() as lines:
            clock.at = AT + 100
            await until(lambda: sum(one["event"] == "not_lapsed" for one in lines) > 6)
        log.actor.halted = None
        await until(lambda: log.store.approvals.approval(approval_id).state == "lapsed")
        assert supervisor.statistics()[0].restarts_total == 0
        nursery.cancel_scope.cancel()
