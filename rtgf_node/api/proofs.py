"""Proof bundles, made from what is committed and signed."""

from __future__ import annotations

import msgspec

from rtgf_node.core.tree_head import TreeHead
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store import bundles
from rtgf_node.store.log_store import LogStore
from rtgf_node.wire import ProofBundle


def bundle_of(
    log: LogStore, event_id: str, *, head: TreeHead, start: int = 0, earlier: bool = False
) -> ProofBundle:
    """Return the proof that the signed tree holds an event.

    Args:
      log: the log.
      event_id: the event.
      head: the signed head under which it is proved.
      start: a tree size that the caller holds, to prove consistency from; 0 for none.
      earlier: whether an earlier head than the newest was asked for.

    Raises:
      RtgfError: RTGF_TXP_PROOF_NOT_FOUND if the log does not hold it, or did not then;
        RTGF_UNAVAILABLE if no head covers it yet; RTGF_BAD_REQUEST if the tree is smaller than
        `start`.
    """
    index = log.index_of(event_id)
    if index >= head.tree_size and earlier:
        raise RtgfError(
            Code.RTGF_TXP_PROOF_NOT_FOUND,
            f"the event is entry {index}; the head then covers {head.tree_size} entries",
        )
    if index >= head.tree_size:
        raise RtgfError(
            Code.RTGF_UNAVAILABLE, "the head that covers this event is being signed; try again"
        )
    if start > head.tree_size:
        raise RtgfError(
            Code.RTGF_BAD_REQUEST, f"the tree has {head.tree_size} leaves", pointer="?from"
        )
    (bundle,) = bundles.make(log, [index], head=head)
    consistency = log.consistency_proof(start, head.tree_size) if start else []
    return msgspec.structs.replace(bundle, consistency=[node.hex() for node in consistency])
