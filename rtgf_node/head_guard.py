"""What this log signed last, kept apart from the store, so that no old copy makes it sign a fork.

The file is compared and swapped for every head, before the head is shown to anybody. A store that
is older than it, or that disagrees with it, may be read; nothing may be signed from it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec

from rtgf_node.core.tree_head import TreeHead
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.log_store import LogStore

MAX_BYTES = 64 << 10
"""The file holds a few lines; a larger one is not ours."""


class LastSigned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest head that was ever signed with this guard."""

    origin: str
    tree_size: int
    root_hash: str
    issued_at: str


class HeadGuard:
    """A small file with the last signed head. One per log, on another disk if there is one.

    Blocking, and safe against another process that uses the same file: of two nodes that run on
    copies of one store, the second one to sign finds that the file has moved on, and must stop.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> LastSigned | None:
        """Return what was signed last, None before the first head.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if the file is there and cannot be read as one.
        """
        try:
            with self._path.open("rb") as file:
                data = file.read(MAX_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _damaged(self._path, error.strerror or str(error)) from error
        try:
            return msgspec.json.decode(data, type=LastSigned)
        except msgspec.MsgspecError as error:
            raise _damaged(self._path, str(error)) from error

    def swap(self, expected: LastSigned | None, head: TreeHead) -> LastSigned:
        """Replace `expected` by `head`, durably, and return what the file holds now.

        Raises:
          RtgfError: RTGF_TXP_GOSSIP_INCONSISTENT if the file holds another head than `expected`:
            somebody else signs for this log.
        """
        return self._replace(head, expected=(expected,))

    def overwrite(self, head: TreeHead) -> LastSigned:
        """Replace whatever the file holds: only for an operator who accepts the fork."""
        return self._replace(head, expected=None)

    def _replace(self, head: TreeHead, *, expected: tuple[LastSigned | None] | None) -> LastSigned:
        new = LastSigned(head.origin, head.tree_size, head.root_hash, head.issued_at)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(
            self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if expected is not None and self.read() != expected[0]:
                raise RtgfError(
                    Code.RTGF_TXP_GOSSIP_INCONSISTENT,
                    f"{self._path} was changed by another process: two nodes sign for one log;"
                    " stop one of them",
                )
            self._write(msgspec.json.encode(new))
        finally:
            os.close(lock)
        return new

    def _write(self, data: bytes) -> None:
        temporary = self._path.with_name(f".{self._path.name}.new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.rename(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def disagreement(last: LastSigned | None, store: LogStore, *, origin: str) -> str | None:
    """Return why this store may not sign after `last`, or None if it may."""
    if last is None:
        held = store.latest_head()
        return "nothing says which head was signed last" if held is not None else None
    if last.origin != origin:
        return f"the guard is of the log {last.origin}, this is {origin}"
    if last.tree_size > store.size:
        return (
            f"this store holds {store.size} entries, but a head of {last.tree_size} was signed on"
            f" {last.issued_at}: it is an old copy"
        )
    if f"sha256:{store.root_at(last.tree_size).hex()}" != last.root_hash:
        return f"this store has another history than the head of {last.tree_size} that was signed"
    return None


def _damaged(path: Path, why: str) -> RtgfError:
    return RtgfError(
        Code.RTGF_TXP_STORE_DAMAGED,
        f"{path} does not say which head was signed last ({why}); restore it, or find out from a"
        " witness before anything is signed",
    )
