"""Seeded simulation of members as a whole: core, glue, store; everything follows from a number.

Messages are lost, repeated and reordered, links are cut, members die at any step and come back,
fall so far behind that they take a state, join, change and go. At the end everything heals, and
what was answered must be on every member, once, in one order.
"""

from __future__ import annotations

import hashlib
import logging
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

import structlog
import trio
import trio.testing

from rtgf_node.errors import RtgfError
from rtgf_node.replication.commands import Outcome, Proposal, encode
from rtgf_node.replication.raft import RaftSettings
from rtgf_node.replication.raftcore import core
from rtgf_node.store.object_names import named_objects
from tests.replication import samples
from tests.replication.cluster import Cluster, CrashError, Net, Node, same_state, until

STEPS = ("before_save", "after_save", "before_send", "after_apply", "before_take", "after_take")
IN_MEMORY = Path("/dev/shm")  # what dies here is the process, not the disk
MEMBER = 4


class Simulation:
    """One run: a cluster, those who ask it, and what befalls it."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.folder = folder
        self.counts: Counter[str] = Counter()
        self.answered: dict[str, Outcome] = {}
        self.chosen: dict[int, tuple[bytes, str]] = {}
        self.trace = hashlib.sha256()
        self.over = False
        self.cluster: Cluster

    async def run(self) -> None:
        chance = self.random
        net = Net(self.seed, loss=chance.choice((0, 0.02, 0.2)), repeats=chance.choice((0, 0.1)))
        net.disorder = chance.choice((0, 0.1))
        net.slow = chance.choice((0, 0.5))
        settings = RaftSettings(compact_every=chance.choice((8, 10_000)))
        async with trio.open_nursery() as nursery:
            self.cluster = cluster = Cluster(self.folder, nursery, net, settings, threads=False)
            nursery.start_soon(net.run)
            for raft_id in (1, 2, 3):
                cluster.found(raft_id, (1, 2, 3))
            for node in list(cluster.nodes.values()):
                await self.begin(node)
                nursery.start_soon(self.keep_up, node)
            with trio.fail_after(600):
                async with trio.open_nursery() as askers:
                    for number in range(3):
                        askers.start_soon(self.ask, number)
                    await self.befall(nursery)
                    self.over = True
                    self.heal()
                await self.check()
            for node in cluster.nodes.values():
                await node.stop()
            nursery.cancel_scope.cancel()

    async def begin(self, node: Node) -> None:
        await node.start()
        node.replicator.feed.subscribe("history", self.hear)

    def hear(self, applied) -> None:
        """One history: at one place the same command with the same outcome, on every member."""
        said = (encode(applied.command), str(applied.outcome))
        assert self.chosen.setdefault(applied.index, said) == said, (self.seed, applied.index)

    async def keep_up(self, node: Node) -> None:
        """Start a member again when it died or is to begin anew."""
        while True:
            await node.ended.wait()
            error = node.replicator.error
            assert error is None or isinstance(error, CrashError), (self.seed, error)
            self.counts["deaths" if error is not None else "states"] += 1
            if not self.over:
                await trio.sleep(self.random.random())
            await node.stop()
            await node.reopen()
            await self.begin(node)

    async def ask(self, number: int) -> None:
        """Ask any member for one thing after another; unanswered, for the same again elsewhere."""
        seq = 0
        while not self.over:
            seq += 1
            subject = f"{number}-{seq}"
            large = self.random.random() < 0.1
            command = samples.dataset(subject) if large else samples.append(subject)
            proposal = Proposal(f"asker-{number}", seq, command)
            while subject not in self.answered:
                node = self.cluster.nodes[self.random.choice((1, 2, 3))]
                if large:
                    node.objects.put(subject.encode())
                    node.objects.put(b"records " + subject.encode())
                try:
                    with trio.fail_after(5):
                        [applied] = await node.replicator.propose([proposal])
                except (RtgfError, trio.TooSlowError):
                    await trio.sleep(0.1)
                    continue
                assert isinstance(applied.outcome, Outcome), (self.seed, applied)
                self.answered[subject] = applied.outcome
            await trio.sleep(self.random.random() * 0.2)

    async def befall(self, nursery: trio.Nursery) -> None:
        """Let things happen for a while."""
        cluster, chance = self.cluster, self.random
        for _ in range(25):
            await trio.sleep(chance.random() * 0.8)
            node = cluster.nodes[chance.choice(sorted(cluster.nodes))]
            match chance.choice(("crash", "crash", "crash", "cut", "one", "heal", "members")):
                case "crash":
                    node.crash_at = chance.choice(STEPS)
                case "cut":
                    cluster.net.isolate(node.raft_id)
                case "one":
                    other = chance.choice(sorted(cluster.nodes))
                    cluster.net.cut.add(frozenset((node.raft_id, other)))
                case "heal":
                    cluster.net.heal()
                case "members":
                    nursery.start_soon(self.change)

    async def change(self) -> None:
        """Let another member join, decide, stop deciding."""
        cluster = self.cluster
        if MEMBER not in cluster.nodes:
            node = cluster.join(MEMBER)
            await self.begin(node)
            cluster.nursery.start_soon(self.keep_up, node)
        role = self.random.choice(("learner", "voter"))
        try:
            asked = cluster.nodes[self.random.choice((1, 2, 3))].replicator
            await asked.change_members([cluster.member(MEMBER, role)])
            self.counts["changes"] += 1
        except RtgfError:
            self.counts["changes refused"] += 1

    def heal(self) -> None:
        self.cluster.net.heal()
        self.cluster.net.loss = self.cluster.net.disorder = self.cluster.net.slow = 0
        for node in self.cluster.nodes.values():
            node.crash_at = None

    async def check(self) -> None:
        cluster = self.cluster
        leader = await cluster.leader()
        members = set(leader.replicator.members())
        nodes = [node for raft_id, node in cluster.nodes.items() if raft_id in members]

        def agreed() -> bool:
            one, *others = nodes
            roots = {node.root for node in nodes}
            return len(roots) == 1 and all(same_state(one, other) for other in others)

        await until(agreed, 60)
        for node in nodes:
            node.store.log.check_all()
            for subject, outcome in self.answered.items():
                [index] = outcome.leaf_indexes
                assert f'{subject}"' in node.store.log.entry(index).decode(), self.seed
            for digest in named_objects(node.store.reader):
                node.store.objects.check(digest)
        self.counts["answered"] += len(self.answered)
        self.counts["commands"] += len(self.chosen)
        for index in sorted(self.chosen):
            self.trace.update(self.chosen[index][0])
        self.trace.update(repr((sorted(self.counts.items()), cluster.net.kinds)).encode())


def run(seed: int) -> tuple[str, Counter[str]]:
    """Run one seed; return a digest of all that happened, and what happened how often."""
    core.seed(seed)
    scheduler = trio._core._run
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True
    scheduler._r.seed(seed)
    parent = IN_MEMORY if IN_MEMORY.is_dir() else None
    try:
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            simulation = Simulation(seed, Path(folder))
            trio.run(simulation.run, clock=trio.testing.MockClock(autojump_threshold=0))
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = False
    return simulation.trace.hexdigest(), simulation.counts


def main(first: int, last: int) -> None:
    """Run seeds from `first` to before `last`, and say what happened in them."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    total: Counter[str] = Counter()
    for seed in range(first, last):
        try:
            total += run(seed)[1]
        except BaseException:
            print(f"seed {seed} fails")  # noqa: T201
            raise
    print(f"{last - first} seeds: {dict(sorted(total.items()))}")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
