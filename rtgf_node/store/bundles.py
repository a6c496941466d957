"""Proof bundles of what is committed, many at a time under one signed head."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rtgf_node.core import digests
from rtgf_node.core.tree_head import TreeHead
from rtgf_node.store.log_store import LogStore
from rtgf_node.store.log_writer import frame_of
from rtgf_node.wire import ProofBundle


def make(log: LogStore, indexes: Sequence[int], *, head: TreeHead) -> list[ProofBundle]:
    """Return the proofs that the signed tree of `head` holds these entries, in their order.

    Neighbours share most of their paths: hundreds of bundles of one batch cost little more than
    reading their entries.

    Raises:
      RtgfError: RTGF_TXP_PROOF_NOT_FOUND if the tree is too small to hold them,
        RTGF_TXP_STORE_DAMAGED if what is stored is not what was logged.
    """
    signatures = msgspec.to_builtins(head.signatures)
    paths = log.inclusion_proofs(indexes, head.tree_size)
    bundles = []
    for index, path in zip(indexes, paths, strict=True):
        entry, leaf_hash = log.leaf(index)
        bundles.append(
            ProofBundle(
                eventId=frame_of(entry).event_id,
                leafIndex=index,
                treeSize=head.tree_size,
                merkleRoot=head.root_hash,
                leafHash=f"sha256:{leaf_hash.hex()}",
                eventDigest=digests.sha256(entry),
                path=[node.hex() for node in path],
                consistency=[],
                issuedAt=head.issued_at,
                checkpoint=head.checkpoint,
                signatures=signatures,
            )
        )
    return bundles
