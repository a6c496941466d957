"""Commands on their way: which wait, which were proposed, and which must be proposed again.

All that waits goes into one entry. Several entries are under way at once. An entry may be lost
without a word, with a leader or with a message; then the same commands are proposed again under the
same numbers, which the state machine applies once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import trio

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import Applied, Proposal
from rtgf_node.replication.raft_entries import (
    FULL_ENTRY_BYTES,
    MAX_ENTRY_COMMANDS,
    encode,
    encode_proposal,
)

MAX_WAITING_COMMANDS: Final = 8192
"""Commands that may wait or be under way: at 4,000 a second, two seconds of waiting."""
MAX_WAITING_BYTES: Final = 128 << 20
"""The same in bytes."""
MAX_FLIGHTS: Final = 32
"""Entries under way: at 10 ms there and back, three of them a millisecond."""
GIVE_UP_SECONDS: Final = 10.0
"""How long a command is proposed again, before its asker hears that nobody knows."""

Number = tuple[str, int]


class Ticket:
    """One asker's commands and, when `done`, what they came to."""

    def __init__(self, proposals: Sequence[Proposal], deadline: float) -> None:
        """Encode the commands.

        Raises:
          RtgfError: RTGF_BODY_TOO_LARGE if one cannot travel.
        """
        self.numbers = [(proposal.client_id, proposal.seq) for proposal in proposals]
        self.encoded = [encode_proposal(proposal) for proposal in proposals]
        self.deadline = deadline
        self.bytes = sum(map(len, self.encoded))
        self.proposed = 0
        self.applied: dict[Number, Applied] = {}
        self.error: BaseException | None = None
        self.done = trio.Event()


class _Flight:
    """One entry under way, and the tickets whose commands it carries."""

    def __init__(self, entry: bytes, numbers: set[Number]) -> None:
        self.entry = entry
        self.open = numbers
        self.proposed_at = 0.0
        self.reign = -1


