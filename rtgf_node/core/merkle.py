"""The Merkle tree of the transparency log: RFC 6962 §2.1, RFC 9162 §2.1.

A leaf is `SHA-256(0x00 ‖ entry)`, a node `SHA-256(0x01 ‖ left ‖ right)`; the prefixes keep a node
from being passed off as a leaf. Leaves and nodes are 32 bytes throughout.

Proofs can be made in two ways: from the list of all leaf hashes, for small trees and for auditors,
or from the ranges of leaves whose subtrees form the proof (`proof_subtrees_…`), which a store
answers from the complete nodes that it holds (`range_to_nodes`, `fold`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, NoReturn

from rtgf_node.errors import Code, RtgfError

HASH_BYTES: Final = 32
"""Bytes of a leaf or node hash."""

MAX_TREE_SIZE: Final = 2**53 - 1
"""Leaves. The largest size that canonical JSON can say."""

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of the tree without leaves (RFC 6962 §2.1)."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a log entry's bytes."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_hash(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the root of the tree over these leaves."""
    frontier = Frontier()
    for leaf in leaf_hashes:
        frontier.append(leaf)
    return frontier.root()


class Frontier:
    """The right edge of a tree: all that is needed to append a leaf and to know the root.

    Attributes:
      size: the number of leaves.
    """

    __slots__ = ("_hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        """Take up a tree of `size` leaves with the hashes of its complete subtrees.

        Raises:
          RtgfError: RTGF_TXP_PROOF_INVALID if the hashes are not as many as the size asks for.
        """
        self.size = _checked_size(size)
        self._hashes = [_checked_hash(item) for item in hashes]
        if len(self._hashes) != size.bit_count():
            _refuse(f"a tree of {size} leaves has {size.bit_count()} complete subtrees at its edge")

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The hashes of the complete subtrees, the largest and leftmost first."""
        return tuple(self._hashes)

    def append(self, leaf_hash: bytes) -> None:
        """Add a leaf at the right end."""
        node = leaf_hash
        size = self.size
        while size & 1:
            node = node_hash(self._hashes.pop(), node)
            size >>= 1
        self._hashes.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree as it stands."""
        return fold(self._hashes) if self._hashes else EMPTY_ROOT


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the hash of the subtree whose complete nodes these are, left to right, at least one.

    What `range_to_nodes` names, looked up and folded, is the hash of the whole range.
    """
    node = hashes[-1]
    for left in reversed(hashes[:-1]):
        node = node_hash(left, node)
    return node


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of a leaf in the tree over these leaves (RFC 6962 §2.1.1).

    Raises:
      RtgfError: RTGF_TXP_PROOF_NOT_FOUND if there is no leaf at `index`.
    """
    return [
        root_hash(leaf_hashes[begin:end])
        for begin, end in proof_subtrees_inclusion(index, len(leaf_hashes))
    ]


def consistency_proof(leaf_hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the first `old_size` leaves begin this tree (RFC 6962 §2.1.2).

    Raises:
      RtgfError: RTGF_TXP_PROOF_NOT_FOUND if the tree has fewer leaves than that.
    """
    return [
        root_hash(leaf_hashes[begin:end])
        for begin, end in proof_subtrees_consistency(old_size, len(leaf_hashes))
    ]


def proof_subtrees_inclusion(index: int, size: int) -> list[tuple[int, int]]:
    """Return the half-open leaf ranges whose subtree hashes are the audit path, in its order.

    Raises:
      RtgfError: RTGF_TXP_PROOF_NOT_FOUND if the tree has no leaf at `index`.
    """
    if not 0 <= index < size:
        _not_found(f"the tree has {size} leaves, none at {index}")
    return _path(index, 0, size)


def proof_subtrees_consistency(old: int, new: int) -> list[tuple[int, int]]:
    """Return the half-open leaf ranges whose subtree hashes are the consistency proof, in order.

    It is empty for equal sizes and for an old size of 0, which needs no proof.

    Raises:
      RtgfError: RTGF_TXP_PROOF_NOT_FOUND if the new tree is smaller than the old one.
    """
    if not 0 <= old <= new:
        _not_found(f"a tree of {new} leaves does not extend one of {old}")
    if old in (0, new):
        return []
    # SUBPROOF of RFC 6962 §2.1.2, walked down from the root; the path is in reverse.
    path: list[tuple[int, int]] = []
    begin, end, is_old_root = 0, new, True
    while old != end:
        middle = begin + _left_size(end - begin)
        if old <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((begin, middle))
            begin, is_old_root = middle, False
    if not is_old_root:
        path.append((begin, end))
    return path[::-1]


def range_to_nodes(begin: int, end: int) -> list[tuple[int, int]]:
    """Return the complete nodes that make up a range of leaves, left to right.

    A node is `(level, index)`: it covers the leaves from `index << level`, `1 << level` of them.
    """
    nodes = []
    while begin < end:
        # As large as its place allows, and no larger than what is left.
        room = (end - begin).bit_length() - 1
        level = min((begin & -begin).bit_length() - 1, room) if begin else room
        nodes.append((level, begin >> level))
        begin += 1 << level
    return nodes


def verify_inclusion(
    *, leaf_hash: bytes, index: int, tree_size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Return if the proof shows that the tree with this root has the leaf (RFC 9162 §2.1.3.2).

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID if it does not.
    """
    if not 0 <= _checked_size(index) < _checked_size(tree_size):
        _refuse(f"a tree of {tree_size} leaves has none at {index}")
    node = _checked_hash(leaf_hash)
    # Up to where the paths to this leaf and to the last one meet, every level has a sibling;
    # above, only those where this path comes from the right.
    inner = (index ^ (tree_size - 1)).bit_length()
    expected = inner + (index >> inner).bit_count()
    if len(proof) != expected:
        _refuse(f"the proof has {len(proof)} hashes; {expected} are due for this index and size")
    for level, sibling in enumerate(proof):
        _checked_hash(sibling)
        if level >= inner or index >> level & 1:
            node = node_hash(sibling, node)
        else:
            node = node_hash(node, sibling)
    if node != _checked_hash(root):
        _refuse("the proof does not lead to the stated root")


def verify_consistency(
    *, old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Return if the proof shows that the new tree extends the old one (RFC 9162 §2.1.4.2).

    An empty old tree and equal sizes take an empty proof; the roots must then be the empty root
    and the same root.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID if it does not.
    """
    if _checked_size(old_size) > _checked_size(new_size):
        _refuse(f"a tree of {new_size} leaves does not extend one of {old_size}")
    _checked_hash(old_root)
    _checked_hash(new_root)
    for size, root in ((old_size, old_root), (new_size, new_root)):
        if size == 0 and root != EMPTY_ROOT:
            _refuse("the root of an empty tree is the hash of nothing")
    if old_size == new_size and old_root != new_root:
        _refuse("two trees of one size have different roots")
    if old_size in (0, new_size):
        if proof:
            _refuse("nothing is to be proved here, so the proof must be empty")
        return
    _verify_extension(old_size, new_size, old_root, new_root, [_checked_hash(h) for h in proof])


def _verify_extension(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: list[bytes]
) -> None:
    """Check the proof for 0 < old < new; the names `last_old`, `last_new` are fn, sn of the RFC."""
    if not proof:
        _refuse("the proof is empty")
    if old_size & (old_size - 1) == 0:
        # The old tree is one complete subtree, whose hash the caller holds and the proof omits.
        proof = [old_root, *proof]
    last_old, last_new = old_size - 1, new_size - 1
    while last_old & 1:
        last_old >>= 1
        last_new >>= 1
    old_node = new_node = proof[0]
    for sibling in proof[1:]:
        if last_new == 0:
            _refuse("the proof is too long")
        if last_old & 1 or last_old == last_new:
            old_node = node_hash(sibling, old_node)
            new_node = node_hash(sibling, new_node)
            while last_old and not last_old & 1:
                last_old >>= 1
                last_new >>= 1
        else:
            new_node = node_hash(new_node, sibling)
        last_old >>= 1
        last_new >>= 1
    if last_new != 0:
        _refuse("the proof is too short")
    if old_node != old_root:
        _refuse("the proof does not lead to the old root")
    if new_node != new_root:
        _refuse("the proof does not lead to the new root")


def _path(index: int, begin: int, end: int) -> list[tuple[int, int]]:
    """Return the siblings on the way from a leaf up to the subtree of a range."""
    path = []
    while end - begin > 1:
        middle = begin + _left_size(end - begin)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((begin, middle))
            begin = middle
    return path[::-1]


def _left_size(size: int) -> int:
    """Return the largest power of two smaller than `size`, for sizes above 1."""
    return 1 << (size - 1).bit_length() - 1


def _checked_size(size: int) -> int:
    if type(size) is not int or not 0 <= size <= MAX_TREE_SIZE:
        _refuse("sizes and indexes are integers from 0 to 2^53-1")
    return size


def _checked_hash(value: bytes) -> bytes:
    if len(value) != HASH_BYTES:
        _refuse(f"a hash has {HASH_BYTES} bytes, this one {len(value)}")
    return value


def _refuse(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_TXP_PROOF_INVALID, detail)


def _not_found(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_TXP_PROOF_NOT_FOUND, detail)
