"""Proof bundles, made from what is committed and signed."""

from __future__ import annotations

import msgspec

from rtgf_node.core import digests, merkle
from rtgf_node.core.tree_head import TreeHead
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.log_store import LogStore
from rtgf_node.wire import ProofBundle


def bundle_of(log: LogStore, event_id: str, *, head: TreeHead, start: int = 0) -> ProofBundle:
    """Return the proof that the signed tree holds an event.

    Args:
      log: the log.
      event_id: the event.
      head: the signed head under which it is proved.
      start: a tree size that the caller holds, to prove consistency from; 0 for none.

    Raises:
      RtgfError: RTGF_TXP_PROOF_NOT_FOUND if the log does not hold it, RTGF_UNAVAILABLE if no head
        covers it yet; RTGF_BAD_REQUEST if the tree is smaller than `start`.
    """
    index = log.index_of(event_id)
    if index >= head.tree_size:
        raise RtgfError(
            Code.RTGF_UNAVAILABLE, "the head that covers this event is being signed; try again"
        )
    if start > head.tree_size:
        raise RtgfError(
            Code.RTGF_BAD_REQUEST, f"the tree has {head.tree_size} leaves", pointer="?from"
        )
    entry = log.entry(index)
    consistency = log.consistency_proof(start, head.tree_size) if start else []
    return ProofBundle(
        eventId=event_id,
        leafIndex=index,
        treeSize=head.tree_size,
        merkleRoot=head.root_hash,
        leafHash=f"sha256:{merkle.leaf_hash(entry).hex()}",
        eventDigest=digests.sha256(entry),
        path=[node.hex() for node in log.inclusion_proof(index, head.tree_size)],
        consistency=[node.hex() for node in consistency],
        issuedAt=head.issued_at,
        checkpoint=head.checkpoint,
        signatures=msgspec.to_builtins(head.signatures),
    )
