"""Appending to the log: leaves staged command by command, tiles written once a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from rtgf_node.core import event, merkle
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.log_store import LogStore, load_edge, load_tile, says_so
from rtgf_node.store.tree import TileCache, TreeView

# A head is signed after every batch; this many, newest first, answer "as of" questions. At one a
# second that is a day of them; the log's own events carry the times before.
HEADS_KEPT = 100_000
# The writer proves heads against its own tree; they are about the newest entries.
WRITER_TILES = 64
INSERT_NEW = (
    "INSERT INTO leaves (idx, event_id, entry) VALUES (?, ?, ?) ON CONFLICT (event_id) DO NOTHING"
)


class EventFrame(msgspec.Struct, frozen=True):
    """The three members of an event that the store itself reads; the rest is the event's own."""

    event_id: str
    at: str
    subject: str


_frames = msgspec.json.Decoder(EventFrame)


def frame_of(entry: bytes) -> EventFrame:
    """Return id, time and subject of an event.

    Raises:
      RtgfError: RTGF_TXP_EVENT_INVALID if it is too large or is no event at all. That it is a valid
        event is checked where it enters the node.
    """
    if len(entry) > event.MAX_BYTES:
        raise RtgfError(
            Code.RTGF_TXP_EVENT_INVALID,
            f"an entry has at most {event.MAX_BYTES} bytes, this one {len(entry)}",
        )
    try:
        return _frames.decode(entry)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RtgfError(Code.RTGF_TXP_EVENT_INVALID, f"not an event: {error}") from error


