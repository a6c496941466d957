"""Which signed head callers are shown, and the cosignatures under it."""

from __future__ import annotations

from typing import Literal

import msgspec

from rtgf_node.core import cosignature, tree_head
from rtgf_node.core.canonical_json import parse
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

    def newest(self) -> TreeHead:
        """Return the head to show; its checkpoint carries the cosignatures that there are.

        Raises:
          RtgfError: RTGF_UNAVAILABLE before the first such head.
        """
        held = self._newest()
        head = tree_head.from_document(parse(held.document))
        if not self._keys:
            return head
        lines = [
            row.line
            for row in self._store.witness.cosignatures(head.tree_size)
            if row.key in self._keys
        ]
        return msgspec.structs.replace(head, checkpoint=cosignature.attach(head.checkpoint, lines))

    def _newest(self) -> Head:
        log = self._store.log
        if not self._closed:
            newest = log.latest_head()
            if newest is None:
                raise RtgfError(Code.RTGF_UNAVAILABLE, "no tree head is signed yet; try again")
            return newest
        size = self._store.witness.newest_agreed(self._keys, self._quorum)
        agreed = log.head_at(size) if size is not None else None
        if agreed is None:
            raise RtgfError(
                Code.RTGF_UNAVAILABLE,
                f"no tree head has the cosignatures of {self._quorum} witnesses yet; try again",
            )
        return agreed
