"""Which objects the state rests on: large bytes that travel beside the log, by their digest."""

from __future__ import annotations

import sqlite3

_NAMED = (
    "SELECT raw_sha256 FROM datasets",
    "SELECT records_sha256 FROM datasets",
    "SELECT evidence FROM findings",
    "SELECT manifest_digest FROM builds WHERE state = 'published' AND manifest_digest NOT NULL",
)


def named_objects(conn: sqlite3.Connection) -> frozenset[str]:
    """Return the digest of every object that a row names."""
    return frozenset(row[0] for statement in _NAMED for row in conn.execute(statement))
