"""How long the Raft log is, and how much of it can be forgotten."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from rtgf_node.store.raft_store import LogEntry

COMPACT_BYTES: Final = 64 << 20
"""The core keeps the log in memory; with entries this large in all, half of them are forgotten."""


class LogTail:
    """Index, term and size of every entry that is still in the log."""

    def __init__(self, entries: Iterable[LogEntry], *, compact_every: int) -> None:
        """Begin with what is on disk; at `compact_every` entries half of them are forgotten."""
        self._compact_every = compact_every
        self._entries: deque[tuple[int, int, int]] = deque()
        self._bytes = 0
        self.append(tuple(entries))

    def append(self, entries: Sequence[LogEntry]) -> None:
        """Note entries that were saved; they replace everything from the first one's index on."""
        while entries and self._entries and self._entries[-1][0] >= entries[0].index:
            self._bytes -= self._entries.pop()[2]
        for entry in entries:
            self._entries.append((entry.index, entry.term, len(entry.data)))
            self._bytes += len(entry.data)

    def cut(self, applied: int) -> tuple[int, int] | None:
        """Return up to which index and term the log can be forgotten, if it is time.

        The newer half stays, for those who are a little behind, and so does all that is not
        applied.
        """
        if len(self._entries) < self._compact_every and self._bytes < COMPACT_BYTES:
            return None
        last = None
        entries, left = len(self._entries) // 2, self._bytes // 2
        for index, term, size in self._entries:
            if index > applied or (entries <= 0 and left <= 0):
                break
            last = (index, term)
            entries -= 1
            left -= size
        return last

    def forget(self, index: int) -> None:
        """Note that the log was forgotten up to an index."""
        while self._entries and self._entries[0][0] <= index:
            self._bytes -= self._entries.popleft()[2]
