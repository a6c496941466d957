"""The tables of the decision log's own database, as numbered migrations, never edited again."""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database

from rtgf_node.store.migrations import NumberedMigrations

migrations = NumberedMigrations("decisions")


@migrations()
def m0001_entries(db: Database) -> None:
    """The entries: their canonical bytes, and their hash to make roots and proofs from."""
    for statement in (
        """CREATE TABLE entries (
             seq INTEGER PRIMARY KEY,
             request_id TEXT NOT NULL,
             body BLOB NOT NULL,
             hash BLOB NOT NULL) STRICT""",
        "CREATE INDEX entries_by_request ON entries (request_id, seq)",
        """CREATE TRIGGER entries_are_never_changed BEFORE UPDATE ON entries
             BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END""",
        """CREATE TRIGGER entries_are_never_deleted BEFORE DELETE ON entries
             BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END""",
    ):
        db.execute(statement)


@migrations()
def m0002_chain(db: Database) -> None:
    """What the chain is called in the log, whatever the node is when it goes on with it."""
    db.execute("CREATE TABLE chain (id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT) STRICT")


KNOWN = ("m0001_entries", "m0002_chain")


def migrate(conn: sqlite3.Connection) -> None:
    """Bring the database to the newest schema; see `NumberedMigrations.bring_up`."""
    migrations.bring_up(conn, KNOWN, "the decision log")
