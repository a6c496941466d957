"""A copy of a data folder while its node goes on, and whether such a copy is whole.

What belongs to one node alone stays behind: the copy has no seat in a cluster, and nothing of the
guards, which know whether it is old.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from rtgf_node.errors import Code, RtgfError
from rtgf_node.store import decision_store, node_store
from rtgf_node.store.database import connect_reader
from rtgf_node.store.key_manifest_store import KeyDocuments, KeyManifestStore
from rtgf_node.store.log_store import Head, LogStore
from rtgf_node.store.object_names import named_objects
from rtgf_node.store.objects import ObjectStore
from rtgf_node.store.raft_store import RaftStore
from rtgf_node.store.schema import migrate

AUDIT: Final = "audit"
"""The audit trail's folder in the data folder."""

_KEPT: Final = f"{decision_store.DATABASE}.kept-*"


class Held(NamedTuple):
    """What a copy holds.

    Attributes:
      tree_size: entries of its log; the newest signed head may cover fewer.
      root: of them.
      head: the newest signed head, None before the first.
      keys: the statements about the node's keys that the log holds, None before the first.
      objects: the digests of the objects that it rests on.
      decisions: the number of the newest record of an answer, 0 before the first.
    """

    tree_size: int
    root: bytes
    head: Head | None
    keys: KeyDocuments | None
    objects: frozenset[str]
    decisions: int


def copy(data_dir: Path, folder: Path) -> tuple[Held, str | None]:
    """Copy both databases as of one instant each, whether or not the node runs.

    The decisions are copied after the log, so that they reach at least as far as the roots of
    decisions that the copied log holds.

    Returns:
      What the copy holds, and as which member of a cluster this node sits.

    Raises:
      RtgfError: RTGF_NOT_FOUND if there is no node; RTGF_TXP_STORE_DAMAGED if it contradicts
        itself, with the file as the pointer.
    """
    if not (data_dir / node_store.DATABASE).is_file():
        raise RtgfError(Code.RTGF_NOT_FOUND, f"{data_dir} holds no node; check node.data_dir")
    _copy_database(data_dir / node_store.DATABASE, folder / node_store.DATABASE)
    member = _unseat(folder / node_store.DATABASE)
    if (data_dir / decision_store.DATABASE).is_file():
        _copy_database(data_dir / decision_store.DATABASE, folder / decision_store.DATABASE)
    return check(folder), member


def files(data_dir: Path) -> Iterator[tuple[str, Path]]:
    """Yield what is copied as it is, with its name in the data folder.

    Objects, the audit trail, and records of answers that were set aside. A line of the trail that
    is written at this moment may be cut; a node takes such a line back when it starts.
    """
    objects = ObjectStore(data_dir / node_store.OBJECTS)
    for digest in sorted(objects.digests()):
        path = objects.path(digest)
        yield str(path.relative_to(data_dir)), path
    for path in [*sorted(data_dir.glob(f"{AUDIT}/*.jsonl")), *sorted(data_dir.glob(_KEPT))]:
        yield str(path.relative_to(data_dir)), path


def check(folder: Path) -> Held:
    """Look whether a copy of a data folder is whole; brings its tables up to date.

    Every entry of the log is hashed again, every record of an answer must follow the one before.
    Whether the objects are there, and who signed the head, is for the caller.

    Raises:
      RtgfError: RTGF_TXP_STORE_DAMAGED, with the file as the pointer.
    """
    name = node_store.DATABASE
    try:
        with closing(sqlite3.connect(folder / name, isolation_level=None)) as conn:
            _check_pages(conn, name)
            migrate(conn)
            log = LogStore(conn)
            log.check_all()
            held = Held(
                tree_size=log.size,
                root=log.root(),
                head=log.latest_head(),
                keys=KeyManifestStore(conn).documents(),
                objects=named_objects(conn),
                decisions=0,
            )
            _fold(conn)
        name = decision_store.DATABASE
        if (folder / name).is_file():
            with closing(sqlite3.connect(folder / name, isolation_level=None)) as conn:
                _check_pages(conn, name)
                held = held._replace(decisions=decision_store.check_all(conn))
                _fold(conn)
    except sqlite3.DatabaseError as error:
        raise _damaged(name, f"it cannot be read: {error}") from error
    except RtgfError as error:
        if error.pointer is not None:
            raise
        raise RtgfError(error.code, error.detail, pointer=name) from error
    return held


def _copy_database(source: Path, path: Path) -> None:
    path.touch(mode=0o600)
    try:
        with closing(connect_reader(source)) as reader, closing(sqlite3.connect(path)) as fresh:
            # In one step, which is one read transaction: a writer goes on beside it.
            reader.backup(fresh)
    except sqlite3.DatabaseError as error:
        raise _damaged(source.name, f"it cannot be copied: {error}") from error


def _unseat(path: Path) -> str | None:
    """Take the seat in a cluster out of a copy, and return as which member it was held.

    Two nodes on one seat could vote twice. A copy stands alone.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as conn:
            migrate(conn)
            seats = RaftStore(conn)
            held = conn.execute("SELECT raft_id FROM raft_state").fetchone()
            names = {one.raft_id: one.name for one in seats.members()}
            conn.execute("BEGIN IMMEDIATE")
            seats.leave()
            conn.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        raise _damaged(path.name, f"it cannot be read: {error}") from error
    return None if held is None else names.get(held[0], "?")


def _check_pages(conn: sqlite3.Connection, name: str) -> None:
    if conn.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
        raise _damaged(name, "it is no sound database")
    if conn.execute("PRAGMA foreign_key_check").fetchone() is not None:
        raise _damaged(name, "it has rows that rest on none")


def _fold(conn: sqlite3.Connection) -> None:
    """Bring everything into the one file; a node that opens it writes ahead again."""
    conn.execute("PRAGMA journal_mode = DELETE")


def _damaged(name: str, what: str) -> RtgfError:
    return RtgfError(
        Code.RTGF_TXP_STORE_DAMAGED, f"{what}; take another copy, or check the disk", pointer=name
    )
