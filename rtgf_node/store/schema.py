"""The tables of a node's database, as numbered migrations: one function each, never edited again.

What may never change (leaves, revocations) is guarded by triggers, so that not even a mistake in
this program can rewrite it. An attacker with the file can drop a trigger: against that stand the
Merkle tree and the signed heads, not the schema.
"""

from __future__ import annotations

import sqlite3

from rtgf_node.store.migrations import MIGRATIONS_TABLE
from rtgf_node.store.schema_since import migrations

__all__ = ["KNOWN", "MIGRATIONS_TABLE", "migrate", "migrations"]

KNOWN = (
    "m0001_log",
    "m0002_intake",
    "m0003_registry",
    "m0004_decision_roots",
    "m0005_status_lists",
    "m0006_witnesses",
    "m0007_quarantine",
    "m0008_entry_times",
    "m0009_waivers",
    "m0010_webhooks",
    "m0011_terms",
    "m0012_approvals",
    "m0013_staged_tokens",
    "m0014_raft",
    "m0015_raft_seats",
)


def migrate(conn: sqlite3.Connection) -> None:
    """Bring the database to the newest schema; see `NumberedMigrations.bring_up`."""
    migrations.bring_up(conn, KNOWN, "the database")
