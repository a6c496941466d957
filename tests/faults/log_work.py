"""A log with its actor, guard and supervisor as a node has them, and a client that changes much."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import trio

from rtgf_node.actors.log import LogActor
from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Commit
from rtgf_node.actors.supervisor import Child, Restarts, Supervisor
from rtgf_node.core import checkpoint, decision, digests, event, merkle, tree_head
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.decision import Interval
from rtgf_node.core.keys import KeySet, PublicKey, SeedSigner
from rtgf_node.errors import RtgfError
from rtgf_node.guards.head_guard import HeadGuard
from rtgf_node.replication import commands
from rtgf_node.replication.commands import Command, Outcome
from rtgf_node.replication.solo import SoloReplicator
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import Store, create_store, database, open_store
from rtgf_node.store.node_store import DATABASE
from rtgf_node.telemetry import Metrics
from tests.replication import samples

ORIGIN = "log.example"
SIGNER = SeedSigner("log.example:ed25519:2026-11:001", bytes(range(32)))
OBJECT = b"a list of names"
BEFORE = 250
"""Entries before the work begins, which fills a tile of 256."""

CHECKPOINT_PAGES = 24
"""So few that SQLite moves its write-ahead log into the file in the middle of the work."""

TABLES = {
    2: "snapshots", 3: "datasets", 4: "quarantine", 5: "refusals", 6: "keys", 7: "tokens",
    8: "revocations", 9: "decision_roots", 10: "cosigned", 11: "seen_heads", 12: "findings",
}  # fmt: skip
"""Where each change, by its number, is found beside the log."""

KEYS = KeySet([PublicKey(SIGNER.kid, SIGNER.public, "log", samples.AT - 60, samples.AT + 60)])

_starts = itertools.count()


class Report(msgspec.Struct, frozen=True):
    """What somebody outside was told.

    Attributes:
      number: of the command; -1 where it is about none.
      indexes: where its events stand, if it was acknowledged.
      refused: the code, if it was not.
      head: size and root of a head that was signed or served.
      note: anything else.
      rows: how many each table of `TABLES` holds.
    """

    number: int = -1
    indexes: tuple[int, ...] = ()
    refused: str | None = None
    head: tuple[int, str] | None = None
    note: str = ""
    rows: dict[str, int] = {}


Tell = Callable[[Report], None]


class Clock:
    def now(self) -> int:
        return samples.AT


class Log(NamedTuple):
    store: Store
    actor: LogActor
    mailbox: Mailbox
    replicator: SoloReplicator


def work() -> list[Command]:
    """Return the changes in their order: each kind that touches a table of its own."""
    origin, leaves = "south.example/log", [merkle.leaf_hash(bytes([n])) for n in range(5)]
    interval = Interval(1, 3, 3, f"sha256:{'1' * 64}", f"sha256:{'2' * 64}")
    root = decision.root_event(interval, chain="a", at=samples.AT, actor=ORIGIN)
    held = samples.dataset("one")
    key = commands.KeyRow(
        kid="log.example:ed25519:2026-11:009",
        purpose="token",
        public=bytes(32),
        issued_at=samples.AT,
        expires_at=samples.AT + 60,
        revoked_at=None,
        predecessor=None,
    )
    return [
        samples.append("first"),
        samples.append(*(f"many-{number}" for number in range(12))),
        samples.snapshot("2026-10"),
        held,
        commands.QuarantineDataset(samples.dataset("two"), "too small", samples.AT),
        commands.RecordRefusal("RTGF_INPUT_INVALID", "x", f"sha256:{'0' * 64}", samples.AT, "no"),
        samples.keys(key),
        samples.corridor_build(),
        samples.revoke(samples.RMT_EU),
        commands.RecordDecisionRoot("a", interval, event.to_bytes(root)),
        commands.CosignCheckpoint(
            origin, 0, 5, merkle.root_hash(leaves), (), samples.AT, b"cosigned"
        ),
        commands.SeeHead(origin, 5, merkle.root_hash(leaves), samples.AT, b"seen"),
        commands.RecordFinding(
            origin, 3, bytes(32), "south", digests.sha256(OBJECT), "two roots", False, samples.AT,
            samples.event_bytes("found"),
        ),
        samples.append("last"),
    ]  # fmt: skip


@asynccontextmanager
async def running(folder: Path, tell: Tell) -> AsyncIterator[Log]:
    """Open the log in `folder`, made if there is none, and run it as a node does."""
    database.CHECKPOINT_PAGES = CHECKPOINT_PAGES
    held = (folder / "data" / DATABASE).exists()
    with (open_store if held else create_store)(folder / "data") as store:
        async with SoloReplicator(StateMachine(store)) as replicator:
            mailbox = Mailbox("log", capacity=64)
            actor = LogActor(
                mailbox,
                replicator=replicator,
                reader=store.log,
                signer=_Telling(tell),
                guard=HeadGuard(folder / "guard" / "head.json"),
                origin=ORIGIN,
                clock=Clock(),
                client_id=f"test:{store.log.size}:{next(_starts)}",
                batch_max=64,
                head_every_seconds=3600.0,
                metrics=Metrics(),
            )
            pauses = Restarts(pauses_seconds=(0.0,))
            async with trio.open_nursery() as nursery:
                await nursery.start(Supervisor([Child("log", actor.run)], pauses).run)
                yield Log(store, actor, mailbox, replicator)
                nursery.cancel_scope.cancel()


async def do(folder: Path, tell: Tell) -> None:
    """Ask for all of it, one after the other, and tell what came of each."""
    async with running(folder, tell) as log:
        tell(Report(note="started"))
        try:
            tell(Report(note=log.store.objects.put(OBJECT)))
        except OSError:
            tell(Report(note="no object"))
        for number, command in enumerate(work()):
            try:
                outcome = await log.mailbox.ask(Commit(command))
            except RtgfError as error:
                tell(Report(number, refused=error.code.name))
            else:
                assert isinstance(outcome, Outcome)
                tell(Report(number, outcome.leaf_indexes))
            served = log.store.log.latest_head()
            if served is not None:
                tell(Report(head=(served.tree_size, served.root.hex())))
            if log.replicator.failed.is_set():
                tell(Report(note="failed"))


async def fill(folder: Path) -> None:
    """Make the log as it stands before the work."""
    async with running(folder, lambda _: None) as log:
        names = [f"before-{number}" for number in range(BEFORE)]
        await log.mailbox.ask(Commit(samples.append(*names)))


async def again(folder: Path, tell: Tell) -> None:
    """Start on what is there, say what it is, ask for all of it once more, and say what it is."""
    async with running(folder, tell) as log:
        if log.actor.forked is not None:
            tell(Report(note=log.actor.forked))
            return
        _look(log.store, tell, "opened")
        for number, command in enumerate(work()):
            try:
                outcome = await log.mailbox.ask(Commit(command))
            except RtgfError as error:
                tell(Report(number, refused=error.code.name))
            else:
                tell(Report(number, outcome.leaf_indexes))
        log.store.objects.sweep()
        assert log.store.objects.get(log.store.objects.put(OBJECT)) == OBJECT
        _look(log.store, tell, "done")
    with open_store(folder / "data") as store:
        store.log.check_all()


def _look(store: Store, tell: Tell, when: str) -> None:
    """Check the whole log against its leaves; tell its size, its heads and its rows."""
    store.log.check_all()
    for held in store.log.heads(1000):
        tell(Report(head=(held.tree_size, held.root.hex())))
        head = tree_head.from_document(parse(held.document))
        tree_head.verify(head, KEYS, samples.AT)
    count = "SELECT count(*) FROM "
    rows = {table: store.reader.execute(count + table).fetchone()[0] for table in TABLES.values()}
    held_object = store.objects.has(digests.sha256(OBJECT))
    if held_object:
        store.objects.check(digests.sha256(OBJECT))
    rows["objects"] = int(held_object)
    head = (store.log.size, store.log.root().hex())
    tell(Report(head=head, note=when, rows=rows))


def roots(folder: Path) -> list[str]:
    """Return the root of the log at each size, from nothing on."""
    with open_store(folder / "data") as store:
        leaves = [merkle.leaf_hash(store.log.entry(index)) for index in range(store.log.size)]
    return [merkle.root_hash(leaves[:size]).hex() for size in range(len(leaves) + 1)]


class _Telling:
    """Signs heads, and tells of each before anybody has it."""

    kid, public = SIGNER.kid, SIGNER.public

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def sign(self, message: bytes) -> bytes:
        if message.startswith(f"{ORIGIN}\n".encode()):
            signed = checkpoint.from_text(message.decode())
            self._tell(Report(head=(signed.size, signed.root.hex())))
        return SIGNER.sign(message)
