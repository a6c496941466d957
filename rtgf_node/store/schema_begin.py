"""The first tables of a node's database: log, intake, registry, decision roots, status lists."""

from __future__ import annotations

from sqlite_utils import Database

from rtgf_node.core import status_list
from rtgf_node.store.migrations import NumberedMigrations

migrations = NumberedMigrations("node")


@migrations()
def m0001_log(db: Database) -> None:
    """Leaves, tiles and signed heads of the transparency log; the command log before it."""
    for statement in (
        """CREATE TABLE leaves (
             idx INTEGER PRIMARY KEY,
             event_id TEXT NOT NULL UNIQUE,
             entry BLOB NOT NULL) STRICT""",
        """CREATE TRIGGER leaves_are_never_changed BEFORE UPDATE ON leaves
             BEGIN SELECT RAISE(ABORT, 'leaves are append-only'); END""",
        """CREATE TRIGGER leaves_are_never_deleted BEFORE DELETE ON leaves
             BEGIN SELECT RAISE(ABORT, 'leaves are append-only'); END""",
        # Level 0 holds full tiles only: its unfinished right edge is the newest leaves themselves.
        """CREATE TABLE tiles (
             level INTEGER NOT NULL,
             idx INTEGER NOT NULL,
             hashes BLOB NOT NULL,
             PRIMARY KEY (level, idx)) STRICT""",
        """CREATE TABLE heads (
             seq INTEGER PRIMARY KEY,
             tree_size INTEGER NOT NULL UNIQUE,
             root BLOB NOT NULL,
             document BLOB NOT NULL) STRICT""",
        """CREATE TABLE command_log (
             idx INTEGER PRIMARY KEY,
             client_id TEXT NOT NULL,
             seq INTEGER NOT NULL,
             kind TEXT NOT NULL,
             body BLOB NOT NULL) STRICT""",
        """CREATE TABLE applied (
             client_id TEXT NOT NULL,
             seq INTEGER NOT NULL,
             idx INTEGER NOT NULL,
             outcome BLOB NOT NULL,
             PRIMARY KEY (client_id, seq)) STRICT, WITHOUT ROWID""",
        """CREATE TABLE clients (
             client_id TEXT PRIMARY KEY,
             newest_seq INTEGER NOT NULL,
             newest_idx INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    ):
        db.execute(statement)


@migrations()
def m0002_intake(db: Database) -> None:
    """What came in: snapshots, datasets, what was refused or quarantined."""
    for statement in (
        """CREATE TABLE snapshots (
             snapshot_id TEXT PRIMARY KEY,
             digest TEXT NOT NULL UNIQUE,
             jurisdiction TEXT NOT NULL,
             domain TEXT NOT NULL,
             version TEXT NOT NULL,
             body BLOB NOT NULL,
             at TEXT NOT NULL,
             leaf_index INTEGER NOT NULL REFERENCES leaves (idx)) STRICT""",
        "CREATE INDEX snapshots_by_place ON snapshots (jurisdiction, domain, leaf_index)",
        """CREATE TABLE datasets (
             seq INTEGER PRIMARY KEY,
             name TEXT NOT NULL,
             version TEXT NOT NULL,
             provider TEXT NOT NULL,
             reader TEXT NOT NULL,
             raw_sha256 TEXT NOT NULL,
             content_sha256 TEXT NOT NULL,
             record_count INTEGER NOT NULL,
             published TEXT,
             retrieved_at INTEGER NOT NULL,
             uri TEXT NOT NULL,
             etag TEXT,
             last_modified TEXT,
             signature_state TEXT NOT NULL,
             records_sha256 TEXT NOT NULL,
             checked_at INTEGER NOT NULL,
             leaf_index INTEGER NOT NULL REFERENCES leaves (idx)) STRICT""",
        "CREATE INDEX datasets_by_name ON datasets (name, seq)",
        "CREATE INDEX datasets_by_content ON datasets (content_sha256)",
        """CREATE TABLE quarantine (
             name TEXT NOT NULL,
             raw_sha256 TEXT NOT NULL,
             reason TEXT NOT NULL,
             at INTEGER NOT NULL,
             PRIMARY KEY (name, raw_sha256)) STRICT, WITHOUT ROWID""",
        """CREATE TABLE refusals (
             seq INTEGER PRIMARY KEY,
             code TEXT NOT NULL,
             subject TEXT NOT NULL,
             digest TEXT NOT NULL,
             at INTEGER NOT NULL,
             detail TEXT NOT NULL) STRICT""",
        """CREATE TABLE refusal_counts (
             code TEXT PRIMARY KEY,
             total INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    ):
        db.execute(statement)


@migrations()
def m0003_registry(db: Database) -> None:
    """What was issued: builds, tokens, what a token rests on, revocations, keys."""
    for statement in (
        """CREATE TABLE builds (
             build_id TEXT PRIMARY KEY,
             state TEXT NOT NULL,
             manifest_digest TEXT,
             at INTEGER NOT NULL,
             summary TEXT NOT NULL,
             leaf_index INTEGER REFERENCES leaves (idx)) STRICT""",
        "CREATE INDEX builds_by_time ON builds (at)",
        """CREATE TABLE tokens (
             token_id TEXT PRIMARY KEY,
             jti TEXT NOT NULL UNIQUE,
             type TEXT NOT NULL,
             place TEXT NOT NULL,
             name TEXT NOT NULL,
             version TEXT NOT NULL,
             issue INTEGER NOT NULL,
             canonical_hash TEXT NOT NULL,
             nbf INTEGER NOT NULL,
             exp INTEGER NOT NULL,
             body BLOB NOT NULL,
             status_list INTEGER NOT NULL,
             status_idx INTEGER NOT NULL,
             build_id TEXT NOT NULL REFERENCES builds (build_id),
             leaf_index INTEGER NOT NULL UNIQUE REFERENCES leaves (idx),
             UNIQUE (status_list, status_idx)) STRICT""",
        "CREATE INDEX tokens_by_place ON tokens (type, place, name, leaf_index)",
        "CREATE INDEX tokens_by_build ON tokens (build_id)",
        "CREATE INDEX tokens_by_slug ON tokens (lower(replace(token_id, ':', '-')))",
        """CREATE TABLE token_parents (
             token_id TEXT NOT NULL REFERENCES tokens (token_id),
             parent_id TEXT NOT NULL REFERENCES tokens (token_id),
             PRIMARY KEY (token_id, parent_id)) STRICT, WITHOUT ROWID""",
        "CREATE INDEX token_children ON token_parents (parent_id, token_id)",
        """CREATE TABLE revocations (
             rev_epoch INTEGER PRIMARY KEY,
             token_id TEXT NOT NULL REFERENCES tokens (token_id),
             jti TEXT NOT NULL,
             status TEXT NOT NULL,
             reason TEXT NOT NULL,
             at INTEGER NOT NULL,
             root_token TEXT,
             leaf_index INTEGER NOT NULL UNIQUE REFERENCES leaves (idx)) STRICT""",
        "CREATE INDEX revocations_by_token ON revocations (token_id, rev_epoch)",
        """CREATE TRIGGER revocations_are_never_changed BEFORE UPDATE ON revocations
             BEGIN SELECT RAISE(ABORT, 'revocations are append-only'); END""",
        """CREATE TRIGGER revocations_are_never_deleted BEFORE DELETE ON revocations
             BEGIN SELECT RAISE(ABORT, 'revocations are append-only'); END""",
        """CREATE TABLE keys (
             kid TEXT PRIMARY KEY,
             purpose TEXT NOT NULL,
             public BLOB NOT NULL,
             issued_at INTEGER NOT NULL,
             expires_at INTEGER NOT NULL,
             revoked_at INTEGER,
             predecessor TEXT,
             leaf_index INTEGER NOT NULL REFERENCES leaves (idx)) STRICT""",
        """CREATE TABLE key_documents (
             seq INTEGER PRIMARY KEY,
             manifest BLOB NOT NULL,
             jwks BLOB NOT NULL,
             jwks_jws TEXT NOT NULL,
             leaf_index INTEGER NOT NULL REFERENCES leaves (idx)) STRICT""",
    ):
        db.execute(statement)


@migrations()
def m0004_decision_roots(db: Database) -> None:
    """Which decisions the log holds a root of; the decisions themselves are in their own file."""
    for statement in (
        """CREATE TABLE decision_roots (
             chain TEXT NOT NULL,
             first_seq INTEGER NOT NULL,
             last_seq INTEGER NOT NULL,
             count INTEGER NOT NULL,
             root TEXT NOT NULL,
             head TEXT NOT NULL,
             event_id TEXT NOT NULL,
             leaf_index INTEGER NOT NULL REFERENCES leaves (idx),
             begun_anew TEXT,
             PRIMARY KEY (chain, leaf_index)) STRICT, WITHOUT ROWID""",
        "CREATE INDEX decision_roots_by_end ON decision_roots (chain, last_seq)",
        """CREATE TRIGGER decision_roots_are_never_changed BEFORE UPDATE ON decision_roots
             BEGIN SELECT RAISE(ABORT, 'decision roots are append-only'); END""",
        """CREATE TRIGGER decision_roots_are_never_deleted BEFORE DELETE ON decision_roots
             BEGIN SELECT RAISE(ABORT, 'decision roots are append-only'); END""",
    ):
        db.execute(statement)


@migrations()
def m0005_status_lists(db: Database) -> None:
    """The status lists as they stand, packed; what they follow from is the revocations table."""
    db.execute(
        """CREATE TABLE status_lists (
             number INTEGER PRIMARY KEY,
             packed BLOB NOT NULL) STRICT"""
    )
    lists: dict[int, bytearray] = {}
    rows = db.execute(
        "SELECT status_list, status_idx, status "
        "FROM revocations JOIN tokens USING (token_id) ORDER BY rev_epoch"
    )
    for number, index, status in rows.fetchall():
        packed = lists.setdefault(number, status_list.empty())
        status_list.put(packed, index, status_list.NUMBERS[status])
    for number, packed in lists.items():
        db.execute("INSERT INTO status_lists VALUES (?, ?)", (number, bytes(packed)))
