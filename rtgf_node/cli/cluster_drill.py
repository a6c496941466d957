"""The failover drill: the leader is killed again and again, and what that costs is measured.

RTO is the time from the kill to the first write that another member answered; RPO is how many
answered writes were not there then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from rtgf_node import wire
from rtgf_node.cli import cluster_story
from rtgf_node.cli.local_cluster import LocalCluster, LocalNode, eventually
from rtgf_node.errors import Code, RtgfError

REASON = "corridor_suspended"


class Drill(msgspec.Struct, frozen=True):
    """What the kills came to.

    Attributes:
      rto_seconds: of each kill, sorted.
      writes: how many writes were answered in all.
      lost: how many of them were not there after the next kill.
    """

    kills: int
    rto_seconds: list[float]
    writes: int
    lost: int

    def quantile(self, part: float) -> float:
        """Return the RTO that this part of the kills did not exceed."""
        return self.rto_seconds[min(self.kills - 1, int(part * self.kills))]


def measure(folder: Path, kills: int, tell: Callable[[str], None]) -> Drill:
    """Kill the leader of a fresh cluster of three in `folder`, `kills` times.

    Raises:
      RtgfError: the cluster did not come back.
    """
    seconds: list[float] = []
    writes = lost = 0
    with LocalCluster(folder) as cluster:
        token = cluster_story.begin(cluster)[1]
        for _ in range(kills):
            leader = cluster.leader()
            answered = _write(leader, token)
            writes += 1
            cluster.kill(leader.name)
            began = time.monotonic()
            after = eventually(lambda: _write_somewhere(cluster, token), "no write")
            seconds.append(time.monotonic() - began)
            writes += 1
            lost += max(0, answered + 1 - after)
            tell(f"{leader.name} killed: the next write was answered {seconds[-1]:.2f} s later")
            cluster.start(leader.name)
            cluster.settled()
    return Drill(kills=kills, rto_seconds=sorted(seconds), writes=writes, lost=lost)


def _write_somewhere(cluster: LocalCluster, token: str) -> int | None:
    for node in cluster.running:
        try:
            return _write(node, token)
        except RtgfError:
            continue
    return None


def _write(node: LocalNode, token: str) -> int:
    """Suspend a token, or lift that, and return the epoch after it."""
    request = wire.RevokeRequest(items=[wire.RevokeItem(token=token, reason=REASON)])
    with node.client() as operator:
        try:
            return operator.revoke(request).revEpoch
        except RtgfError as error:
            if error.code is not Code.RTGF_CONFLICT:
                raise
            return operator.reinstate(request).revEpoch


def text(drill: Drill) -> str:
    """Return the result as lines for people."""
    return "\n".join(
        [
            f"{drill.kills} kills of the leader, {drill.writes} answered writes",
            f"RTO  p50 {drill.quantile(0.5):.2f} s, p90 {drill.quantile(0.9):.2f} s, "
            f"max {drill.rto_seconds[-1]:.2f} s",
            f"RPO  {drill.lost} answered writes lost",
        ]
    )
