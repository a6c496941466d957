"""Nodes of a cluster on loopback: a CA of their own, real sockets, and wires that can be cut."""

from __future__ import annotations

import datetime
import sqlite3
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import trio

from rtgf_node.keys import pki
from rtgf_node.replication.bulk import Bulk
from rtgf_node.replication.peer_frames import Hello, Kind, document
from rtgf_node.replication.peer_stream import PeerLimits, Seat
from rtgf_node.replication.peer_tls import PeerTls
from rtgf_node.replication.peer_transport import PeerTransport
from rtgf_node.replication.starts import Starts
from rtgf_node.store.objects import ObjectStore
from rtgf_node.store.raft_store import Member, RaftStore, Start
from rtgf_node.store.schema import migrate

NOW = int(datetime.datetime.now(tz=datetime.UTC).timestamp())
CLUSTER = "test-cluster"
CLUSTER_ID = "1f2e"
PATIENCE = 60  # seconds, after which a test has failed; nothing waits for it in good times
LIMITS = PeerLimits(ping_seconds=0.02, longest_pause_seconds=0.05)
HEARTBEAT, APPEND, HUP = 8, 3, 0


def message(from_: int, to: int, kind: int = HEARTBEAT, carried: bytes = b"") -> bytes:
    """Return a message of the core (raftpb.Message): its head and a context."""
    head = bytes([0x08, kind, 0x10, to, 0x18, from_, 0x20, 1])
    length, size = b"", len(carried)
    while size > 0x7F:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return head + b"\x62" + length + bytes([size]) + carried


class Inbox:
    """Keeps what came, and lets a test wait for it."""

    def __init__(self) -> None:
        self.came: list[tuple[int, bytes]] = []
        self.lost: list[int] = []
        self._news = trio.Event()

    def receive(self, sender: int, message: bytes) -> None:
        self.came.append((sender, message))
        self._tell()

    def unreachable(self, peer: int) -> None:
        self.lost.append(peer)
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()

    async def wait(self, number: int) -> None:
        while len(self.came) < number:
            await self._news.wait()

    async def wait_lost(self, peer: int, times: int = 1) -> None:
        while self.lost.count(peer) < times:
            await self._news.wait()


async def until(true: Callable[[], bool]) -> None:
    """Wait for what nobody tells; the deadline is the test's."""
    while not true():  # noqa: ASYNC110 - figures tell nobody
        await trio.sleep(0.002)


def empty_folder() -> RaftStore:
    """Return what a member keeps, with nothing in it."""
    conn = sqlite3.connect(":memory:", isolation_level=None)
    migrate(conn)
    return RaftStore(conn)


