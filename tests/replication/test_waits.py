"""What a member says that cannot be up to date: how much came, or why nothing does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio

from rtgf_node import cluster
from rtgf_node.replication.peer_figures import PeerFigures
from rtgf_node.replication.state_files import Manifest
from rtgf_node.replication.state_transfer import Fetching
from rtgf_node.store.raft_store import Member
from tests.replication.peer_world import World

DIGEST = "sha256:" + "a" * 64
MANIFEST = Manifest(
    index=9,
    term=2,
    conf_state=b"",
    tree_size=4,
    root=b"",
    sha256=DIGEST,
    size=3000,
    objects_root="",
)


class Joiner:
    """A member whose parts say what a test has them say."""

    def __init__(self, folder, world: World) -> None:
        self.incoming = folder / "data" / cluster.INCOMING
        self.incoming.mkdir(parents=True)
        self.held: set[str] = set()
        self.quorums: list[tuple[int, ...]] = []
        self.taking = SimpleNamespace(under_way=None, trouble=None)
        removed = trio.Event()
        self.figures = {1: PeerFigures(), 3: PeerFigures(is_connected=True, last_failure="once")}
        members = {one: Member(one, f"n{one}", "", "voter") for one in (1, 3)}
        replicator: Any = SimpleNamespace(
            taking=self.taking,
            quorums=lambda: self.quorums,
            members=lambda: members,
            removed=removed,
        )
        config: Any = SimpleNamespace(node=SimpleNamespace(data_dir=folder / "data"))
        store: Any = SimpleNamespace(objects=SimpleNamespace(has=self.held.__contains__))
        transport: Any = SimpleNamespace(figures=self.figures)
        node = world.node(2)
        self.membership = cluster.Membership(
            config, store, replicator, transport, node.bulk, node.seat
        )


@pytest.fixture
def joiner(tmp_path):
    return Joiner(tmp_path, World(tmp_path))


def test_a_member_with_a_state_waits_for_nothing(joiner):
    joiner.quorums = [(1, 2, 3)]
    assert joiner.membership.waits is None


def test_why_no_state_comes(joiner):
    assert joiner.membership.waits == "no member has sent its state yet"
    joiner.figures[1].last_failure = "the certificate is of another CA"
    joiner.taking.trouble = "the disk is full"
    assert joiner.membership.waits == (
        "no member has sent its state yet; the disk is full; n1: the certificate is of another CA"
    )


def test_how_much_of_a_state_came(joiner):
    """Also of one that takes the place of an older one: the node is behind, and says by what."""
    joiner.quorums = [(1, 2, 3)]
    joiner.taking.under_way = Fetching(1, MANIFEST)
    waits = joiner.membership
    assert waits.waits == "it fetches the state of n1: 0 of 3,000 bytes"
    part = joiner.incoming / f"{'a' * 64}.part"
    part.write_bytes(bytes(1500))
    assert waits.waits == "it fetches the state of n1: 1,500 of 3,000 bytes"
    part.write_bytes(bytes(3000))
    part.rename(joiner.incoming / ("a" * 64))
    assert waits.waits == "it checks the state of n1"
    joiner.taking.under_way = Fetching(1, MANIFEST, ["x", "y"])
    joiner.held.add("x")
    assert waits.waits == "it fetches what the state of n1 rests on: 1 of 2 files"
    assert [check.detail for check in waits.checks() if not check.ok] == [waits.waits]
