"""The log's Merkle tree as tiles: a right edge that grows, and views that answer proofs.

Tiles are those of C2SP tlog-tiles: the tile `(level, index)` holds the hashes of up to 256
neighbouring nodes of height `8 * level`. Finished tiles never change. The unfinished ones, one a
level, are the right edge; it lives in memory with every inner node of its tiles, so an append
costs one or two hashes however large the tree is. Hashes and proofs are those of RFC 6962 §2.1.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from rtgf_node.core.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    fold,
    node_hash,
    proof_subtrees_consistency,
    proof_subtrees_inclusion,
    range_to_nodes,
)
from rtgf_node.core.tiles import HEIGHT, WIDTH
from rtgf_node.errors import Code, RtgfError

TILE_HEIGHT = HEIGHT
TILE_WIDTH = WIDTH
TILE_BYTES = TILE_WIDTH * HASH_BYTES
# 16 KiB each with their inner nodes: 16 MiB. The upper levels of ten million leaves are 153 tiles
# and stay in; the rest is the working set of leaves whose proofs are asked for.
TILE_CACHE_SIZE = 1024

Tile = tuple[bytes, ...]
"""A tile with its inner nodes: the hashes of each height, lowest first."""


def inner_rows(hashes: bytes) -> Tile:
    """Return the eight rows of nodes that stand on a tile's `hashes`, complete pairs only."""
    rows = [hashes]
    for _ in range(TILE_HEIGHT - 1):
        below = rows[-1]
        rows.append(
            b"".join(
                node_hash(below[at : at + HASH_BYTES], below[at + HASH_BYTES : at + 2 * HASH_BYTES])
                for at in range(0, len(below) - HASH_BYTES, 2 * HASH_BYTES)
            )
        )
    return tuple(rows)


