"""The state of a node as one file: what a member that is too far behind takes in place of its own.

It holds every table that the cluster shares, as they stood after one entry of the Raft log.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.key_manifest_store import KeyDocuments, KeyManifestStore
from rtgf_node.store.log_store import LogStore
from rtgf_node.store.object_names import named_objects
from rtgf_node.store.raft_store import LogEntry, RaftState, RaftStore
from rtgf_node.store.schema import MIGRATIONS_TABLE, migrate

REPLICATED: Final = (
    "applied",
    "approvals",
    "builds",
    "clients",
    "command_log",
    "cosignatures",
    "cosigned",
    "datasets",
    "decision_roots",
    "entry_times",
    "findings",
    "heads",
    "key_documents",
    "keys",
    "leaves",
    "meta",
    "quarantine",
    "raft_members",
    "refusal_counts",
    "refusals",
    "revocations",
    "seen_heads",
    "snapshots",
    "staged_tokens",
    "status_lists",
    "terms",
    "tiles",
    "token_parents",
    "tokens",
    "waivers",
    "webhooks",
)
"""What is the same on every member. A new table goes here or below; a test sees to it."""

LOCAL: Final = (
    "raft_cluster",
    "raft_log",
    "raft_met",
    "raft_starts",
    "raft_state",
    MIGRATIONS_TABLE,
)
"""What is one node's own."""

READ_BYTES: Final = 1 << 20


class SignedState(NamedTuple):
    """What in a state is signed.

    Attributes:
      head: the newest signed head, as it is stored.
      keys: what the root signed last, None before the first.
    """

    head: bytes
    keys: KeyDocuments | None


class Written(NamedTuple):
    """A file, and where its node stood.

    Attributes:
      state: of the node that wrote it.
      term: of the entry up to which it had applied.
      tree_size: the number of leaves.
      root: the root of them.
      objects: the digests of the objects that the state rests on.
      sha256: of the file.
      size: its length.
    """

    state: RaftState
    term: int
    tree_size: int
    root: bytes
    objects: frozenset[str]
    sha256: str
    size: int


def write(database: Path, path: Path) -> Written:
    """Write the state of the node whose database this is to a new file, as of one instant.

    The node goes on meanwhile. The caller has looked that no file is there, and gives it its name
    for good when it is written.

    Raises:
      RtgfError: RTGF_UNAVAILABLE if commands are handed out and not applied yet; try again.
    """
    path.touch(mode=0o600)
    # Not journalled: half a file is no file, and is thrown away.
    fresh = sqlite3.connect(path.absolute().as_uri(), uri=True, isolation_level=None)
    try:
        fresh.execute("PRAGMA journal_mode = OFF")
        fresh.execute("PRAGMA synchronous = OFF")
        migrate(fresh)
        with _attached(fresh, database):
            fresh.execute("BEGIN")
            state, term = _state(fresh)
            _copy(fresh)
            fresh.execute("COMMIT")
        log = LogStore(fresh)
        tree_size, root, objects = log.size, log.root(), named_objects(fresh)
    finally:
        fresh.close()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return Written(state, term, tree_size, root, objects, digest(path), path.stat().st_size)


