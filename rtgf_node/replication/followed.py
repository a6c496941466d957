"""Replication that other processes follow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from rtgf_node.replication.commands import Applied, Proposal
from rtgf_node.replication.replicator import Feed, Replicator, Role


class Followed:
    """A replicator whose proposers hear nothing before others have heard what was applied.

    Args:
      replicator: does it.
      wait_heard: returns when the others have heard all that the feed told.
    """

    def __init__(self, replicator: Replicator, wait_heard: Callable[[], Awaitable[None]]) -> None:
        self._replicator = replicator
        self._wait_heard = wait_heard

    @property
    def feed(self) -> Feed:
        """What was applied, in order."""
        return self._replicator.feed

    @property
    def alone(self) -> bool:
        """Whether this node is no member of a cluster."""
        return self._replicator.alone

    @property
    def leader(self) -> bool:
        """Whether this node may sign heads and lists now."""
        return self._replicator.leader

    @property
    def role(self) -> Role:
        """What this node is in its cluster."""
        return self._replicator.role

    def staleness_seconds(self) -> float:
        """Return for how long this node may have missed what others committed."""
        return self._replicator.staleness_seconds()

    async def read_barrier(self) -> None:
        """Return when all that was committed is applied here; see `Replicator.read_barrier`."""
        await self._replicator.read_barrier()

    async def propose(self, proposals: Sequence[Proposal]) -> list[Applied]:
        """Have commands applied in their order; see `Replicator.propose`."""
        applied = await self._replicator.propose(proposals)
        await self._wait_heard()
        return applied
