"""What other logs showed us, and what was found that cannot be true."""

from __future__ import annotations

import sqlite3

import msgspec

_HEAD = "origin, tree_size, root, at, note"
_FINDING = "origin, tree_size, root, peer, evidence, detail, halts, at, leaf_index, settled_at"


class SeenHead(msgspec.Struct, frozen=True):
    """The newest head of another log that we saw and proved to extend the one before."""

    origin: str
    tree_size: int
    root: bytes
    at: int
    note: bytes


class FindingRow(msgspec.Struct, frozen=True):
    """A signed head that contradicts another one of its log.

    Attributes:
      origin: whose log.
      tree_size: of the head that was found.
      root: its root.
      peer: where it came from.
      evidence: digest of the object that shows both heads.
      detail: what contradicts what.
      halts: whether our own log signs nothing until somebody settles it.
      at: when it was found.
      leaf_index: of its incident in our log.
      settled_at: when an operator went on all the same, None before.
    """

    origin: str
    tree_size: int
    root: bytes
    peer: str
    evidence: str
    detail: str
    halts: bool
    at: int
    leaf_index: int
    settled_at: int | None = None


class GossipStore:
    """The seen_heads and findings tables, through one connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def seen(self, origin: str) -> SeenHead | None:
        """Return the newest head of a log, None if none was seen."""
        row = self._conn.execute(
            f"SELECT {_HEAD} FROM seen_heads WHERE origin = ?",  # noqa: S608  constant text
            (origin,),
        ).fetchone()
        return None if row is None else SeenHead(*row)

    def put_seen(self, head: SeenHead) -> None:
        """Keep the newest head of a log in place of the one before."""
        self._conn.execute(
            f"INSERT INTO seen_heads ({_HEAD}) VALUES (?, ?, ?, ?, ?) "  # noqa: S608  constant text
            "ON CONFLICT (origin) DO UPDATE SET tree_size = excluded.tree_size, "
            "root = excluded.root, at = excluded.at, note = excluded.note",
            msgspec.structs.astuple(head),
        )

    def finding(self, origin: str, tree_size: int, root: bytes) -> FindingRow | None:
        """Return what was found of this very head, settled or not."""
        row = self._conn.execute(
            f"SELECT {_FINDING} FROM findings "  # noqa: S608  constant text
            "WHERE origin = ? AND tree_size = ? AND root = ?",
            (origin, tree_size, root),
        ).fetchone()
        return None if row is None else _finding(row)

    def of_log(self, origin: str) -> bool:
        """Return whether anything was ever found of this log."""
        row = self._conn.execute("SELECT 1 FROM findings WHERE origin = ? LIMIT 1", (origin,))
        return row.fetchone() is not None

    def open_findings(self, limit: int = 100) -> list[FindingRow]:
        """Return what nobody has settled, those first that halt our own log."""
        rows = self._conn.execute(
            f"SELECT {_FINDING} FROM findings WHERE settled_at IS NULL "  # noqa: S608  constant text
            "ORDER BY halts DESC, leaf_index LIMIT ?",
            (limit,),
        )
        return [_finding(row) for row in rows]

    def insert_finding(self, row: FindingRow) -> None:
        """Keep a contradiction for ever."""
        self._conn.execute(
            f"INSERT INTO findings ({_FINDING}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  constant text
            msgspec.structs.astuple(row),
        )

    def settle(self, at: int) -> None:
        """Mark everything that was found as settled."""
        self._conn.execute("UPDATE findings SET settled_at = ? WHERE settled_at IS NULL", (at,))


def _finding(row: tuple[object, ...]) -> FindingRow:
    values = dict(zip(FindingRow.__struct_fields__, row, strict=True))
    return msgspec.convert(values | {"halts": bool(values["halts"])}, FindingRow)
