"""The orders that runbooks give about clusters, on a cluster."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Mapping

from rtgf_node.cli.local_cluster import eventually
from tests.clusters import SOON, Member, TestCluster, cluster_of
from tests.e2e.test_runbooks import PAGES, commands
from tests.nodes import TestNode


def followed(node: TestNode, line: str, example: Mapping[str, str] | None = None) -> None:
    """Give an order as it is written, but for names and addresses of the example."""
    for there, here in (example or {}).items():
        line = line.replace(there, here)
    done = node.cli(*shlex.split(line)[1:])
    assert done.returncode == 0, f"{line}\n{done.stderr}"


def lead_by(cluster: TestCluster, name: str) -> None:
    eventually(lambda: cluster.leader() == name, f"{name} does not lead")


def test_leaders_members_and_a_majority_are_lost_and_the_runbooks_are_followed(template, tmp_path):
    first = template.copy(tmp_path / "a", settings=SOON)
    with cluster_of(first, tmp_path, "b", "c") as cluster:
        leader = cluster.leader()
        other = "b" if leader != "b" else "c"
        status, transfer = commands(PAGES["lost_leader"])
        followed(cluster.nodes[leader], status)
        followed(cluster.nodes[leader], transfer, {"node-b": other})
        lead_by(cluster, other)

        lost = next(name for name in "bc" if name != cluster.leader())
        cluster.kill(lost)
        status, remove, add, join, promote = commands(PAGES["member_lost"])
        asked = cluster.nodes[cluster.leader()]
        followed(asked, status)
        followed(asked, remove, {"node-b": lost})
        new = Member.of(first, tmp_path / "new", lost)
        seat = str(tmp_path / "new.seat")
        names = {"node-b.seat": seat, "node-b": lost, "10.0.0.2:7443": new.peer_address}
        followed(asked, add, names)
        followed(new, join, names)
        cluster.nodes[lost] = new
        cluster.start(lost)
        cluster.settled()
        followed(cluster.nodes[cluster.leader()], promote, names)

        (root,) = cluster.roots()
        left, *gone = "a", "b", "c"
        for name in gone:
            cluster.kill(name)
        cluster.signal(left, signal.SIGTERM)
        cluster.wait(left)
        status, leave, serve, audit = commands(PAGES["lost_majority"])
        followed(first, leave)
        assert serve == "rtgf serve"
        cluster.start(left)
        followed(first, status)
        assert cluster.shown(left).alone
        assert first.ask("GET", "/roots/latest").json()["root_hash"] == root
        followed(first, audit)
