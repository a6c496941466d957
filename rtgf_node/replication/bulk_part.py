"""A file that comes in pieces: where it grows, and what makes it whole.

Blocking functions; what the disk refuses is an `OSError`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final, Literal, NamedTuple

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.bulk_shelf import file_name
from rtgf_node.replication.peer_frames import PIECE_HEAD
from rtgf_node.whole_file import sync_folder

MAX_BYTES: Final = 1 << 30
"""The largest list that is fetched, decompressed, is the largest object there is."""

SUFFIX: Final = ".part"

KEPT_SECONDS: Final = 86_400
"""How long a beginning is kept over restarts: a leader offers the same state for as long as it can
be followed by its log."""


class Part(NamedTuple):
    """A file under way.

    Attributes:
      what: of which sort it is, for the peer.
      digest: what the whole must have.
      path: where it grows.
      size: what the whole must have, if that is known.
    """

    what: Literal["object", "snapshot"]
    digest: str
    path: Path
    size: int | None

    def here(self) -> int:
        """Return how many bytes are here."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def opened(self, body: bytes) -> tuple[int, bytes]:
        """Return what a `PIECE` holds: the size of the whole, and the piece.

        Raises:
          RtgfError: RTGF_BAD_REQUEST if it holds no size, RTGF_TXP_STORE_DAMAGED if a wrong one.
        """
        if len(body) < PIECE_HEAD.size:
            raise RtgfError(Code.RTGF_BAD_REQUEST, "a piece came without the size of the whole")
        (total,) = PIECE_HEAD.unpack_from(body)
        if total > MAX_BYTES if self.size is None else total != self.size:
            due = f"at most {MAX_BYTES}" if self.size is None else str(self.size)
            raise self.damaged(f"the peer has {total} bytes of it; {due} were expected")
        return total, body[PIECE_HEAD.size :]

    def append(self, piece: bytes) -> None:
        """Let it grow."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with open(os.open(self.path, flags, 0o600), "wb") as file:
            file.write(piece)

    def check(self) -> None:
        """Make the whole durable if it has its digest; else remove it.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if it has another digest.
        """
        with self.path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            if found == file_name(self.digest):
                os.fsync(file.fileno())
                return
        self.path.unlink()
        raise self.damaged(f"what came has the SHA-256 {found}; it is thrown away")

    def drop(self) -> None:
        """Begin anew the next time."""
        self.path.unlink(missing_ok=True)

    def publish(self, path: Path) -> None:
        """Give the whole, which was checked, its name."""
        self.path.rename(path)
        sync_folder(path.parent)

    def damaged(self, reason: str) -> RtgfError:
        """Return the error that says so."""
        return RtgfError(Code.RTGF_TXP_STORE_DAMAGED, f"{self.digest}: {reason}")


def sweep_old(folder: Path, now: int) -> None:
    """Remove what came so long ago that nobody goes on with it."""
    for path in folder.glob("*"):
        if path.stat().st_mtime < now - KEPT_SECONDS:
            path.unlink()


def sweep(folder: Path, kept: Collection[Path] = ()) -> None:
    """Remove what nobody waits for any more."""
    for path in folder.glob(f"*{SUFFIX}"):
        if path not in kept:
            path.unlink(missing_ok=True)
