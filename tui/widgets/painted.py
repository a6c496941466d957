"""What every widget here is drawn with: lines of told pieces, painted when they come into sight.

Only the lines that are seen are made, however many there are; see Textual's line API.
"""

from __future__ import annotations

from typing import ClassVar, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.tones import TONES, Span, Spans, Tone, plain

ELLIPSIS: Final = "…"

ASCII: Final = "-ascii"
"""The class of an app whose terminal shows nothing but ASCII."""


class Painted(ScrollView):
    """A widget of lines. Tones become the theme's colours through component classes."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"tone--{tone}" for tone in TONES} | {"tone--cursor"}
    DEFAULT_CSS = """
    Painted { scrollbar-size: 1 1; scrollbar-gutter: stable; overflow-x: hidden; }
    Painted > .tone--ok { color: $success; }
    Painted > .tone--warn { color: $warning; text-style: bold; }
    Painted > .tone--bad { color: $error; text-style: bold reverse; }
    Painted > .tone--dim { color: $foreground 65%; }
    Painted > .tone--strong { text-style: bold; }
    Painted > .tone--accent { color: $accent; }
    Painted > .tone--head { color: $foreground; text-style: bold underline; }
    Painted > .tone--cursor { text-style: reverse; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._ground = Style.null()
        self._styles: dict[Tone, Style] = {}
        self._in_ascii = False

    @property
    def room(self) -> int:
        """Cells that a line has, beside the scrollbar."""
        return self.scrollable_content_region.width

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the lines of a part; their styles are looked up once for all of them."""
        self._ground, self._styles = self.rich_style, {}
        self._in_ascii = self.app.has_class(ASCII)
        return super().render_lines(crop)

    def style_of(self, tone: Tone) -> Style:
        """Return the style of a tone on this widget's ground."""
        if not tone:
            return self._ground
        style = self._styles.get(tone)
        if style is None:
            own = self.get_component_rich_style(f"tone--{tone}", partial=True)
            style = self._styles[tone] = self._ground + own
        return style

    def paint(self, spans: Spans, width: int, *, under: Style | None = None) -> Strip:
        """Return a line of this width; `under` lies over every piece, as a cursor does."""
        ground = self._ground if under is None else self._ground + under
        segments, used = [], 0
        for text, tone in spans:
            if used >= width:
                break
            shown = plain(text) if self._in_ascii else text
            length = cell_len(shown)
            if used + length > width:
                shown, length = cut(shown, width - used, ascii_only=self._in_ascii), width - used
            style = self.style_of(tone)
            segments.append(Segment(shown, style if under is None else style + under))
            used += length
        if used < width:
            segments.append(Segment(" " * (width - used), ground))
        return Strip(segments, width)


def cut(text: str, width: int, *, ascii_only: bool = False) -> str:
    """Return a text in exactly `width` cells; one that was cut ends in an ellipsis."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    end = "~" if ascii_only else ELLIPSIS
    return set_cell_size(text, max(0, width - 1)) + end if width > 0 else ""


def width_of(spans: Spans | tuple[Span, ...]) -> int:
    """Return how many cells a line takes."""
    return sum(cell_len(text) for text, _ in spans)
