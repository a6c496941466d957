"""Consistency proofs that a client makes itself, from the tiles of any log (C2SP tlog-tiles)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rtgf_node.core import merkle, tiles
from rtgf_node.core.tiles import HEIGHT, WIDTH, TilePath


class Consistency(NamedTuple):
    """What the tiles say: the root of the older tree, and the proof from it to the newer one."""

    old_root: bytes
    proof: list[bytes]


def needed(old: int, new: int) -> list[TilePath]:
    """Return the tiles of the tree of `new` leaves from which its consistency with `old` follows.

    Raises:
      RtgfError: RTGF_TXP_PROOF_NOT_FOUND if the new tree is smaller than the old one.
    """
    places = (_place(level, index, new) for level, index in _nodes(old, new))
    return sorted({path for path, _, _ in places}, key=str)


def consistency(old: int, new: int, held: Mapping[TilePath, bytes]) -> Consistency:
    """Return what the tiles that are `needed` say; whether a signed root follows is not checked.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID if a tile has another length than its path says.
    """

    def subtree(begin: int, end: int) -> bytes:
        hashes = []
        for level, index in merkle.range_to_nodes(begin, end):
            path, first, count = _place(level, index, new)
            nodes = tiles.split(path, held[path])[first : first + count]
            hashes.append(merkle.root_hash(nodes))
        return merkle.fold(hashes)

    proof = [subtree(*part) for part in merkle.proof_subtrees_consistency(old, new)]
    return Consistency(subtree(0, old) if old else merkle.EMPTY_ROOT, proof)


def _nodes(old: int, new: int) -> Iterator[tuple[int, int]]:
    for begin, end in ((0, old), *merkle.proof_subtrees_consistency(old, new)):
        yield from merkle.range_to_nodes(begin, end)


def _place(level: int, index: int, size: int) -> tuple[TilePath, int, int]:
    """Return the tile that holds what is below a node, and which of its hashes those are."""
    height = level % HEIGHT
    number, first = divmod(index << height, WIDTH)
    tile_level = level // HEIGHT
    width = min(WIDTH, (size >> (HEIGHT * tile_level)) - number * WIDTH)
    return TilePath(tile_level, number, width), first, 1 << height
