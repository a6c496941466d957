"""A whole cluster on this machine's loopback, for the demonstration and the drill.

Each node is a real `rtgf serve` in a process of its own, joined as an operator joins them.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from rtgf_node import cluster_seat, config
from rtgf_node.cli import connection, demo_world, member_folder, node_folder
from rtgf_node.cli.demo_node import RunningNode, free_port
from rtgf_node.cli.demo_world import World
from rtgf_node.cli.member_folder import Member
from rtgf_node.cli.node_folder import Wish
from rtgf_node.client import Node
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys.pki import CA_DAYS, read
from rtgf_node.store import open_store
from rtgf_node.system_clock import SystemClock
from rtgf_node.whole_file import write_whole
from rtgf_node.wire.cluster import ClusterAnswer, JoinDocument, MemberRequest

T = TypeVar("T")
PATIENCE_SECONDS = 180.0
"""Longer than anything takes here when all is well."""
POLL_SECONDS = 0.02


def eventually(look: Callable[[], T | None], else_: str) -> T:
    """Return what `look` finds as soon as it finds something; a node's refusal means not yet.

    Raises:
      RtgfError: RTGF_UNREACHABLE, with `else_`.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    last = "nothing was found"
    while time.monotonic() < deadline:
        try:
            found = look()
        except RtgfError as error:
            found, last = None, error.detail
        if found is not None and found is not False:
            return found
        time.sleep(POLL_SECONDS)
    detail = f"{else_} after {PATIENCE_SECONDS:g} s: {last}"
    raise RtgfError(Code.RTGF_UNREACHABLE, detail)


def who_leads(names: Iterable[str], shown: Callable[[str], ClusterAnswer]) -> str:
    """Return the member that says that it leads, as soon as one does.

    Raises:
      RtgfError: as `eventually`.
    """
    members = tuple(names)

    def look() -> str | None:
        for name in members:
            with suppress(RtgfError):
                if shown(name).role == "leader":
                    return name
        return None

    return eventually(look, "nobody leads")


def wait_settled(names: Iterable[str], shown: Callable[[str], ClusterAnswer]) -> None:
    """Wait until all these members have applied all that is committed.

    Raises:
      RtgfError: as `eventually`.
    """
    members = tuple(names)

    def look() -> bool:
        seen = [shown(name) for name in members]
        where = {(one.commit, one.applied, one.tree_size) for one in seen}
        return len(where) == 1 and all(one.commit == one.applied for one in seen)

    eventually(look, "the nodes are not at one")


class LocalNode:
    """One node's folder, and its process while it runs."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.settings = folder / "rtgf.toml"
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.bind = f"127.0.0.1:{self.port}"
        self.address = f"127.0.0.1:{free_port()}"
        self.running: RunningNode | None = None

    def client(self, role: str = "operator") -> Node:
        """Return a client with the certificate of a role."""
        told = config.load(self.settings)
        pki = self.folder / "pki"
        return connection.node(
            told, certificate=pki / f"{role}.pem", key=pki / f"{role}.key", url=self.url
        )

    def shown(self) -> ClusterAnswer:
        """Return how this node sees the cluster."""
        with self.client() as client:
            return client.cluster()


class LocalCluster:
    """Nodes a, b, c ...; leaving the context stops them.

    Args:
      folder: where their folders are made; new or empty.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._stack = ExitStack()
        self._clock = SystemClock()
        self.nodes: dict[str, LocalNode] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def running(self) -> list[LocalNode]:
        """The nodes whose process is there."""
        return [node for node in self.nodes.values() if node.running is not None]

    def make_first(self, name: str) -> World:
        """Make a node that stands alone, with authorities, rules and lists around it."""
        node = self.nodes[name] = LocalNode(name, self._folder / name)
        wish = Wish(
            issuer="did:web:fma.example",
            url=node.url,
            bind=node.bind,
            metrics_bind="",
            passphrase_file=None,
            ca_days=CA_DAYS,
        )
        now = self._clock.now()
        node_folder.make(node.folder, wish, at=now)
        world = demo_world.prepare(node.folder, None, at=now)
        text = node.settings.read_text().replace(
            "allowed_hosts = []", "allowed_hosts = []\nallow_file = true", 1
        )
        write_whole(node.settings, f"{text}\n{world.settings}".encode())
        return world

    def found(self, name: str) -> None:
        """Make a stopped node the first member."""
        node = self.nodes[name]
        ca = read(node.folder / "pki/ca.pem", node.folder / "pki/ca.key")
        member_folder.seat(node.folder, name, node.address, ca=ca, at=self._clock.now())
        with open_store(config.load(node.settings).node.data_dir) as store:
            cluster_seat.found(store, name=name, address=node.address)

    def join(self, name: str) -> JoinDocument:
        """Make a further node, give it a seat, start it, and let it decide once it has all."""
        first, now = next(iter(self.nodes.values())), self._clock.now()
        node = LocalNode(name, self._folder / name)
        wish = Member(name, node.address, node.bind, node.address, "", node.url)
        member_folder.make(node.folder, first.settings, config.load(first.settings), wish, at=now)
        with self.leader().client() as operator:
            seat = operator.add_member(MemberRequest(name=name, address=node.address)).seat
        if seat is None:
            raise RtgfError(Code.RTGF_CONFLICT, f"{name} got no seat")
        told = config.load(node.settings)
        with open_store(told.node.data_dir) as store:
            cluster_seat.join(store, seat, cluster=told.log_origin())
        self.nodes[name] = node
        self.start(name)
        self.settled()
        with self.leader().client() as operator:
            operator.promote_member(name)
        return seat

    def start(self, name: str) -> None:
        """Start a node's process and wait until it answers."""
        node = self.nodes[name]
        node.running = self._stack.enter_context(
            RunningNode(node.settings, node.folder / "serve.log")
        )
        with node.client() as client:
            node.running.wait_ready(client)

    def kill(self, name: str) -> None:
        """End a node as a power cut ends it: SIGKILL."""
        self._end(name, signal.SIGKILL)

    def stop(self, name: str) -> None:
        """End a node as a service manager does."""
        self._end(name, signal.SIGTERM)

    def leader(self) -> LocalNode:
        """Return the node that says that it leads. Raises as `who_leads`."""
        return self.nodes[who_leads(self._names(), self._shown)]

    def settled(self) -> None:
        """Wait until every running node has all. Raises as `wait_settled`."""
        wait_settled(self._names(), self._shown)

    def _names(self) -> list[str]:
        return [node.name for node in self.running]

    def _shown(self, name: str) -> ClusterAnswer:
        return self.nodes[name].shown()

    def _end(self, name: str, number: signal.Signals) -> None:
        node = self.nodes[name]
        if node.running is not None:
            node.running.signal(number)
            node.running.wait()
            node.running = None