class Node:
    """One node: its transport, its objects, and its own view of who is a member."""

    def __init__(self, world: World, raft_id: int, limits: PeerLimits) -> None:
        self.world = world
        self.folder = world.folder / f"node{raft_id}"
        self.kept = empty_folder()
        starts = Starts(b"%d" % raft_id)
        starts.load(self.kept)
        self.seat = Seat(CLUSTER, CLUSTER_ID, raft_id, starts)
        self.inbox = Inbox()
        self.roster = dict(world.members)
        self.voters: list[set[int]] = [set(world.members)]
        self.objects = ObjectStore(self.folder / "objects")
        self.snapshots = self.folder / "snapshots"
        for folder in ("objects", "snapshots"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        self.tls = world.tls(f"n{raft_id}")
        self.bulk = Bulk(
            self.seat,
            roster=lambda: self.roster,
            quorums=lambda: self.voters,
            tls=self.tls,
            objects=self.objects,
            snapshots=self.snapshots,
            incoming=self.folder / "incoming",
            jitter=lambda: 0.0,
            limits=limits,
        )
        self.transport = PeerTransport(
            self.seat,
            roster=lambda: self.roster,
            tls=self.tls,
            serve_bulk=self.bulk.serve,
            jitter=lambda: 0.0,
            limits=limits,
        )
        self.scope = trio.CancelScope()

    async def run(self, *, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        with trio.CancelScope() as self.scope:
            listeners = await self.world.listeners(self.seat.raft_id)
            await self.transport.run(listeners, self.inbox, task_status=task_status)

    def see_at(self, raft_id: int, address: str) -> None:
        member = self.world.members[raft_id]
        self.roster[raft_id] = Member(raft_id, member.name, address, member.role)

    async def linked(self, to: int) -> None:
        await until(lambda: self.transport.figures[to].is_connected)


class World:
    """Certificates and addresses of as many nodes as are asked for."""

    def __init__(self, folder: Path, ids: tuple[int, ...] = (1, 2, 3)) -> None:
        self.folder = folder
        self.ca = pki.create_ca("Cluster CA", now=NOW)
        self.write("ca", self.ca)
        self.members: dict[int, Member] = {}
        self._sockets: dict[int, trio.SocketListener] = {}
        self.ids = ids
        for raft_id in ids:
            self.certify(f"n{raft_id}", f"urn:rtgf:node:n{raft_id}")

    def certify(self, name: str, *uris: str, ca: pki.Credential | None = None) -> None:
        made = pki.issue(
            ca or self.ca,
            name,
            san_uris=uris,
            san_dns=["localhost"],
            now=NOW,
            client=True,
            server=True,
        )
        self.write(name, made)

    def write(self, name: str, credential: pki.Credential) -> None:
        for kind in ("pem", "key"):
            self.path(name, kind).unlink(missing_ok=True)
        pki.write(credential, self.path(name), self.path(name, "key"))

    def path(self, name: str, kind: str = "pem") -> Path:
        return self.folder / f"{name}.{kind}"

    def tls(self, name: str, ca: str = "ca") -> PeerTls:
        return PeerTls(self.path(name), self.path(name, "key"), self.path(ca))

    async def open(self) -> None:
        """Take a port for each node."""
        for raft_id in self.ids:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            self._sockets[raft_id] = listener
            port = listener.socket.getsockname()[1]
            address = f"127.0.0.1:{port}"
            self.members[raft_id] = Member(raft_id, f"n{raft_id}", address, "voter")

    async def close(self) -> None:
        """Give back the ports of nodes that never ran."""
        for listener in self._sockets.values():
            await listener.aclose()

    async def listeners(self, raft_id: int) -> list[trio.SocketListener]:
        """Listen at the node's address; again, if it did before."""
        held = self._sockets.pop(raft_id, None)
        if held is not None:
            return [held]
        port = int(self.members[raft_id].address.rpartition(":")[2])
        return await trio.open_tcp_listeners(port, host="127.0.0.1")

    def node(self, raft_id: int, limits: PeerLimits = LIMITS) -> Node:
        return Node(self, raft_id, limits)

    @asynccontextmanager
    async def running(self, *nodes: Node) -> AsyncIterator[trio.Nursery]:
        """Run the nodes around a test, which fails after `PATIENCE`."""
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as tasks:
                for node in nodes:
                    await tasks.start(node.run)
                yield tasks
                tasks.cancel_scope.cancel()


class Stranger:
    """A connection that says what a test wants, over TLS that a test chose."""

    def __init__(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        self.stream = stream

    @classmethod
    @asynccontextmanager
    async def to(
        cls, world: World, node: Node, name: str | None, context: ssl.SSLContext | None = None
    ) -> AsyncIterator[Stranger]:
        if context is None:
            context = world.tls(name).client if name else anonymous(world)
        host, _, port = world.members[node.seat.raft_id].address.rpartition(":")
        async with await trio.open_tcp_stream(host, int(port)) as transport:
            yield cls(trio.SSLStream(transport, context))

    async def hello(self, from_: int, to: int, **changed: Any) -> None:
        said = {
            "version": 1,
            "cluster": CLUSTER,
            "cluster_id": CLUSTER_ID,
            "purpose": "raft",
            "start": Start(1, b"%d" % from_),
            "met": None,
        } | changed
        await self.say(document(Kind.HELLO, Hello(from_=from_, to=to, **said)))

    async def greet(self, from_: int, to: int, **changed: Any) -> None:
        """Say hello and take the answer."""
        await self.hello(from_, to, **changed)
        assert await self.stream.receive_some()

    async def say(self, data: bytes) -> None:
        with suppress(trio.BrokenResourceError):
            await self.stream.send_all(data)

    async def ended(self) -> bytes:
        """Wait for the other side to end it; return what it said before."""
        heard = b""
        with suppress(trio.BrokenResourceError):
            while data := await self.stream.receive_some():
                heard += data
        return heard


def anonymous(world: World) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(world.path("ca"))
    return context


class Wire:
    """A relay in front of a node: it can fall silent, or be cut after so many bytes."""

    def __init__(self, target: str) -> None:
        self._target = target
        self.address = ""
        self.silent = False
        self.cut_after: int | None = None
        self.carried: deque[int] = deque([0])  # bytes towards the dialler, by connection

    async def run(self, *, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.address = f"127.0.0.1:{listener.socket.getsockname()[1]}"
        task_status.started()
        await trio.serve_listeners(self._carry, [listener])

    async def _carry(self, near: trio.SocketStream) -> None:
        host, _, port = self._target.rpartition(":")
        self.carried.append(0)
        with suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            async with (
                near,
                await trio.open_tcp_stream(host, int(port)) as far,
                trio.open_nursery() as tasks,
            ):
                tasks.start_soon(self._pump, near, far, False, tasks.cancel_scope)
                tasks.start_soon(self._pump, far, near, True, tasks.cancel_scope)

    async def _pump(
        self, source: Any, sink: Any, towards_dialler: bool, both: trio.CancelScope
    ) -> None:
        with suppress(trio.BrokenResourceError):
            async for data in source:
                if self.silent:
                    await trio.sleep_forever()
                if towards_dialler:
                    self.carried[-1] += len(data)
                    if self.cut_after is not None and self.carried[-1] > self.cut_after:
                        self.cut_after = None
                        break
                await sink.send_all(data)
        if self.silent:
            await trio.sleep_forever()  # nor does it tell that an end is gone
        both.cancel()
