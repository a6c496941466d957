"""How a member of a cluster is set up, and where it stands."""

from __future__ import annotations

from typing import NamedTuple

from rtgf_node.replication.raftcore.answers import Status
from rtgf_node.replication.replicator import Role
from rtgf_node.store.raft_store import Member


class RaftSettings(NamedTuple):
    """The times and sizes of one member; the same on all of them.

    Attributes:
      tick_seconds: the unit of the core's time; a leader speaks to all once a tick.
      election_ticks: without a leader for so long, and at most twice, another one is elected.
      compact_every: entries of the log after which its older half is forgotten.
    """

    tick_seconds: float = 0.05
    election_ticks: int = 10
    compact_every: int = 10_000

    @property
    def election_seconds(self) -> float:
        """After which a silent leader is given up, at the earliest."""
        return self.tick_seconds * self.election_ticks


class RaftStatus(NamedTuple):
    """Where a member stands.

    Attributes:
      core: what the core says.
      role: what it is for the node.
      members: everybody there ever was.
      delivered: up to where entries were handed out here.
      applied: up to where they are applied here.
      waiting: commands that are not answered yet.
      staleness_seconds: for how long it may have missed something.
    """

    core: Status
    role: Role
    members: tuple[Member, ...]
    delivered: int
    applied: int
    waiting: int
    staleness_seconds: float
