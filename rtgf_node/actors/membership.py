"""The membership actor: changes of who is in the cluster, each in the log before it is made."""

from __future__ import annotations

import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import ChangeMembership, Commit
from rtgf_node.core import digests, event
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.clock import Clock
from rtgf_node.errors import RtgfError
from rtgf_node.place import Place
from rtgf_node.replication import commands
from rtgf_node.wire.cluster import MembershipAnswer


class MembershipActor:
    """Owns changes of members, one at a time.

    Args:
      origin: the log's, whose members they are.
    """

    def __init__(
        self, mailbox: Mailbox, *, log: Mailbox, place: Place, origin: str, clock: Clock
    ) -> None:
        self._mailbox = mailbox
        self._log = log
        self._place = place
        self._origin = origin
        self._clock = clock

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Make the changes that are asked for, until cancelled."""
        task_status.started()
        async for envelope in self._mailbox:
            with self._mailbox.answering(envelope):
                match envelope.request:
                    case ChangeMembership() as asked:
                        envelope.reply(await self._change(asked))
                    case unknown:
                        raise TypeError(f"not a request about members: {unknown!r}")

    async def _change(self, asked: ChangeMembership) -> MembershipAnswer:
        place, seat = self._place, None
        place.expect(None if asked.act == "add" else asked.name)
        await self._note(asked, {"outcome": "begun"})
        try:
            match asked.act:
                case "add":
                    seat = await place.add(asked.name, asked.address)
                case "promote":
                    await place.promote(asked.name)
                case "remove":
                    await place.remove(asked.name)
        except RtgfError as error:
            await self._note(asked, {"outcome": error.code.name})
            raise
        return MembershipAnswer(state="done", approval_id=None, cluster=place.shown(), seat=seat)

    async def _note(self, asked: ChangeMembership, more: dict[str, JsonValue]) -> None:
        refs: dict[str, str | list[str]] = {}
        if asked.approver is not None:
            refs["approver"] = asked.approver
        payload: dict[str, JsonValue] = {"act": asked.act, "address": asked.address, **more}
        made = event.make(
            type="membership",
            at=self._clock.now(),
            subject=asked.name,
            digest=digests.of_document({"cluster": self._origin, "name": asked.name, **payload}),
            refs=refs,
            actor=asked.actor,
            payload=payload,
        )
        await self._log.ask(Commit(commands.AppendEvents(events=(event.to_bytes(made),))))
