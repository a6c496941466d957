"""A table that makes only the rows in sight; its cursor stays on its row when others come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final, NamedTuple, Protocol, runtime_checkable

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from tui.tones import DIM, Span, Spans
from tui.widgets.painted import Painted, cut

GAP: Final = 2
"""Cells between two columns."""

NARROWEST: Final = 8
"""Cells that a column keeps when it is cut."""

MEASURED: Final = 500
"""Rows that a column's width is taken from: all that are in sight, and some more."""

NEAR_END: Final = 30
"""Rows before the last one at which more are asked for."""


class Column(NamedTuple):
    """A column.

    Attributes:
      title: above it.
      drop: 0 if it is always shown; of the others the highest goes first where there is no room.
      right: whether its cells stand to the right.
    """

    title: str
    drop: int = 0
    right: bool = False


class Row(NamedTuple):
    """A row: an id that does not change, its cells, and what it was made from."""

    key: str
    cells: tuple[Span, ...]
    data: Any = None


@runtime_checkable
class Placed(Protocol):
    """Rows that know by themselves where one of them stands."""

    def place_of(self, key: str) -> int:
        """Return the place of the row of this key."""


class Table(Painted, can_focus=True):
    """Rows under their heads."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "to_end(-1)", "First", show=False),
        Binding("end,G", "to_end(1)", "Last", show=False),
        Binding("enter", "open", "Open", show=False),
    ]

    class Opened(Message):
        """Somebody wants to see more of a row."""

        def __init__(self, table: Table, row: Row) -> None:
            super().__init__()
            self.table = table
            self.row = row

    class NearEnd(Message):
        """The cursor has come near the last row: whoever has more may bring it."""

        def __init__(self, table: Table) -> None:
            super().__init__()
            self.table = table

    def __init__(self, *columns: Column, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.columns: Final = columns
        self.rows: Sequence[Row] = ()
        self.empty = "not known yet"
        self.place = 0
        self._key: str | None = None
        self._shown: list[tuple[int, int]] = []

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[self.place] if self.place < len(self.rows) else None

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows; the cursor stays on the row it was on, if that is still there."""
        self.empty = "nothing here"
        if rows == self.rows:
            return
        offset = self.place - self.scroll_offset.y
        self.rows = rows
        # At the top one watches what comes; elsewhere one reads, and the text stays put.
        if self._key is not None and self.place != 0:
            self.place = self._place_of(self._key)
        self._put(self.place)
        self._measure()
        self.scroll_to(y=max(0, self.place - offset), animate=False, immediate=True, force=True)
        self.refresh()

    def go_to(self, place: int) -> None:
        """Put the cursor on the row at this place, and bring it into sight."""
        self._put(place)
        first, room = self.scroll_offset.y, max(1, self.size.height - 1)
        if self.place < first:
            self.scroll_to(y=self.place, animate=False, immediate=True, force=True)
        elif self.place >= first + room:
            self.scroll_to(y=self.place - room + 1, animate=False, immediate=True, force=True)
        self.refresh()
        if self.place >= len(self.rows) - NEAR_END:
            self.post_message(self.NearEnd(self))

    def action_move(self, step: int) -> None:
        """Go one row up or down."""
        self.go_to(self.place + step)

    def action_page(self, step: int) -> None:
        """Go one page up or down."""
        self.go_to(self.place + step * max(1, self.size.height - 2))

    def action_to_end(self, step: int) -> None:
        """Go to the first or last row."""
        self.go_to(0 if step < 0 else len(self.rows) - 1)

    def action_open(self) -> None:
        """Show more of the row."""
        if self.row is not None:
            self.post_message(self.Opened(self, self.row))

    def on_resize(self, _: events.Resize) -> None:
        """Measure the columns for the new size."""
        self._measure()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where it was clicked."""
        if event.y > 0:
            self.go_to(event.y - 1 + self.scroll_offset.y)

    def render_line(self, y: int) -> Strip:
        """Return the line at this place of the window; the first one is the heads."""
        width = self.room
        if y == 0:
            return self.paint(self._line([(one.title, "head") for one in self.columns]), width)
        index = y - 1 + self.scroll_offset.y
        if index >= len(self.rows):
            said = self.empty if not self.rows and y == 2 else ""
            return self.paint(((said, DIM),), width)
        under = None
        if index == self.place and self.has_focus:
            under = self.get_component_rich_style("tone--cursor", partial=True)
        return self.paint(self._line(self.rows[index].cells), width, under=under)

    def text(self) -> str:
        """Return all rows with whole cells, as a file would have them."""
        lines = ["\t".join(column.title for column in self.columns)]
        lines += ["\t".join(text for text, _ in row.cells) for row in self.rows]
        return "\n".join(lines) + "\n"

    def _put(self, place: int) -> None:
        self.place = max(0, min(place, len(self.rows) - 1))
        # Kept by itself: rows that come page by page change in place.
        self._key = self.row.key if self.row is not None else None

    def _place_of(self, key: str) -> int:
        if isinstance(self.rows, Placed):
            return self.rows.place_of(key)
        if self.place < len(self.rows) and self.rows[self.place].key == key:
            return self.place
        return next((at for at, row in enumerate(self.rows) if row.key == key), self.place)

    def _line(self, cells: Sequence[Span]) -> Spans:
        spans: list[Span] = []
        for at, room in self._shown:
            text, tone = cells[at]
            spans += [(_fitted(text, room, right=self.columns[at].right), tone), (" " * GAP, "")]
        return tuple(spans[:-1])  # gaps stand between columns

    def _measure(self) -> None:
        """Choose which columns are shown, and how wide each is."""
        width = self.room
        self.virtual_size = Size(width, len(self.rows) + 1)
        needed = [cell_len(column.title) for column in self.columns]
        for row in self.rows[:MEASURED]:
            for at, (text, _) in enumerate(row.cells):
                length = len(text) if text.isascii() else cell_len(text)
                needed[at] = max(needed[at], length)
        shown = list(range(len(self.columns)))
        while sum(needed[at] + GAP for at in shown) - GAP > width:
            droppable = [at for at in shown if self.columns[at].drop]
            if not droppable:
                break
            shown.remove(max(droppable, key=lambda at: self.columns[at].drop))
        over = sum(needed[at] + GAP for at in shown) - GAP - width
        if over > 0 and shown:
            # The widest is cut: what is cut off there stands in the detail.
            widest = max(shown, key=needed.__getitem__)
            needed[widest] = max(NARROWEST, needed[widest] - over)
        self._shown = [(at, max(1, needed[at])) for at in shown]


def _fitted(text: str, width: int, *, right: bool) -> str:
    length = len(text) if text.isascii() else cell_len(text)
    if length > width:
        return cut(text, width)
    room = " " * (width - length)
    return room + text if right else text + room
