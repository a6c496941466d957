"""What an auditor keeps of a log between two audits: the events as they were served, line by line.

It is the auditor's own memory and is judged anew each time: a node that once showed other events
than it stands for now is found out, because the rebuilt root is another.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from rtgf_node.wire import LogEntry

_decode = msgspec.json.Decoder(LogEntry).decode


class EventFile:
    """A file of events, appended page by page: an interrupted audit goes on where it was."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[LogEntry]:
        """Return what is kept; a line that a crash cut short, and all after it, is forgotten."""
        if not self._path.exists():
            return []
        entries: list[LogEntry] = []
        whole = 0
        for line in self._path.read_bytes().splitlines(keepends=True):
            try:
                entry = _decode(line)
            except msgspec.MsgspecError:
                break
            if not line.endswith(b"\n") or entry.index != len(entries):
                break
            entries.append(entry)
            whole += len(line)
        with self._path.open("r+b") as file:
            file.truncate(whole)
        return entries

    def add(self, entries: Sequence[LogEntry]) -> None:
        """Keep a page that was read."""
        with self._path.open("ab") as file:
            file.write(msgspec.json.Encoder().encode_lines(list(entries)))
