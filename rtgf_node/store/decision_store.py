"""Decisions on disk, in a file of their own: their commits never wait for those of the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Self

from rtgf_node.core import decision
from rtgf_node.core.decision import Chain, Chained, Draft, Interval
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.database import connect_reader, connect_writer
from rtgf_node.store.decision_schema import migrate

DATABASE = "decisions.db"

MAX_PAGE = 1000
"""Entries in one answer, about 700 bytes each."""

TOGETHER = 100
"""Entries of one statement."""

_INSERT = "INSERT INTO entries (seq, request_id, body, hash) VALUES (?, ?, ?, ?)"
_INSERT_TOGETHER = _INSERT + ", (?, ?, ?, ?)" * (TOGETHER - 1)
_SUFFIXES = ("", "-wal", "-shm")


class DecisionStore:
    """The one writer of decisions. Used by one thread at a time."""

    def __init__(self, conn: sqlite3.Connection, chain: Chain) -> None:
        self._conn = conn
        self._chain = chain
        self._in_doubt = False

    @classmethod
    def open(cls, path: Path, newest: Interval | None) -> Self:
        """Open the database, made if there is none, and check its end.

        Read again is everything since the beginning of `newest`, the interval of the last root
        that the log holds: it must have that root, and the rest must follow entry by entry.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if entries are missing, altered or out of order.
        """
        path.touch(mode=0o600)
        conn: sqlite3.Connection | None = None
        try:
            conn = connect_writer(path)
            migrate(conn)
            return cls(conn, _checked(conn, newest))
        except sqlite3.DatabaseError as error:
            if conn is not None:
                conn.close()
            raise RtgfError(
                Code.RTGF_TXP_STORE_DAMAGED, f"{path.name} cannot be read: {error}"
            ) from error
        except BaseException:
            if conn is not None:
                conn.close()
            raise

    @property
    def seq(self) -> int:
        """The number of the newest entry."""
        return self._chain.seq

    @property
    def open_count(self) -> int:
        """How many entries no root covers yet."""
        return self._chain.open_count

    def call(self, chain: str) -> None:
        """Note what the chain is called in the log; the first name stays."""
        self._conn.execute("INSERT OR IGNORE INTO chain (id, name) VALUES (1, ?)", (chain,))

    def append(self, drafts: Sequence[Draft]) -> list[Chained]:
        """Give decisions their places and keep them; when it returns they are durable.

        Raises:
          sqlite3.Error: the disk did not take them: none of them is in the chain.
        """
        grown = self._chain.copy()
        if self._in_doubt:
            # A commit that failed may have taken effect all the same.
            for row in self._after(grown.seq):
                grown.take(*row)
        entries = [grown.add(draft) for draft in drafts]
        self._in_doubt = True
        with self._transaction():
            self._insert(entries)
        self._chain, self._in_doubt = grown, False
        return entries

    def _insert(self, entries: Sequence[Chained]) -> None:
        # A statement gives the interpreter away and must get it back, from a thread that answers:
        # so a hundred entries are one statement.
        left = len(entries) % TOGETHER
        whole = len(entries) - left
        for first in range(0, whole, TOGETHER):
            values = chain.from_iterable(entries[first : first + TOGETHER])
            self._conn.execute(_INSERT_TOGETHER, tuple(values))
        self._conn.executemany(_INSERT, entries[whole:])

    def probe(self) -> None:
        """Write a page that says nothing.

        Raises:
          sqlite3.Error: the disk does not take it.
        """
        with self._transaction():
            (number,) = self._conn.execute("PRAGMA user_version").fetchone()
            self._conn.execute(f"PRAGMA user_version = {(int(number) + 1) % (1 << 31)}")

    def seal(self) -> Interval | None:
        """End the open interval and return its root; None if nothing was decided in it."""
        return self._chain.seal()

    def close(self) -> None:
        """Close the database."""
        self._conn.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._conn.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._conn.execute("COMMIT")
        except BaseException:
            if self._conn.in_transaction:
                self._conn.execute("ROLLBACK")
            raise

    def _after(self, seq: int) -> list[_Stored]:
        rows = self._conn.execute(
            "SELECT seq, body, hash FROM entries WHERE seq > ? ORDER BY seq", (seq,)
        )
        return [_Stored._make(row) for row in rows]


class DecisionReader:
    """What is committed of the decisions. It opens the file for each question, from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def page(self, since: int, limit: int) -> list[bytes]:
        """Return up to `limit` entries after number `since`, in order."""
        return self._bodies("seq > ? ORDER BY seq LIMIT ?", since, min(limit, MAX_PAGE))

    def of_request(self, request_id: str, since: int, limit: int) -> list[bytes]:
        """Return the entries of one request id, in order."""
        return self._bodies(
            "request_id = ? AND seq > ? ORDER BY seq LIMIT ?",
            request_id,
            since,
            min(limit, MAX_PAGE),
        )

    def newest_seq(self) -> int:
        """Return the number of the newest entry, 0 before the first."""
        rows = self._rows("SELECT coalesce(max(seq), 0) FROM entries")
        return int(rows[0][0]) if rows else 0

    def entry(self, seq: int) -> bytes:
        """Return one entry.

        Raises:
          RtgfError: RTGF_NOT_FOUND if there is none of this number.
        """
        found = self._bodies("seq = ?", seq)
        if not found:
            raise RtgfError(Code.RTGF_NOT_FOUND, f"no decision has the number {seq}")
        return found[0]

    def path_in(self, interval: Interval, seq: int) -> list[str]:
        """Return the audit path of an entry in its interval.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if the interval no longer has the root that was logged.
        """
        hashes = [
            decision.digest_bytes(row[0])
            for row in self._rows(
                "SELECT body FROM entries WHERE seq BETWEEN ? AND ? ORDER BY seq",
                interval.first_seq,
                interval.last_seq,
            )
        ]
        if decision.root_of(hashes) != interval.root:
            raise RtgfError(
                Code.RTGF_TXP_STORE_DAMAGED,
                f"decisions {interval.first_seq} to {interval.last_seq} are not those whose root "
                "the log holds: they were altered",
            )
        return decision.path_of(hashes, seq - interval.first_seq)

    def _bodies(self, where: str, *values: str | int) -> list[bytes]:
        query = f"SELECT body FROM entries WHERE {where}"  # noqa: S608  constant text
        return [row[0] for row in self._rows(query, *values)]

    def _rows(self, query: str, *values: str | int) -> list[tuple[bytes]]:
        if not self._path.is_file():
            return []
        try:
            with closing(connect_reader(self._path)) as conn:
                return conn.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise RtgfError(
                Code.RTGF_TXP_STORE_DAMAGED, f"{self._path.name} cannot be read: {error}"
            ) from error


