"""Where a member breaks off: at a named step of a round, or at a write or sync of its disk.

The production code knows nothing of this: what it calls is replaced in a process made for it.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from rtgf_node import cluster
from rtgf_node.replication import bulk_part, raft
from tests.faults import sqlite_files

How = Literal["kill", "power", "error", "torn"]

STEPS = (
    "before_save",
    "after_save",
    "before_send",
    "after_apply",
    "piece",
    "before_take",
    "after_take",
)
"""Of the replicator, and a piece of a file from another member."""
WRITES = (
    "write node.db-wal",
    "sync node.db-wal",
    "write node.db",
    "sync node.db",
    "truncate node.db-wal",
    "write .unfinished",
)
"""Of SQLite: a commit, a checkpoint, and a state that is written for another member."""


class Break(msgspec.Struct, frozen=True):
    """Where a member ends, and how.

    Attributes:
      at: one of `STEPS` or `WRITES`.
      turn: which of them, from 1 on.
      how: killed; killed, and what was not synced is forgotten; told EIO; killed amid the write.
    """

    at: str
    turn: int
    how: How = "kill"


class _Breaking:
    """Counts the steps, and ends the process at the one."""

    def __init__(
        self, told: Break, folder: Path, die: Callable[[], None], tell: Callable[[str], None]
    ) -> None:
        self._told = told
        self._folder = str(folder.resolve())
        self._left = told.turn
        self._die = die
        self._tell = tell
        self._one = threading.Lock()

    def step(self, name: str) -> None:
        with self._one:
            self._left -= name == self._told.at
            now = name == self._told.at and self._left == 0
        if now:
            self._tell(name)
            self._die()

    def has(self, path: object) -> bool:
        return os.path.realpath(os.fspath(path)).startswith(self._folder)  # type: ignore[arg-type]

    def take(
        self, label: str, act: Callable[[], Any], error: Callable[[], Any], half: Any = None
    ) -> Any:
        with self._one:
            self._left -= label == self._told.at
            now = label == self._told.at and self._left == 0
        if not now:
            return act()
        self._tell(label)
        if self._told.how == "error":
            return error()
        if self._told.how == "torn" and half is not None:
            half()
        self._die()
        return act()


def install(
    told: Break | None, folder: Path, *, forgets: bool, tell: Callable[[str], None]
) -> Callable[[], None]:
    """Prepare this process for its end, and return what a power cut does.

    Args:
      told: where to break off.
      folder: the data folder.
      forgets: whether the disk forgets at a power cut what was not synced.
      tell: hears the name of the step, just before.
    """
    die = Forgetful(folder).cut if forgets else _killed
    if told is not None:
        breaking = _Breaking(told, folder, die, tell)
        if told.at in WRITES:
            sqlite_files.install(breaking)
        else:
            cluster.RaftReplicator = partial(raft.RaftReplicator, step=breaking.step)  # type: ignore[misc, assignment]
            append = bulk_part.Part.append

            def stepping(part: bulk_part.Part, piece: bytes) -> None:
                breaking.step("piece")
                append(part, piece)

            bulk_part.Part.append = stepping  # type: ignore[method-assign]
    return die


def _killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Forgetful:
    """The database's files on a disk that keeps at a power cut only what was synced.

    What a write replaces is remembered until the next sync of its file; a cut puts it back, newest
    first. It is the harshest disk that keeps its word: nothing reaches it early.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder.resolve())
        self._one = threading.RLock()
        self._files: dict[str, _Remembered] = {}
        self._kept: list[object] = []
        loaded = ctypes.CDLL(_sqlite3.__file__)
        loaded.sqlite3_vfs_find.restype = ctypes.POINTER(sqlite_files._Vfs)
        loaded.sqlite3_vfs_find.argtypes = [ctypes.c_char_p]
        vfs = loaded.sqlite3_vfs_find(None).contents
        plain_open = sqlite_files._Open.from_buffer_copy(vfs.open)

        def open_(this: int, name: int | None, file: int, flags: int, out: int | None) -> int:
            result: int = plain_open(this, name, file, flags, out)
            path = os.fsdecode(ctypes.string_at(name)) if name else ""
            opened = sqlite_files._File.from_address(file)
            if result == sqlite_files.OK and os.path.realpath(path).startswith(self._folder):
                opened.methods = ctypes.pointer(self._remembering(path, opened))
            return result

        vfs.open = sqlite_files._Open(open_)
        self._kept += [plain_open, open_, vfs.open]

    def cut(self) -> None:
        """End the process, and leave what was synced."""
        # Never given back: nothing is written any more.
        self._one.acquire()
        for one in self._files.values():
            one.put_back()
        _killed()

    def _remembering(self, path: str, file: sqlite_files._File) -> sqlite_files._Methods:
        ours = sqlite_files._Methods.from_buffer_copy(file.methods.contents)
        plain_write = sqlite_files._Write.from_buffer_copy(ours.write)
        plain_truncate = sqlite_files._Truncate.from_buffer_copy(ours.truncate)
        plain_sync = sqlite_files._Sync.from_buffer_copy(ours.sync)
        held = self._files.get(path)
        if held is None or not held.is_of(path):
            held = self._files[path] = _Remembered(path)
        remembered = held

        def write(this: int, data: int, count: int, at: int) -> int:
            with self._one:
                remembered.note(at, count)
                return int(plain_write(this, data, count, at))

        def truncate(this: int, size: int) -> int:
            with self._one:
                remembered.note(size, None)
                return int(plain_truncate(this, size))

        def sync(this: int, flags: int) -> int:
            with self._one:
                result = int(plain_sync(this, flags))
                if result == sqlite_files.OK:
                    remembered.forget()
                return result

        ours.write = sqlite_files._Write(write)
        ours.truncate = sqlite_files._Truncate(truncate)
        ours.sync = sqlite_files._Sync(sync)
        self._kept += [ours, ours.write, ours.truncate, ours.sync, plain_write, plain_truncate,
                       plain_sync, write, truncate, sync]  # fmt: skip
        return ours


class _Remembered:
    """What was in one file before what was not synced yet."""

    def __init__(self, path: str) -> None:
        # Never closed: closing any descriptor of a file gives up the locks that SQLite holds on it.
        self._file = os.open(path, os.O_RDWR)
        self._before: list[tuple[int, bytes, int]] = []

    def is_of(self, path: str) -> bool:
        return os.path.samestat(os.fstat(self._file), os.stat(path))

    def note(self, at: int, count: int | None) -> None:
        size = os.fstat(self._file).st_size
        count = max(0, size - at) if count is None else count
        self._before.append((at, os.pread(self._file, count, at), size))

    def forget(self) -> None:
        self._before.clear()

    def put_back(self) -> None:
        for at, data, size in reversed(self._before):
            os.pwrite(self._file, data, at)
            os.ftruncate(self._file, size)
