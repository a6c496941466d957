"""A matrix of places by places, of which only what is in sight is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from tui.tones import DIM, HEAD, Span
from tui.widgets.painted import Painted

WIDE: Final = 4
"""Cells of a column: a sign, two digits, a gap."""

Pair = tuple[str, str]


class Matrix(Painted, can_focus=True):
    """Rows and columns of the same places, with a cursor. Row and column heads stay in sight."""

    DEFAULT_CSS = """
    Matrix { height: 1fr; border: round $primary 60%; padding: 0 1; overflow-x: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1,0)", "Up", show=False),
        Binding("down", "move(1,0)", "Down", show=False),
        Binding("left", "move(0,-1)", "Left", show=False),
        Binding("right", "move(0,1)", "Right", show=False),
        Binding("enter", "open", "Open", show=False),
    ]

    class Moved(Message):
        """The cursor is elsewhere."""

    class Opened(Message):
        """Somebody wants to see more of a pair."""

        def __init__(self, pair: Pair) -> None:
            super().__init__()
            self.pair = pair

    def __init__(self) -> None:
        super().__init__()
        self.places: Sequence[str] = ()
        self.data: dict[Pair, Any] = {}
        self._signs: dict[Pair, Span] = {}
        self._row = self._column = 0

    @property
    def pair(self) -> Pair | None:
        """What is under the cursor."""
        if not self.places:
            return None
        return self.places[self._row], self.places[self._column]

    def show(self, places: Sequence[str], cells: Mapping[Pair, tuple[Span, Any]]) -> None:
        """Show these places; a pair without a cell is empty."""
        held = self.pair
        self.places = places
        self._signs = {pair: span for pair, (span, _) in cells.items()}
        self.data = {pair: data for pair, (_, data) in cells.items()}
        if held is not None and held[0] in places and held[1] in places:
            self._row, self._column = places.index(held[0]), places.index(held[1])
        else:
            self._row = self._column = 0
        self.virtual_size = Size(WIDE * (len(places) + 1), len(places) + 1)
        self.refresh()

    def action_move(self, down: int, right: int) -> None:
        """Move the cursor."""
        if not self.places:
            return
        last = len(self.places) - 1
        self._row = max(0, min(last, self._row + down))
        self._column = max(0, min(last, self._column + right))
        # The heads take the first row and column of the window, so that much more is wanted.
        self.scroll_to_region(
            Region(WIDE * self._column, self._row, 2 * WIDE, 2), animate=False, force=True
        )
        self.refresh()
        self.post_message(self.Moved())

    def action_open(self) -> None:
        """Show more of the pair under the cursor."""
        if self.pair is not None:
            self.post_message(self.Opened(self.pair))

    def render_line(self, y: int) -> Strip:
        """Return a row; the first one is the heads of the columns."""
        width = self.room
        first = self.scroll_offset.x // WIDE
        shown = range(first, min(len(self.places), first + max(0, width // WIDE - 1)))
        if y == 0:
            return self.paint(
                ((" " * WIDE, ""), *((self.places[at].ljust(WIDE), HEAD) for at in shown)), width
            )
        row = y - 1 + self.scroll_offset.y
        if row >= len(self.places):
            return self.paint((), width)
        place = self.places[row]
        spans: list[Span] = [(place.ljust(WIDE), HEAD)]
        for at in shown:
            text, tone = self._signs.get((place, self.places[at]), ("·", DIM))
            if (row, at) == (self._row, self._column):
                # In brackets too: the cursor is seen without colour and reverse video.
                spans += [(f"[{text}]".ljust(WIDE), "strong")]
            else:
                spans += [(f" {text}".ljust(WIDE), tone)]
        return self.paint(tuple(spans), width)

    def text(self) -> str:
        """Return the matrix as a file would have it."""
        return "".join(
            "\t".join(str(one) for one in row) + "\n"
            for row in [
                ["", *self.places],
                *(
                    [start, *(self._signs.get((start, end), ("·", ""))[0] for end in self.places)]
                    for start in self.places
                ),
            ]
        )
