"""Answers under idempotency keys on disk, in a file of their own: they are not part of the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.database import connect_writer

DATABASE: Final = "answers.db"

_TABLE: Final = """CREATE TABLE IF NOT EXISTS answers (
  client TEXT NOT NULL,
  key TEXT NOT NULL,
  question BLOB NOT NULL,
  at INTEGER NOT NULL,
  answer BLOB,
  PRIMARY KEY (client, key)) STRICT"""


class KeptRow(NamedTuple):
    """What was asked under a client's key, and the answer.

    Attributes:
      client: whose key it is.
      key: as it was sent.
      question: the digest of the request.
      at: when it was asked, in seconds since 1970.
      answer: None while it is being found.
    """

    client: str
    key: str
    question: bytes
    at: int
    answer: bytes | None


class AnswerStore:
    """The one writer and reader of the file. Used by one thread at a time."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file, made if there is none.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if it cannot be read.
        """
        path.touch(mode=0o600)
        conn: sqlite3.Connection | None = None
        try:
            conn = connect_writer(path)
            conn.execute(_TABLE)
        except sqlite3.DatabaseError as error:
            if conn is not None:
                conn.close()
            raise RtgfError(
                Code.RTGF_TXP_STORE_DAMAGED,
                f"{path} cannot be read ({error}); move it away, and the answers under "
                "idempotency keys are forgotten, nothing else",
            ) from error
        return cls(conn)

    def rows(self) -> list[KeptRow]:
        """Return everything, the oldest first."""
        rows = self._conn.execute(
            "SELECT client, key, question, at, answer FROM answers ORDER BY at, rowid"
        )
        return [KeptRow._make(row) for row in rows]

    def write(self, kept: Sequence[KeptRow], dropped: Iterable[tuple[str, str]]) -> None:
        """Keep and drop; when it returns that is durable.

        Raises:
          sqlite3.Error: the disk did not take it, and nothing is changed.
        """
        self._conn.execute("BEGIN IMMEDIATE")
        try:
            self._conn.executemany("DELETE FROM answers WHERE client = ? AND key = ?", dropped)
            self._conn.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", kept)
            self._conn.execute("COMMIT")
        except BaseException:
            if self._conn.in_transaction:
                self._conn.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file."""
        self._conn.close()
