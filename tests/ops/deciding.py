"""A decision log over a store of its own, with a log actor reduced to committing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from prometheus_client import CollectorRegistry

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Commit
from rtgf_node.core import decision, event
from rtgf_node.core.decision import Interval
from rtgf_node.errors import RtgfError
from rtgf_node.figures.decisions import DecisionFigures
from rtgf_node.ops.decision_log import DecisionLog
from rtgf_node.replication.commands import Command, Proposal
from rtgf_node.replication.solo import SoloReplicator
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.settings import DecisionsConfig
from rtgf_node.store import Store, create_store, open_store
from tests.core.test_decision import AT

CHAIN = "did:web:a.example"
NEVER = 3600.0


class FixedClock:
    def now(self) -> int:
        return AT


class Deciding:
    """What a test looks at.

    Attributes:
      refuse: what the log answers instead of committing.
      late: what comes into the log before the next command, by another client.
    """

    def __init__(self, store: Store, log: DecisionLog, registry: CollectorRegistry) -> None:
        self.store = store
        self.log = log
        self.registry = registry
        self.refuse: RtgfError | None = None
        self.late: Command | None = None

    def entries(self) -> list[str]:
        bodies = self.log.reader.page(0, 1000)
        read = [decision.read_entry(body) for body in bodies]
        decision.check_links(read)
        return [entry.request_id for entry in read]

    def events(self, type_: str) -> list[event.Event]:
        read = (event.parse(entry) for entry in self.store.log.entries(0))
        return [one for one in read if one.type == type_]

    def roots(self) -> list[Interval]:
        return [decision.read_root(one) for one in self.events("decision_root")]

    def figure(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@asynccontextmanager
async def deciding(
    folder: Path,
    *,
    mode: str = "batched",
    batch_max: int = 1000,
    flush: float = NEVER / 60,
    root: float = NEVER,
) -> AsyncIterator[Deciding]:
    config = DecisionsConfig(
        mode=mode,  # type: ignore[arg-type]
        batch_max=batch_max,
        flush_every_seconds=flush,
        root_every_seconds=root,
    )
    box, registry = Mailbox("log", capacity=64), CollectorRegistry()
    store = open_store(folder) if (folder / "node.db").exists() else create_store(folder)
    with store:
        async with SoloReplicator(StateMachine(store)) as replicator:
            log = DecisionLog(
                store,
                config=config,
                log=box,
                chain=CHAIN,
                actor="log.example",
                clock=FixedClock(),
                figures=DecisionFigures(registry),
                settled=replicator.read_barrier,
            )
            made = Deciding(store, log, registry)
            async with trio.open_nursery() as outer:
                outer.start_soon(_commit, box, replicator, made)
                async with log, trio.open_nursery() as inner:
                    await inner.start(log.run)
                    yield made
                    inner.cancel_scope.cancel()
                outer.cancel_scope.cancel()


async def _commit(box: Mailbox, replicator: SoloReplicator, made: Deciding) -> None:
    seq = 0
    client = f"test-{made.store.log.size}"
    async for envelope in box:
        with box.answering(envelope):
            assert isinstance(envelope.request, Commit)
            if made.refuse is not None:
                raise made.refuse
            late, made.late = made.late, None
            if late is not None:
                await replicator.propose([Proposal("late", 1, late)])
            seq += 1
            (applied,) = await replicator.propose([Proposal(client, seq, envelope.request.command)])
            if isinstance(applied.outcome, RtgfError):
                raise applied.outcome
            envelope.reply(applied.outcome)
