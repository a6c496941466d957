"""What stands around every screen: the node and its state, the tabs, the keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len
from textual.strip import Strip

from tui import words
from tui.tones import ACCENT, BAD, DIM, OK, STRONG, WARN, Span, Spans, told
from tui.watch import Watch
from tui.widgets.painted import Painted, width_of


class Tab(NamedTuple):
    """A screen as the row of tabs names it."""

    name: str
    key: str
    title: str
    short: str


class Lines(Painted):
    """A fixed number of lines, made anew whenever they are shown."""

    DEFAULT_CSS = "Lines { height: 1; }"

    def lines(self, width: int) -> Sequence[Spans]:
        """Return the lines for this width."""
        return ()

    def render_line(self, y: int) -> Strip:
        """Return the line at this place."""
        width = self.size.width
        lines = self.lines(width)
        return self.paint(lines[y] if y < len(lines) else (), width)


class Head(Lines):
    """The node, its state and the time; if it is lost, since when."""

    DEFAULT_CSS = "Head { height: 1; background: $panel; } Head.-lost { height: 2; }"

    def __init__(self) -> None:
        super().__init__()
        self._watch: Watch | None = None
        self._place = ""
        self._paused = False
        self._now = 0

    def show(self, watch: Watch, *, place: str, paused: bool, now: int) -> None:
        """Show this node at this time; `place` says which one of several it is."""
        self._watch, self._place, self._paused, self._now = watch, place, paused, now
        self.set_class(watch.lost_at is not None, "-lost")
        self.refresh()

    def lines(self, width: int) -> Sequence[Spans]:
        """Return one line, and a second one about a lost node."""
        watch = self._watch
        if watch is None:
            return ()
        version = f" · v{watch.seen.status.version}" if watch.seen is not None else ""
        # Of several nodes, the address says which one it is: those of a cluster have one name.
        left: list[Span] = [(f" rtgf · {watch.name}{self._place or version}", STRONG)]
        state = told(watch.state)
        right: list[Span] = [
            *([("‖ PAUSED  ", WARN)] if self._paused else []),
            (state[0].upper(), state[1]),
            (f"  {words.clock(self._now)} UTC ", ""),
        ]
        room = width - width_of(tuple(left)) - width_of(tuple(right))
        first: Spans = (*left, (" " * max(1, room), ""), *right)
        if room < 1:
            name = left[0][0]
            kept = max(8, cell_len(name) + room - 1)
            first = ((name[: kept - 1] + "…", STRONG), (" ", ""), *right)
        if watch.lost_at is None:
            return (first,)
        had = f"; what is shown is of {words.clock(watch.seen_at)}" if watch.seen_at else ""
        lost = f" ✗ node unreachable since {words.clock(watch.lost_at)}, retrying{had} "
        return (first, ((lost, BAD),))


class Tabs(Lines):
    """The screens with their keys; the one that is shown stands in brackets."""

    def __init__(self, tabs: Sequence[Tab]) -> None:
        super().__init__()
        self._tabs = tabs
        self._shown = tabs[0].name
        self._marks: dict[str, int] = {}

    def show(self, name: str, marks: dict[str, int]) -> None:
        """Show which screen is shown, and how much waits on others."""
        if (name, marks) != (self._shown, self._marks):
            self._shown, self._marks = name, marks
            self.refresh()

    def lines(self, width: int) -> Sequence[Spans]:
        """Return the tabs, with their whole titles where there is room."""
        for titles in (
            [tab.title for tab in self._tabs],
            [tab.short for tab in self._tabs],
            [tab.short if tab.name == self._shown else "" for tab in self._tabs],
        ):
            spans = self._spans(titles)
            if width_of(spans) <= width:
                break
        return (spans,)

    def _spans(self, titles: Sequence[str]) -> Spans:
        spans: list[Span] = []
        is_after_shown = False
        for tab, title in zip(self._tabs, titles, strict=True):
            waits = f"!{self._marks[tab.name]}" if self._marks.get(tab.name) else ""
            text = f"{tab.key} {title}".rstrip() + waits
            is_shown = tab.name == self._shown
            before = "[" if is_shown else "]" if is_after_shown else " "
            spans += [(before, ACCENT), (text, ACCENT if is_shown else WARN if waits else DIM)]
            is_after_shown = is_shown
        return (*spans, ("]" if is_after_shown else " ", ACCENT))


class Keys(Lines):
    """The last line: the keys that do something here, and whether anything can be changed."""

    DEFAULT_CSS = "Keys { height: 1; background: $panel; }"

    def __init__(self) -> None:
        super().__init__()
        self._keys: Sequence[tuple[str, str]] = ()
        self._twin = ""
        self._operate = False

    def show(self, keys: Sequence[tuple[str, str]], *, twin: str, operate: bool) -> None:
        """Show these keys, and the command that prints the same."""
        self._keys, self._twin, self._operate = keys, twin, operate
        self.refresh()

    def lines(self, width: int) -> Sequence[Spans]:
        """Return the keys, as many as there is room for; the mode and the command always."""
        mode: Span = (" OPERATE ", WARN) if self._operate else (" READ-ONLY ", OK)
        right: Spans = ((f" $ {self._twin} ", DIM), mode)
        room = width - width_of(right)
        spans: list[Span] = []
        for key, said in self._keys:
            piece: Spans = ((f" {key}", STRONG), (f" {said} ", DIM))
            if width_of((*spans, *piece)) > room:
                break
            spans += piece
        return ((*spans, (" " * (room - width_of(tuple(spans))), ""), *right),)
