"""What is said over HTTP about the cluster of nodes that hold one log."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from rtgf_node.wire import Answer, Body

MEMBER_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
"""It stands in the member's certificate as `urn:rtgf:node:<name>`."""

CUT_OFF_SECONDS = 5.0
"""A member that hears nothing for so long is cut off, not slow."""

Name = Annotated[str, msgspec.Meta(pattern=MEMBER_NAME)]
Address = Annotated[str, msgspec.Meta(pattern=r"^[^\s:]{1,253}:[0-9]{1,5}$")]


class MemberRequest(Body, frozen=True):
    """`POST /admin/cluster/members`: who is to join, and where it listens for its peers."""

    name: Name
    address: Address


class LeadershipRequest(Body, frozen=True):
    """`POST /admin/cluster/leader`: who is to lead; without a name, whoever holds most."""

    to: Name | None = None


class ClusterMember(Answer, frozen=True):
    """One node, also one that was removed. `match` is what the leader knows that it holds."""

    raft_id: int
    name: str
    address: str
    role: Literal["voter", "learner", "removed"]
    match: int | None = None
    active: bool | None = None


class StateFetch(Answer, frozen=True):
    """Another member's state on its way here: its file, then the objects that it rests on."""

    member: str
    bytes: int
    of_bytes: int
    objects: int
    of_objects: int


class ClusterAnswer(Answer, frozen=True):
    """`GET /admin/cluster`: how this node sees its cluster; alone, it is its own leader.

    `cluster` is the origin of the log, `cluster_id` is of this cluster alone. `staleness_seconds`
    says for how long this node may have missed what others committed. `waits` says in
    words what a node waits for that cannot be up to date yet; `fetching` is there while it fetches.
    """

    alone: bool
    cluster: str
    name: str
    role: Literal["leader", "follower", "learner"]
    leader: str | None
    term: int
    last_index: int
    commit: int
    applied: int
    tree_size: int
    staleness_seconds: float
    members: list[ClusterMember]
    cluster_id: str = ""
    waits: str | None = None
    fetching: StateFetch | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether this node hears the leader, or as the leader most of the others."""
        return self.staleness_seconds < CUT_OFF_SECONDS

    def leads(self, member: ClusterMember) -> bool:
        """Return whether this member leads; not one that was removed and had the leader's name."""
        return member.name == self.leader and member.role != "removed"

    def state_of(
        self, member: ClusterMember
    ) -> Literal["removed", "unreachable", "active", "not known here"]:
        """Return what this node knows of a member; of the others only the leader knows it."""
        if member.role == "removed":
            return "removed"
        if member.active is False:
            return "unreachable"
        heard = member.name == self.name or (self.leads(member) and self.is_fresh)
        return "active" if member.active or heard else "not known here"

    def behind(self, member: ClusterMember) -> int | None:
        """Return how many commands of this node's log a member lacks, where that is known."""
        return None if member.match is None else max(0, self.last_index - member.match)


class JoinDocument(Answer, frozen=True):
    """What a new member needs to know to take its place; no secret is in it."""

    cluster: str
    cluster_id: str
    raft_id: int
    name: str
    members: list[ClusterMember]


class MembershipAnswer(Answer, frozen=True):
    """What became of a change of members: done, or waiting for a second person.

    `seat` is that of a new member, for `rtgf cluster join`.
    """

    state: Literal["done", "waiting"]
    approval_id: str | None
    cluster: ClusterAnswer
    seat: JoinDocument | None = None
