"""Durable appends through the log, against bare SQLite commits of the same rows.

Throughput is that of the log actor as a node has it: with the index as the answer, given when the
entry is durable, and with the proof bundle, given when a durable signed head covers it too. The
baseline is one `executemany` and one FULL commit of as many rows as are in flight, in the same
table of a database of its own: what any log on SQLite must pay.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import trio

from rtgf_node.actors.log import LogActor
from rtgf_node.actors.mailbox import Mailbox, Request
from rtgf_node.actors.messages import Commit, CommitProved
from rtgf_node.core import digests, event
from rtgf_node.core.keys import SeedSigner
from rtgf_node.guards.head_guard import HeadGuard
from rtgf_node.replication.commands import AppendEvents
from rtgf_node.replication.solo import SoloReplicator
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import Store, open_store
from rtgf_node.store.database import connect_writer
from rtgf_node.store.schema import migrate
from rtgf_node.telemetry import Metrics
from tests.bench import large_log
from tests.bench.measure import Row, alternate, percentile, rate, ratio, text

SIZES = (10_000, 1_000_000)
QUICK_SIZES = (10_000, 100_000)
IN_FLIGHT = (1, 16, 128, 256, 1024)
QUICK_IN_FLIGHT = (1, 16, 256)
COMPARED_IN_FLIGHT = 256
"""At so many in flight the large log is held against the small one."""

AT = 1_790_000_000
EVENTS_A_SECOND = 10_000
"""By the events' own times: about as fast as they are appended, as in a running node."""

SIGNER = SeedSigner("log.example:ed25519:2026-11:001", bytes(range(32)))
SLICE_SECONDS = 0.15
BATCH_MAX = 256
STEADY_PER_SECOND = 500
STEADY_SECONDS = 2.0
"""Of one slice at a steady pace."""

R = TypeVar("R")


class Events:
    """Different events without end, made before the clock starts: their ids and bytes."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._ready: list[tuple[str, bytes]] = []

    def prepare(self, count: int) -> None:
        """Have the next `count` ready."""
        self._ready = [numbered(next(self._numbers)) for _ in range(count)]

    def take(self, count: int) -> list[tuple[str, bytes]]:
        """Return the next `count`, which are ready."""
        assert len(self._ready) == count
        taken, self._ready = self._ready, []
        return taken


class Bare:
    """The leaves alone, committed by SQLite."""

    def __init__(self, folder: Path, events: Events) -> None:
        path = folder / "bare.db"
        path.touch()
        self._conn: sqlite3.Connection = connect_writer(path)
        migrate(self._conn)
        self._events = events
        self._index = itertools.count()

    def append(self, in_flight: int, count: int) -> None:
        """Append `count` rows, `in_flight` a commit."""
        entries = self._events.take(count)
        for start in range(0, count, in_flight):
            self._commit(entries[start : start + in_flight])

    def steady(self, count: int) -> list[float]:
        """Append `count` rows at the steady pace, a commit each; return the seconds of each."""
        entries, began, taken = self._events.take(count), time.perf_counter(), []
        for number, entry in enumerate(entries):
            due = began + number / STEADY_PER_SECOND
            time.sleep(max(0.0, due - time.perf_counter()))
            self._commit([entry])
            taken.append(time.perf_counter() - due)
        return taken

    def _commit(self, entries: list[tuple[str, bytes]]) -> None:
        rows = [(next(self._index), event_id, entry) for event_id, entry in entries]
        self._conn.execute("BEGIN IMMEDIATE")
        self._conn.executemany("INSERT INTO leaves (idx, event_id, entry) VALUES (?, ?, ?)", rows)
        self._conn.execute("COMMIT")

    def close(self) -> None:
        """Close the database."""
        self._conn.close()


class Log:
    """Store, replicator and log actor of a node, in an event loop on a thread of their own."""

    def __init__(self, store: Store, events: Events) -> None:
        self._store = store
        self._events = events
        self._mailbox = Mailbox("log", capacity=max(IN_FLIGHT))
        self._thread = threading.Thread(target=trio.run, args=(self._run,))
        self._started = threading.Event()
        self._token: trio.lowlevel.TrioToken
        self._scope: trio.CancelScope

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._token.run_sync_soon(self._scope.cancel)
        self._thread.join()

    def index(self, in_flight: int, count: int) -> None:
        """Have `count` appended by `in_flight` askers who wait for the index alone."""
        self._closed_loop(lambda command: Commit(command, covered=False), in_flight, count)

    def proof(self, in_flight: int, count: int) -> None:
        """Have `count` appended by `in_flight` askers who wait for the proof bundle."""
        self._closed_loop(CommitProved, in_flight, count)

    def steady(self, count: int) -> list[float]:
        """Have `count` appended at the steady pace; return the seconds to each signed head."""
        entries = [entry for _, entry in self._events.take(count)]
        return trio.from_thread.run(self._open_loop, entries, trio_token=self._token)

    async def _run(self) -> None:
        async with SoloReplicator(StateMachine(self._store)) as replicator:
            actor = LogActor(
                self._mailbox,
                replicator=replicator,
                reader=self._store.log,
                signer=SIGNER,
                guard=HeadGuard(self._store.folder.parent / "guard" / "head.json"),
                origin="log.example",
                clock=Still(),
                client_id="bench",
                batch_max=BATCH_MAX,
                head_every_seconds=300.0,
                metrics=Metrics(version="bench"),
            )
            async with trio.open_nursery() as nursery:
                await nursery.start(actor.run)
                self._token = trio.lowlevel.current_trio_token()
                self._scope = nursery.cancel_scope
                self._started.set()

    def _closed_loop(
        self, request: Callable[[AppendEvents], Request[R]], in_flight: int, count: int
    ) -> None:
        entries = iter([entry for _, entry in self._events.take(count)])

        async def ask() -> None:
            for entry in entries:
                await self._mailbox.ask(request(AppendEvents((entry,))))

        async def all_ask() -> None:
            async with trio.open_nursery() as askers:
                for _ in range(in_flight):
                    askers.start_soon(ask)

        trio.from_thread.run(all_ask, trio_token=self._token)

    async def _open_loop(self, entries: list[bytes]) -> list[float]:
        taken: list[float] = []
        began = trio.current_time()

        async def ask(due: float, entry: bytes) -> None:
            await self._mailbox.ask(Commit(AppendEvents((entry,))))
            taken.append(trio.current_time() - due)

        async with trio.open_nursery() as askers:
            for number, entry in enumerate(entries):
                due = began + number / STEADY_PER_SECOND
                await trio.sleep_until(due)
                askers.start_soon(ask, due, entry)
        return taken


class Still:
    """A clock that stands: no head is signed for its age."""

    def now(self) -> int:
        return AT


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield the rows of each number in flight, then those at a steady pace."""
    small, large = QUICK_SIZES if quick else SIZES
    events = Events()
    with (
        tempfile.TemporaryDirectory(prefix="rtgf-bench-") as name,
        closing(Bare(Path(name), events)) as bare,
        _log(large, Path(name), events) as grown,
    ):
        for in_flight in QUICK_IN_FLIGHT if quick else IN_FLIGHT:
            # Made anew each time, because it would soon not be small any more.
            with _log(small, Path(name) / str(in_flight), events) as fresh:
                logs = {small: fresh, large: grown}
                yield from _throughput(events, bare, logs, in_flight, rounds=3 if quick else 5)
        yield _steady(events, bare, grown, large, rounds=1 if quick else 3)


