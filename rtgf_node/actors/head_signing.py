"""Signing heads, so that no two of them ever contradict each other.

It takes three steps in this order: the tree is proved to extend the last head; the new one is
signed; the guard is swapped and synced. Only then may it be shown to anybody.
"""

from __future__ import annotations

import math

import trio

from rtgf_node.core import merkle, times, tree_head
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import Signer
from rtgf_node.core.proof_bundle import hash_of
from rtgf_node.core.tree_head import TreeHead
from rtgf_node.errors import RtgfError
from rtgf_node.guards.head_guard import HeadGuard, LastSigned, disagreement
from rtgf_node.store.log_store import LogStore


class HeadSigning:
    """Owns the guard and what was signed last.

    Attributes:
      forked: why this store may not sign: an old or another copy of the log; None in good times.

    Args:
      every_seconds: a head that is older is signed anew, so that its age proves liveness.
    """

    def __init__(
        self,
        *,
        reader: LogStore,
        signer: Signer,
        guard: HeadGuard,
        origin: str,
        clock: Clock,
        every_seconds: float,
    ) -> None:
        self._reader = reader
        self._signer = signer
        self._guard = guard
        self._origin = origin
        self._clock = clock
        self._every = every_seconds
        self._signed: LastSigned | None = None
        self.forked: str | None = None

    async def open(self, *, alone: bool) -> None:
        """Read the guard, and see whether this store may sign.

        In a cluster every head is on record with a majority, so that a member which never signed
        has no guard to show.
        """
        try:
            self._signed = await trio.to_thread.run_sync(self._guard.read)
        except RtgfError as error:
            self.forked = error.detail
            return
        if self._signed is not None or alone:
            self.forked = disagreement(self._signed, self._reader, origin=self._origin)

    async def next(self) -> TreeHead | None:
        """Return a new signed head of the tree as it stands, None if the last one will do.

        Raises:
          RtgfError: RTGF_TXP_PROOF_INVALID when the tree does not extend what was signed last, or
            RTGF_TXP_GOSSIP_INCONSISTENT when somebody else signs.
        """
        size, last = self._reader.size, self._signed
        if last is not None:
            if self._will_do(last, size):
                return None
            merkle.verify_consistency(
                old_size=last.tree_size,
                new_size=size,
                old_root=hash_of(last.root_hash),
                new_root=self._reader.root_at(size),
                proof=self._reader.consistency_proof(last.tree_size, size),
            )
        head = self._head()
        self._signed = await trio.to_thread.run_sync(self._guard.swap, last, head)
        return head

    async def sign_whatever_was_signed(self) -> TreeHead:
        """Return a head of this store although the guard says otherwise: an approver's word."""
        head = self._head()
        self._signed = await trio.to_thread.run_sync(self._guard.overwrite, head)
        self.forked = None
        return head

    def _will_do(self, last: LastSigned, size: int) -> bool:
        age = self._clock.now() - times.parse(last.issued_at)
        if last.tree_size != size or age >= math.floor(self._every):
            return False
        # The guard's head may have been lost with the process before it was published.
        published = self._reader.latest_head()
        if published is None or published.tree_size != size:
            return False
        # A head of the key before may be that of a revoked key.
        document = tree_head.from_document(parse(published.document))
        return self._signer.kid in {one.kid for one in document.signatures}

    def _head(self) -> TreeHead:
        size = self._reader.size
        root = self._reader.root_at(size)
        return tree_head.sign(self._origin, size, root, at=self._clock.now(), signer=self._signer)
