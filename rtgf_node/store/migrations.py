"""Numbered migrations of one database: one function each, in their order, never edited again."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from sqlite_utils import Database, Migrations

from rtgf_node.errors import Code, RtgfError

MIGRATIONS_TABLE = "migrations"


class NumberedMigrations(Migrations):
    """Those of one database; calling it gives the decorator that adds one."""

    migrations_table = MIGRATIONS_TABLE

    def bring_up(self, conn: sqlite3.Connection, known: Sequence[str], what: str) -> None:
        """Bring the database to the newest schema, each step in a transaction of its own.

        Args:
          conn: the one writing connection.
          known: the names of all of them.
          what: what the database is called in a refusal.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if a newer program wrote this database; an older one
            must not write to it.
        """
        database = Database(conn)
        strangers = {done.name for done in self.applied(database)} - set(known)
        if strangers:
            raise RtgfError(
                Code.RTGF_TXP_STORE_DAMAGED,
                f"{what} was written by a newer version of this program "
                f"({', '.join(sorted(strangers))}); start that version",
            )
        self.apply(database)
