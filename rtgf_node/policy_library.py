"""The predicate library that this node works with: read, its signature checked, then loaded.

It is the one that comes with the program, signed with a key whose private half is kept nowhere in
it, or a folder of the operator's own with the key that signed it. Nothing of a library is used
before its manifest is signed by the pinned key and every file has the digest stated there.
"""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, NamedTuple

from rtgf_node.core import base64url
from rtgf_node.core.policy import library_signature
from rtgf_node.core.policy.templates import Library
from rtgf_node.errors import Code, RtgfError

SHIPPED_KEY: Final = "vsUArBAh-7pIkvFPXYRmu4Rq5yDORMusLEJUyNQZ6ok"
"""The public key that signed the library in this program; `rtgf library sign` makes another."""

MAX_FILE_BYTES: Final = 1 << 20
"""Bytes of one file of a library; a template has a few thousand."""


class PolicyLibrary(NamedTuple):
    """A library, and the files it was read from: a build hands them to its workers."""

    library: Library
    files: dict[str, bytes]


def shipped() -> PolicyLibrary:
    """Return the library of this program.

    Raises:
      RtgfError: it was changed after it was signed.
    """
    return _opened(resources.files("rtgf_node.core.policy") / "library", SHIPPED_KEY)


def configured(folder: Path | None, key: str | None) -> PolicyLibrary:
    """Return the library in `folder` that `key` signed; without a folder, this program's own.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID when the folder cannot be read, else what is wrong with the
        signature or with a file.
    """
    if folder is None:
        return shipped()
    return _opened(folder, key or SHIPPED_KEY)


def read(folder: Path | Traversable) -> dict[str, bytes]:
    """Return the files of a library by name; nothing about them is checked.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID when they cannot be read.
    """
    try:
        files = {
            entry.name: entry.read_bytes()
            for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
            if entry.name.endswith(".json")
        }
    except OSError as error:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID, f"the predicate library {folder}: {error.strerror}"
        ) from error
    for name, data in files.items():
        if len(data) > MAX_FILE_BYTES:
            raise RtgfError(
                Code.RTGF_CONFIG_INVALID, f"{name} is larger than {MAX_FILE_BYTES} bytes"
            )
    return files


def _opened(folder: Path | Traversable, key: str) -> PolicyLibrary:
    files = read(folder)
    library_signature.check(files, library_signature.key_set(base64url.decode(key)))
    return PolicyLibrary(Library.load(files), files)
