"""A backup as a folder or as one tar file: its files, and last a manifest with their digests.

`manifest.json` is written last, so whatever was cut short has none. Nothing that a backup says of
itself leads out of the folder that it is unpacked to.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec

from rtgf_node.errors import Code, RtgfError

MANIFEST: Final = "manifest.json"

MAX_MANIFEST_BYTES: Final = 256 << 20
"""A line of some 200 bytes for each of a million files."""

PIECE_BYTES: Final = 1 << 20

_NAME = re.compile(r"[^\\\x00-\x1f]{1,1000}")


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a backup.

    Attributes:
      name: its path in the backup, and in the folder that is restored.
      sha256: its digest.
      bytes: its length.
      private: only the node's own user may read it.
    """

    name: str
    sha256: str
    bytes: int
    private: bool


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup is of, and every file in it.

    Attributes:
      format: of the backup.
      made_at: when the databases were copied.
      program: the version that wrote it.
      origin: the name of the log.
      tree_size: entries of the log.
      root_hash: of these entries.
      head: the newest signed head, None before the first; it may cover fewer entries.
      decisions: the number of the newest record of an answer.
      data: where the data folder is in it.
      keys: whether the private keys are in it.
      member: as which member of a cluster the node sat; the copy has no seat.
      elsewhere: settings whose files lie outside the node's folder, and are not in it.
      files: all of them but this one.
    """

    format: Literal["rtgf-backup/1"]
    made_at: str
    program: str
    origin: str
    tree_size: int
    root_hash: str
    head: dict[str, Any] | None
    decisions: int
    data: str
    keys: bool
    member: str | None
    elsewhere: tuple[str, ...]
    files: tuple[Entry, ...]


class Source(NamedTuple):
    """A file that is to be in a backup."""

    name: str
    path: Path
    private: bool


Describe = Callable[[tuple[Entry, ...]], Manifest]


def write(path: Path, sources: Iterable[Source], describe: Describe, *, tar: bool) -> Manifest:
    """Write a backup to `path`, durably; whoever calls gives it its name when it is complete."""
    with closing(_TarWriter(path) if tar else _FolderWriter(path)) as writer:
        entries = []
        for source in sources:
            with source.path.open("rb") as file:
                # What is appended meanwhile is not in it.
                size = os.fstat(file.fileno()).st_size
                hashed = _Hashing(file, size)
                writer.add(source.name, hashed, size, private=source.private)
            entries.append(Entry(source.name, hashed.digest(), size, source.private))
        manifest = describe(tuple(entries))
        data = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        writer.add(MANIFEST, io.BytesIO(data), len(data), private=False)
    return manifest


def read(backup: Path, to: Path | None = None) -> Manifest:
    """Read every byte of a backup, hold it against the manifest, and unpack it to a new folder.

    Args:
      backup: a folder or a tar file.
      to: an empty folder of ours; None to look only.

    Raises:
      RtgfError: RTGF_NOT_FOUND if it is not there; RTGF_INPUT_INVALID if it is no backup of this
        kind; RTGF_TXP_STORE_DAMAGED if a file was cut, altered, left out or put in, with the place
        as the pointer. What was unpacked by then is for the caller to throw away.
    """
    if backup.is_dir():
        members = _of_folder(backup)
    elif not backup.is_file():
        raise RtgfError(Code.RTGF_NOT_FOUND, f"there is no backup {backup}")
    elif not tarfile.is_tarfile(backup):
        raise RtgfError(Code.RTGF_INPUT_INVALID, f"{backup} is no backup: it is no tar file")
    else:
        members = _of_tar(backup)
    try:
        manifest, found = _taken(backup, members, to)
    except tarfile.TarError as error:
        end = backup.stat().st_size
        raise _damaged(
            backup, f"byte {end}", f"it ends in the middle of a file ({error})"
        ) from error
    _compare(backup, manifest, found)
    if to is not None:
        for entry in manifest.files:
            (to / entry.name).chmod(0o600 if entry.private else 0o644)
        _sync_tree(to)
    return manifest


def _taken(
    backup: Path, members: Iterator[_Member], to: Path | None
) -> tuple[Manifest, dict[str, tuple[str, int]]]:
    """Return the manifest, and what each file in front of it is."""
    found: dict[str, tuple[str, int]] = {}
    manifest: Manifest | None = None
    for name, file, size in members:
        if manifest is not None or name in found:
            raise _damaged(backup, name, "it follows the manifest, or is there twice")
        if name == MANIFEST:
            manifest = _manifest(file, size, backup)
            continue
        _check_name(backup, name)
        hashed = _Hashing(file, size)
        if to is not None:
            _write_file(to / name, hashed)
        else:
            while hashed.read(PIECE_BYTES):
                pass
        found[name] = (hashed.digest(), hashed.count)
    if manifest is None:
        raise _damaged(backup, MANIFEST, "it is missing: this is no backup, or it was cut")
    return manifest, found


def _compare(backup: Path, manifest: Manifest, found: dict[str, tuple[str, int]]) -> None:
    for entry in manifest.files:
        digest, size = found.pop(entry.name, (None, 0))
        if digest is None:
            raise _damaged(backup, entry.name, "it is missing")
        if size != entry.bytes:
            raise _damaged(backup, entry.name, f"it has {size} bytes, not {entry.bytes}")
        if digest != entry.sha256:
            raise _damaged(backup, entry.name, "it has other bytes than the manifest says")
    for name in sorted(found):
        raise _damaged(backup, name, "the manifest does not know it")


# --- reading --------------------------------------------------------------------------------------


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes:
        """Return so many bytes, fewer at the end."""


class _Member(NamedTuple):
    name: str
    file: _Readable
    size: int


def _of_folder(backup: Path) -> Iterator[_Member]:
    """Yield the files of a backup, the manifest last."""
    names = sorted(
        path.relative_to(backup).as_posix()
        for path in backup.rglob("*")
        if path.is_symlink() or not path.is_dir()
    )
    for name in [name for name in names if name != MANIFEST] + [MANIFEST]:
        path = backup / name
        if path.is_symlink() or not path.is_file():
            raise _damaged(backup, name, "it is missing, or is no plain file")
        with path.open("rb") as file:
            yield _Member(name, file, os.fstat(file.fileno()).st_size)


def _of_tar(backup: Path) -> Iterator[_Member]:
    with tarfile.open(backup, mode="r:") as tar:
        for member in tar:
            file = tar.extractfile(member) if member.type == tarfile.REGTYPE else None
            if file is None or member.issparse():
                raise _damaged(backup, member.name, "it is no plain file")
            yield _Member(member.name, file, member.size)


def _manifest(file: _Readable, size: int, backup: Path) -> Manifest:
    if size > MAX_MANIFEST_BYTES:
        raise _damaged(backup, MANIFEST, f"it has more than {MAX_MANIFEST_BYTES} bytes")
    try:
        manifest = msgspec.json.decode(file.read(), type=Manifest)
    except msgspec.DecodeError as error:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID,
            f"it is no manifest that this version reads: {error}",
            pointer=f"{backup.name}: {MANIFEST}",
        ) from error
    _check_name(backup, manifest.data)
    return manifest


def _check_name(backup: Path, name: str) -> None:
    pure = PurePosixPath(name)
    plain = pure.as_posix() == name and not pure.is_absolute() and ".." not in pure.parts
    if not plain or _NAME.fullmatch(name) is None:
        raise _damaged(backup, name[:100], "it is no name of a file in a node's folder")


# --- writing --------------------------------------------------------------------------------------


class _FolderWriter:
    def __init__(self, path: Path) -> None:
        path.mkdir(mode=0o700)
        self._path = path

    def add(self, name: str, file: _Readable, size: int, *, private: bool) -> None:
        del size
        _write_file(self._path / name, file)
        (self._path / name).chmod(0o600 if private else 0o644)

    def close(self) -> None:
        _sync_tree(self._path)


class _TarWriter:
    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._path = path
        self._tar = tarfile.open(path, "w:", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed by `close`

    def add(self, name: str, file: _Readable, size: int, *, private: bool) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o600 if private else 0o644
        self._tar.addfile(member, file)

    def close(self) -> None:
        self._tar.close()
        _sync(self._path)


class _Hashing:
    """Reads so many bytes of a file, and knows their digest afterwards."""

    def __init__(self, file: _Readable, size: int) -> None:
        self._file = file
        self._left = size
        self._found = hashlib.sha256()
        self.count = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        self.count += len(data)
        self._found.update(data)
        return data

    def digest(self) -> str:
        return f"sha256:{self._found.hexdigest()}"


def _write_file(path: Path, file: _Readable) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as written:
        while piece := file.read(PIECE_BYTES):
            written.write(piece)
        written.flush()
        os.fsync(written.fileno())


def _sync_tree(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(backup: Path, name: str, what: str) -> RtgfError:
    return RtgfError(
        Code.RTGF_TXP_STORE_DAMAGED,
        f"{what}; use another backup",
        pointer=f"{backup.name}: {name}",
    )
