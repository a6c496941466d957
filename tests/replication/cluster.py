"""Members of a cluster in one process: real stores, real core, a network in memory that loses."""

from __future__ import annotations

import random
import shutil
from collections import Counter, deque
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import Applied, Command, Proposal, SignedHead
from rtgf_node.replication.divergence import Divergence
from rtgf_node.replication.raft import RaftReplicator
from rtgf_node.replication.raft_settings import RaftSettings
from rtgf_node.replication.raftcore import core
from rtgf_node.replication.raftcore.wire import ConfState, MessageKind, message_head
from rtgf_node.replication.starts import Starts
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.replication.writers import InlineWriter, ThreadWriter
from rtgf_node.store import Store, create_store, open_store
from rtgf_node.store.raft_store import Member, RaftStore
from rtgf_node.store.snapshot_file import REPLICATED


class CrashError(Exception):
    """The process ends here."""


class Net:
    """Delivers messages in order, later; loses some, repeats some, and none cross a cut."""

    def __init__(self, seed: int = 0, *, loss: float = 0.0, repeats: float = 0.0) -> None:
        self.random = random.Random(seed)
        self.loss = loss
        self.repeats = repeats
        self.cut: set[frozenset[int]] = set()
        self.boxes: dict[int, RaftReplicator] = {}
        self.queue: deque[tuple[int, int, bytes]] = deque()
        self.arrived = trio.Event()
        self.kinds: Counter[MessageKind] = Counter()
        self.drop = None

    def isolate(self, raft_id: int) -> None:
        self.cut |= {frozenset((raft_id, other)) for other in range(1, 10) if other != raft_id}

    def heal(self) -> None:
        self.cut.clear()

    def reaches(self, raft_id: int) -> bool:
        others = [other for other in self.boxes if other != raft_id]
        return not others or any(frozenset((raft_id, other)) not in self.cut for other in others)

    def end(self, sender: int):
        return _End(self, sender)

    async def run(self) -> None:
        while True:
            while self.queue:
                sender, to, message = self.queue.popleft()
                await trio.lowlevel.checkpoint()
                if to in self.boxes and frozenset((sender, to)) not in self.cut:
                    self.boxes[to].receive(sender, message)
            self.arrived = trio.Event()
            await self.arrived.wait()


class _End:
    def __init__(self, net: Net, sender: int) -> None:
        self.net = net
        self.sender = sender

    def send(self, to: int, messages) -> bool:
        net = self.net
        if frozenset((self.sender, to)) in net.cut or to not in net.boxes:
            return False
        for message in messages:
            kind = message_head(message).kind
            net.kinds[kind] += 1
            if net.drop is not None and net.drop(self.sender, to, kind):
                continue
            if net.random.random() >= net.loss:
                net.queue.append((self.sender, to, message))
            if net.random.random() < net.repeats:
                net.queue.append((self.sender, to, message))
        net.arrived.set()
        return True


class Objects:
    """The objects of one member; `fetch` copies from whoever has them."""

    def __init__(self, cluster: Cluster, raft_id: int) -> None:
        self.cluster = cluster
        self.raft_id = raft_id
        self.held: list[tuple[str, ...]] = []
        self.refuse: RtgfError | None = None
        self.gate: trio.Event | None = None

    def has(self, digest: str) -> bool:
        return self.cluster.nodes[self.raft_id].store.objects.has(digest)

    async def hold(self, digests) -> None:
        self.held.append(tuple(digests))
        for digest in digests:
            if not self.has(digest):
                raise RtgfError(Code.RTGF_NOT_FOUND, digest)
        if self.refuse is not None:
            raise self.refuse

    async def fetch(self, digests) -> None:
        if self.gate is not None:
            await self.gate.wait()
        for digest in digests:
            for other in self.cluster.nodes.values():
                if other.store.objects.has(digest):
                    self.cluster.nodes[self.raft_id].store.objects.put(
                        other.store.objects.get(digest)
                    )
                    break
            else:
                raise RtgfError(Code.RTGF_NOT_FOUND, digest)


