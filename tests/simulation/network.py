"""A network in memory that loses, repeats, delays and reorders messages, and that can be cut."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable, Sequence

import trio

from rtgf_node.replication.raftcore.wire import MessageKind, message_head
from rtgf_node.replication.transport import Inbox
from tests.simulation.scenario import Weather
from tests.simulation.trace import Trace

LEADS = frozenset({MessageKind.APPEND, MessageKind.HEARTBEAT, MessageKind.SNAPSHOT})
"""What only a leader says."""

GRID_SECONDS = 0.002
"""Messages arrive at multiples of it."""


class Network:
    """Between all members.

    Attributes:
      boxes: who hears, by Raft id; a dead node hears nothing.
      cut: pairs (from, to) between which nothing passes; one-way cuts are one pair.
      leaders: who led in which term, by what was sent.
      voted: hears whose vote has just left; it may end the sender there.
    """

    def __init__(self, chance: random.Random, weather: Weather, trace: Trace) -> None:
        self.weather = weather
        self.boxes: dict[int, Inbox] = {}
        self.cut: set[tuple[int, int]] = set()
        self.leaders: dict[int, int] = {}
        self.voted: Callable[[int], None] = lambda _raft_id: None
        self._chance = chance
        self._trace = trace
        self._numbers = itertools.count()
        self._on_the_way: list[tuple[float, int, int, int, bytes]] = []
        self._next_at = math.inf
        self._earlier = trio.Event()
        self._last_at: dict[tuple[int, int], float] = {}

    def end(self, sender: int) -> End:
        """Return the transport of a member."""
        return End(self, sender)

    def reaches(self, one: int, other: int) -> bool:
        """Say whether two live members can talk both ways."""
        pairs = {(one, other), (other, one)}
        return one in self.boxes and other in self.boxes and not self.cut & pairs

    def send(self, sender: int, to: int, messages: Sequence[bytes]) -> bool:
        """Put messages on their way, or not."""
        weather, chance, trace = self.weather, self._chance, self._trace
        gone = to not in self.boxes or (sender, to) in self.cut
        if gone and chance.random() < 0.5:
            # The connection is known to be broken; else they are lost without a word.
            return False
        for message in messages:
            head = message_head(message)
            trace.note("send", sender, to, head.kind, head.term, len(message))
            if (head.from_, head.to) != (sender, to):
                # A listener would refuse it and end the connection.
                trace.violation(f"{sender} sends {to} what {head.from_} says to {head.to}")
            if head.kind in LEADS:
                leader = self.leaders.setdefault(head.term, head.from_)
                if leader != head.from_:
                    trace.violation(f"{leader} and {head.from_} both lead in term {head.term}")
            if chance.random() < weather.loss:
                trace.fault("message lost")
                continue
            self._post(sender, to, message)
            if chance.random() < weather.repeats:
                trace.fault("message repeated")
                self._post(sender, to, message)
            if head.kind == MessageKind.VOTE_ANSWER:
                self.voted(sender)
        return True

    def _post(self, sender: int, to: int, message: bytes) -> None:
        weather, chance = self.weather, self._chance
        at = trio.current_time() + weather.delay * (0.5 + chance.random())
        if chance.random() < weather.late:
            self._trace.fault("message delayed")
            at += chance.random() * weather.late_seconds
        elif not weather.reorders:
            at = self._last_at[sender, to] = max(at, self._last_at.get((sender, to), 0.0))
        # On a grid, so that the clock stops less often.
        at = math.ceil(at / GRID_SECONDS) * GRID_SECONDS
        heapq.heappush(self._on_the_way, (at, next(self._numbers), sender, to, message))
        if at < self._next_at:
            self._earlier.set()

    async def run(self) -> None:
        """Deliver, until cancelled."""
        while True:
            self._earlier = trio.Event()
            self._next_at = self._on_the_way[0][0] if self._on_the_way else math.inf
            with trio.move_on_at(self._next_at):
                await self._earlier.wait()
            now = trio.current_time()
            while self._on_the_way and self._on_the_way[0][0] <= now:
                _, _, sender, to, message = heapq.heappop(self._on_the_way)
                box = self.boxes.get(to)
                if box is not None and (sender, to) not in self.cut:
                    self._trace.seen["message"] += 1
                    box.receive(sender, message)


class End:
    """One member's transport."""

    def __init__(self, network: Network, sender: int) -> None:
        self._network = network
        self._sender = sender

    def send(self, to: int, messages: Sequence[bytes]) -> bool:
        """Send to a member; see `Transport`."""
        return self._network.send(self._sender, to, messages)
