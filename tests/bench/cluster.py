"""Three members on one machine, over mutual TLS, each commit synced: writes, and what a loss costs.

Appends are measured on members without HTTP, which make their load on themselves; everything else
on whole nodes (`cluster_nodes`). All share the cores of this machine with whoever asks.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from rtgf_node.replication.raftcore import core
from tests.bench import cluster_nodes
from tests.bench.appends import Bare, Events
from tests.bench.cluster_member import Way
from tests.bench.cluster_processes import Process, Processes
from tests.bench.measure import Row, Skipped, percentile, rate, ratio, text

IN_FLIGHT = 128
EVENTS, QUICK_EVENTS = 6000, 1500
"""Of one slice; one to two seconds."""
SEQUENTIAL, QUICK_SEQUENTIAL = 150, 50
"""The same with one in flight."""
WAYS: dict[Way, str] = {
    "replicator": "by the replicator",
    "index": "through the log actor, the index in the answer",
    "proof": "through the log actor, its proof in the answer",
}


class Contender(NamedTuple):
    """Who is asked, and in which way."""

    member: Process
    way: Way


class Slices:
    """What the slices of one contender took.

    Attributes:
      seconds: an event, of each slice.
      each: of every answer.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.each: list[float] = []

    def add(self, seconds: float, each: list[float]) -> None:
        """Take in one more."""
        self.seconds.append(seconds / len(each))
        self.each = sorted(self.each + each)

    def times(self) -> str:
        """Return the percentiles of the answers."""
        return ", ".join(
            f"{name} {text(percentile(self.each, share))}"
            for name, share in (("p50", 0.5), ("p99", 0.99))
        )


def measure(*, quick: bool) -> Iterator[Row | Skipped]:
    """Yield the rows."""
    if not core.available():
        yield Skipped("a cluster of three", "this checkout has no Raft core")
        return
    events = Events()
    with (
        tempfile.TemporaryDirectory(prefix="rtgf-bench-") as name,
        closing(Bare(Path(name), events)) as bare,
        Processes(Path(name)) as processes,
    ):
        alone = processes.alone()
        processes.begin()
        for _ in range(2):
            processes.join()
        many = QUICK_EVENTS if quick else EVENTS
        few = QUICK_SEQUENTIAL if quick else SEQUENTIAL
        loads = [
            Load(bare, events, in_flight, count, rounds=2 if quick else 5)
            for in_flight, count in ((IN_FLIGHT, many), (1, few))
        ]
        for load in loads:
            yield from _rows(load, "replicator", alone, processes)
        for member in (alone, *processes.members):
            member.ask("sign")
        for way in ("index", "proof"):
            yield from _rows(loads[0], way, alone, processes)
    yield from cluster_nodes.measure(quick=quick)


class Load:
    """Slices of one size, of everyone in turn."""

    def __init__(
        self, bare: Bare, events: Events, in_flight: int, count: int, *, rounds: int
    ) -> None:
        self.in_flight = in_flight
        self._bare = bare
        self._events = events
        self._count = count
        self._rounds = rounds
        self._first = 1_000_000 * in_flight

    def run(self, contenders: list[Contender]) -> tuple[list[Slices], list[float]]:
        """Return what the contenders took, and what an event took bare SQLite in each round."""
        found = [Slices() for _ in contenders]
        floor: list[float] = []
        for number in range(self._rounds):
            places = range(len(contenders))
            for place in places if number % 2 == 0 else reversed(places):
                found[place].add(*self._slice(contenders[place]))
            floor.append(self._floor())
        return found, floor

    def _slice(self, contender: Contender) -> tuple[float, list[float]]:
        told = contender.member.ask(
            "load",
            through=contender.way,
            in_flight=self.in_flight,
            count=self._count,
            first=self._first,
        )
        self._first += self._count
        return told["seconds"], told["each"]

    def _floor(self) -> float:
        self._events.prepare(self._count)
        began = time.perf_counter()
        self._bare.append(self.in_flight, self._count)
        return (time.perf_counter() - began) / self._count


def _rows(load: Load, way: Way, alone: Process, processes: Processes) -> Iterator[Row]:
    askers = [Contender(member, way) for member in (*processes.by_role(), alone)]
    (led, followed, solo), floor = load.run(askers)
    base = f"{load.in_flight} rows a commit" if load.in_flight > 1 else "a row a commit"
    bare = f"bare SQLite, FULL, {base}: {rate(statistics.median(floor))}"
    for found, where in ((led, "on the leader"), (followed, "on a follower")):
        yield Row(
            f"three members, appends {WAYS[way]}, {load.in_flight} in flight {where}",
            f"{rate(statistics.median(found.seconds))}; {found.times()}",
            f"a node alone: {rate(statistics.median(solo.seconds))}; {solo.times()}; {bare}",
            ratio(found.seconds, solo.seconds),
        )
