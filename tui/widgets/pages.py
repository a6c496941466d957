"""Rows of which only pages are here: a collection of a million that is never loaded whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, overload

from tui.tones import DIM
from tui.widgets.table import Row

PAGE: Final = 200
"""Rows of a page."""

KEPT: Final = 50
"""Pages that are kept; the one that was looked at longest ago goes first."""


class Pages(Sequence[Row]):
    """Entries 0 to `size`, shown newest first. What is looked at and not here is noted as missing.

    Rows are kept by entry and not by place, because places move when entries come.

    Args:
      width: columns of a row.
      missed: called when something is missing that was not before.
    """

    def __init__(self, width: int, missed: Callable[[], object]) -> None:
        self.size = 0
        self._blank = tuple(("…", DIM) for _ in range(width))
        self._missed = missed
        self._pages: dict[int, dict[int, Row]] = {}
        self._missing: set[int] = set()

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        """Return a row, blank if it is not here; of a slice those that are here."""
        if isinstance(at, slice):
            return [row for _, row in zip(range(*at.indices(PAGE)), self.held(), strict=False)]
        entry = self.size - 1 - at
        if not 0 <= entry < self.size:
            raise IndexError(at)
        number = entry // PAGE
        row = self._pages.get(number, {}).get(entry)
        if row is not None:
            return row
        self._miss(number)
        return Row(str(entry), ((str(entry), DIM), *self._blank[1:]))

    def __eq__(self, other: object) -> bool:
        return False  # it changes in place: what was shown may be old

    __hash__ = None  # type: ignore[assignment]  # it changes in place

    def held(self) -> Iterator[Row]:
        """Yield the rows that are here, the newest first."""
        for number in sorted(self._pages, reverse=True):
            for entry in sorted(self._pages[number], reverse=True):
                yield self._pages[number][entry]

    def place_of(self, key: str) -> int:
        """Return where the row of this key stands now."""
        return self.size - 1 - int(key)

    def wanted(self) -> tuple[int, int] | None:
        """Return the first entry and the number of entries to ask for next; None if all is here."""
        while self._missing:
            number = max(self._missing)
            first = number * PAGE
            here = self._pages.get(number, {})
            most = min(PAGE, self.size - first)
            if len(here) < most:
                start = max(here, default=first - 1) + 1
                return start, first + most - start
            self._missing.discard(number)
        return None

    def grow(self, size: int) -> None:
        """Note that there are so many entries now."""
        if size != self.size:
            self.size = size
            self._miss(max(0, size - 1) // PAGE)

    def take(self, rows: dict[int, Row]) -> None:
        """Take entries in; all of them of one page."""
        for entry, row in rows.items():
            page = self._pages.setdefault(entry // PAGE, {})
            page[entry] = row
        while len(self._pages) > KEPT:
            newest = max(self._pages)
            del self._pages[next(number for number in self._pages if number != newest)]

    def give_up(self) -> None:
        """Forget what is missing: it could not be had, and is asked for when it is seen again."""
        self._missing.clear()

    def _miss(self, number: int) -> None:
        if number not in self._missing:
            self._missing.add(number)
            self._missed()
