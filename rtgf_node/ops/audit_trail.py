"""The audit trail: who did what with a privilege, and who was turned away; a file of JSON lines.

Each line holds the digest of the line before it, so that none can be changed, left out or put in
without breaking the chain from there on. Acts and denials are two chains: a flood of strangers who
are turned away cannot push the acts out of what is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec
import structlog
import trio

from rtgf_node.core import digests
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import AuditConfig
from rtgf_node.whole_file import sync_folder

log = structlog.get_logger(__name__)

Kind: TypeAlias = Literal["acts", "denials"]
KINDS: Final[tuple[Kind, ...]] = ("acts", "denials")

BEGIN: Final = "sha256:" + "0" * 64
"""What stands before the first line."""

MAX_LINE_BYTES: Final = 64 << 10
"""Of one line; what is longer was not written by this program."""

SUFFIX: Final = ".jsonl"
SEQ_DIGITS: Final = 12


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is put on record.

    Attributes:
      outcome: `begun` before an act; after it `done` or `failed`; `denied`.
      body: the digest of what was sent.
      subjects: what it is about, as far as ids tell.
    """

    at: str
    request_id: str
    client: str | None
    address: str
    method: str
    path: str
    outcome: Literal["begun", "done", "failed", "denied"]
    status: int | None = None
    body: str | None = None
    subjects: tuple[str, ...] = ()


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a chain: its number, the digest of the line before it, and what happened."""

    seq: int
    prev: str
    entry: Entry


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


class AuditTrail:
    """Both chains of a node, in one folder; made where there is none.

    Args:
      folder: where the files are.
      config: how much is kept.
      ship: is given each line that is on the disk.

    Raises:
      RtgfError: RTGF_TXP_STORE_DAMAGED if the newest line of a chain cannot be read.
    """

    def __init__(self, folder: Path, config: AuditConfig, ship: Callable[[bytes], None]) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._chains = {kind: _Chain(folder, kind, config) for kind in KINDS}
        self._locks = {kind: trio.Lock() for kind in KINDS}
        self._ship = ship

    async def record(self, kind: Kind, entry: Entry) -> None:
        """Put an entry on record: it is on the disk when this returns.

        Raises:
          RtgfError: RTGF_UNAVAILABLE if it cannot be written.
        """
        async with self._locks[kind]:
            try:
                line = await trio.to_thread.run_sync(self._chains[kind].append, entry)
            except OSError as error:
                log.error("audit_trail_not_written", kind=kind, detail=str(error))
                raise RtgfError(
                    Code.RTGF_UNAVAILABLE, "the audit trail cannot be written; nothing was done"
                ) from error
        self._ship(line)

    def newest(self, kind: Kind) -> int:
        """Return the number of the newest line, 0 before the first."""
        return self._chains[kind].newest

    def page(self, kind: Kind, *, since: int, limit: int) -> list[Line]:
        """Return up to `limit` lines from the number `since` on. Reads files: call it in a thread.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if the chain does not hold.
        """
        found: list[Line] = []
        for line in lines(self.folder, kind, since=since):
            if line.seq >= since:
                found.append(line)
                if len(found) == limit:
                    break
        return found


class _Chain:
    """One chain, open at its end."""

    def __init__(self, folder: Path, kind: Kind, config: AuditConfig) -> None:
        self._folder = folder
        self._kind = kind
        self._config = config
        self._seq, self._head = 0, BEGIN
        self._file: Path | None = None
        newest = files(folder, kind)[-1:]
        if newest:
            self._file = newest[0]
            _drop_torn_line(self._file)
            for line, raw in _read(self._file):
                self._seq, self._head = line.seq, digests.sha256(raw)

    @property
    def newest(self) -> int:
        """The number of the newest line."""
        return self._seq

    def append(self, entry: Entry) -> bytes:
        """Write a line and sync it. A line that could not be written whole is taken back."""
        raw = _encode(Line(self._seq + 1, self._head, entry))
        path = self._place(len(raw) + 1)
        is_new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            try:
                if os.write(descriptor, raw + b"\n") != len(raw) + 1:
                    raise OSError("the disk is full")
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(self._folder)
        self._file, self._seq, self._head = path, self._seq + 1, digests.sha256(raw)
        return raw

    def _place(self, size: int) -> Path:
        """Return the file for the next line; begins a new one, and removes the oldest, when due."""
        held = self._file
        if held is not None and held.stat().st_size + size <= self._config.max_file_bytes:
            return held
        for old in files(self._folder, self._kind)[: -(self._config.max_files - 1) or None]:
            old.unlink()
        return self._folder / f"{self._kind}-{self._seq + 1:0{SEQ_DIGITS}}{SUFFIX}"


def files(folder: Path, kind: Kind) -> list[Path]:
    """Return the files of a chain, the oldest first."""
    return sorted(folder.glob(f"{kind}-{'[0-9]' * SEQ_DIGITS}{SUFFIX}"))


def lines(folder: Path, kind: Kind, *, since: int = 0) -> Iterator[Line]:
    """Return the lines of a chain from the file with the number `since` on, each checked.

    Raises:
      RtgfError: RTGF_TXP_STORE_DAMAGED where one does not follow from the one before it.
    """
    paths = files(folder, kind)
    later = [path for path in paths if _first(path) > since]
    paths = paths[max(0, len(paths) - len(later) - 1) :]
    before: tuple[int, str] | None = (0, BEGIN) if paths and _first(paths[0]) == 1 else None
    for path in paths:
        for line, raw in _read(path):
            if before is not None and (line.seq, line.prev) != (before[0] + 1, before[1]):
                raise _damaged(path, f"line {line.seq} does not follow from the one before it")
            before = (line.seq, digests.sha256(raw))
            yield line


def _first(path: Path) -> int:
    return int(path.name.removesuffix(SUFFIX).rpartition("-")[2])


def _read(path: Path) -> Iterator[tuple[Line, bytes]]:
    with path.open("rb") as file:
        while raw := file.readline(MAX_LINE_BYTES):
            if not raw.endswith(b"\n"):
                return  # it is being written, or never was whole
            try:
                yield _decode(raw), raw[:-1]
            except msgspec.DecodeError as error:
                raise _damaged(path, f"a line cannot be read ({error})") from error


def _drop_torn_line(path: Path) -> None:
    """Take back the end of a line that a crash cut short: what it says did not happen."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)


def _damaged(path: Path, detail: str) -> RtgfError:
    return RtgfError(
        Code.RTGF_TXP_STORE_DAMAGED,
        f"{path}: {detail}; somebody changed it, or the disk did. Keep it, move it away, restart",
    )
