"""Waivers that approvers signed: which clauses of which snapshot may pass unmapped."""

from __future__ import annotations

import sqlite3

import msgspec

# One page of a listing; a node has a handful of waivers.
MAX_ROWS = 1000

_WAIVER = "digest, policy_snapshot_hash, body, at, leaf_index"


class WaiverRow(msgspec.Struct, frozen=True):
    """A kept waiver. `body` is the exact signed bytes, `at` when it was taken in."""

    digest: str
    policy_snapshot_hash: str
    body: bytes
    at: int
    leaf_index: int


class WaiverStore:
    """The waivers table, through one connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def waiver(self, digest: str) -> WaiverRow | None:
        """Return the waiver of this digest, None if it is not here."""
        row = self._conn.execute(
            f"SELECT {_WAIVER} FROM waivers WHERE digest = ?",  # noqa: S608  constant text
            (digest,),
        ).fetchone()
        return WaiverRow(*row) if row is not None else None

    def of_snapshot(self, policy_snapshot_hash: str) -> list[WaiverRow]:
        """Return the waivers of a snapshot, in the order in which they were taken in."""
        rows = self._conn.execute(
            f"SELECT {_WAIVER} FROM waivers "  # noqa: S608  constant text
            "WHERE policy_snapshot_hash = ? ORDER BY leaf_index",
            (policy_snapshot_hash,),
        )
        return [WaiverRow(*row) for row in rows]

    def newest(self, *, limit: int = MAX_ROWS) -> list[WaiverRow]:
        """Return the newest waivers, the newest first."""
        rows = self._conn.execute(
            f"SELECT {_WAIVER} FROM waivers ORDER BY leaf_index DESC LIMIT ?",  # noqa: S608  constant text
            (limit,),
        )
        return [WaiverRow(*row) for row in rows]

    def insert(self, row: WaiverRow) -> None:
        """Add a waiver."""
        self._conn.execute(
            f"INSERT INTO waivers ({_WAIVER}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608  constant text
            msgspec.structs.astuple(row),
        )
