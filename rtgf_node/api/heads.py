"""Which signed head callers are shown, and the cosignatures under it."""

from __future__ import annotations

from typing import Literal

import msgspec

from rtgf_node.core import cosignature, tree_head
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.merkle import MAX_TREE_SIZE
from rtgf_node.core.tree_head import TreeHead
from rtgf_node.core.witness_policy import WitnessPolicy
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store import Store
from rtgf_node.store.log_store import Head


class ShownHeads:
    """The heads as the configuration has them shown.

    Args:
      store: where heads and cosignatures are.
      policy: the configured witnesses, and how many are enough.
      mode: `open` shows the newest head whoever has cosigned it; `closed` the newest that enough
        have.
    """

    def __init__(
        self, store: Store, policy: WitnessPolicy, mode: Literal["open", "closed"]
    ) -> None:
        self._store = store
        self._keys = frozenset(str(key) for key in policy.witnesses)
        self._quorum = policy.quorum
        self._closed = mode == "closed"

    def newest(self, tree_size: int = MAX_TREE_SIZE) -> TreeHead:
        """Return the head to show; its checkpoint carries the cosignatures that there are.

        Args:
          tree_size: the newest head of at most so many entries is meant.

        Raises:
          RtgfError: RTGF_UNAVAILABLE before the first such head; RTGF_TXP_PROOF_NOT_FOUND if every
            head that is kept has more than `tree_size` entries.
        """
        held = self._newest(tree_size)
        if held is None and tree_size < MAX_TREE_SIZE:
            raise RtgfError(
                Code.RTGF_TXP_PROOF_NOT_FOUND, f"no head of at most {tree_size} entries is shown"
            )
        if held is None:
            due = (
                f"has the cosignatures of {self._quorum} witnesses" if self._closed else "is signed"
            )
            raise RtgfError(Code.RTGF_UNAVAILABLE, f"no tree head {due} yet; try again")
        head = tree_head.from_document(parse(held.document))
        if not self._keys:
            return head
        lines = [
            row.line
            for row in self._store.witness.cosignatures(head.tree_size)
            if row.key in self._keys
        ]
        return msgspec.structs.replace(head, checkpoint=cosignature.attach(head.checkpoint, lines))

    def exactly(self, tree_size: int) -> TreeHead:
        """Return the head of just so many entries.

        Raises:
          RtgfError: RTGF_TXP_PROOF_NOT_FOUND if none is kept, with the sizes next to it.
        """
        head = self.newest(tree_size)
        if head.tree_size != tree_size:
            above = None if self._closed else self._store.log.head_at(tree_size)
            after = f" and {above.tree_size}" if above is not None else ""
            raise RtgfError(
                Code.RTGF_TXP_PROOF_NOT_FOUND,
                f"no head of {tree_size} entries is shown; the nearest: {head.tree_size}{after}",
                pointer="?at",
            )
        return head

    def settled(self, head: TreeHead) -> bool:
        """Say whether a head is shown the same for ever: no signature will be put in or added."""
        newest = self._store.log.latest_head()
        return not self._keys and newest is not None and head.tree_size < newest.tree_size

    def _newest(self, tree_size: int) -> Head | None:
        log = self._store.log
        if not self._closed:
            return log.head_within(tree_size)
        size = self._store.witness.newest_agreed(self._keys, self._quorum, most=tree_size)
        return log.head_at(size) if size is not None else None
