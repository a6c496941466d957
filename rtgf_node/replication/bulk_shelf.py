"""What a node gives to its peers in pieces: its objects and its snapshots, and nothing else.

Both are asked for by digest alone, and lie where the digest says.
"""

from __future__ import annotations

import os
from pathlib import Path

from rtgf_node.core import digests
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.peer_frames import PIECE_HEAD, Ask
from rtgf_node.store.objects import PREFIX, ObjectStore


class Shelf:
    """The objects of the store, and a folder of snapshot files named by their SHA-256 (hex)."""

    def __init__(self, objects: ObjectStore, snapshots: Path) -> None:
        self._objects = objects
        self._snapshots = snapshots

    def piece(self, ask: Ask) -> bytes | None:
        """Return the body of the `PIECE` that is asked for; None if the whole is not here.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if the disk does not give it.
        """
        path = (
            self._objects.path(ask.digest)
            if ask.what == "object"
            else self._snapshots / file_name(ask.digest)
        )
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(min(ask.offset, size))
                return PIECE_HEAD.pack(size) + file.read(ask.length)
        except FileNotFoundError:
            return None
        except OSError as error:
            detail = f"{ask.digest} cannot be read: {error.strerror}"
            raise RtgfError(Code.RTGF_TXP_STORE_DAMAGED, detail) from error


def file_name(digest: str) -> str:
    """Return the name of the file with this digest: the 64 hex characters.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it is no SHA-256 digest.
    """
    digests.check_form(digest)
    if not digest.startswith(PREFIX):
        raise RtgfError(Code.RTGF_INPUT_INVALID, "files are named by sha256 digests")
    return digest.removeprefix(PREFIX)