class RightEdge:
    """The unfinished tiles of a tree with all their inner nodes. Owned by the one writer.

    Attributes:
      size: number of leaves.
      rows: for each height, the nodes of that height inside the unfinished tile.
      finished: tiles that were filled since the last `take_finished`, as (level, index) → hashes.
    """

    def __init__(self, size: int = 0, tiles: Sequence[bytes] = ()) -> None:
        self.size = size
        self.rows = [bytearray(row) for hashes in tiles for row in inner_rows(hashes)]
        self.finished: dict[tuple[int, int], bytes] = {}

    def append(self, leaf_hash: bytes) -> None:
        """Add one leaf: amortised one node hash, at most one a level of the tree."""
        self.size += 1
        count, height, node = self.size, 0, leaf_hash
        while True:
            if height == len(self.rows):
                self.rows.append(bytearray())
            row = self.rows[height]
            row += node
            if count & 1:
                return
            node = node_hash(bytes(row[-2 * HASH_BYTES : -HASH_BYTES]), node)
            count >>= 1
            height += 1
            if height % TILE_HEIGHT == 0:
                bottom = height - TILE_HEIGHT
                self.finished[(bottom // TILE_HEIGHT, count - 1)] = bytes(self.rows[bottom])
                for inside in range(bottom, height):
                    self.rows[inside].clear()

    def unfinished(self, level: int) -> tuple[int, bytes]:
        """Return index and hashes of the unfinished tile of `level`."""
        bottom = level * TILE_HEIGHT
        hashes = bytes(self.rows[bottom]) if bottom < len(self.rows) else b""
        return self.size >> (bottom + TILE_HEIGHT), hashes

    def root(self) -> bytes:
        """Return the root: the complete subtrees at the edge, folded from the right."""
        subtrees = []
        left = self.size
        while left:
            # RFC 6962 §2.1: one complete subtree for each bit of the size, the largest leftmost.
            height = left.bit_length() - 1
            subtrees.append(bytes(self.rows[height][-HASH_BYTES:]))
            left ^= 1 << height
        return fold(subtrees) if subtrees else EMPTY_ROOT

    def copy(self) -> RightEdge:
        """Return an equal edge that shares nothing with this one."""
        twin = RightEdge(self.size)
        twin.rows = [bytearray(row) for row in self.rows]
        twin.finished = dict(self.finished)
        return twin


class TileCache:
    """The newest used finished tiles with their inner nodes, least recently used out first."""

    def __init__(self, load: Callable[[int, int], bytes | None], size: int) -> None:
        self._load = load
        self._size = size
        self._tiles: OrderedDict[tuple[int, int], Tile] = OrderedDict()

    def held(self, level: int, index: int) -> Tile | None:
        """Return the tile if it is in memory."""
        tile = self._tiles.get((level, index))
        if tile is not None:
            self._tiles.move_to_end((level, index))
        return tile

    def read(self, level: int, index: int) -> Tile:
        """Read the tile from the store; the caller checks it before it calls `keep`.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if it is missing or has not 256 hashes.
        """
        hashes = self._load(level, index)
        if hashes is None or len(hashes) != TILE_BYTES:
            raise RtgfError(
                Code.RTGF_TXP_STORE_DAMAGED,
                f"tile {level}/{index} is missing or cut; restore the store from a backup",
            )
        return inner_rows(hashes)

    def keep(self, level: int, index: int, tile: Tile) -> None:
        """Keep a checked tile."""
        self._tiles[(level, index)] = tile
        if len(self._tiles) > self._size:
            self._tiles.popitem(last=False)

    def clear(self) -> None:
        """Forget every tile."""
        self._tiles.clear()


class TreeView:
    """The tree at one size: roots and proofs of it and of every smaller tree.

    A tile read from the store is compared with the node above it before it is used, up to the
    edge: bytes that were altered on disk are found when they are read, never served.
    """

    def __init__(self, size: int, rows: Sequence[bytes | bytearray], tiles: TileCache) -> None:
        self.size = size
        self._rows = rows
        self._tiles = tiles

    def node(self, height: int, index: int) -> bytes:
        """Return the hash of the complete subtree of `height` at `index`, counted from the left."""
        level, within = divmod(height, TILE_HEIGHT)
        tile, offset = divmod(index, TILE_WIDTH >> within)
        if tile == self.size >> (TILE_HEIGHT * (level + 1)):
            row: bytes | bytearray = self._rows[height]
        else:
            row = self.tile(level, tile)[within]
        return bytes(row[offset * HASH_BYTES : (offset + 1) * HASH_BYTES])

    def tile(self, level: int, index: int) -> Tile:
        """Return a finished tile, checked against the node above it."""
        held = self._tiles.held(level, index)
        if held is not None:
            return held
        tile = self._tiles.read(level, index)
        top = tile[-1]
        if node_hash(top[:HASH_BYTES], top[HASH_BYTES:]) != self.node(
            TILE_HEIGHT * (level + 1), index
        ):
            raise RtgfError(
                Code.RTGF_TXP_STORE_DAMAGED,
                f"tile {level}/{index} is not what the tree above it was built from; restore the "
                "store from a backup",
            )
        self._tiles.keep(level, index, tile)
        return tile

    def edge_hashes(self, level: int) -> bytes:
        """Return the hashes of the unfinished tile of `level`."""
        bottom = level * TILE_HEIGHT
        return bytes(self._rows[bottom]) if bottom < len(self._rows) else b""

    def root_at(self, size: int) -> bytes:
        """Return the root of the first `size` leaves.

        Raises:
          RtgfError: RTGF_TXP_PROOF_NOT_FOUND if the tree is smaller.
        """
        self._check_size(size)
        return self._range(0, size) if size else EMPTY_ROOT

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """Return the path of leaf `index` in the tree of `size` leaves (RFC 6962 §2.1.1).

        Raises:
          RtgfError: RTGF_TXP_PROOF_NOT_FOUND if there is no such leaf in such a tree.
        """
        return self.inclusion_proofs([index], size)[0]

    def inclusion_proofs(self, indexes: Iterable[int], size: int) -> list[list[bytes]]:
        """Return the paths of several leaves; what they share is looked up and hashed once."""
        self._check_size(size)
        subtree_hash = functools.cache(self._range)
        return [
            [subtree_hash(*subtree) for subtree in proof_subtrees_inclusion(index, size)]
            for index in indexes
        ]

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of `new` leaves extends that of `old` (RFC 6962 §2.1.2).

        Raises:
          RtgfError: RTGF_TXP_PROOF_NOT_FOUND unless 0 ≤ old ≤ new ≤ the tree's size.
        """
        self._check_size(new)
        return [self._range(*subtree) for subtree in proof_subtrees_consistency(old, new)]

    def _range(self, begin: int, end: int) -> bytes:
        return fold([self.node(height, index) for height, index in range_to_nodes(begin, end)])

    def _check_size(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise RtgfError(
                Code.RTGF_TXP_PROOF_NOT_FOUND,
                f"the log has {self.size} entries, {size} were asked for",
            )
