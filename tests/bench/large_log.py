"""Logs of many leaves, made once a run through the real writer; copied for whoever appends."""

from __future__ import annotations

import functools
import hashlib
import shutil
import tempfile
import uuid
from pathlib import Path

from rtgf_node.core import times
from rtgf_node.store import Store, create_store
from rtgf_node.store.log_writer import LogWriter

AT = 1_780_000_000
A_SECOND = 1000
"""Entries with the same time."""

BATCH = 20_000
"""Leaves a transaction, without waiting for the disk."""


def grow(store: Store, size: int) -> None:
    """Append entries until the log has `size`: ids and times as events have them, little else."""
    writer = LogWriter(store.conn, store.log)
    store.conn.execute("PRAGMA synchronous = OFF")
    while writer.size < size:
        writer.begin()
        store.conn.execute("BEGIN IMMEDIATE")
        numbers = range(writer.size, min(size, writer.size + BATCH))
        if writer.append_new([_entry(number) for number in numbers]) is None:
            raise RuntimeError("the log holds some of the bench's entries already")
        writer.accept()
        writer.flush()
        store.conn.execute("COMMIT")
        writer.commit()
    store.conn.execute("PRAGMA synchronous = FULL")


@functools.cache
def shared(size: int) -> Path:
    """Return the data folder of a log of `size` leaves, for reading only."""
    folder = Path(_folder().name) / str(size)
    with create_store(folder) as store:
        grow(store, size)
    return folder


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Return the folder of all of them, which goes with the process."""
    return tempfile.TemporaryDirectory(prefix="rtgf-bench-logs-")


def copy(size: int, folder: Path) -> Path:
    """Return `folder`, made with a log of `size` leaves."""
    return shutil.copytree(shared(size), folder)


def _entry(number: int) -> bytes:
    at = times.to_text(AT + number // A_SECOND)
    same = uuid.UUID(bytes=hashlib.sha256(b"%d" % number).digest()[:16])
    return f'{{"at":"{at}","event_id":"evt:token_issue:{at}:{same}","subject":"{number}"}}'.encode()
