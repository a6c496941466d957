"""The files of SQLite: its writes, syncs, cuts and deletions become steps like any other.

SQLite writes from C. What it calls for that is a table of functions of each open file, which the
library lets anybody see who opens files for it; here the table is replaced by one of ours.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import os
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from typing import Any, Protocol

OK = 0
IOERR_WRITE, IOERR_FSYNC, IOERR_TRUNCATE, IOERR_DELETE = 778, 1034, 1546, 2570

_Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_Sync = CFUNCTYPE(c_int, c_void_p, c_int)
_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_Delete = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)


class _Methods(Structure):
    _fields_ = (
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", _Write),
        ("truncate", _Truncate),
        ("sync", _Sync),
        # File size, locks, control, sector size, shared memory, fetch: as they are.
        ("others", c_void_p * 13),
    )


class _File(Structure):
    _fields_ = (("methods", POINTER(_Methods)),)


class _Vfs(Structure):
    _fields_ = (
        ("version", c_int),
        ("file_bytes", c_int),
        ("longest_name", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _Open),
        ("delete", _Delete),
    )


class _Steps(Protocol):
    def has(self, path: object) -> bool: ...

    def take(self, label: str, act: Any, error: Any, half: Any = None) -> Any: ...


# What C holds on to.
_kept: list[object] = []


def library() -> Any | None:
    """Return SQLite as Python uses it, None where it is built in and shows nothing."""
    loaded = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
    return loaded if hasattr(loaded, "sqlite3_vfs_find") else None


def install(steps: _Steps) -> None:
    """Count what SQLite writes from now on, in this process."""
    loaded = library()
    if loaded is None:
        return
    loaded.sqlite3_vfs_find.restype = POINTER(_Vfs)
    loaded.sqlite3_vfs_find.argtypes = [c_char_p]
    vfs = loaded.sqlite3_vfs_find(None).contents
    plain_open = _Open.from_buffer_copy(vfs.open)
    plain_delete = _Delete.from_buffer_copy(vfs.delete)

    def open_(this: int, name: int | None, file: int, flags: int, out: int | None) -> int:
        result = plain_open(this, name, file, flags, out)
        # Temporary files have no name.
        path = os.fsdecode(ctypes.string_at(name)) if name else ""
        opened = _File.from_address(file)
        if result == OK and path and steps.has(path):
            opened.methods = ctypes.pointer(_stepping(steps, os.path.basename(path), opened))
        return result

    def delete(this: int, name: bytes, sync: int) -> int:
        path = os.fsdecode(name)
        act = lambda: plain_delete(this, name, sync)  # noqa: E731
        if not steps.has(path):
            return act()
        return steps.take(f"delete {os.path.basename(path)}", act, lambda: IOERR_DELETE)

    vfs.open, vfs.delete = _Open(open_), _Delete(delete)
    _kept.extend((vfs.open, vfs.delete, plain_open, plain_delete, open_, delete))


def _stepping(steps: _Steps, name: str, file: _File) -> _Methods:
    ours = _Methods.from_buffer_copy(file.methods.contents)
    plain_write = _Write.from_buffer_copy(ours.write)
    plain_truncate = _Truncate.from_buffer_copy(ours.truncate)
    plain_sync = _Sync.from_buffer_copy(ours.sync)

    def write(this: int, data: int, count: int, at: int) -> int:
        def half() -> int:
            plain_write(this, data, count // 2, at)
            # Of less than it asked for, SQLite is told that the disk is full.
            return IOERR_WRITE

        act = lambda: plain_write(this, data, count, at)  # noqa: E731
        return steps.take(f"write {name}", act, lambda: IOERR_WRITE, half)

    def truncate(this: int, size: int) -> int:
        act = lambda: plain_truncate(this, size)  # noqa: E731
        return steps.take(f"truncate {name}", act, lambda: IOERR_TRUNCATE)

    def sync(this: int, flags: int) -> int:
        act = lambda: plain_sync(this, flags)  # noqa: E731
        return steps.take(f"sync {name}", act, lambda: IOERR_FSYNC)

    ours.write, ours.truncate, ours.sync = _Write(write), _Truncate(truncate), _Sync(sync)
    _kept.extend((ours, ours.write, ours.truncate, ours.sync, plain_write, plain_truncate,
                  plain_sync, write, truncate, sync))  # fmt: skip
    return ours