class LogWriter:
    """The one writer of leaves, tiles and heads, inside transactions that the caller owns.

    Between `begin` and `commit` (or `roll_back`), each command appends and ends with `accept` or
    `discard`; what was discarded leaves no trace in memory, and the caller's savepoint takes care
    of the rows.
    """

    def __init__(self, conn: sqlite3.Connection, published: LogStore) -> None:
        self._conn = conn
        self._published = published
        self._tiles = TileCache(self._load_tile, WRITER_TILES)
        self._edge = load_edge(conn)
        self._before = self._edge
        self._staged: list[tuple[bytes, str]] = []
        self._times: list[tuple[str, int]] = []

    @property
    def size(self) -> int:
        """The number of leaves, those of the running command included."""
        return self._edge.size + len(self._staged)

    def begin(self) -> None:
        """Start a transaction's work."""
        self._before = self._edge.copy()

    def append(self, entry: bytes) -> int:
        """Append an event and return its index; the same bytes again give the index they have.

        Raises:
          RtgfError: RTGF_TXP_APPEND_VIOLATION if other bytes stand under its event id,
            RTGF_TXP_EVENT_INVALID if it has none.
        """
        frame = frame_of(entry)
        event_id = frame.event_id
        index = self.size
        inserted = self._conn.execute(INSERT_NEW, (index, event_id, entry))
        if inserted.rowcount == 1:
            self._staged.append((merkle.leaf_hash(entry), frame.at))
            return index
        held_index, held = self._conn.execute(
            "SELECT idx, entry FROM leaves WHERE event_id = ?", (event_id,)
        ).fetchone()
        if held != entry:
            raise RtgfError(
                Code.RTGF_TXP_APPEND_VIOLATION,
                f"entry {held_index} holds other bytes under {event_id}; find out who made the "
                "second one before anything more is taken in",
            )
        return int(held_index)

    def append_new(self, entries: Sequence[bytes]) -> int | None:
        """Append events with one statement and return the first one's index.

        None, and nothing is appended, if one of them is in the log already, comes twice, or is no
        event: `append` tells which.
        """
        first = self.size
        try:
            frames = [frame_of(entry) for entry in entries]
        except RtgfError:
            return None
        rows = [
            (index, frame.event_id, entry)
            for index, (frame, entry) in enumerate(zip(frames, entries, strict=True), first)
        ]
        self._conn.execute("SAVEPOINT entries")
        inserted = self._conn.executemany(INSERT_NEW, rows).rowcount
        if inserted != len(rows):
            self._conn.execute("ROLLBACK TO entries")
        self._conn.execute("RELEASE entries")
        if inserted != len(rows):
            return None
        self._staged += [
            (merkle.leaf_hash(entry), frame.at)
            for frame, entry in zip(frames, entries, strict=True)
        ]
        return first

    def entry(self, index: int) -> bytes:
        """Return the exact bytes of an entry, of those appended in this transaction too."""
        row = self._conn.execute("SELECT entry FROM leaves WHERE idx = ?", (index,)).fetchone()
        if row is None:
            raise RtgfError(Code.RTGF_TXP_PROOF_NOT_FOUND, f"the log has no entry {index}")
        return bytes(row[0])

    def accept(self) -> None:
        """Make the running command's leaves part of the tree."""
        for leaf, at in self._staged:
            self._edge.append(leaf)
            while self._times and self._times[-1][0] >= at:
                self._times.pop()
            self._times.append((at, self._edge.size))
        self._staged.clear()

    def discard(self) -> None:
        """Forget the running command's leaves."""
        self._staged.clear()

    def root_at(self, size: int) -> bytes:
        """Return the root of the first `size` leaves.

        Raises:
          RtgfError: RTGF_TXP_PROOF_NOT_FOUND if there are fewer.
        """
        return TreeView(self._edge.size, self._edge.rows, self._tiles).root_at(size)

    def record_head(self, document: bytes, tree_size: int, root: bytes) -> None:
        """Keep a signed head; the newest signature for a size replaces the older one.

        Raises:
          RtgfError: RTGF_INPUT_INVALID if the document states another size or root (kept, it would
            stop the next start), RTGF_CONFLICT if a larger head was signed already or the tree is
            smaller, RTGF_TXP_GOSSIP_INCONSISTENT if the tree never had this root at this size.
        """
        if not says_so(document, tree_size, root):
            raise RtgfError(
                Code.RTGF_INPUT_INVALID, "the head's document states another size or root"
            )
        newest = self._conn.execute("SELECT max(tree_size) FROM heads").fetchone()[0]
        if tree_size > self._edge.size or (newest is not None and tree_size < newest):
            raise RtgfError(
                Code.RTGF_CONFLICT,
                f"a head of {tree_size} entries does not follow one of {newest} in a log of "
                f"{self._edge.size}; sign the current tree",
            )
        if self.root_at(tree_size) != root:
            raise RtgfError(
                Code.RTGF_TXP_GOSSIP_INCONSISTENT,
                f"the tree of {tree_size} entries has another root than the head says; two "
                "histories exist, keep both and find out which key signed which",
            )
        self._conn.execute(
            "INSERT INTO heads (tree_size, root, document) VALUES (?, ?, ?) "
            "ON CONFLICT (tree_size) DO UPDATE SET document = excluded.document",
            (tree_size, root, document),
        )
        self._conn.execute(
            "DELETE FROM heads WHERE seq <= (SELECT max(seq) FROM heads) - ?", (HEADS_KEPT,)
        )

    def flush(self) -> None:
        """Write what changed: finished tiles, the edges above them, the times of entries."""
        self._flush_times()
        finished = self._edge.finished
        if not finished:
            return
        tiles = dict(finished)
        for level in {level + 1 for level, _ in finished}:
            index, hashes = self._edge.unfinished(level)
            if hashes:
                tiles[(level, index)] = hashes
        self._conn.executemany(
            "INSERT INTO tiles (level, idx, hashes) VALUES (?, ?, ?) "
            "ON CONFLICT (level, idx) DO UPDATE SET hashes = excluded.hashes",
            [(level, index, hashes) for (level, index), hashes in tiles.items()],
        )

    def _flush_times(self) -> None:
        if not self._times:
            return
        self._conn.execute("DELETE FROM entry_times WHERE at >= ?", (self._times[0][0],))
        self._conn.executemany("INSERT INTO entry_times (at, size) VALUES (?, ?)", self._times)
        self._times.clear()

    def commit(self) -> None:
        """Show readers what was committed."""
        self._edge.finished.clear()
        self._published.publish(self._edge)

    def roll_back(self) -> None:
        """Forget everything since `begin`."""
        self._staged.clear()
        self._times.clear()
        self._tiles.clear()
        self._edge = self._before

    def _load_tile(self, level: int, index: int) -> bytes | None:
        unwritten = self._edge.finished.get((level, index))
        return load_tile(self._conn, level, index) if unwritten is None else unwritten
