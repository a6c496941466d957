"""Cosignatures: those that witnesses gave our heads, and those that we gave other logs."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

import msgspec

from rtgf_node.core.merkle import MAX_TREE_SIZE

_COSIGNED = "origin, tree_size, root, at, note"


class CosignatureRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A verified cosignature on one of our heads. `key` is the witness's verifier key."""

    key: str
    at: int
    line: str


class CosignedRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A checkpoint of another log that we cosigned; `note` has that log's signature and ours."""

    origin: str
    tree_size: int
    root: bytes
    at: int
    note: bytes


class WitnessStore:
    """The cosignatures and cosigned tables, through one connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    # --- what witnesses gave us -----------------------------------------------------------------

    def cosignatures(self, tree_size: int) -> list[CosignatureRow]:
        """Return the cosignatures on our head of this size, in the order of the keys."""
        rows = self._conn.execute(
            "SELECT key, at, line FROM cosignatures WHERE tree_size = ? ORDER BY key", (tree_size,)
        )
        return [CosignatureRow(*row) for row in rows]

    def newest_size(self, key: str) -> int:
        """Return the size of the newest head that this witness cosigned, 0 if there is none."""
        row = self._conn.execute(
            "SELECT coalesce(max(tree_size), 0) FROM cosignatures WHERE key = ?", (key,)
        ).fetchone()
        return int(row[0])

    def newest_agreed(
        self, keys: Collection[str], quorum: int, *, most: int = MAX_TREE_SIZE
    ) -> int | None:
        """Return the size of the newest head, not above `most`, that `quorum` of them cosigned."""
        marks = ", ".join("?" * len(keys))
        row = self._conn.execute(
            f"SELECT tree_size FROM cosignatures WHERE tree_size <= ? AND key IN ({marks}) "  # noqa: S608  only marks
            "GROUP BY tree_size HAVING count(*) >= ? ORDER BY tree_size DESC LIMIT 1",
            (most, *keys, quorum),
        ).fetchone()
        return None if row is None else int(row[0])

    def put_cosignature(self, tree_size: int, row: CosignatureRow) -> None:
        """Keep a cosignature; a witness's later one for the same size replaces the earlier.

        Those of heads that are no longer kept go with them.
        """
        self._conn.execute(
            "INSERT INTO cosignatures (tree_size, key, at, line) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (tree_size, key) DO UPDATE SET at = excluded.at, line = excluded.line "
            "WHERE excluded.at > at",
            (tree_size, row.key, row.at, row.line),
        )
        self._conn.execute(
            "DELETE FROM cosignatures WHERE tree_size < (SELECT min(tree_size) FROM heads)"
        )

    # --- what we gave other logs ----------------------------------------------------------------

    def cosigned(self, origin: str) -> CosignedRow | None:
        """Return the newest checkpoint of a log that we cosigned, None if there is none."""
        row = self._conn.execute(
            f"SELECT {_COSIGNED} FROM cosigned WHERE origin = ? "  # noqa: S608  constant text
            "ORDER BY tree_size DESC LIMIT 1",
            (origin,),
        ).fetchone()
        return None if row is None else CosignedRow(*row)

    def has_cosigned(self, row: CosignedRow) -> bool:
        """Return whether we are known to have cosigned this size with this root."""
        found = self._conn.execute(
            "SELECT 1 FROM cosigned WHERE origin = ? AND tree_size = ? AND root = ?",
            (row.origin, row.tree_size, row.root),
        ).fetchone()
        return found is not None

    def insert_cosigned(self, row: CosignedRow) -> None:
        """Remember for ever that we cosigned a checkpoint."""
        self._conn.execute(
            f"INSERT INTO cosigned ({_COSIGNED}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608  constant text
            msgspec.structs.astuple(row),
        )
