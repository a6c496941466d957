"""How two copies of one member's folder are told apart, and an old copy from the one that went on.

A member never comes back from an old copy of its folder: it may have voted since. So each start has
a number and random bytes, written to the folder before anything is said. A peer remembers the start
that it met last, and says so in its hello. Who is told of a start that its own folder knows nothing
of is not who was met: it stops. A folder that was moved knows all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.raft_store import RaftStore, Start

KEPT: Final = 4096
"""Starts that a folder remembers, of itself: a peer was away for fewer."""


class Starts:
    """The starts of this member, and the newest of each peer that was met.

    On the trio thread, but for `load` and `save`, which are the writer's.

    Attributes:
      nonce: of this start, unlike that of any other.
      stop: is told when another copy of this folder was met in its place.
    """

    def __init__(self, nonce: bytes) -> None:
        self.nonce = nonce
        self.stop: Callable[[RtgfError], None] = lambda _: None
        self._own: dict[int, bytes] = {}
        self._met: dict[int, Start] = {}
        self._unsaved: dict[int, Start] = {}

    @property
    def own(self) -> Start:
        """This start, once it is on disk."""
        return Start(max(self._own), self.nonce)

    def load(self, raft: RaftStore) -> None:
        """Read what is kept, and write this start down; in a transaction of the caller's.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if it is not what was written.
        """
        self._own = {one.number: one.nonce for one in raft.starts()}
        self._met = raft.met()
        newest = max(self._own, default=0)
        if self._own.get(newest) != self.nonce:
            self._own[newest + 1] = self.nonce
            raft.put_start(Start(newest + 1, self.nonce), kept=KEPT)

    def save(self, raft: RaftStore) -> None:
        """Write down who was met since; in a transaction of the caller's."""
        while self._unsaved:
            raft.put_met(*self._unsaved.popitem())

    def met(self, peer: int) -> Start | None:
        """Return the start of a peer that was met last."""
        return self._met.get(peer)

    def check(self, told: Start | None, by: str) -> None:
        """Stop if a peer met another copy of this folder.

        Args:
          told: which start of this member the peer met last.
          by: the name of the peer.

        Raises:
          RtgfError: RTGF_CONFLICT.
        """
        if told is None or told.number < min(self._own) or self._own.get(told.number) == told.nonce:
            return
        error = RtgfError(
            Code.RTGF_CONFLICT,
            f"{by} met start {told.number} of this member, of which this folder knows nothing: it "
            "is an old copy, or another copy runs. Remove this member, and give it a new seat and "
            "an empty data folder",
        )
        self.stop(error)
        raise error

    def meet(self, peer: int, start: Start) -> None:
        """Remember a start of a peer, which heard which one was met before and went on."""
        if self._met.get(peer) != start:
            self._met[peer] = self._unsaved[peer] = start
