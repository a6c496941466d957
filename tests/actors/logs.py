"""A log under test with its store, and logs of others that live in memory."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import trio

from rtgf_node.actors.log import LogActor
from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Commit
from rtgf_node.core import add_checkpoint, checkpoint, cosignature, event, merkle, note
from rtgf_node.core.checkpoint import Checkpoint
from rtgf_node.core.keys import SeedSigner
from rtgf_node.guards.head_guard import HeadGuard
from rtgf_node.replication.commands import AppendEvents
from rtgf_node.replication.solo import SoloReplicator
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import Store, create_store, open_store
from rtgf_node.store.node_store import DATABASE
from rtgf_node.telemetry import Metrics
from tests.simulator import Answer, Asked, Simulator

ORIGIN = "ours.example/log"
SIGNER = SeedSigner("ours.example:ed25519:2026-11:002", bytes([2] * 32))
KEY = checkpoint.verifier_key(ORIGIN, SIGNER.public)
AT = int(time.time())
PATIENCE_SECONDS = 60.0


class FixedClock:
    def now(self) -> int:
        return AT


class Ours(NamedTuple):
    """The log under test."""

    store: Store
    replicator: SoloReplicator
    mailbox: Mailbox
    actor: LogActor
    metrics: Metrics

    async def append(self, *names: str) -> None:
        entries = tuple(
            event.to_bytes(
                event.make(
                    type="incident",
                    at=AT,
                    subject=name,
                    digest=f"sha256:{'0' * 64}",
                    refs={},
                    actor="test",
                    payload={},
                )
            )
            for name in names
        )
        await self.mailbox.ask(Commit(AppendEvents(entries)))


@asynccontextmanager
async def our_log(
    folder: Path,
    *,
    contradiction: str | None = None,
    member: Callable[[SoloReplicator], Any] = lambda replicator: replicator,
) -> AsyncIterator[Ours]:
    """Open the log in `folder`, or make one, and run its actor, which proposes to `member`."""
    held = (folder / "data" / DATABASE).exists()
    with (open_store if held else create_store)(folder / "data") as store:
        async with SoloReplicator(StateMachine(store)) as replicator:
            mailbox, metrics = Mailbox("log", capacity=64), Metrics()
            actor = LogActor(
                mailbox,
                replicator=member(replicator),
                reader=store.log,
                signer=SIGNER,
                guard=HeadGuard(folder / "guard" / "head.json"),
                origin=ORIGIN,
                clock=FixedClock(),
                client_id=f"test:{time.monotonic_ns()}",
                batch_max=64,
                head_every_seconds=300.0,
                metrics=metrics,
                contradiction=contradiction,
            )
            async with trio.open_nursery() as nursery:
                await nursery.start(actor.run)
                yield Ours(store, replicator, mailbox, actor, metrics)
                nursery.cancel_scope.cancel()


async def until(condition: Callable[[], object]) -> None:
    """Wait for what another task is about to do."""
    with trio.fail_after(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - whoever makes it true knows of no event
            await trio.sleep(0.01)


class OtherLog:
    """A log in memory: what it shows, and the same with its past changed."""

    def __init__(self, origin: str, *, signer: SeedSigner | None = None) -> None:
        self.origin = origin
        self.signer = signer or SeedSigner(f"{origin}:k", bytes([3] * 32))
        self.leaves = [merkle.leaf_hash(bytes([number])) for number in range(20)]
        self.size = 5

    @property
    def key(self) -> str:
        return checkpoint.verifier_key(self.origin, self.signer.public)

    def rewrite(self, index: int) -> None:
        """Change the past."""
        self.leaves[index] = merkle.leaf_hash(b"rewritten")

    def root(self, size: int) -> bytes:
        return merkle.root_hash(self.leaves[:size])

    def note(self, size: int | None = None) -> bytes:
        size = self.size if size is None else size
        return checkpoint.sign_note(
            Checkpoint(self.origin, size, self.root(size)), self.origin, self.signer
        )

    def proof(self, asked: Asked) -> Answer:
        old, new = (int(part.partition("=")[2]) for part in asked.path.partition("?")[2].split("&"))
        if new > self.size:
            return Answer(status=400)
        document = {
            "old_size": old,
            "new_size": new,
            "old_root": f"sha256:{self.root(old).hex()}",
            "new_root": f"sha256:{self.root(new).hex()}",
            "proof": [node.hex() for node in merkle.consistency_proof(self.leaves[:new], old)],
        }
        return Answer(body=json.dumps(document).encode())

    def serve(self, world: Simulator) -> None:
        """Show it at `/checkpoint` and `/proofs/consistency`."""
        world.handle("/checkpoint", lambda _: Answer(body=self.note()))
        world.handle("/proofs/consistency", self.proof)

    def serve_tiles(self, world: Simulator, *, only_full: bool = False) -> None:
        """Show its tile of leaves; with `only_full`, as a log does that has grown past it."""

        def tile(count: int) -> Answer:
            return Answer(body=b"".join(self.leaves[:count]))

        if only_full:
            world.handle("/tile/0/000", lambda _: tile(len(self.leaves)))
            return
        for width in range(1, len(self.leaves) + 1):
            world.handle(f"/tile/0/000.p/{width}", lambda _, w=width: tile(w))


class HonestWitness:
    """A witness in memory that does what tlog-witness says.

    Attributes:
      held: the size that it cosigned last.
      asked_from: the old sizes it was asked from, in order.
    """

    def __init__(self, name: str = "witness.example/w", number: int = 9) -> None:
        self.name = name
        self.signer = SeedSigner(name, bytes([number] * 32))
        self.held = 0
        self.root = merkle.EMPTY_ROOT
        self.asked_from: list[int] = []

    @property
    def key(self) -> note.VerifierKey:
        return note.parse_key(cosignature.verifier_key(self.name, self.signer.public))

    def answer(self, asked: Asked) -> Answer:
        request = add_checkpoint.parse(asked.body)
        self.asked_from.append(request.old_size)
        shown = checkpoint.open_note(request.note, [KEY])
        if request.old_size != self.held:
            return Answer(body=f"{self.held}\n".encode(), status=409)
        merkle.verify_consistency(
            old_size=self.held,
            new_size=shown.size,
            old_root=self.root,
            new_root=shown.root,
            proof=request.proof,
        )
        self.held, self.root = shown.size, shown.root
        return Answer(body=self.line(note.split(request.note)[0]).encode())

    def line(self, text: str, *, at: int = AT) -> str:
        return cosignature.cosign(text, self.name, self.signer, at)


def answers(witnesses: Sequence[HonestWitness], world: Simulator) -> None:
    """Serve each witness under `/0`, `/1` and so on."""
    for number, witness in enumerate(witnesses):
        world.handle(f"/{number}/add-checkpoint", witness.answer)
