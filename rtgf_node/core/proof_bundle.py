"""A proof bundle: that the signed log holds a leaf, checked with the log's key and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from rtgf_node.core import checkpoint, digests, merkle
from rtgf_node.core.checkpoint import Checkpoint
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire import ProofBundle

SHA256_PREFIX = "sha256:"


def verify(bundle: ProofBundle, *, leaf_hash: bytes, verifier_keys: Sequence[str]) -> Checkpoint:
    """Return the signed checkpoint under which `bundle` proves the leaf (RFC 9162 §2.1.3).

    Args:
      bundle: as the node gave it.
      leaf_hash: of the entry that is to be proved, computed by the caller from what it holds.
      verifier_keys: the log's keys in C2SP `name+hash+base64` form.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID, or RTGF_TXP_ROOT_SIGNATURE_INVALID for the checkpoint.
    """
    if hash_of(bundle.leafHash) != leaf_hash:
        raise RtgfError(Code.RTGF_TXP_PROOF_INVALID, "the proof is for another leaf")
    root = hash_of(bundle.merkleRoot)
    merkle.verify_inclusion(
        leaf_hash=leaf_hash,
        index=bundle.leafIndex,
        tree_size=bundle.treeSize,
        proof=[hash_of(node) for node in bundle.path],
        root=root,
    )
    signed = checkpoint.open_note(bundle.checkpoint.encode(), verifier_keys)
    if (signed.size, signed.root) != (bundle.treeSize, root):
        raise RtgfError(Code.RTGF_TXP_PROOF_INVALID, "the checkpoint is of another tree")
    return signed


def hash_of(text: str) -> bytes:
    """Return the bytes of a hash in hex, with or without its `sha256:`.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID if it is none.
    """
    try:
        digests.check_form(SHA256_PREFIX + text.removeprefix(SHA256_PREFIX))
    except RtgfError as error:
        raise RtgfError(
            Code.RTGF_TXP_PROOF_INVALID, "a hash is 64 lower-case hex digits"
        ) from error
    return bytes.fromhex(text.removeprefix(SHA256_PREFIX))
