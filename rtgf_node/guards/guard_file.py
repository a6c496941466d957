"""A small file that is kept apart from the store, and compared before it is replaced."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from rtgf_node.errors import Code, RtgfError
from rtgf_node.whole_file import write_whole

T = TypeVar("T")


class GuardFile(Generic[T]):
    """A JSON document of the type `kind`, or no file yet.

    Blocking, and safe against another process that uses the same file, as long as both write it
    only inside `locked`.
    """

    def __init__(self, path: Path, kind: type[T], *, max_bytes: int) -> None:
        self._path = path
        self._decode = msgspec.json.Decoder(kind).decode
        self._max_bytes = max_bytes

    def read(self) -> T | None:
        """Return what the file holds, None while there is none.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if it cannot be read as what it should be.
        """
        try:
            with self._path.open("rb") as file:
                data = file.read(self._max_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._damaged(error.strerror or str(error)) from error
        try:
            return self._decode(data)
        except msgspec.MsgspecError as error:
            raise self._damaged(str(error)) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process from writing the file meanwhile."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(
            self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def write(self, content: T) -> None:
        """Replace the file, durably; only inside `locked`."""
        write_whole(self._path, msgspec.json.encode(content), mode=0o600)

    def changed(self, what: str) -> RtgfError:
        """Return the refusal of a swap: somebody else wrote the file, and so does `what`."""
        return RtgfError(
            Code.RTGF_TXP_GOSSIP_INCONSISTENT,
            f"{self._path} was changed by another process: {what}; stop one of them",
        )

    def _damaged(self, why: str) -> RtgfError:
        return RtgfError(
            Code.RTGF_TXP_STORE_DAMAGED,
            f"{self._path} does not say what was signed last ({why}); restore it, or find out from"
            " others what they saw before anything is signed",
        )
