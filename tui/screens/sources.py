"""Screen 6: where rules and lists come from, how old they are, and what stands in their way."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from rtgf_node.client import Question, operator_questions, standing
from rtgf_node.wire.overview import OverviewAnswer, SourceFigures
from tui import words
from tui.screens.overview import source_state
from tui.screens.pane import Hint, Pane
from tui.tones import DIM, Span, Spans
from tui.widgets.confirm import Act
from tui.widgets.detail import fields, heading
from tui.widgets.filtered import Filtered
from tui.widgets.table import Column, Row


class Sources(Pane):
    """Sources of snapshots, and lists."""

    NAME = "sources"
    TITLE = "Sources"
    SHORT = "Src"
    KEY = "6"
    TWIN = "rtgf sources"
    HINTS: ClassVar[tuple[Hint, ...]] = (
        Hint("act.fetch", "fetch", acting=True),
        Hint("act.fetch-all", "fetch all", acting=True),
        Hint("act.release", "release", acting=True),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("F", "fetch", "Fetch it now", id="act.fetch"),
        Binding("ctrl+f", "fetch_all", "Fetch all now", id="act.fetch-all"),
        Binding("L", "release", "Release from quarantine", id="act.release"),
    ]

    def compose(self) -> ComposeResult:
        """Return the table."""
        yield Filtered(
            Column("name"),
            Column("kind", drop=2),
            Column("state"),
            Column("last", right=True),
            Column("next in", right=True),
            Column("records", drop=1, right=True),
            Column("holds", drop=3),
            Column("what went wrong", drop=4),
            noun="sources and lists",
        )

    def tell(self, seen: OverviewAnswer) -> None:
        """Show how old each is."""
        self.show_rows([_row(seen, one) for one in seen.sources])

    def describe(self, row: Row) -> Sequence[Spans]:
        """Return a source in full."""
        one: SourceFigures = row.data
        seen = self.node.seen
        lines = fields(
            ("name", one.name),
            ("kind", one.kind),
            ("state", (row.cells[2],)),
            ("last", f"{words.age(one.seconds_ago)} ago, {one.outcome or 'held from before'}"),
            ("next in", words.age(one.due_in_seconds)),
            ("every", words.age(one.schedule_seconds)),
            ("holds", one.subject),
            ("said", one.detail),
        )
        held = next((d for d in seen.status.datasets if d.name == one.name), None) if seen else None
        if held is not None:
            lines += heading("in force")
            lines += fields(
                ("version", held.version),
                ("records", str(held.records)),
                ("content", held.content_sha256),
                ("retrieved", held.retrieved_at),
            )
        waiting = (
            next((q for q in seen.status.quarantine if q.name == one.name), None) if seen else None
        )
        if waiting is not None:
            lines += heading("in quarantine")
            lines += fields(
                ("why", waiting.reason),
                ("since", waiting.at),
                ("until", waiting.until),
                ("file", waiting.raw_sha256),
            )
        return lines

    def action_fetch(self) -> None:
        """Fetch the source under the cursor."""
        if self.row is not None:
            self._fetch(self.row.key, self.row.key, f"rtgf fetch {self.row.key}")

    def action_fetch_all(self) -> None:
        """Fetch everything."""
        self._fetch(None, "all", "rtgf fetch")

    def _fetch(self, name: str | None, word: str, twin: str) -> None:
        what = "every source and list" if name is None else name
        act = Act("Fetch", f"The node fetches {what} now; what passes is in force.", word, twin)
        self.window.perform(act, lambda _reason: operator_questions.fetch(name))

    def action_release(self) -> None:
        """Put a quarantined file in force."""
        if self.row is None:
            return
        name = self.row.key
        act = Act(
            "Release",
            f"The file of {name} that is in quarantine is put in force as it is.",
            name,
            f"rtgf quarantine release {name}",
        )
        self.window.perform(act, partial(_releasing, name))


def _releasing(name: str, _reason: str) -> Question[object]:
    return operator_questions.release(name)


def _row(seen: OverviewAnswer, one: SourceFigures) -> Row:
    state, detail = source_state(seen, one)
    records = standing.records_of(seen, one)
    cells: tuple[Span, ...] = (
        (one.name, ""),
        (one.kind, DIM),
        state,
        (words.age(one.seconds_ago), ""),
        (words.age(one.due_in_seconds), ""),
        ("" if records is None else str(records), ""),
        (one.subject, DIM),
        (detail, ""),
    )
    return Row(one.name, cells, one)
