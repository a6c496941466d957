"""One SQLite file: how it is opened, and the lock that lets one process at a time open it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rtgf_node.errors import Code, RtgfError

# 64 MiB of pages for the writer: the random inserts into the index of event ids stay in memory.
WRITER_CACHE_KIB = 64 * 1024
# 16 MiB of write-ahead log between checkpoints: a checkpoint syncs the main file, which costs as
# much as ten commits, and a longer log makes the first read after a crash slower.
CHECKPOINT_PAGES = 4096
# Every statement of the program stays compiled.
CACHED_STATEMENTS = 256
# The reader waits this long when a checkpoint holds the file for a moment.
BUSY_SECONDS = 5.0


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open the database for writing; transactions are begun and ended by the caller's statements.

    The connection may be made in one thread and used in another, never in two at once.
    """
    conn = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=CACHED_STATEMENTS,
        timeout=BUSY_SECONDS,
    )
    conn.execute("PRAGMA journal_mode = WAL")
    # Every commit reaches the disk before it is acknowledged.
    conn.execute("PRAGMA synchronous = FULL")
    conn.execute("PRAGMA foreign_keys = ON")
    conn.execute("PRAGMA trusted_schema = OFF")
    conn.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
    conn.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    return conn


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open the database for reads only; it sees what is committed, as of each statement."""
    conn = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=CACHED_STATEMENTS,
        timeout=BUSY_SECONDS,
    )
    conn.execute("PRAGMA query_only = ON")
    conn.execute("PRAGMA trusted_schema = OFF")
    return conn


@contextmanager
def snapshot(reader: sqlite3.Connection) -> Iterator[None]:
    """Let every statement of the block see the same state, whatever is committed meanwhile."""
    reader.execute("BEGIN")
    try:
        yield
    finally:
        reader.execute("ROLLBACK")


class FolderLock:
    """The exclusive right to a data folder, held until `release` or the end of the process.

    The lock is the kernel's (flock), so a killed process leaves none behind; the process id in the
    file is only for people.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
          RtgfError: RTGF_CONFLICT if another process holds it.
        """
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise RtgfError(
                Code.RTGF_CONFLICT,
                f"process {holder or '?'} uses {path.parent}; stop it first, or give this one "
                "another data folder",
            ) from None
        try:
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()}\n".encode("ascii"))
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
