"""A framed box with a title, whose lines are drawn for the room that there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from textual import events
from textual.geometry import Size
from textual.strip import Strip

from tui.tones import DIM, Spans, line
from tui.widgets.painted import Painted

Draw: TypeAlias = Callable[[int, int], list[Spans]]
"""Makes the lines for a width and a height; more lines than the height can be scrolled to."""


class Box(Painted):
    """Lines in a frame. Drawn anew when what it shows or its size changes."""

    DEFAULT_CSS = """
    Box { border: round $primary 60%; border-title-color: $foreground; border-title-style: bold;
          padding: 0 0 0 1; height: auto; }
    """

    def __init__(self, title: str, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.border_title = title
        self._draw: Draw = lambda _width, _height: []
        self._lines: list[Spans] = []

    def show(self, draw: Draw) -> None:
        """Show what this draws from now on."""
        self._draw = draw
        self._redraw()

    def say(self, *lines: Spans) -> None:
        """Show these lines, whatever the size."""
        self.show(lambda _width, _height: list(lines))

    @property
    def lines(self) -> list[Spans]:
        """What is shown."""
        return self._lines

    def on_resize(self, _: events.Resize) -> None:
        """Draw for the new size."""
        self._redraw()

    def render_line(self, y: int) -> Strip:
        """Return the line at this place of the window."""
        index = y + self.scroll_offset.y
        spans = self._lines[index] if index < len(self._lines) else ()
        return self.paint(spans, self.room)

    def _redraw(self) -> None:
        width, height = self.room, self.scrollable_content_region.height
        if width <= 0:
            return
        lines = self._draw(width, height)
        if lines == self._lines:
            return
        self._lines = lines
        self.virtual_size = Size(width, len(lines))
        self.refresh()


def fitted(lines: list[Spans], height: int, where: str) -> list[Spans]:
    """Return the lines that fit; the last one says how many do not, and where they are."""
    if len(lines) <= height or height <= 0:
        return lines
    left = len(lines) - height + 1
    return [*lines[: height - 1], line((f"and {left} more {where}", DIM))]
