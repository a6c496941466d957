"""Every write that a process makes, counted, and one of them broken.

The production code knows nothing of this: the functions of `os`, the files of `io`, the statements
of `sqlite3` and the writes and syncs of SQLite itself are replaced in a process made for it. Only
what happens below one folder counts.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import re
import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from tests.faults import sqlite_files

How = Literal["error_before", "error_after", "kill_before", "kill_after", "torn", "short"]
HOW: tuple[How, ...] = ("error_before", "error_after", "kill_before", "kill_after")
TORN: tuple[How, ...] = ("torn", "short")
"""Of writes alone: half of it, then the end; half of it, and the caller is told so."""

_CHANGES = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "INSERT", "UPDATE", "DELETE", "REPLACE")


class Steps:
    """The writes of this process, each with a label; one of them is broken.

    Args:
      label: of the write to be broken, None for none.
      turn: which of those with this label, from 1 on.
      broken: called just before.
    """

    def __init__(
        self,
        folder: Path,
        *,
        label: str | None,
        turn: int,
        how: How,
        broken: Callable[[], None],
    ) -> None:
        self.folder = str(folder.resolve())
        self.seen: list[str] = []
        self._label = label
        self._left = turn
        self._how = how
        self._broken = broken
        self._one = threading.Lock()

    def has(self, path: object) -> bool:
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        return os.path.realpath(os.fspath(path)).startswith(self.folder)  # type: ignore[arg-type]

    def take(
        self,
        label: str,
        act: Callable[[], Any],
        error: Callable[[], Any],
        half: Callable[[], Any] | None = None,
    ) -> Any:
        """Do a write, or break it. `error` raises, or returns what says that it failed."""
        with self._one:
            self.seen.append(label)
            self._left -= label == self._label
            how = self._how if label == self._label and self._left == 0 else None
        if how is not None:
            self._broken()
        if how == "kill_before":
            _die()
        if how == "error_before":
            return error()
        if how in TORN:
            assert half is not None
            done = half()
            if how == "torn":
                _die()
            return done
        try:
            done = act()
        finally:
            if how == "kill_after":
                _die()
        return error() if how == "error_after" else done


def install(steps: Steps) -> None:
    """Put `steps` between this process and the disk, until its end."""
    _replace_os(steps)
    _replace_files(steps)
    _replace_statements(steps)
    sqlite_files.install(steps)


def named(path: object) -> str:
    """Return a file's name without what differs from run to run."""
    if isinstance(path, int):
        path = os.readlink(f"/proc/self/fd/{path}")
    return _lasting(os.path.basename(os.fspath(path)))  # type: ignore[arg-type]


def _lasting(name: str) -> str:
    return re.sub(r"[0-9a-f]{12,}", "*", name)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _io_error() -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def _replace_os(steps: Steps) -> None:
    def stepping(name: str) -> None:
        plain = getattr(os, name)

        def step(path: Any, *more: Any, **named_too: Any) -> Any:
            if not steps.has(path) or (name == "mkdir" and os.path.isdir(path)):
                return plain(path, *more, **named_too)
            act = lambda: plain(path, *more, **named_too)  # noqa: E731
            return steps.take(f"{name} {named(path)}", act, _io_error)

        setattr(os, name, step)

    for name in (
        "fsync", "ftruncate", "truncate", "rename", "replace", "link", "unlink", "remove", "mkdir",
        "rmdir",
    ):  # fmt: skip
        stepping(name)

    plain_open, plain_write = os.open, os.write

    def open_(path: Any, flags: int, *more: Any, **named_too: Any) -> int:
        act = lambda: plain_open(path, flags, *more, **named_too)  # noqa: E731
        makes = flags & (os.O_CREAT | os.O_TRUNC)
        if not makes or not steps.has(path):
            return act()
        return steps.take(f"open {named(path)}", act, _io_error)

    def write(descriptor: int, data: bytes) -> int:
        act = lambda: plain_write(descriptor, data)  # noqa: E731
        if not steps.has(descriptor):
            return act()
        half = lambda: plain_write(descriptor, data[: len(data) // 2])  # noqa: E731
        return steps.take(f"write {named(descriptor)}", act, _io_error, half)

    os.open, os.write = open_, write


def _replace_files(steps: Steps) -> None:
    plain = io.open

    class Raw(io.FileIO):
        def write(self, data: Any) -> int:
            whole = bytes(data)
            act = lambda: io.FileIO.write(self, whole)  # noqa: E731
            half = lambda: io.FileIO.write(self, whole[: len(whole) // 2])  # noqa: E731
            return steps.take(f"write {named(self.fileno())}", act, _io_error, half)

        def truncate(self, size: int | None = None) -> int:
            act = lambda: io.FileIO.truncate(self, size)  # noqa: E731
            return steps.take(f"truncate {named(self.fileno())}", act, _io_error)

    def open_(file: Any, mode: str = "r", *more: Any, **named_too: Any) -> Any:
        writes = "b" in mode and any(letter in mode for letter in "wax+")
        if not writes or not steps.has(file):
            return plain(file, mode, *more, **named_too)
        raw = mode.replace("b", "")
        made = lambda: Raw(file, raw)  # noqa: E731
        if isinstance(file, int):
            opened = made()
        else:
            opened = steps.take(f"open {named(file)}", made, _io_error)
        return io.BufferedRandom(opened) if "+" in mode else io.BufferedWriter(opened)

    io.open = builtins.open = open_


def _replace_statements(steps: Steps) -> None:
    plain = sqlite3.connect

    def failed() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> Any:
            return self._step(sql, lambda: super(Connection, self).execute(sql, *values))

        def executemany(self, sql: str, rows: Any) -> Any:
            return self._step(sql, lambda: super(Connection, self).executemany(sql, rows))

        def _step(self, sql: str, act: Callable[[], Any]) -> Any:
            if not sql.startswith(_CHANGES):
                return act()
            return steps.take(f"sql {_lasting(' '.join(sql.split()[:3]))}", act, failed)

    def connect(database: Any, *more: Any, **named_too: Any) -> Any:
        return plain(database, *more, **{"factory": Connection, **named_too})

    sqlite3.connect = connect