@contextmanager
def _log(size: int, folder: Path, events: Events) -> Iterator[Log]:
    with open_store(large_log.copy(size, folder / f"log-{size}" / "data")) as store:
        # What was copied is not to be written back while something is measured.
        os.sync()
        with Log(store, events) as log:
            yield log


def _throughput(
    events: Events, bare: Bare, logs: Mapping[int, Log], in_flight: int, *, rounds: int
) -> Iterator[Row]:
    contenders = {"bare": partial(bare.append, in_flight)}
    for size, log in logs.items():
        contenders[f"index {size}"] = partial(log.index, in_flight)
        contenders[f"proof {size}"] = partial(log.proof, in_flight)
    found = alternate(
        contenders,
        rounds=rounds,
        slice_seconds=SLICE_SECONDS,
        at_least=in_flight * 8,
        prepare=events.prepare,
    )
    speed = {name: rate(statistics.median(each)) for name, each in found.items()}
    for size in logs:
        for answer, words in (("index", "the index"), ("proof", "its proof")):
            name = f"{answer} {size}"
            yield Row(
                f"durable appends at {size:,} leaves, {words} in the answer, {in_flight} in flight",
                speed[name],
                f"bare SQLite, FULL, {in_flight} rows a commit: {speed['bare']}",
                ratio(found[name], found["bare"]),
            )
    if in_flight == COMPARED_IN_FLIGHT:
        small, large = logs
        for answer, words in (("index", "the index"), ("proof", "its proof")):
            yield Row(
                f"the same at {large:,} leaves as at {small:,}, {words}, {in_flight} in flight",
                speed[f"{answer} {large}"],
                f"at {small:,} leaves: {speed[f'{answer} {small}']}",
                ratio(found[f"{answer} {large}"], found[f"{answer} {small}"]),
            )


def _steady(events: Events, bare: Bare, log: Log, size: int, *, rounds: int) -> Row:
    """Latencies under load that does not wait: each is counted from when it was due."""
    count = int(STEADY_PER_SECOND * STEADY_SECONDS)
    theirs: list[float] = []
    ours: list[float] = []
    for _ in range(rounds):
        for run, found in ((bare.steady, theirs), (log.steady, ours)):
            events.prepare(count)
            found += run(count)
    theirs.sort()
    ours.sort()
    return Row(
        f"submit to signed head at a steady {STEADY_PER_SECOND}/s, {size:,} leaves",
        f"p50 {text(percentile(ours, 0.5))}, p95 {text(percentile(ours, 0.95))}",
        f"bare SQLite, FULL, a commit each: p50 {text(percentile(theirs, 0.5))}, "
        f"p95 {text(percentile(theirs, 0.95))}",
        percentile(ours, 0.95) / percentile(theirs, 0.95),
    )


def numbered(number: int) -> tuple[str, bytes]:
    """Return the id and the bytes of an event."""
    subject = f"RMT:EU:payments_aml:2026.{number}"
    made = event.make(
        type="token_issue",
        at=AT + number // EVENTS_A_SECOND,
        subject=subject,
        digest=digests.sha256(subject.encode()),
        refs={"build": digests.sha256(b"build")},
        actor="node",
        payload={},
    )
    return made.event_id, event.to_bytes(made)