def digest(path: Path) -> str:
    """Return the digest of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            found.update(piece)
    return f"sha256:{found.hexdigest()}"


def check(
    path: Path,
    *,
    sha256: str,
    tree_size: int,
    root: bytes,
    check_head: Callable[[SignedState], None],
) -> frozenset[str]:
    """Look whether a file that came is the state that was announced; brings its tables up to date.

    Args:
      path: a file of our own: it is written to.
      sha256: of the file as it was announced.
      tree_size: of its log, as announced.
      root: of its log, as announced.
      check_head: raises if the newest signed head in it is not one that this node trusts.

    Returns:
      The digests of the objects that it rests on.

    Raises:
      RtgfError: RTGF_TXP_STORE_DAMAGED if it is not.
    """
    if digest(path) != sha256:
        raise _damaged("has other bytes")
    conn = sqlite3.connect(path, isolation_level=None)
    try:
        if conn.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            raise _damaged("is no sound database")
        migrate(conn)
        if conn.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise _damaged("has rows that rest on none")
        log = LogStore(conn)
        log.check_all()
        if (log.size, log.root()) != (tree_size, root):
            raise _damaged("has another log")
        head = log.latest_head()
        if head is not None:
            check_head(SignedState(head.document, KeyManifestStore(conn).documents()))
        return named_objects(conn)
    except sqlite3.DatabaseError as error:
        raise _damaged(f"cannot be read ({error})") from error
    finally:
        conn.close()


def take(
    conn: sqlite3.Connection, path: Path, state: RaftState, entries: Sequence[LogEntry] = ()
) -> None:
    """Put the state of a checked file in place of a node's own, and where it stands now with it.

    One transaction: all of it or nothing. Whatever the process has in memory of the old state is
    wrong afterwards; it begins anew.

    Args:
      conn: the writing connection.
      path: a file that `check` found sound.
      state: where the node stands when it has taken it.
      entries: what follows it in the log.
    """
    with _attached(conn, path), _unguarded(conn):
        conn.execute("BEGIN IMMEDIATE")
        try:
            triggers = conn.execute(
                "SELECT name, sql FROM main.sqlite_master WHERE type = 'trigger' ORDER BY name"
            ).fetchall()
            # They keep history from being rewritten; here it is replaced by another member's copy
            # of the same history, which was checked.
            for name, _ in triggers:
                conn.execute(f"DROP TRIGGER main.{name}")
            for table in REPLICATED:
                conn.execute(f"DELETE FROM main.{table}")  # noqa: S608  constant text
            _copy(conn)
            for _, sql in triggers:
                conn.execute(sql)
            RaftStore(conn).restart_at(state, entries)
            conn.execute("COMMIT")
        except BaseException:
            if conn.in_transaction:
                conn.execute("ROLLBACK")
            raise


def _state(conn: sqlite3.Connection) -> tuple[RaftState, int]:
    row = conn.execute(
        "SELECT raft_id, hard_state, conf_state, compacted, compacted_term, delivered, applied "
        "FROM other.raft_state"
    ).fetchone()
    if row is None:
        raise RtgfError(Code.RTGF_CONFLICT, "this node is in no cluster")
    state = RaftState(*row)
    if state.applied != state.delivered:
        raise RtgfError(Code.RTGF_UNAVAILABLE, "commands wait to be applied; try again")
    newest = conn.execute("SELECT term FROM other.raft_log WHERE idx = ?", (state.applied,))
    term = newest.fetchone()
    return state, state.compacted_term if term is None else int(term[0])


def _copy(conn: sqlite3.Connection) -> None:
    for table in REPLICATED:
        rows = conn.execute(f"PRAGMA main.table_info({table})").fetchall()
        columns = ", ".join(row[1] for row in rows)
        conn.execute(
            f"INSERT INTO main.{table} ({columns}) "  # noqa: S608  constant text
            f"SELECT {columns} FROM other.{table}"
        )


@contextmanager
def _attached(conn: sqlite3.Connection, path: Path) -> Iterator[None]:
    conn.execute("ATTACH ? AS other", (f"{path.absolute().as_uri()}?mode=ro",))
    try:
        yield
    finally:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        conn.execute("DETACH other")


@contextmanager
def _unguarded(conn: sqlite3.Connection) -> Iterator[None]:
    """Let rows go and come in any order; what came was checked as a whole."""
    conn.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        conn.execute("PRAGMA foreign_keys = ON")


def _damaged(what: str) -> RtgfError:
    return RtgfError(
        Code.RTGF_TXP_STORE_DAMAGED, f"the state that another member sent {what}; fetch it again"
    )
