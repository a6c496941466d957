"""What waits for a second person, and what became of it."""

from __future__ import annotations

import sqlite3
from typing import Literal, TypeAlias

import msgspec

ApprovalState: TypeAlias = Literal["waiting", "approved", "refused", "lapsed"]

# One page of a listing; what waits is a handful.
MAX_ROWS = 1000

_COLUMNS = (
    "approval_id, acts, subject, digest, request, asked_by, asked_at, deadline, state, "
    "settled_by, settled_at, reason, leaf_index"
)


class ApprovalRow(msgspec.Struct, frozen=True):
    """A request for approval.

    Attributes:
      acts: what is asked for, in the words of `approvals.required`, between blanks.
      subject, digest: what it is about, and the digest of just what would be done.
      request: what doing it takes, as whoever does it wrote it.
      leaf_index: the entry that says that it was asked.
    """

    approval_id: str
    acts: str
    subject: str
    digest: str
    request: bytes
    asked_by: str
    asked_at: int
    deadline: int
    state: ApprovalState
    settled_by: str | None
    settled_at: int | None
    reason: str | None
    leaf_index: int


class ApprovalStore:
    """The approvals table, through one connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def approval(self, approval_id: str) -> ApprovalRow | None:
        """Return the request, None if it is not here."""
        found = self._rows("approval_id = ?", approval_id)
        return found[0] if found else None

    def waiting_for(self, acts: str, digest: str) -> ApprovalRow | None:
        """Return the request that waits for just this, None if none does."""
        found = self._rows("state = 'waiting' AND acts = ? AND digest = ?", acts, digest)
        return found[0] if found else None

    def waiting_about(self, subject: str) -> ApprovalRow | None:
        """Return a request that waits and is about this, None if none does."""
        found = self._rows("state = 'waiting' AND subject = ?", subject)
        return found[0] if found else None

    def waiting(self) -> list[ApprovalRow]:
        """Return what waits, the nearest deadline first."""
        return self._rows("state = 'waiting' ORDER BY deadline, approval_id LIMIT ?", MAX_ROWS)

    def newest(self, *, limit: int = MAX_ROWS) -> list[ApprovalRow]:
        """Return the newest requests of any state, the newest first."""
        return self._rows("true ORDER BY leaf_index DESC LIMIT ?", limit)

    def insert(self, row: ApprovalRow) -> None:
        """Add a request."""
        self._conn.execute(
            f"INSERT INTO approvals ({_COLUMNS}) "  # noqa: S608  constant text
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            msgspec.structs.astuple(row),
        )

    def settle(
        self, approval_id: str, *, state: ApprovalState, by: str | None, at: int, reason: str
    ) -> None:
        """Note how a request ended."""
        self._conn.execute(
            "UPDATE approvals SET state = ?, settled_by = ?, settled_at = ?, reason = ? "
            "WHERE approval_id = ?",
            (state, by, at, reason, approval_id),
        )

    def _rows(self, where: str, *arguments: object) -> list[ApprovalRow]:
        rows = self._conn.execute(
            f"SELECT {_COLUMNS} FROM approvals WHERE {where}",  # noqa: S608  constant text
            arguments,
        )
        return [ApprovalRow(*row) for row in rows]
