"""Durable appends through the replicator, against bare SQLite commits of the same rows.

The baseline is one `executemany` and one FULL commit of as many rows as are in flight, in the same
table of a database of its own: what any log on SQLite must pay.
"""

from __future__ import annotations

import itertools
import sqlite3
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import trio

from rtgf_node.actors.log import LogActor
from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Commit
from rtgf_node.core import digests, event
from rtgf_node.core.keys import SeedSigner
from rtgf_node.head_guard import HeadGuard
from rtgf_node.replication.commands import AppendEvents, Proposal
from rtgf_node.replication.solo import SoloReplicator
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import Store, create_store
from rtgf_node.store.database import connect_writer
from rtgf_node.store.schema import migrate
from rtgf_node.telemetry import Metrics
from tests.bench.measure import Row, alternate, rate, ratio

IN_FLIGHT = (1, 16, 128)
AT = 1_790_000_000
SIGNER = SeedSigner("log.example:ed25519:2026-11:001", bytes(range(32)))
SLICE_SECONDS = 0.15


class Events:
    """Different events without end, made before the clock starts: their ids and bytes."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._ready: list[tuple[str, bytes]] = []

    def prepare(self, count: int) -> None:
        """Have the next `count` ready."""
        self._ready = [_event(next(self._numbers)) for _ in range(count)]

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

    def append(self, count: int, in_flight: int) -> None:
        """Append `count` rows, `in_flight` a commit."""
        entries = self._events.take(count)
        for start in range(0, count, in_flight):
            rows = [
                (next(self._index), event_id, entry)
                for event_id, entry in entries[start : start + in_flight]
            ]
            self._conn.execute("BEGIN IMMEDIATE")
            self._conn.executemany(
                "INSERT INTO leaves (idx, event_id, entry) VALUES (?, ?, ?)", rows
            )
            self._conn.execute("COMMIT")

    def close(self) -> None:
        """Close the database."""
        self._conn.close()


class Node:
    """Store, replicator and log actor of a node."""

    def __init__(self, store: Store, events: Events) -> None:
        self._store = store
        self._events = events
        self._runs = itertools.count()
        self._metrics = Metrics(version="bench")

    def replicate(self, count: int, in_flight: int) -> None:
        """Have `count` appended by `in_flight` askers at the replicator."""
        trio.run(self._replicate, count, in_flight)

    def commit(self, count: int, in_flight: int) -> None:
        """Have `count` appended by `in_flight` askers at the log actor, each covered by a head."""
        trio.run(self._commit, count, in_flight)

    async def _replicate(self, count: int, in_flight: int) -> None:
        entries = iter([entry for _, entry in self._events.take(count)])
        run = next(self._runs)
        async with SoloReplicator(StateMachine(self._store)) as replicator:

            async def ask(asker: int) -> None:
                for seq, entry in enumerate(entries):
                    await replicator.propose(
                        [Proposal(f"{run}:{asker}", seq, AppendEvents((entry,)))]
                    )

            async with trio.open_nursery() as nursery:
                for asker in range(in_flight):
                    nursery.start_soon(ask, asker)

    async def _commit(self, count: int, in_flight: int) -> None:
        entries = iter([entry for _, entry in self._events.take(count)])
        mailbox = Mailbox("log", capacity=in_flight)
        async with SoloReplicator(StateMachine(self._store)) as replicator:
            actor = LogActor(
                mailbox,
                replicator=replicator,
                reader=self._store.log,
                signer=SIGNER,
                guard=HeadGuard(self._store.folder.parent / "guard" / "head.json"),
                origin="log.example",
                clock=_Still(),
                client_id=f"actor:{next(self._runs)}",
                batch_max=256,
                head_every_seconds=300.0,
                metrics=self._metrics,
            )

            async def ask() -> None:
                for entry in entries:
                    await mailbox.ask(Commit(AppendEvents((entry,))))

            async with trio.open_nursery() as actors:
                await actors.start(actor.run)
                async with trio.open_nursery() as askers:
                    for _ in range(in_flight):
                        askers.start_soon(ask)
                actors.cancel_scope.cancel()


class _Still:
    """A clock that stands: no head is signed for its age."""

    def now(self) -> int:
        return AT


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield two rows for each number in flight: at the replicator, and through the log actor."""
    events = Events()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rtgf-bench-")))
        store = stack.enter_context(create_store(folder / "node"))
        bare = Bare(folder, events)
        stack.callback(bare.close)
        node = Node(store, events)
        for in_flight in IN_FLIGHT:
            found = alternate(
                {
                    "bare": lambda count, n=in_flight: bare.append(count, n),  # type: ignore[misc]
                    "replicator": lambda count, n=in_flight: node.replicate(count, n),  # type: ignore[misc]
                    "actor": lambda count, n=in_flight: node.commit(count, n),  # type: ignore[misc]
                },
                rounds=3 if quick else 5,
                slice_seconds=SLICE_SECONDS,
                at_least=in_flight * 8,
                prepare=events.prepare,
            )
            baseline = statistics.median(found["bare"])
            for name, what in (
                ("replicator", "durable appends at the replicator"),
                ("actor", "durable appends through the log actor, heads signed"),
            ):
                yield Row(
                    f"{what}, {in_flight} in flight",
                    rate(statistics.median(found[name])),
                    f"bare SQLite, FULL, {in_flight} rows a commit: {rate(baseline)}",
                    ratio(found[name], found["bare"]),
                )


def _event(number: int) -> tuple[str, bytes]:
    subject = f"RMT:EU:payments_aml:2026.{number}"
    made = event.make(
        type="token_issue",
        at=AT,
        subject=subject,
        digest=digests.sha256(subject.encode()),
        refs={"build": digests.sha256(b"build")},
        actor="node",
        payload={},
    )
    return made.event_id, event.to_bytes(made)
