"""A window over the screen with all of one thing: whole ids, whole texts, the raw document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from tui.tones import HEAD, Span, Spans, line
from tui.widgets.box import Box


class Detail(ModalScreen[None]):
    """One thing in full.

    Args:
      title: of the window.
      lines: what a person reads.
      document: the raw form; `j` goes between both.
      copied: what `y` copies.
    """

    DEFAULT_CSS = """
    Detail { align: center middle; }
    Detail > Box { width: 94%; height: 90%; background: $surface; border: round $accent; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "Back", id="detail.back"),
        Binding("j", "raw", "Raw JSON", id="detail.raw"),
        Binding("y", "copy", "Copy the id", id="detail.copy"),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("down", "scroll(1)", "Down", show=False),
        Binding("pageup", "scroll(-15)", "Page up", show=False),
        Binding("pagedown,space", "scroll(15)", "Page down", show=False),
    ]

    def __init__(
        self,
        title: str,
        lines: Sequence[Spans],
        document: Any = None,  # noqa: ANN401 - anything that is JSON
        *,
        copied: str = "",
        raw: bool = False,
    ) -> None:
        super().__init__()
        self._box = Box(title)
        raw_too = "  j raw JSON" if document is not None else ""
        self._box.border_subtitle = f"esc back{raw_too}  y copy  up/down"
        self._lines = list(lines)
        self._document = document
        self._copied = copied
        self._raw = raw or not self._lines

    def compose(self) -> ComposeResult:
        """Return the window."""
        yield self._box

    def on_mount(self) -> None:
        """Show it."""
        self._fill()

    def add(self, lines: Sequence[Spans]) -> None:
        """Show further lines, which took longer to get."""
        self._lines += lines
        self._fill()

    def action_raw(self) -> None:
        """Go between the document and what a person reads."""
        if self._document is not None and self._lines:
            self._raw = not self._raw
            self._fill()

    def action_copy(self) -> None:
        """Copy the id."""
        self.app.copy_to_clipboard(self._copied)
        self.notify(f"copied {self._copied}")

    def action_scroll(self, step: int) -> None:
        """Go up or down."""
        self._box.scroll_relative(y=step, animate=False)

    def _fill(self) -> None:
        if self._raw:
            text = msgspec.json.format(msgspec.json.encode(self._document), indent=2).decode()
            raw = [line(one) for one in text.splitlines()]
            self._box.show(lambda width, _height: folded(raw, width))
        else:
            lines = self._lines
            self._box.show(lambda width, _height: folded(lines, width))


def fields(*pairs: tuple[str, object]) -> list[Spans]:
    """Return names and values as lines, the values under each other."""
    wide = max((len(name) for name, _ in pairs), default=0)
    lines: list[Spans] = []
    for name, value in pairs:
        if value is None or value == "":
            value = "-"
        spans: Spans = value if isinstance(value, tuple) else ((str(value), ""),)
        lines.append(((name.ljust(wide + 2), "dim"), *spans))
    return lines


def heading(text: str) -> list[Spans]:
    """Return a heading with room above it."""
    return [(), ((text, HEAD),)]


def folded(lines: Sequence[Spans], width: int) -> list[Spans]:
    """Return the lines broken where they are too long; nothing is cut off."""
    found: list[Spans] = []
    for spans in lines:
        room = width
        current: list[Span] = []
        for text, tone in spans:
            rest = text
            while len(rest) > room:
                at = rest.rfind(" ", 0, room + 1)
                word = rest[at + 1 :].partition(" ")[0]
                if len(word) > width - 2:
                    at = room  # it fits nowhere
                found.append((*current, (rest[: max(at, 0)], tone)))
                rest, room, current = rest[max(at, 0) :].lstrip(" "), width - 2, [("  ", tone)]
            current.append((rest, tone))
            room -= len(rest)
        found.append(tuple(current))
    return found
