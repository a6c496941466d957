"""Everything a node keeps, as one bundle over one data folder."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.approval_store import ApprovalStore
from rtgf_node.store.database import FolderLock, connect_reader, connect_writer, snapshot
from rtgf_node.store.decision_root_store import DecisionRootStore
from rtgf_node.store.gossip_store import GossipStore
from rtgf_node.store.index_files import IndexFiles
from rtgf_node.store.intake_store import IntakeStore
from rtgf_node.store.key_manifest_store import KeyManifestStore
from rtgf_node.store.log_store import LogStore
from rtgf_node.store.objects import ObjectStore
from rtgf_node.store.registry_store import RegistryStore
from rtgf_node.store.revocation_store import RevocationStore
from rtgf_node.store.schema import migrate
from rtgf_node.store.staging_store import StagingStore
from rtgf_node.store.terms_store import TermsStore
from rtgf_node.store.waiver_store import WaiverStore
from rtgf_node.store.webhook_store import WebhookStore
from rtgf_node.store.witness_store import WitnessStore
from rtgf_node.whole_file import sync_folder

DATABASE = "node.db"
OBJECTS = "objects"
INDEXES = "indexes"
LOCK = "lock"


@dataclass(frozen=True)
class Store:
    """An open data folder. Close it, or use it in a `with`.

    Attributes:
      folder: the data folder.
      lock: the right to write; None in a process that follows.
      conn: the writing connection. It belongs to the state machine and its one thread. It only
        reads in a process that follows.
      reader: the reading connection behind the stores below. It belongs to the thread that reads,
        in a node the trio thread: a point read takes about 10 µs, less than crossing to a thread.
      log, registry, intake, revocation, keys, decision_roots, waivers, approvals, webhooks,
        witness, gossip, staging: what is committed, for that reading thread.
      objects: large bytes by their digest; safe from any thread.
      indexes: name indexes of lists, made of what is in `objects`; safe from any thread.
    """

    folder: Path
    lock: FolderLock | None
    conn: sqlite3.Connection
    reader: sqlite3.Connection
    log: LogStore
    registry: RegistryStore
    intake: IntakeStore
    revocation: RevocationStore
    keys: KeyManifestStore
    decision_roots: DecisionRootStore
    waivers: WaiverStore
    terms: TermsStore
    staging: StagingStore
    witness: WitnessStore
    gossip: GossipStore
    webhooks: WebhookStore
    approvals: ApprovalStore
    objects: ObjectStore
    indexes: IndexFiles

    def close(self) -> None:
        """Close both connections and give the folder back; a second call does nothing."""
        self.reader.close()
        self.conn.close()
        if self.lock is not None:
            self.lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def create_store(data_dir: Path) -> Store:
    """Make a new, empty store in `data_dir` and open it.

    The database appears under its name only when it is complete, so a crash in between leaves
    nothing that looks like a store.

    Raises:
      RtgfError: RTGF_EXISTS if there is one already, RTGF_CONFLICT if another process uses it.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FolderLock(data_dir / LOCK)
    try:
        if (data_dir / DATABASE).exists():
            raise RtgfError(
                Code.RTGF_EXISTS, f"{data_dir} holds a node already; give another folder"
            )
        (data_dir / OBJECTS).mkdir(mode=0o700, exist_ok=True)
        unfinished = data_dir / f"{DATABASE}.new"
        for suffix in ("", "-wal", "-shm"):
            unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        conn = connect_writer(unfinished)
        try:
            migrate(conn)
            # The file alone gets the name. Closing would move the write-ahead log into it too, but
            # says nothing when the disk does not take it.
            conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            conn.close()
        unfinished.rename(data_dir / DATABASE)
        sync_folder(data_dir)
        return _open(data_dir, lock)
    except BaseException:
        lock.release()
        raise


def open_store(data_dir: Path) -> Store:
    """Open the store in `data_dir`, bring its schema up to date and check its log.

    Raises:
      RtgfError: RTGF_NOT_FOUND if there is none (one is made by `create_store` only, so that a
        mistyped folder never starts an empty log under a known name); RTGF_CONFIG_INVALID if this
        user may not write it; RTGF_CONFLICT if another process uses it; RTGF_TXP_STORE_DAMAGED if
        it contradicts itself or its signed heads.
    """
    if not (data_dir / DATABASE).is_file():
        raise RtgfError(
            Code.RTGF_NOT_FOUND,
            f"{data_dir} holds no node; check data_dir, or make one with rtgf init",
        )
    for path in (data_dir, *sorted(data_dir.iterdir())):
        if not os.access(path, os.W_OK):
            raise RtgfError(
                Code.RTGF_CONFIG_INVALID,
                f"{path} cannot be written; run the node as the user that owns it",
            )
    lock = FolderLock(data_dir / LOCK)
    try:
        return _open(data_dir, lock)
    except BaseException:
        lock.release()
        raise


def follow_store(data_dir: Path) -> Store:
    """Open the store in `data_dir` to read what another process of this node writes.

    Raises:
      RtgfError: RTGF_TXP_STORE_DAMAGED as `open_store`.
    """
    return _open(data_dir, None)


def _open(data_dir: Path, lock: FolderLock | None) -> Store:
    path = data_dir / DATABASE
    connections: list[sqlite3.Connection] = []
    try:
        if lock is None:
            connections.append(connect_reader(path))
        else:
            connections.append(connect_writer(path))
            migrate(connections[0])
        connections.append(connect_reader(path))
        conn, reader = connections
        with snapshot(reader):
            store = _bundle(data_dir, lock, conn, reader)
            store.log.check()
    except sqlite3.DatabaseError as error:
        for connection in connections:
            connection.close()
        raise RtgfError(
            Code.RTGF_TXP_STORE_DAMAGED,
            f"{path} cannot be read ({error}); check disk and permissions, else restore a backup",
        ) from error
    except BaseException:
        for connection in connections:
            connection.close()
        raise
    return store


def _bundle(
    data_dir: Path, lock: FolderLock | None, conn: sqlite3.Connection, reader: sqlite3.Connection
) -> Store:
    return Store(
        folder=data_dir,
        lock=lock,
        conn=conn,
        reader=reader,
        log=LogStore(reader),
        registry=RegistryStore(reader),
        intake=IntakeStore(reader),
        revocation=RevocationStore(reader),
        keys=KeyManifestStore(reader),
        decision_roots=DecisionRootStore(reader),
        waivers=WaiverStore(reader),
        terms=TermsStore(reader),
        staging=StagingStore(reader),
        witness=WitnessStore(reader),
        gossip=GossipStore(reader),
        webhooks=WebhookStore(reader),
        approvals=ApprovalStore(reader),
        objects=ObjectStore(data_dir / OBJECTS),
        indexes=IndexFiles(data_dir / INDEXES),
    )
