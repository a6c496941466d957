"""What was added to a node's database after its first tables."""

from __future__ import annotations

from sqlite_utils import Database

from rtgf_node.store.schema_begin import migrations

__all__ = ["migrations"]


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


@migrations()
def m0015_raft_seats(db: Database) -> None:
    """Which cluster a member is in, its own starts, and the newest of each peer that it met."""
    for statement in (
        """CREATE TABLE raft_cluster (
             id INTEGER PRIMARY KEY CHECK (id = 1),
             cluster_id TEXT NOT NULL) STRICT""",
        """CREATE TABLE raft_starts (
             number INTEGER PRIMARY KEY,
             nonce BLOB NOT NULL,
             crc INTEGER NOT NULL) STRICT""",
        """CREATE TABLE raft_met (
             raft_id INTEGER PRIMARY KEY,
             number INTEGER NOT NULL,
             nonce BLOB NOT NULL,
             crc INTEGER NOT NULL) STRICT""",
    ):
        db.execute(statement)
