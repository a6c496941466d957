"""What `rtgf cluster status` says, of clusters that are hard to come by."""

from __future__ import annotations

import msgspec

from rtgf_node.cli.cluster import text
from rtgf_node.wire.cluster import ClusterAnswer, ClusterMember

CLUSTER = ClusterAnswer(
    alone=False,
    cluster="rtgf.fma.example",
    name="a",
    role="follower",
    leader="b",
    term=3,
    last_index=90,
    commit=90,
    applied=90,
    tree_size=40,
    staleness_seconds=0.25,
    members=[
        ClusterMember(raft_id=1, name="a", address="10.0.0.1:7443", role="voter"),
        ClusterMember(raft_id=2, name="b", address="10.0.0.2:7443", role="removed"),
        ClusterMember(raft_id=3, name="b", address="10.0.0.2:7443", role="voter"),
    ],
)


def rows(answer: ClusterAnswer) -> list[list[str]]:
    """Return the cells of the table below the words."""
    return [line.split() for line in text(answer).split("\n\n")[1].splitlines()]


def test_a_member_that_was_removed_does_not_lead_with_the_name_of_its_successor():
    assert rows(CLUSTER) == [
        ["member", "role", "state", "holds", "behind", "address"],
        ["a", "voter", "active", "-", "-", "10.0.0.1:7443"],
        ["b", "removed", "removed", "-", "-", "10.0.0.2:7443"],
        ["b", "leader", "active", "-", "-", "10.0.0.2:7443"],
    ]
    assert text(CLUSTER).startswith("rtgf.fma.example: b leads term 3\nthis is a, follower;")
    assert "0.2 s old" in text(CLUSTER)


def test_a_follower_knows_nothing_of_a_leader_that_it_no_longer_hears():
    old = msgspec.structs.replace(CLUSTER, staleness_seconds=7.0)
    assert rows(old)[3][2:5] == ["not", "known", "here"]


def test_a_leader_says_who_is_behind_and_who_is_gone():
    known = [
        msgspec.structs.replace(CLUSTER.members[0], match=90, active=True),
        msgspec.structs.replace(CLUSTER.members[2], match=83, active=False),
    ]
    seen = msgspec.structs.replace(CLUSTER, leader="a", role="leader", members=known)
    assert rows(seen)[1:] == [
        ["a", "leader", "active", "90", "0", "10.0.0.1:7443"],
        ["b", "voter", "unreachable", "83", "7", "10.0.0.2:7443"],
    ]


def test_a_member_without_a_state_has_no_age():
    waits = msgspec.structs.replace(CLUSTER, staleness_seconds=1e9, waits="no member has sent it")
    assert "s old" not in text(waits)
    assert "waits: no member has sent it" in text(waits)
