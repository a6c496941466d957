"""Real clusters for tests: whole nodes, each a process, joined as an operator joins them."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from rtgf_node.cli.demo_node import RunningNode, free_port
from rtgf_node.cli.local_cluster import eventually, wait_settled, who_leads
from rtgf_node.wire.cluster import ClusterAnswer
from tests.nodes import PATIENCE_SECONDS, RATES, Reply, TestNode

SOON = f"{RATES}\n[decisions]\nroot_every_seconds = 1.0\n"
"""Settings with which nobody waits long for a root of decisions."""


class Member(TestNode):
    """A node of a cluster; its folder was made by `rtgf cluster prepare`."""

    __test__ = False

    @classmethod
    def of(cls, first: TestNode, folder: Path, name: str) -> Member:
        """Make the folder of a further member, beside the one of the first."""
        made = cls.__new__(cls)
        made.folder, made.made, made.world = folder, first.made, first.world
        made._take_ports()
        made.peer_address = f"127.0.0.1:{free_port()}"
        done = first.cli(
            *("cluster", "prepare", folder, name, made.peer_address),
            *("--url", made.url, "--bind", f"127.0.0.1:{made.port}"),
            *("--metrics-bind", f"127.0.0.1:{made.metrics_port}"),
        )
        assert done.returncode == 0, done.stderr
        return made


class TestCluster:
    """A cluster, and the processes of those of its members that run.

    Attributes:
      nodes: by name; all have the client certificates of the first.
    """

    __test__ = False

    def __init__(self, first: TestNode, folder: Path) -> None:
        self.nodes: dict[str, TestNode] = {"a": first}
        self._folder = folder
        self._stack = ExitStack()
        self._running: dict[str, RunningNode] = {}
        first.cli("cluster", "init", "a", f"127.0.0.1:{free_port()}").check_returncode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._running):
            self.signal(name, signal.SIGCONT)
        self._stack.close()

    def start(self, name: str, *, wait: bool = True) -> None:
        """Serve a member, and wait until it answers."""
        node = self.nodes[name]
        running = RunningNode(node.toml, node.folder / "node.log")
        self._stack.enter_context(running)
        self._running[name] = running
        if wait:
            with node.client() as client:
                running.wait_ready(client)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the process of a member."""
        self._running[name].signal(number)

    def kill(self, name: str) -> None:
        """End it as a power cut ends it."""
        self.signal(name, signal.SIGKILL)
        self._running.pop(name).wait()

    def stop(self, name: str) -> None:
        """End it as a service manager does."""
        self.signal(name, signal.SIGTERM)
        self._running.pop(name).wait()

    @property
    def running(self) -> Sequence[str]:
        """The names of those whose process is there."""
        return tuple(self._running)

    def wait(self, name: str) -> int:
        """Wait until a process that was told to end has ended, and return its exit code."""
        return self._running.pop(name).wait(PATIENCE_SECONDS)

    def add(self, name: str) -> None:
        """Make a further node, give it a seat, and start it; it learns."""
        self.seat(name)
        self.start(name)
        self.settled()

    def seat(self, name: str) -> None:
        """Make a further node, and give it a seat."""
        first = self.nodes["a"]
        node = Member.of(first, self._folder / name, name)
        seat = self._folder / f"{name}.{node.port}.seat"
        asked = self.nodes[self.leader()]
        done = asked.cli("cluster", "add", name, node.peer_address, "--out", seat)
        assert done.returncode == 0, done.stderr
        for role in ("approver", "auditor", "partner", "regulator"):
            for suffix in ("pem", "key"):
                source = first.folder / "pki" / f"{role}.{suffix}"
                (node.folder / "pki" / source.name).write_bytes(source.read_bytes())
        done = node.cli("cluster", "join", seat)
        assert done.returncode == 0, done.stderr
        self.nodes[name] = node

    def promote(self, name: str) -> None:
        """Let a learner decide, once it has everything."""
        self.settled()
        done = self.nodes[self.leader()].cli("cluster", "promote", name)
        assert done.returncode == 0, done.stderr

    def shown(self, name: str) -> ClusterAnswer:
        """Return how a member sees the cluster."""
        with self.nodes[name].client("operator") as operator:
            return operator.cluster()

    def leader(self) -> str:
        """Return who leads, once a member that runs says so of itself."""
        return who_leads(self._running, self.shown)

    def settled(self) -> None:
        """Wait until every member that runs has applied all that the leader committed."""
        wait_settled(self._running, self.shown)

    def ask(self, name: str, method: str, path: str, body: Any = None, **given: Any) -> Reply:
        """Ask a member, as `TestNode.ask`; again as long as it says that it cannot now."""

        def look() -> Reply | None:
            reply = self.nodes[name].ask(method, path, body, **given)
            return reply if reply.status != 503 else None

        return eventually(look, f"{name} cannot do it")

    def revoke(self, name: str, token: str, *, reason: str = "policy_withdrawn") -> Reply:
        """Have a member withdraw a token, once."""
        asked = {"items": [{"token": token, "reason": reason}]}
        once = {"Idempotency-Key": f"{name}-{token}"}
        return self.ask(name, "POST", "/admin/revoke", asked, role="operator", headers=once)

    def roots(self) -> set[str]:
        """Return the roots of the newest heads that the members show, once they have settled."""
        self.settled()
        return {
            str(self.nodes[name].ask("GET", "/roots/latest").json()["root_hash"])
            for name in self._running
        }


@contextmanager
def cluster_of(
    first: TestNode, folder: Path, *names: str, learners: Sequence[str] = ()
) -> Iterator[TestCluster]:
    """Run a cluster of the first node and others; all decide but the learners."""
    with TestCluster(first, folder) as cluster:
        cluster.start("a")
        for name in (*names, *learners):
            cluster.add(name)
        for name in names:
            cluster.promote(name)
        yield cluster