class ProposalQueue:
    """The tickets of one node, in their order.

    The commands of a ticket are applied in their order: those that do not fit into one entry wait
    until the ones before them are applied.
    """

    def __init__(self, *, retry_seconds: float) -> None:
        """Begin empty; what was not applied for `retry_seconds` is proposed again."""
        self._retry_seconds = retry_seconds
        self._queued: deque[Ticket] = deque()
        self._tickets: dict[Number, list[Ticket]] = {}
        self._flights: list[_Flight] = []
        self._carried: dict[Number, _Flight] = {}
        self._commands = 0
        self._bytes = 0

    @property
    def waiting(self) -> int:
        """How many commands are not answered yet."""
        return self._commands

    def add(self, proposals: Sequence[Proposal], now: float) -> Ticket:
        """Take an asker's commands in.

        Raises:
          RtgfError: RTGF_OVERLOADED if too much waits, RTGF_BODY_TOO_LARGE if one cannot travel.
        """
        ticket = Ticket(proposals, now + GIVE_UP_SECONDS)
        if (
            self._commands + len(proposals) > MAX_WAITING_COMMANDS
            or self._bytes + ticket.bytes > MAX_WAITING_BYTES
        ):
            raise RtgfError(
                Code.RTGF_OVERLOADED, f"{self._commands} commands wait already; try again shortly"
            )
        self._commands += len(ticket.numbers)
        self._bytes += ticket.bytes
        for number in ticket.numbers:
            self._tickets.setdefault(number, []).append(ticket)
        if ticket.numbers:
            self._queued.append(ticket)
        else:
            ticket.done.set()
        return ticket

    def propose(
        self, now: float, reign: int, *, leads: bool, offer: Callable[[bytes], bool]
    ) -> None:
        """Hand to the core what is due.

        Args:
          now: the time.
          reign: a number that changes with every change of leader.
          leads: whether this node leads; what a leader has taken in it does not lose while it
            leads.
          offer: hands one entry to the core; False if it is not taken now.
        """
        for flight in self._flights:
            lost = flight.reign != reign or (
                not leads and now - flight.proposed_at >= self._retry_seconds
            )
            if lost and not self._offer(flight, now, reign, offer):
                return
        while self._queued and len(self._flights) < MAX_FLIGHTS:
            flight = self._load()
            if not flight.open:
                continue
            self._flights.append(flight)
            if not self._offer(flight, now, reign, offer):
                return

    def settle(self, proposals: Sequence[Proposal], applied: Sequence[Applied]) -> None:
        """Answer those whose commands were applied, by whomever they were proposed."""
        for proposal, result in zip(proposals, applied, strict=True):
            number = (proposal.client_id, proposal.seq)
            flight = self._carried.pop(number, None)
            if flight is not None:
                flight.open.discard(number)
                if not flight.open:
                    self._flights.remove(flight)
            for ticket in self._tickets.pop(number, ()):
                ticket.applied[number] = result
                if len(ticket.applied) == len(ticket.numbers):
                    self._end(ticket, None)
                elif ticket.proposed == len(ticket.applied):
                    # Before all that came after it.
                    self._queued.appendleft(ticket)

    def expire(self, now: float) -> None:
        """Give up what was under way for too long; whether it was applied is not known."""
        late = {id(one): one for many in self._tickets.values() for one in many}
        for ticket in late.values():
            if now >= ticket.deadline:
                self._abandon(
                    ticket,
                    RtgfError(
                        Code.RTGF_UNAVAILABLE,
                        f"no majority took it in within {GIVE_UP_SECONDS:g} s; it may still be "
                        "applied, ask for the same again to know",
                    ),
                )

    def fail(self, error: BaseException) -> None:
        """End everything with an error."""
        for ticket in {id(one): one for many in self._tickets.values() for one in many}.values():
            self._abandon(ticket, error)

    def _load(self) -> _Flight:
        """Put what waits into one entry, whole tickets as far as they fit."""
        parts: list[bytes] = []
        numbers: set[Number] = set()
        size = 0
        while self._queued and len(parts) < MAX_ENTRY_COMMANDS and size < FULL_ENTRY_BYTES:
            ticket = self._queued.popleft()
            while ticket.proposed < len(ticket.numbers):
                part, number = ticket.encoded[ticket.proposed], ticket.numbers[ticket.proposed]
                full = len(parts) >= MAX_ENTRY_COMMANDS or size + len(part) > FULL_ENTRY_BYTES
                if parts and full:
                    break
                ticket.proposed += 1
                if number not in self._carried:
                    parts.append(part)
                    numbers.add(number)
                    size += len(part)
            else:
                continue
            if ticket.proposed == len(ticket.applied):
                # Nothing of it fits: it begins the next entry.
                self._queued.appendleft(ticket)
            break
        flight = _Flight(encode(parts), numbers)
        self._carried |= dict.fromkeys(numbers, flight)
        return flight

    def _offer(
        self, flight: _Flight, now: float, reign: int, offer: Callable[[bytes], bool]
    ) -> bool:
        if not offer(flight.entry):
            return False
        flight.proposed_at, flight.reign = now, reign
        return True

    def _abandon(self, ticket: Ticket, error: BaseException) -> None:
        for number in ticket.numbers:
            others = [one for one in self._tickets.pop(number, ()) if one is not ticket]
            if others:
                self._tickets[number] = others
                continue
            flight = self._carried.pop(number, None)
            if flight is not None:
                flight.open.discard(number)
                if not flight.open:
                    self._flights.remove(flight)
        if ticket in self._queued:
            self._queued.remove(ticket)
        self._end(ticket, error)

    def _end(self, ticket: Ticket, error: BaseException | None) -> None:
        self._commands -= len(ticket.numbers)
        self._bytes -= ticket.bytes
        ticket.error = error
        ticket.done.set()