class Node:
    """One member, and where it is kept between its starts."""

    def __init__(self, cluster: Cluster, raft_id: int, folder: Path) -> None:
        self.cluster = cluster
        self.raft_id = raft_id
        self.folder = folder
        self.store: Store = create_store(folder)
        self.objects = Objects(cluster, raft_id)
        self.starts = 0
        self.steps: Counter[str] = Counter()
        self.crash_at: str | None = None
        self.heard: list[Applied] = []
        self.seq = 0
        self.replicator: RaftReplicator
        self.scope = trio.CancelScope()
        self.ended = trio.Event()

    def step(self, name: str) -> None:
        self.steps[name] += 1
        if self.crash_at == name:
            self.crash_at = None
            raise CrashError(name)

    async def start(self) -> None:
        self.starts += 1
        self.machine = StateMachine(self.store)
        self.replicator = RaftReplicator(
            self.machine,
            self.store,
            transport=self.cluster.net.end(self.raft_id),
            objects=self.objects,
            fetch_state=self.fetch_state,
            check_head=self.check_head,
            incident=self.incident,
            starts=Starts(b"%d.%d" % (self.raft_id, self.starts)),
            settings=self.cluster.settings,
            writer=self.cluster.writer(),
            step=self.step,
        )
        self.replicator.feed.subscribe("test", self.heard.append)
        self.scope, self.ended = trio.CancelScope(), trio.Event()
        await self.cluster.nursery.start(self._run)
        self.cluster.net.boxes[self.raft_id] = self.replicator

    async def _run(self, task_status) -> None:
        try:
            with self.scope:
                await self.replicator.run(task_status=task_status)
        finally:
            self.ended.set()

    async def start_refused(self) -> RtgfError:
        """Start it although it must not start."""
        with pytest.raises(ExceptionGroup) as refused:  # noqa: PT012
            async with trio.open_nursery() as nursery:
                self.cluster.nursery, own = nursery, self.cluster.nursery
                try:
                    await self.start()
                finally:
                    self.cluster.nursery = own
        [error] = refused.value.exceptions
        assert isinstance(error, RtgfError)
        return error

    def incident(self, found: Divergence) -> bytes:
        return found.incident(f"node-{self.raft_id}", at=0, actor="test")

    def check_head(self, document: bytes) -> None:
        pass

    async def fetch_state(self, manifest, sender: int) -> Path:
        source = self.cluster.nodes[sender].replicator._rounds.files.path(manifest.sha256)
        if source is None:
            raise RtgfError(Code.RTGF_NOT_FOUND, "no such state")
        return Path(shutil.copyfile(source, self.folder / "fetched"))

    async def stop(self) -> None:
        """End it as a killed process ends: nothing is said, nothing handed over."""
        self.cluster.net.boxes.pop(self.raft_id, None)
        self.scope.cancel()
        await self.ended.wait()
        self.store.close()

    async def restart(self) -> None:
        await self.stop()
        await self.restart_from_stopped()

    async def reopen(self) -> None:
        self.store = open_store(self.folder)

    async def restart_from_stopped(self) -> None:
        await self.reopen()
        await self.start()

    def proposals(self, *commands: Command) -> list[Proposal]:
        made = []
        for command in commands:
            self.seq += 1
            made.append(Proposal(f"client-{self.raft_id}.{self.starts}", self.seq, command))
        return made

    async def propose(self, *commands: Command) -> list[Applied]:
        return await self.replicator.propose(self.proposals(*commands))

    @property
    def root(self) -> tuple[int, bytes]:
        return self.store.log.size, self.store.log.root()


class Cluster:
    """All members by Raft id."""

    def __init__(
        self,
        tmp_path: Path,
        nursery: trio.Nursery,
        net: Net,
        settings: RaftSettings,
        *,
        threads: bool,
    ) -> None:
        self.tmp_path = tmp_path
        self.nursery = nursery
        self.net = net
        self.threads = threads
        self.settings = settings
        self.nodes: dict[int, Node] = {}

    def writer(self):
        return ThreadWriter() if self.threads else InlineWriter()

    def member(self, raft_id: int, role: str = "voter") -> Member:
        return Member(raft_id, f"node-{raft_id}", f"127.0.0.1:{7000 + raft_id}", role)

    def make(self, raft_id: int) -> Node:
        node = Node(self, raft_id, self.tmp_path / f"node-{raft_id}")
        self.nodes[raft_id] = node
        return node

    def found(self, raft_id: int, voters) -> Node:
        """Make one of the first members, all of which begin with the same empty log."""
        node = self.make(raft_id)
        conf_state = ConfState(tuple(voters)).encode()
        with node.store.conn:
            RaftStore(node.store.conn).found(
                raft_id,
                [self.member(one) for one in voters],
                cluster_id="c",
                conf_state=conf_state,
                index=1,
                term=1,
            )
        return node

    def join(self, raft_id: int) -> Node:
        node = self.make(raft_id)
        with node.store.conn:
            RaftStore(node.store.conn).found(raft_id, [], cluster_id="c")
        return node

    @property
    def leaders(self) -> list[Node]:
        return [
            node
            for node in self.nodes.values()
            if not node.ended.is_set() and node.replicator.leader
        ]

    async def leader(self) -> Node:
        """Wait until one member leads that others can reach."""
        while True:
            reached = [node for node in self.leaders if self.net.reaches(node.raft_id)]
            if len(reached) == 1:
                return reached[0]
            await trio.sleep(0.05)

    def others(self, node: Node) -> list[Node]:
        return [one for one in self.nodes.values() if one is not node]

    async def equal(self, *nodes: Node, seconds: float = 20.0) -> None:
        """Wait until all members have the same log."""
        chosen = nodes or tuple(self.nodes.values())
        await until(lambda: len({node.root for node in chosen}) == 1, seconds)


async def until(true, seconds: float = 20.0) -> None:
    """Wait until something is so."""
    with trio.fail_after(seconds):
        while not true():  # noqa: ASYNC110  many things may make it so
            await trio.sleep(0.01)


def signed_head(tree_size: int, root: bytes) -> SignedHead:
    """Return a command for a head that says so; its signatures are of nobody."""
    document = {"tree_size": tree_size, "root_hash": f"sha256:{root.hex()}"}
    return SignedHead(msgspec.json.encode(document), tree_size, root)


def same_state(one: Node, other: Node) -> bool:
    """Compare every row of every table that the cluster shares."""

    def rows(node: Node):
        return {
            table: node.store.reader.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in REPLICATED
        }

    return rows(one) == rows(other)


@asynccontextmanager
async def three(
    tmp_path: Path,
    *,
    seed: int = 0,
    threads: bool = False,
    voters=(1, 2, 3),
    settings: RaftSettings | None = None,
    **net,
):
    """Run three voters until the end of the block."""
    core.seed(seed)
    async with trio.open_nursery() as nursery:
        cluster = Cluster(
            tmp_path, nursery, Net(seed, **net), settings or RaftSettings(), threads=threads
        )
        nursery.start_soon(cluster.net.run)
        for raft_id in voters:
            cluster.found(raft_id, voters)
        for node in cluster.nodes.values():
            await node.start()
        try:
            with trio.fail_after(300):
                yield cluster
        finally:
            with trio.CancelScope(shield=True):
                for node in cluster.nodes.values():
                    await node.stop()
            nursery.cancel_scope.cancel()
