"""The tables of a node's database, as numbered migrations: one function each, never edited again.

What may never change (leaves, revocations) is guarded by triggers, so that not even a mistake in
this program can rewrite it. An attacker with the file can drop a trigger: against that stand the
Merkle tree and the signed heads, not the schema.
"""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database, Migrations

from rtgf_node.core import status_list
from rtgf_node.errors import Code, RtgfError

MIGRATIONS_TABLE = "migrations"


class _NodeMigrations(Migrations):
    migrations_table = MIGRATIONS_TABLE


migrations = _NodeMigrations("node")


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


@migrations()
def m0006_witnesses(db: Database) -> None:
    """Cosignatures given and received, heads of other logs, and heads that cannot all be true."""
    for statement in (
        """CREATE TABLE cosignatures (
             tree_size INTEGER NOT NULL,
             key TEXT NOT NULL,
             at INTEGER NOT NULL,
             line TEXT NOT NULL,
             PRIMARY KEY (tree_size, key)) STRICT, WITHOUT ROWID""",
        "CREATE INDEX cosignatures_by_witness ON cosignatures (key, tree_size)",
        """CREATE TABLE cosigned (
             origin TEXT NOT NULL,
             tree_size INTEGER NOT NULL,
             root BLOB NOT NULL,
             at INTEGER NOT NULL,
             note BLOB NOT NULL,
             PRIMARY KEY (origin, tree_size)) STRICT, WITHOUT ROWID""",
        """CREATE TRIGGER cosigned_is_never_changed BEFORE UPDATE ON cosigned
             BEGIN SELECT RAISE(ABORT, 'what was cosigned is append-only'); END""",
        """CREATE TRIGGER cosigned_is_never_deleted BEFORE DELETE ON cosigned
             BEGIN SELECT RAISE(ABORT, 'what was cosigned is append-only'); END""",
        """CREATE TABLE seen_heads (
             origin TEXT PRIMARY KEY,
             tree_size INTEGER NOT NULL,
             root BLOB NOT NULL,
             at INTEGER NOT NULL,
             note BLOB NOT NULL) STRICT, WITHOUT ROWID""",
        """CREATE TABLE findings (
             origin TEXT NOT NULL,
             tree_size INTEGER NOT NULL,
             root BLOB NOT NULL,
             peer TEXT NOT NULL,
             evidence TEXT NOT NULL,
             detail TEXT NOT NULL,
             halts INTEGER NOT NULL,
             at INTEGER NOT NULL,
             leaf_index INTEGER NOT NULL REFERENCES leaves (idx),
             settled_at INTEGER,
             PRIMARY KEY (origin, tree_size, root)) STRICT, WITHOUT ROWID""",
        """CREATE TRIGGER findings_are_never_deleted BEFORE DELETE ON findings
             BEGIN SELECT RAISE(ABORT, 'findings are kept'); END""",
    ):
        db.execute(statement)


@migrations()
def m0007_quarantine(db: Database) -> None:
    """What is in quarantine, with all that putting it in force takes: one file of each list.

    Until now it was remembered in memory alone, so that the table holds nothing.
    """
    for statement in (
        "DROP TABLE quarantine",
        """CREATE TABLE quarantine (
             name TEXT PRIMARY KEY,
             raw_sha256 TEXT NOT NULL,
             reason TEXT NOT NULL,
             at INTEGER NOT NULL,
             record BLOB NOT NULL) STRICT, WITHOUT ROWID""",
    ):
        db.execute(statement)


@migrations()
def m0008_entry_times(db: Database) -> None:
    """By time, how much of the log an entry of that time ends; what stands before it counts too.

    One row for each second in which something happened. An entry with an earlier time than one
    before it takes the place of that one's row, so that sizes grow with the times.
    """
    db.execute(
        """CREATE TABLE entry_times (
             at TEXT PRIMARY KEY,
             size INTEGER NOT NULL) STRICT, WITHOUT ROWID"""
    )
    rising: list[tuple[str, int]] = []
    leaves = db.execute(
        "SELECT json_extract(CAST(entry AS TEXT), '$.at'), idx + 1 FROM leaves ORDER BY idx"
    )
    for at, size in leaves:
        while rising and rising[-1][0] >= at:
            rising.pop()
        rising.append((at, size))
    db.conn.executemany("INSERT INTO entry_times (at, size) VALUES (?, ?)", rising)


@migrations()
def m0009_waivers(db: Database) -> None:
    """Waivers by the digest of their content, each with the entry that logs it."""
    db.execute(
        """CREATE TABLE waivers (
             digest TEXT PRIMARY KEY,
             policy_snapshot_hash TEXT NOT NULL,
             body BLOB NOT NULL,
             at INTEGER NOT NULL,
             leaf_index INTEGER NOT NULL) STRICT, WITHOUT ROWID"""
    )
    db.execute("CREATE INDEX waivers_of_snapshot ON waivers (policy_snapshot_hash)")


