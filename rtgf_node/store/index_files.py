"""Name indexes as files: made once by whichever process of the node comes first, mapped by all.

They are made anew from the lists whenever one is missing, damaged or made by another version of the
program, so nothing is lost with them, and they belong in no backup.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import mmap
import os
import secrets
import unicodedata
from collections.abc import Callable, Collection
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TypeVar

from rtgf_node.core.lists.packed import Buffer, DamagedError

Index = TypeVar("Index")


class IndexFiles:
    """A folder of them. Safe for several processes and threads at once: a file appears whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def opened(
        self, contents: Collection[str], make: Callable[[], bytes], read: Callable[[Buffer], Index]
    ) -> Index:
        """Return what `read` makes of the index of lists with these contents.

        It is handed the mapped file, whose digest it checks. Where that cannot be had, `make` makes
        the bytes, which become the file; on a disk that does not take them, they serve as they are.
        """
        path = self._folder / name_of(contents)
        try:
            return read(_mapped(path))
        except (OSError, DamagedError):
            data = make()
        try:
            _write(path, data)
            return read(_mapped(path))
        except OSError:
            return read(data)

    def keep_only(self, kept: Collection[Collection[str]]) -> None:
        """Remove every file but those of these contents; who has one mapped keeps it."""
        names = {name_of(contents) for contents in kept}
        for path in self._folder.glob("*"):
            if path.name not in names:
                path.unlink(missing_ok=True)


def name_of(contents: Collection[str]) -> str:
    """Return the name of the file, which no other lists and no other program have."""
    named = hashlib.sha256("\n".join((_program(), *sorted(contents))).encode())
    return named.hexdigest()


@cache
def _program() -> str:
    """Return the digest of all that decides what an index holds, beside the lists."""
    found = hashlib.sha256(
        f"{importlib.metadata.version('anyascii')} {unicodedata.unidata_version}".encode()
    )
    sources = resources.files("rtgf_node.core.lists").iterdir()
    for source in sorted(sources, key=lambda each: each.name):
        if source.name.endswith(".py"):
            found.update(source.read_bytes())
    return found.hexdigest()


def _mapped(path: Path) -> Buffer:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise DamagedError("it is empty")
        return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        # Not synced: what a crash leaves of it has another digest.
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