class _Stored(NamedTuple):
    seq: int
    body: bytes
    hash: bytes


def chain_in(path: Path) -> str | None:
    """Return what the chain of a database is called in the log; None if it does not say."""
    if not path.is_file():
        return None
    try:
        with closing(connect_reader(path)) as conn:
            row = conn.execute("SELECT name FROM chain").fetchone()
    except sqlite3.DatabaseError:
        # Of before there were clusters, or damaged: opening it says which.
        return None
    return row[0] if row is not None else None


def set_aside(path: Path, *, at: int) -> str:
    """Rename a database that cannot be gone on with, and return its new name."""
    while (kept := path.with_name(f"{path.name}.kept-{at}")).exists():
        at += 1
    for suffix in _SUFFIXES:
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(kept.with_name(kept.name + suffix))
    return kept.name


def check_all(conn: sqlite3.Connection) -> int:
    """Read every entry, and return the number of the newest, 0 if there is none.

    Whether they are those whose roots the log holds is looked at when they are opened.

    Raises:
      RtgfError: RTGF_TXP_STORE_DAMAGED if one does not follow the one before it.
    """
    rows = conn.execute("SELECT seq, body, hash FROM entries ORDER BY seq")
    chain: Chain | None = None
    for row in map(_Stored._make, rows):
        if chain is None:
            # It may have begun anew, after others that were set aside.
            chain = Chain(row.seq - 1, decision.read_entry(row.body).prev)
        chain.take(*row)
    return chain.seq if chain is not None else 0


def _checked(conn: sqlite3.Connection, newest: Interval | None) -> Chain:
    """Return the chain as it stands, with the interval that the log has no root of yet."""
    chain = Chain()
    rows = conn.execute(
        "SELECT seq, body, hash FROM entries WHERE seq >= ? ORDER BY seq",
        (newest.first_seq if newest is not None else 0,),
    )
    if newest is not None and newest.count:
        chain = _at(conn, newest)
        for row in map(_Stored._make, rows):
            chain.take(*row)
            if row.seq == newest.last_seq:
                break
        if chain.seq != newest.last_seq:
            raise RtgfError(
                Code.RTGF_TXP_STORE_DAMAGED,
                f"the log holds a root of decisions up to {newest.last_seq}, and the newest here "
                f"is {chain.seq}: the file is an old copy, or was cut",
            )
        if chain.seal() != newest:
            raise RtgfError(
                Code.RTGF_TXP_STORE_DAMAGED,
                f"decisions {newest.first_seq} to {newest.last_seq} are not those whose root the "
                "log holds: they were altered",
            )
    elif newest is not None:
        chain = Chain(newest.last_seq, newest.head)
    for row in map(_Stored._make, rows):
        chain.take(*row)
    return chain


def _at(conn: sqlite3.Connection, newest: Interval) -> Chain:
    """Return the chain as it was before `newest`, by what its first entry says came before."""
    row = conn.execute("SELECT body FROM entries WHERE seq = ?", (newest.first_seq,)).fetchone()
    head = decision.read_entry(row[0]).prev if row is not None else decision.GENESIS
    return Chain(newest.first_seq - 1, head)
