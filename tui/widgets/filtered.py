"""A table with its filter: `/` opens it, words narrow the rows, `!word` leaves words out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from tui.tones import line
from tui.widgets.box import Box
from tui.widgets.pages import Pages
from tui.widgets.table import Column, Row, Table


class Filtered(Vertical):
    """A table, one line that counts its rows, and the filter while it is in use.

    Args:
      columns: of the table.
      noun: what its rows are, for the line that counts them.
    """

    DEFAULT_CSS = """
    Filtered { height: 1fr; }
    Filtered > Table { height: 1fr; }
    Filtered > .count { border: none; padding: 0; height: 1; }
    Filtered > Input { height: 1; border: none; padding: 0 1; display: none;
                       background: $surface; }
    Filtered > Input.-open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", id="table.filter"),
        Binding("escape", "clear", "Back", id="table.back", show=False),
    ]

    class Narrowed(Message):
        """Somebody is done with the filter: it says this now."""

        def __init__(self, filtered: Filtered, text: str) -> None:
            super().__init__()
            self.filtered = filtered
            self.text = text

    def __init__(self, *columns: Column, noun: str, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.table = Table(*columns)
        self.noun = noun
        self._one = noun.replace("ies", "y").removesuffix("s")
        self.note = ""
        self._rows: Sequence[Row] = ()
        self._input = Input(
            placeholder="filter: words, !word to leave out, esc to end", compact=True
        )
        self._input.cursor_blink = False
        self._count = Box("", classes="count")

    def compose(self) -> ComposeResult:
        """Return the parts."""
        yield self._count
        yield self.table
        yield self._input

    @property
    def text(self) -> str:
        """What the filter says."""
        return self._input.value.strip()

    def show(self, rows: Sequence[Row], *, note: str = "") -> None:
        """Show these rows, as far as the filter lets them; `note` stands beside their number."""
        self._rows = rows
        self.note = note
        self._narrow()

    def narrow_to(self, text: str) -> None:
        """Set the filter."""
        self._input.value = text
        self._input.set_class(bool(text), "-open")
        self.post_message(self.Narrowed(self, text))

    def action_filter(self) -> None:
        """Open the filter."""
        self._input.add_class("-open")
        self._input.focus()

    def action_clear(self) -> None:
        """End the filter, or go back to the table."""
        self.narrow_to("")
        self.table.focus()

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self._narrow()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if not self.text:
            self._input.remove_class("-open")
        self.post_message(self.Narrowed(self, self.text))
        self.table.focus()

    def _narrow(self) -> None:
        text = self.text
        total = len(self._rows)
        noun = self.noun if total != 1 else self._one
        counted = f"{total:,} {noun}".replace(",", " ")
        if not text:
            self.table.show(self._rows)
            said = counted
        else:
            held = list(self._rows.held() if isinstance(self._rows, Pages) else self._rows)
            found = [row for row in held if matches(row, text)]
            self.table.show(found)
            of = f"{len(held):,} that are loaded, of {counted}" if len(held) < total else counted
            said = f"{len(found)} match “{text}”, of {of}".replace(",", " ", 0)
        self._count.say(line((said, "dim"), (f"  {self.note}" if self.note else "", "dim")))


def matches(row: Row, text: str) -> bool:
    """Return whether each word stands in one of the row's cells, and no `!word` does.

    Words with `=` are for whoever brings the rows.
    """
    whole = " ".join(cell for cell, _ in row.cells).casefold()
    for word in text.casefold().split():
        if "=" in word:
            continue
        if word.startswith("!"):
            if len(word) > 1 and word[1:] in whole:
                return False
        elif word not in whole:
            return False
    return True
