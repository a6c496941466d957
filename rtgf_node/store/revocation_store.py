"""Revocations: an epoch that only grows, and what each token's status is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Literal, TypeAlias, cast

import msgspec

from rtgf_node.core import status_list
from rtgf_node.core.merkle import MAX_TREE_SIZE

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


class ListState(msgspec.Struct, frozen=True):
    """A status list and the whole state of revocation that it belongs to, as of one moment.

    Attributes:
      rev_epoch: the newest revocation of all.
      newest_leaf: the log entry of that one, None before the first.
      packed: the list's statuses (`core.status_list`).
    """

    rev_epoch: int
    newest_leaf: int | None
    packed: bytes


class RevocationStore:
    """The revocations and status_lists tables, through one connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def rev_epoch(self, *, before_leaf: int = MAX_TREE_SIZE) -> int:
        """Return the newest epoch before an entry of the log, 0 before the first revocation."""
        row = self._conn.execute(
            "SELECT rev_epoch FROM revocations WHERE leaf_index < ? "
            "ORDER BY leaf_index DESC LIMIT 1",
            (before_leaf,),
        ).fetchone()
        return 0 if row is None else cast(int, row[0])

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

    def before(self, rev_epoch: int, limit: int) -> list[RevocationRow]:
        """Return up to `limit` changes before `rev_epoch`, the newest first."""
        rows = self._conn.execute(
            f"SELECT {_COLUMNS} FROM revocations WHERE rev_epoch < ? "  # noqa: S608  constant text
            "ORDER BY rev_epoch DESC LIMIT ?",
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

    def of_token(self, token_id: str) -> list[RevocationRow]:
        """Return every change of the token's status, in order."""
        rows = self._conn.execute(
            f"SELECT {_COLUMNS} FROM revocations WHERE token_id = ? "  # noqa: S608  constant text
            "ORDER BY rev_epoch",
            (token_id,),
        )
        return [RevocationRow(*row) for row in rows]

    def list_state(self, number: int) -> ListState:
        """Return a status list as it stands; one that no revocation has touched is all valid."""
        # One statement, so that all of it is of one moment while another connection writes.
        rev_epoch, newest, packed = self._conn.execute(
            "SELECT (SELECT coalesce(max(rev_epoch), 0) FROM revocations), "
            "(SELECT max(leaf_index) FROM revocations), "
            "(SELECT packed FROM status_lists WHERE number = ?)",
            (number,),
        ).fetchone()
        return ListState(rev_epoch, newest, packed or bytes(status_list.empty()))

    def statuses_of_list(self, number: int, *, before_leaf: int) -> bytes:
        """Return a status list as the log's first entries leave it, packed."""
        packed = status_list.empty()
        rows = self._conn.execute(
            "SELECT status_idx, status FROM revocations r JOIN tokens USING (token_id) "
            "WHERE status_list = ? AND r.leaf_index < ? ORDER BY rev_epoch",
            (number, before_leaf),
        )
        for index, status in rows:
            status_list.put(packed, index, status_list.NUMBERS[status])
        return bytes(packed)

    def newest_of_list(self, number: int, *, before_leaf: int) -> RevocationRow | None:
        """Return the newest change of a status list among the log's first entries, or None."""
        columns = ", ".join(f"r.{column.strip()}" for column in _COLUMNS.split(","))
        row = self._conn.execute(
            f"SELECT {columns} FROM revocations r JOIN tokens USING (token_id) "  # noqa: S608  constant text
            "WHERE status_list = ? AND r.leaf_index < ? ORDER BY r.rev_epoch DESC LIMIT 1",
            (number, before_leaf),
        ).fetchone()
        return None if row is None else RevocationRow(*row)

    def put_list(self, number: int, packed: bytes) -> None:
        """Keep a status list as it is from now on."""
        self._conn.execute(
            "INSERT INTO status_lists (number, packed) VALUES (?, ?) "
            "ON CONFLICT (number) DO UPDATE SET packed = excluded.packed",
            (number, packed),
        )

    def insert(self, row: RevocationRow) -> None:
        """Add the next change."""
        self._conn.execute(
            f"INSERT INTO revocations ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  constant text
            msgspec.structs.astuple(row),
        )
