"""Which roots of decisions the log holds: where each chain of decisions is proved up to."""

from __future__ import annotations

import sqlite3

import msgspec

from rtgf_node.core.decision import Interval

_COLUMNS = "chain, first_seq, last_seq, count, root, head, event_id, leaf_index, begun_anew"


class DecisionRootRow(msgspec.Struct, frozen=True):
    """A logged root: what it states, and its event."""

    chain: str
    first_seq: int
    last_seq: int
    count: int
    root: str
    head: str
    event_id: str
    leaf_index: int
    begun_anew: str | None = None

    def interval(self) -> Interval:
        """Return what the event states."""
        return Interval(
            self.first_seq, self.last_seq, self.count, self.root, self.head, self.begun_anew
        )


class DecisionRootStore:
    """The decision_roots table, through one connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def chains(self) -> list[str]:
        """Return the names of all chains that have roots."""
        rows = self._conn.execute("SELECT DISTINCT chain FROM decision_roots ORDER BY chain")
        return [row[0] for row in rows]

    def newest(self, chain: str) -> DecisionRootRow | None:
        """Return the last root of a chain, None before the first."""
        return self._one("chain = ? ORDER BY leaf_index DESC LIMIT 1", chain)

    def covering(self, chain: str, seq: int) -> DecisionRootRow | None:
        """Return the root that proves entry `seq`, None if there is none yet."""
        found = self._one(
            "chain = ? AND last_seq >= ? AND count > 0 ORDER BY last_seq LIMIT 1", chain, seq
        )
        return found if found is not None and found.first_seq <= seq else None

    def insert(self, row: DecisionRootRow) -> None:
        """Add a root."""
        self._conn.execute(
            f"INSERT INTO decision_roots ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  constant text
            msgspec.structs.astuple(row),
        )

    def _one(self, where: str, *values: str | int) -> DecisionRootRow | None:
        row = self._conn.execute(
            f"SELECT {_COLUMNS} FROM decision_roots WHERE {where}",  # noqa: S608  constant text
            values,
        ).fetchone()
        return None if row is None else DecisionRootRow(*row)
