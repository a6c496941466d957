"""Revocations: an epoch that only grows, and what each token's status is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Literal, TypeAlias, cast

import msgspec

Status: TypeAlias = Literal["valid", "invalid", "suspended"]
"""What a status list says of a token; a token that was never revoked is valid."""

# One answer of `since`: 1,000 revocations in one call, times the tokens that rest on them, still
# come in pages.
MAX_ROWS = 10_000
_COLUMNS = "rev_epoch, token_id, jti, status, reason, at, root_token, leaf_index"


class RevocationRow(msgspec.Struct, frozen=True):
    """One change of one token's status. `root_token` names the token it followed from."""

    rev_epoch: int
    token_id: str
    jti: str
    status: Status
    reason: str
    at: int
    root_token: str | None
    leaf_index: int


class RevocationStore:
    """The revocations table, through one connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def rev_epoch(self) -> int:
        """Return the newest epoch, 0 before the first revocation."""
        row = self._conn.execute("SELECT coalesce(max(rev_epoch), 0) FROM revocations").fetchone()
        return cast(int, row[0])

    def newest(self, token_id: str) -> RevocationRow | None:
        """Return the last change of the token's status, None if there was none."""
        row = self._conn.execute(
            f"SELECT {_COLUMNS} FROM revocations WHERE token_id = ? "  # noqa: S608  constant text
            "ORDER BY rev_epoch DESC LIMIT 1",
            (token_id,),
        ).fetchone()
        return None if row is None else RevocationRow(*row)

    def status(self, token_id: str) -> Status:
        """Return the token's status."""
        row = self.newest(token_id)
        return "valid" if row is None else row.status

    def since(self, rev_epoch: int, limit: int = MAX_ROWS) -> list[RevocationRow]:
        """Return up to `limit` changes after `rev_epoch`, in order."""
        rows = self._conn.execute(
            f"SELECT {_COLUMNS} FROM revocations WHERE rev_epoch > ? "  # noqa: S608  constant text
            "ORDER BY rev_epoch LIMIT ?",
            (rev_epoch, max(0, min(limit, MAX_ROWS))),
        )
        return [RevocationRow(*row) for row in rows]

    def all_since(self, rev_epoch: int) -> Iterator[RevocationRow]:
        """Yield every change after `rev_epoch`, in order."""
        while rows := self.since(rev_epoch):
            yield from rows
            rev_epoch = rows[-1].rev_epoch

    def current(self) -> Iterator[RevocationRow]:
        """Yield the newest change of every token that ever had one, in order of epoch."""
        rows = self._conn.execute(
            f"SELECT {_COLUMNS} FROM revocations WHERE rev_epoch IN "  # noqa: S608  constant text
            "(SELECT max(rev_epoch) FROM revocations GROUP BY token_id) ORDER BY rev_epoch"
        )
        return (RevocationRow(*row) for row in rows)

    def insert(self, row: RevocationRow) -> None:
        """Add the next change."""
        self._conn.execute(
            f"INSERT INTO revocations ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  constant text
            msgspec.structs.astuple(row),
        )
