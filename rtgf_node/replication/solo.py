"""Replication on one node: whatever waits is one transaction on one writer thread.

The thread is our own, fed by a queue, because crossing to a borrowed one for every batch costs
about eight times as much when many ask at once.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import trio

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import Applied, Proposal
from rtgf_node.replication.replicator import Feed, Role
from rtgf_node.replication.state_machine import StateMachine

# Commands in one transaction: past it a commit's fixed cost is below a hundredth of the work, and
# nobody should wait longer for its answer.
MAX_BATCH_COMMANDS = 512
# Commands that may wait: at 20,000 a second, under half a second of waiting.
MAX_WAITING_COMMANDS = 8192


class _Ticket:
    """One asker's proposals and, when `done`, what they came to.

    The writer thread reads the proposals; everything else is the trio thread's.
    """

    def __init__(self, proposals: Sequence[Proposal]) -> None:
        self.proposals = tuple(proposals)
        self.applied: list[Applied] = []
        self.error: BaseException | None = None
        self.done = trio.Event()


class SoloReplicator:
    """The replicator of a node that stands alone. Always the leader, never stale.

    The writer thread starts with the first proposal and ends with `aclose`; use it in an
    `async with`.

    Attributes:
      failed: set when the store failed. The askers of that batch got the error itself; every later
        proposal is refused, and the process should end: a disk that lied once is not trusted.
      error: what failed.
    """

    def __init__(self, state_machine: StateMachine) -> None:
        self._state_machine = state_machine
        self._feed = Feed()
        self._tickets: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._waiting = 0
        self._closed = False
        self.failed = trio.Event()
        self.error: BaseException | None = None

    @property
    def feed(self) -> Feed:
        """What was applied, in order."""
        return self._feed

    @property
    def alone(self) -> bool:
        """True."""
        return True

    @property
    def leader(self) -> bool:
        """True: nobody else writes."""
        return True

    @property
    def role(self) -> Role:
        """Leader of itself."""
        return "leader"

    @property
    def waiting(self) -> int:
        """How many commands were proposed and are not answered yet."""
        return self._waiting

    def staleness_seconds(self) -> float:
        """Return 0: what is committed is here."""
        return 0.0

    async def read_barrier(self) -> None:
        """Return at once: what is committed is here."""

    async def propose(self, proposals: Sequence[Proposal]) -> list[Applied]:
        """Have commands applied in their order; see `Replicator.propose`."""
        if self._closed or self.error is not None:
            raise RtgfError(
                Code.RTGF_UNAVAILABLE, "the store takes nothing more; restart the node"
            ) from self.error
        if self._waiting + len(proposals) > MAX_WAITING_COMMANDS:
            raise RtgfError(
                Code.RTGF_OVERLOADED, f"{self._waiting} commands wait already; try again shortly"
            )
        if self._thread is None:
            # A daemon: a process that ends without `aclose` is a process that was killed, and
            # SQLite is built for that.
            self._thread = threading.Thread(
                target=self._write,
                args=(trio.lowlevel.current_trio_token(),),
                name="writer",
                daemon=True,
            )
            self._thread.start()
        ticket = _Ticket(proposals)
        self._waiting += len(ticket.proposals)
        self._tickets.put(ticket)
        await ticket.done.wait()
        if ticket.error is not None:
            raise ticket.error
        return ticket.applied

    async def aclose(self) -> None:
        """Let what was proposed be applied, then end the writer thread. Not cancelled half-way."""
        self._closed = True
        if self._thread is not None:
            self._tickets.put(None)
            await trio.to_thread.run_sync(self._thread.join)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with trio.CancelScope(shield=True):
            await self.aclose()

    def _write(self, trio_token: trio.lowlevel.TrioToken) -> None:
        closing = False
        broken: BaseException | None = None
        while not closing:
            tickets, closing = self._take()
            proposals = [proposal for ticket in tickets for proposal in ticket.proposals]
            applied: list[Applied] = []
            try:
                if broken is None and proposals:
                    applied = self._state_machine.apply_batch(proposals)
            except BaseException as error:  # noqa: BLE001  raised in the askers, on their thread
                broken = error
            try:
                trio_token.run_sync_soon(self._answer, tickets, applied, broken)
            except trio.RunFinishedError:
                return

    def _take(self) -> tuple[list[_Ticket], bool]:
        """Wait for a ticket, then take all that wait with it, up to a batch."""
        tickets: list[_Ticket] = []
        commands = 0
        ticket = self._tickets.get()
        while ticket is not None:
            tickets.append(ticket)
            commands += len(ticket.proposals)
            if commands >= MAX_BATCH_COMMANDS:
                return tickets, False
            try:
                ticket = self._tickets.get_nowait()
            except queue.Empty:
                return tickets, False
        return tickets, True

    def _answer(
        self, tickets: Sequence[_Ticket], applied: list[Applied], failure: BaseException | None
    ) -> None:
        """On the trio thread: the feed first, then the askers."""
        if failure is not None:
            self.error = failure
            self.failed.set()
        self._feed.publish(applied)
        start = 0
        for ticket in tickets:
            end = start + len(ticket.proposals)
            self._waiting -= len(ticket.proposals)
            ticket.applied, ticket.error = applied[start:end], failure
            ticket.done.set()
            start = end
