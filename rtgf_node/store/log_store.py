"""The transparency log as it stands on disk: entries, tiles, heads, and proofs from them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import cast

import msgspec

from rtgf_node.core import merkle, times
from rtgf_node.core.as_of import AsOf, Size, Time, parse, present
from rtgf_node.core.merkle import HASH_BYTES
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.database import snapshot
from rtgf_node.store.tree import (
    TILE_CACHE_SIZE,
    TILE_HEIGHT,
    TILE_WIDTH,
    RightEdge,
    TileCache,
    TreeView,
)

# One answer of `entries`: at 60 KB an entry, 60 MB at worst, 300 KB as a rule.
MAX_ENTRIES = 1000
# `check` looks at this many signed heads, newest first: enough to see a store that was rolled back
# between two of them, few enough to be done in a millisecond.
HEADS_CHECKED = 16
# `check_all` reads the log in pieces of this many leaves: one tile.
CHECK_PIECE = TILE_WIDTH


class Head(msgspec.Struct, frozen=True):
    """A signed tree head as it was recorded. `document` is the exact signed JSON."""

    tree_size: int
    root: bytes
    document: bytes


class _HeadDocument(msgspec.Struct, frozen=True):
    tree_size: int
    root_hash: str


class _EventTime(msgspec.Struct, frozen=True):
    at: str


_times = msgspec.json.Decoder(_EventTime)


class LogStore:
    """What is committed of the log, for one thread at a time; the writer publishes each commit.

    Reads of the tree cost the same at ten leaves and ten million: the upper levels and the right
    edge are in memory, finished tiles are read once and kept.
    """

    def __init__(self, conn: sqlite3.Connection) -> None:
        """Load the right edge of the tree: at most 255 leaves and one tile a level are read.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if the edge cannot be rebuilt from what is stored.
        """
        self._conn = conn
        self._tiles = TileCache(self._load_tile, TILE_CACHE_SIZE)
        self._view = self._view_of(load_edge(conn))

    def publish(self, edge: RightEdge) -> None:
        """Show `edge` to readers from now on. Called by the writer when it has committed."""
        self._view = self._view_of(edge)

    def refresh(self) -> None:
        """Show readers what is committed now. For a process that only reads what another writes."""
        with snapshot(self._conn):
            self.publish(load_edge(self._conn))

    @property
    def size(self) -> int:
        """The number of committed entries."""
        return self._view.size

    def root(self) -> bytes:
        """Return the root of all committed entries."""
        view = self._view
        return view.root_at(view.size)

    def root_at(self, size: int) -> bytes:
        """Return the root of the first `size` entries.

        Raises:
          RtgfError: RTGF_TXP_PROOF_NOT_FOUND if there are fewer; the proofs below raise it too.
        """
        return self._view.root_at(size)

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """Return the path of entry `index` in the tree of `size` entries (RFC 6962 §2.1.1)."""
        return self._view.inclusion_proof(index, size)

    def inclusion_proofs(self, indexes: Sequence[int], size: int) -> list[list[bytes]]:
        """Return the paths of several entries in the tree of `size` entries, in their order."""
        return self._view.inclusion_proofs(indexes, size)

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of `new` entries extends that of `old` (§2.1.2)."""
        return self._view.consistency_proof(old, new)

    def tile(self, level: int, index: int, width: int = TILE_WIDTH) -> bytes:
        """Return the first `width` hashes of a tile, finished or not (C2SP tlog-tiles).

        Raises:
          RtgfError: RTGF_TXP_PROOF_NOT_FOUND if the log has not so many nodes there yet.
        """
        view = self._view
        nodes = view.size >> (TILE_HEIGHT * level) if level >= 0 else 0
        if index < 0 or not 1 <= width <= TILE_WIDTH or index * TILE_WIDTH + width > nodes:
            raise RtgfError(
                Code.RTGF_TXP_PROOF_NOT_FOUND,
                f"tile {level}/{index} has no {width} hashes in a log of {view.size} entries",
            )
        finished = index < nodes // TILE_WIDTH
        hashes = view.tile(level, index)[0] if finished else view.edge_hashes(level)
        return hashes[: width * HASH_BYTES]

    def entry(self, index: int) -> bytes:
        """Return the exact bytes of entry `index`; RTGF_TXP_PROOF_NOT_FOUND if there is none."""
        row = self._conn.execute("SELECT entry FROM leaves WHERE idx = ?", (index,)).fetchone()
        if row is None:
            raise RtgfError(Code.RTGF_TXP_PROOF_NOT_FOUND, f"the log has no entry {index}")
        return cast(bytes, row[0])

    def entries(self, start: int, limit: int = MAX_ENTRIES) -> list[bytes]:
        """Return up to `limit` (at most 1,000) entries from `start` on, in order."""
        rows = self._conn.execute(
            "SELECT entry FROM leaves WHERE idx >= ? ORDER BY idx LIMIT ?",
            (start, max(0, min(limit, MAX_ENTRIES))),
        )
        return [row[0] for row in rows]

    def types(self, start: int, end: int) -> dict[str, int]:
        """Return how many entries there are of each type from `start` to before `end`."""
        rows = self._conn.execute(
            # An event's id is `evt:<type>:` and more.
            "SELECT substr(event_id, 5, instr(substr(event_id, 5), ':') - 1), count(*) "
            "FROM leaves WHERE idx >= ? AND idx < ? GROUP BY 1",
            (start, end),
        )
        return dict(rows.fetchall())

    def index_of(self, event_id: str) -> int:
        """Return where the event stands; RTGF_TXP_PROOF_NOT_FOUND if the log does not hold it."""
        row = self._conn.execute(
            "SELECT idx FROM leaves WHERE event_id = ?", (event_id,)
        ).fetchone()
        if row is None:
            raise RtgfError(Code.RTGF_TXP_PROOF_NOT_FOUND, "the log holds no such event")
        return cast(int, row[0])

    def leaf(self, index: int) -> tuple[bytes, bytes]:
        """Return an entry and its leaf hash, which is the one in the tree.

        Raises:
          RtgfError: RTGF_TXP_PROOF_NOT_FOUND if there is none, RTGF_TXP_STORE_DAMAGED if the entry
            is not the one that was appended.
        """
        entry = self.entry(index)
        leaf_hash = merkle.leaf_hash(entry)
        if leaf_hash != self._view.node(0, index):
            raise _damaged(f"entry {index} is not the one that was appended")
        return entry, leaf_hash

    def latest_head(self) -> Head | None:
        """Return the newest signed head, None before the first."""
        heads = self.heads(limit=1)
        return heads[0] if heads else None

    def head_at(self, size: int) -> Head | None:
        """Return the smallest kept head that covers the first `size` entries, None if none does."""
        row = self._conn.execute(
            "SELECT tree_size, root, document FROM heads WHERE tree_size >= ? "
            "ORDER BY tree_size LIMIT 1",
            (size,),
        ).fetchone()
        return None if row is None else Head(*row)

    def head_within(self, size: int) -> Head | None:
        """Return the largest kept head of at most `size` entries, None if there is none."""
        row = self._conn.execute(
            "SELECT tree_size, root, document FROM heads WHERE tree_size <= ? "
            "ORDER BY tree_size DESC LIMIT 1",
            (size,),
        ).fetchone()
        return None if row is None else Head(*row)

    def named(self, text: str, *, now: int, pointer: str) -> AsOf:
        """Return the state that a text names; what is refused is said to be at `pointer`.

        Raises:
          RtgfError: RTGF_INPUT_INVALID; see `core.as_of.parse` and `as_of`.
        """
        try:
            return self.as_of(parse(text), now=now)
        except RtgfError as error:
            raise RtgfError(error.code, error.detail, pointer=pointer) from error

    def as_of(self, asked: Time | Size, *, now: int) -> AsOf:
        """Return the state of the log at a time or a size.

        At a time it ends with the newest entry that has this time or an earlier one, so that
        nothing from before is missing. Where the clock was set back between two entries, the first
        counts from the time of the second. A time that is not over has all that there is so far.

        Raises:
          RtgfError: RTGF_INPUT_INVALID if the log has not so many entries.
        """
        if isinstance(asked, Time):
            if asked.at >= now:
                return present(asked.at)
            row = self._conn.execute(
                "SELECT size FROM entry_times WHERE at <= ? ORDER BY at DESC LIMIT 1",
                (times.to_text(asked.at),),
            ).fetchone()
            return AsOf(0 if row is None else row[0], asked.at)
        if asked.entries > self.size:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID, f"the log has {self.size} entries, not {asked.entries}"
            )
        newest = _times.decode(self.entry(asked.entries - 1))
        # Until a head covers them, the last entries are not under anybody's signature.
        signed = self.head_at(asked.entries) is not None
        return AsOf(asked.entries, times.parse(newest.at), by_size=True, settled=signed)

    def heads(self, limit: int) -> list[Head]:
        """Return the newest `limit` signed heads, newest first."""
        rows = self._conn.execute(
            "SELECT tree_size, root, document FROM heads ORDER BY tree_size DESC LIMIT ?", (limit,)
        )
        return [Head(*row) for row in rows]

    def check(self) -> None:
        """Prove that the stored tree is the one whose heads were signed; costs O(log n).

        Whether the newest head's signature is valid is for the caller, who has the keys.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED with what contradicts what.
        """
        view = self._view
        self._tiles.clear()
        for level in range(view.size.bit_length() // TILE_HEIGHT):
            # Reading the newest finished tile of each level compares it with the level above.
            newest = (view.size >> (TILE_HEIGHT * (level + 1))) - 1
            if newest >= 0:
                view.tile(level, newest)
        for head in self.heads(HEADS_CHECKED):
            self._check_head(head)
        if view.size:
            self.leaf(view.size - 1)

    def check_all(self) -> None:
        """Re-hash every entry and compare it with the tree, then do what `check` does. O(n).

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED naming the first entry that differs.
        """
        edge = RightEdge()
        for start in range(0, self.size, CHECK_PIECE):
            rows = self._conn.execute(
                "SELECT idx, entry FROM leaves WHERE idx >= ? ORDER BY idx LIMIT ?",
                (start, min(CHECK_PIECE, self.size - start)),
            ).fetchall()
            stored = self.tile(0, start // TILE_WIDTH, min(TILE_WIDTH, self.size - start))
            for place, (index, entry) in enumerate(rows):
                leaf = merkle.leaf_hash(entry)
                expected = stored[place * HASH_BYTES : (place + 1) * HASH_BYTES]
                if index != start + place or leaf != expected:
                    raise _damaged(f"entry {start + place} is not the one that was appended")
                edge.append(leaf)
        if edge.size != self.size or edge.root() != self.root():
            raise _damaged(f"{edge.size} stored entries do not give the tree's root")
        self.check()

    def _check_head(self, head: Head) -> None:
        if not says_so(head.document, head.tree_size, head.root):
            raise _damaged(f"the stored head of size {head.tree_size} was altered")
        if head.tree_size > self.size:
            raise _damaged(
                f"a head of {head.tree_size} entries was signed and only {self.size} are here"
            )
        if self.root_at(head.tree_size) != head.root:
            raise _damaged(f"the stored tree has not the root that was signed at {head.tree_size}")

    def _view_of(self, edge: RightEdge) -> TreeView:
        return TreeView(edge.size, tuple(bytes(row) for row in edge.rows), self._tiles)

    def _load_tile(self, level: int, index: int) -> bytes | None:
        return load_tile(self._conn, level, index)


def says_so(document: bytes, tree_size: int, root: bytes) -> bool:
    """Say whether a head document states this size and root; its signature is not looked at."""
    try:
        stated = msgspec.json.decode(document, type=_HeadDocument)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return stated.tree_size == tree_size and stated.root_hash == f"sha256:{root.hex()}"


def load_tile(conn: sqlite3.Connection, level: int, index: int) -> bytes | None:
    """Return the stored hashes of a tile, None where there is no such row."""
    row = conn.execute(
        "SELECT hashes FROM tiles WHERE level = ? AND idx = ?", (level, index)
    ).fetchone()
    return None if row is None else cast(bytes, row[0])


def load_edge(conn: sqlite3.Connection) -> RightEdge:
    """Rebuild the right edge: level 0 from the newest leaves, the levels above from their tiles.

    Raises:
      RtgfError: RTGF_TXP_STORE_DAMAGED if leaves or tiles are missing.
    """
    size = conn.execute("SELECT coalesce(max(idx) + 1, 0) FROM leaves").fetchone()[0]
    start = size - size % TILE_WIDTH
    newest = conn.execute("SELECT entry FROM leaves WHERE idx >= ? ORDER BY idx", (start,))
    tiles = [b"".join(merkle.leaf_hash(row[0]) for row in newest)]
    for level in range(1, size.bit_length() // TILE_HEIGHT + 1):
        index = size >> (TILE_HEIGHT * (level + 1))
        tiles.append(load_tile(conn, level, index) or b"")
    for level, hashes in enumerate(tiles):
        width = (size >> (TILE_HEIGHT * level)) % TILE_WIDTH
        if len(hashes) != width * HASH_BYTES:
            raise _damaged(f"the right edge of level {level} has not its {width} hashes")
    return RightEdge(size, tiles)


def _damaged(what: str) -> RtgfError:
    return RtgfError(
        Code.RTGF_TXP_STORE_DAMAGED,
        f"{what}; do not start from this store: restore it from a backup",
    )
