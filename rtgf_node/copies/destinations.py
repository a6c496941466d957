"""Where an export goes: a folder, or a bucket that speaks S3.

Both keep one promise that the export rests on: what is there under a name is whole. A reader, and
the next export after one that was killed, sees the old bytes or the new ones, never a part.
"""

from __future__ import annotations

import fcntl
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol

from rtgf_node.errors import Code, RtgfError

S3: Final = "s3://"

UNFINISHED: Final = ".unfinished"
"""The folder in a folder for what is being written; emptied when the next export begins."""


class Destination(Protocol):
    """Holds objects under names such as `tile/0/000`. Raises RTGF_UNAVAILABLE when it fails."""

    def has(self, name: str) -> bool:
        """Say whether the object is there, whole."""

    def read(self, name: str) -> bytes | None:
        """Return the object's bytes, None if it is not there."""

    def put(self, name: str, data: bytes, *, media_type: str, cache: str) -> None:
        """Write the object whole; the last two are how a web server is to hand it out."""

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names of the objects below `prefix`, which ends in a slash."""

    def remove(self, name: str) -> None:
        """Take the object away; it may be gone already."""

    def settle(self) -> None:
        """Return when everything seen or put so far would survive a power cut."""

    def close(self) -> None:
        """Give it back; nothing may be asked of it afterwards."""


def destination(where: str) -> Destination:
    """Return the destination that `where` names: `s3://bucket/prefix`, else a folder.

    Raises:
      RtgfError: RTGF_INPUT_INVALID for another kind of URL; RTGF_CONFIG_INVALID if the library for
        buckets is not installed or its settings are not valid; RTGF_CONFLICT if another export
        writes to the folder; RTGF_UNAVAILABLE if it cannot be written.
    """
    if where.startswith(S3):
        return Bucket.open(where)
    if "://" in where:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, f"{where}: an export goes to a folder or to s3://bucket/prefix"
        )
    return Folder(Path(where))


class Folder:
    """A folder on this machine, for a web server or a copy to somewhere else.

    One export at a time has it: a second could take the checkpoint back to an older one.
    """

    def __init__(self, path: Path) -> None:
        """Make the folder if need be, lock it, and clear away what a killed export left half.

        Raises:
          RtgfError: RTGF_CONFLICT, RTGF_UNAVAILABLE.
        """
        self._path = path
        self._unfinished = path / UNFINISHED
        # Folders whose entries may not be on disk yet.
        self._unsettled: set[Path] = set()
        with _failing(str(path)):
            self._unfinished.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._unfinished, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._lock)
                raise RtgfError(
                    Code.RTGF_CONFLICT, f"another export is writing to {path}; wait for its end"
                ) from None
            for left in self._unfinished.iterdir():
                left.unlink()

    def close(self) -> None:
        """Let another export have the folder."""
        os.close(self._lock)

    def has(self, name: str) -> bool:
        """Say whether the file is there."""
        found = self._file(name).is_file()
        if found:
            # An export that was killed may have made it and not settled it.
            self._touch(name)
        return found

    def read(self, name: str) -> bytes | None:
        """Return the file's bytes, None if it is not there."""
        with _failing(name):
            try:
                return self._file(name).read_bytes()
            except FileNotFoundError:
                return None

    def put(self, name: str, data: bytes, *, media_type: str, cache: str) -> None:
        """Write the file elsewhere in the folder, flush it, and move it to its place."""
        file = self._file(name)
        with _failing(name):
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._unfinished / "object"
            with fresh.open("wb") as written:
                written.write(data)
                written.flush()
                os.fsync(written.fileno())
            fresh.replace(file)
        self._touch(name)

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names of the files below `prefix`."""
        for folder, _, files in os.walk(self._file(prefix)):
            for file in files:
                name = (Path(folder) / file).relative_to(self._path).as_posix()
                self._touch(name)
                yield name

    def remove(self, name: str) -> None:
        """Delete the file, and its folder if nothing else is in it."""
        file = self._file(name)
        with _failing(name):
            file.unlink(missing_ok=True)
            if file.parent.is_dir() and not any(file.parent.iterdir()):
                file.parent.rmdir()

    def settle(self) -> None:
        """Flush the folders."""
        with _failing(str(self._path)):
            for folder in sorted(self._unsettled):
                if folder.is_dir():
                    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                    try:
                        os.fsync(descriptor)
                    finally:
                        os.close(descriptor)
        self._unsettled.clear()

    def _file(self, name: str) -> Path:
        return self._path / name

    def _touch(self, name: str) -> None:
        """Note the folders of a file: a new folder is an entry of the one above it."""
        folder = self._file(name).parent
        while folder not in self._unsettled:
            self._unsettled.add(folder)
            if folder == self._path:
                self._unsettled.add(folder.parent)
                break
            folder = folder.parent


class Bucket:
    """A bucket behind obstore; a bucket puts an object whole, or not at all."""

    def __init__(self, library: ModuleType, store: Any) -> None:  # noqa: ANN401 - an object of a library that need not be there
        self._library = library
        self._store = store

    @classmethod
    def open(cls, url: str) -> Bucket:
        """Return the bucket at `url`, with the credentials and endpoint of the AWS_… environment.

        Raises:
          RtgfError: RTGF_CONFIG_INVALID.
        """
        try:
            library = importlib.import_module("obstore")
            stores = importlib.import_module("obstore.store")
        except ImportError as error:
            raise RtgfError(
                Code.RTGF_CONFIG_INVALID,
                "for buckets the library obstore is needed: pip install 'rtgf-node[s3]'",
            ) from error
        try:
            return cls(library, stores.from_url(url))
        except (library.exceptions.BaseError, ValueError) as error:
            raise RtgfError(
                Code.RTGF_CONFIG_INVALID, f"{url} cannot be used: {_first_line(error)}"
            ) from error

    def has(self, name: str) -> bool:
        """Ask for the object's head."""
        with self._failing(name):
            try:
                self._library.head(self._store, name)
            except FileNotFoundError:
                return False
        return True

    def read(self, name: str) -> bytes | None:
        """Return the object's bytes, None if it is not there."""
        with self._failing(name):
            try:
                return bytes(self._library.get(self._store, name).bytes())
            except FileNotFoundError:
                return None

    def put(self, name: str, data: bytes, *, media_type: str, cache: str) -> None:
        """Put the object with the headers that a CDN hands on."""
        attributes = {"Content-Type": media_type, "Cache-Control": cache}
        with self._failing(name):
            # In one request: an object in parts could be left half uploaded, and be paid for.
            self._library.put(self._store, name, data, attributes=attributes, use_multipart=False)

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names of the objects below `prefix`."""
        with self._failing(prefix):
            for page in self._library.list(self._store, prefix=prefix.rstrip("/")):
                for entry in page:
                    yield entry["path"]

    def remove(self, name: str) -> None:
        """Delete the object."""
        with self._failing(name):
            try:
                self._library.delete(self._store, name)
            except FileNotFoundError:
                return

    def settle(self) -> None:
        """Do nothing: a put that was answered is durable."""

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""

    @contextmanager
    def _failing(self, name: str) -> Iterator[None]:
        try:
            yield
        except (self._library.exceptions.BaseError, OSError) as error:
            raise _failed(name, error) from error


@contextmanager
def _failing(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _failed(name, error) from error


def _failed(name: str, error: Exception) -> RtgfError:
    return RtgfError(
        Code.RTGF_UNAVAILABLE,
        f"the export's destination failed at {name}: {_first_line(error)}; when that is mended, "
        "run the export again: it goes on where it stopped",
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
