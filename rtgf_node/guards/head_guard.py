"""What this log signed last, kept apart from the store, so that no old copy makes it sign a fork.

The file is compared and swapped for every head, before the head is shown to anybody. A store that
is older than it, or that disagrees with it, may be read; nothing may be signed from it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from rtgf_node.core.tree_head import TreeHead
from rtgf_node.guards.guard_file import GuardFile
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
        self._file = GuardFile(path, LastSigned, max_bytes=MAX_BYTES)

    def read(self) -> LastSigned | None:
        """Return what was signed last, None before the first head.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if the file is there and cannot be read as one.
        """
        return self._file.read()

    def swap(self, expected: LastSigned | None, head: TreeHead) -> LastSigned:
        """Replace `expected` by `head`, durably, and return what the file holds now.

        Raises:
          RtgfError: RTGF_TXP_GOSSIP_INCONSISTENT if the file holds another head than `expected`:
            somebody else signs for this log.
        """
        with self._file.locked():
            if self._file.read() != expected:
                raise self._file.changed("two nodes sign for one log")
            return self._write(head)

    def overwrite(self, head: TreeHead) -> LastSigned:
        """Replace whatever the file holds: only for an operator who accepts the fork."""
        with self._file.locked():
            return self._write(head)

    def _write(self, head: TreeHead) -> LastSigned:
        new = LastSigned(head.origin, head.tree_size, head.root_hash, head.issued_at)
        self._file.write(new)
        return new


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
