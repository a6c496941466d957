"""Large bytes by their digest: `objects/ab/cdef…`, written once, checked at every read."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Collection
from pathlib import Path

from rtgf_node.core import digests
from rtgf_node.errors import Code, RtgfError
from rtgf_node.whole_file import sync_folder

PREFIX = "sha256:"
# Hash and copy in pieces, so that checking a 100 MB list does not need 200 MB.
PIECE_BYTES = 1 << 20


class ObjectStore:
    """A folder of content-addressed files.

    Safe for several threads at once: an object appears whole, by rename, or not at all, and two
    writers of the same digest write the same bytes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Store `data` durably and return its digest. Storing it again changes nothing."""
        digest = digests.sha256(data)
        path = self._path(digest)
        if path.exists():
            return digest
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(self._folder)
        # Left behind only by a crash; `sweep` removes it.
        temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
        return digest

    def take(self, file: Path, digest: str) -> None:
        """Move a file in, whose bytes were checked against `digest` and are durable.

        It lies on the same file system as the store; afterwards it is only here.
        """
        path = self._path(digest)
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(self._folder)
        file.rename(path)
        sync_folder(path.parent)

    def get(self, digest: str) -> bytes:
        """Return the bytes of `digest`.

        Raises:
          RtgfError: RTGF_NOT_FOUND if they are not here, RTGF_TXP_STORE_DAMAGED if the file holds
            other bytes.
        """
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError:
            raise RtgfError(Code.RTGF_NOT_FOUND, f"no object {digest} is held here") from None
        if digests.sha256(data) != digest:
            raise RtgfError(
                Code.RTGF_TXP_STORE_DAMAGED,
                f"the object {digest} holds other bytes; restore it from a backup or fetch it anew",
            )
        return data

    def has(self, digest: str) -> bool:
        """Say whether the object is here; its bytes are not read."""
        return self._path(digest).is_file()

    def is_durable(self, digest: str) -> bool:
        """Say whether the object is here, and will be after a crash; its bytes are not read."""
        path = self._path(digest)
        if not path.is_file():
            return False
        # Whoever stores it at this moment may have renamed it and not yet synced its folder.
        sync_folder(path.parent)
        return True

    def check(self, digest: str) -> None:
        """Read the object piece by piece and compare it with its digest.

        Raises:
          RtgfError: RTGF_NOT_FOUND, RTGF_TXP_STORE_DAMAGED as `get`.
        """
        found = hashlib.sha256()
        try:
            with self._path(digest).open("rb") as file:
                while piece := file.read(PIECE_BYTES):
                    found.update(piece)
        except FileNotFoundError:
            raise RtgfError(Code.RTGF_NOT_FOUND, f"no object {digest} is held here") from None
        if PREFIX + found.hexdigest() != digest:
            raise RtgfError(Code.RTGF_TXP_STORE_DAMAGED, f"the object {digest} holds other bytes")

    def digests(self) -> set[str]:
        """Return the digest of every object that is here."""
        return {
            f"{PREFIX}{path.parent.name}{path.name}"
            for path in self._folder.glob("*/*")
            if not path.name.startswith(".")
        }

    def keep_only(self, kept: Collection[str]) -> None:
        """Remove every object but these, and what a crash left half-written.

        For a folder that nothing else rests on, while nobody writes to it.
        """
        self.sweep()
        for digest in self.digests() - set(kept):
            self._path(digest).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Remove what a crash left half-written; for use while nothing writes. Return how many."""
        left = [path for path in self._folder.glob("*/.*") if path.is_file()]
        for path in left:
            path.unlink()
        return len(left)

    def path(self, digest: str) -> Path:
        """Return where the object is, for a process that checks the digest itself."""
        return self._path(digest)

    def _path(self, digest: str) -> Path:
        digests.check_form(digest)
        if not digest.startswith(PREFIX):
            raise RtgfError(Code.RTGF_INPUT_INVALID, "objects are named by sha256 digests")
        name = digest.removeprefix(PREFIX)
        return self._folder / name[:2] / name[2:]