@migrations()
def m0010_webhooks(db: Database) -> None:
    """Up to which revocation each webhook was told."""
    db.execute(
        """CREATE TABLE webhooks (
             webhook TEXT PRIMARY KEY,
             rev_epoch INTEGER NOT NULL,
             at INTEGER NOT NULL) STRICT, WITHOUT ROWID"""
    )


@migrations()
def m0011_terms(db: Database) -> None:
    """Terms documents: what CORT, PSRT and RRMT tokens are made from."""
    db.execute(
        """CREATE TABLE terms (
             terms_id TEXT PRIMARY KEY,
             digest TEXT NOT NULL UNIQUE,
             type TEXT NOT NULL,
             place TEXT NOT NULL,
             name TEXT NOT NULL,
             domain TEXT NOT NULL,
             version TEXT NOT NULL,
             body BLOB NOT NULL,
             at TEXT NOT NULL,
             leaf_index INTEGER NOT NULL REFERENCES leaves (idx)) STRICT"""
    )
    db.execute("CREATE INDEX terms_by_subject ON terms (type, place, name, leaf_index)")


@migrations()
def m0012_approvals(db: Database) -> None:
    """What waits for a second person, and what became of it."""
    db.execute(
        """CREATE TABLE approvals (
             approval_id TEXT PRIMARY KEY,
             acts TEXT NOT NULL,
             subject TEXT NOT NULL,
             digest TEXT NOT NULL,
             request BLOB NOT NULL,
             asked_by TEXT NOT NULL,
             asked_at INTEGER NOT NULL,
             deadline INTEGER NOT NULL,
             state TEXT NOT NULL,
             settled_by TEXT,
             settled_at INTEGER,
             reason TEXT,
             leaf_index INTEGER NOT NULL REFERENCES leaves (idx)) STRICT, WITHOUT ROWID"""
    )
    db.execute("CREATE INDEX approvals_by_deadline ON approvals (state, deadline)")
    db.execute(
        """CREATE TRIGGER approvals_are_never_deleted BEFORE DELETE ON approvals
             BEGIN SELECT RAISE(ABORT, 'approvals are kept'); END"""
    )
    db.execute(
        """CREATE TRIGGER approvals_are_settled_once BEFORE UPDATE ON approvals
             WHEN OLD.state <> 'waiting'
             BEGIN SELECT RAISE(ABORT, 'an approval is settled once'); END"""
    )


@migrations()
def m0013_staged_tokens(db: Database) -> None:
    """Tokens of builds that are not published yet."""
    db.execute(
        """CREATE TABLE staged_tokens (
             build_id TEXT NOT NULL,
             number INTEGER NOT NULL,
             token BLOB NOT NULL,
             PRIMARY KEY (build_id, number)) STRICT"""
    )


@migrations()
def m0014_raft(db: Database) -> None:
    """A member's own Raft log and vote, each with a checksum; and who the members are."""
    for statement in (
        """CREATE TABLE raft_log (
             idx INTEGER PRIMARY KEY,
             term INTEGER NOT NULL,
             kind INTEGER NOT NULL,
             data BLOB NOT NULL,
             crc INTEGER NOT NULL) STRICT""",
        """CREATE TABLE raft_state (
             id INTEGER PRIMARY KEY CHECK (id = 1),
             raft_id INTEGER NOT NULL,
             hard_state BLOB NOT NULL,
             conf_state BLOB NOT NULL,
             compacted INTEGER NOT NULL,
             compacted_term INTEGER NOT NULL,
             delivered INTEGER NOT NULL,
             applied INTEGER NOT NULL,
             crc INTEGER NOT NULL) STRICT""",
        """CREATE TABLE raft_members (
             raft_id INTEGER PRIMARY KEY,
             name TEXT NOT NULL,
             address TEXT NOT NULL,
             role TEXT NOT NULL,
             changed_at INTEGER NOT NULL) STRICT""",
    ):
        db.execute(statement)


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
)


def migrate(conn: sqlite3.Connection) -> None:
    """Bring the database to the newest schema, each step in a transaction of its own.

    Raises:
      RtgfError: RTGF_TXP_STORE_DAMAGED if a newer program wrote this database; an older one must
        not write to it.
    """
    database = Database(conn)
    strangers = {done.name for done in migrations.applied(database)} - set(KNOWN)
    if strangers:
        raise RtgfError(
            Code.RTGF_TXP_STORE_DAMAGED,
            "the database was written by a newer version of this program "
            f"({', '.join(sorted(strangers))}); start that version",
        )
    migrations.apply(database)
