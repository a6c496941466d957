"""Screen 8: the log, the privileged acts and the denials as one stream, the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from textual.app import ComposeResult

from rtgf_node.client import operator_questions, questions
from rtgf_node.wire.overview import Cursors, OverviewAnswer
from tui import words
from tui.screens.pane import Hint, Pane
from tui.tones import DIM, Span, Spans, told
from tui.watch import Watch
from tui.widgets.detail import fields
from tui.widgets.filtered import Filtered
from tui.widgets.table import Column, Row

FIRST: Final = 100
"""Events of each stream that are asked for at first."""

KEPT: Final = 2000
"""Events that are kept: what is older is on the screen Log and in the audit trail."""

READS_THE_TRAIL: Final = frozenset({"operator", "auditor"})


class Events(Pane):
    """What happened."""

    NAME = "events"
    TITLE = "Events"
    SHORT = "Ev"
    KEY = "8"
    TWIN = "rtgf events"
    HINTS: ClassVar[tuple[Hint, ...]] = (Hint("row.related", "go to the entry"),)

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[Row] = []
        self._come_to: Cursors | None = None
        self._of: Watch | None = None
        self._loading = False

    def compose(self) -> ComposeResult:
        """Return the table."""
        yield Filtered(
            Column("at"),
            Column("from"),
            Column("what"),
            Column("about"),
            Column("who", drop=1),
            Column("request", drop=2),
            noun="events",
        )

    def watched(self, watch: Watch) -> None:
        """Ask for what is new, if anything is."""
        seen = watch.seen
        if seen is None or self._loading:
            return
        if watch is not self._of:
            self._of, self._rows, self._come_to = watch, [], None
        if seen.cursors != self._come_to:
            self._loading = True
            self.run_worker(self._load(seen), group="events", exclusive=True)

    async def _load(self, seen: OverviewAnswer) -> None:
        try:
            now, then = seen.cursors, self._come_to or _first(seen.cursors)
            found: list[Row] = []
            if now.log > then.log:
                page = await self.inform(
                    questions.log_page(then.log, limit=min(FIRST, now.log - then.log))
                )
                if page is None:
                    return
                found += [_of_log(one.index, one.event) for one in page.entries]
                now = Cursors(then.log + len(page.entries), now.acts, now.denials)
            if READS_THE_TRAIL & set(seen.roles):
                for kind, old, new in (
                    ("acts", then.acts, now.acts),
                    ("denials", then.denials, now.denials),
                ):
                    if new > old:
                        trail = await self.inform(
                            operator_questions.audit_trail(kind=kind, since=old + 1, limit=FIRST)
                        )
                        if trail is None:
                            return
                        found += [_of_trail(kind, one) for one in trail.lines]
            self._come_to = now
            # Sorted by time; of one second, in the order in which they came.
            rows = sorted([*reversed(found), *self._rows], key=_at, reverse=True)
            self._rows = rows[:KEPT]
            if self.filtered is not None:
                self.filtered.show(self._rows)
        finally:
            self._loading = False

    def describe(self, row: Row) -> Sequence[Spans]:
        """Return an event in full."""
        one: dict[str, Any] = row.data
        inner = one.get("entry", one)
        return fields(*((name, _text(value)) for name, value in inner.items()))

    def action_related(self) -> None:
        """Go to the entry of the log."""
        if self.row is not None and self.row.key.startswith("log:"):
            self.window.go("log", self.row.key.removeprefix("log:"))


def _first(cursors: Cursors) -> Cursors:
    return Cursors(
        max(0, cursors.log - FIRST), max(0, cursors.acts - FIRST), max(0, cursors.denials - FIRST)
    )


def _at(row: Row) -> str:
    return row.cells[0][0]


def _of_log(index: int, event: dict[str, Any]) -> Row:
    cells: tuple[Span, ...] = (
        (words.moment(event["at"]), DIM),
        ("log", ""),
        (event["type"], "strong"),
        (event["subject"], ""),
        (event["actor"], DIM),
        ("", ""),
    )
    return Row(f"log:{index}", cells, event)


def _of_trail(kind: str, document: dict[str, Any]) -> Row:
    entry = document["entry"]
    subjects = ", ".join(entry.get("subjects") or ())
    cells: tuple[Span, ...] = (
        (words.moment(entry["at"]), DIM),
        ("acts" if kind == "acts" else "denials", ""),
        told(entry["outcome"]),
        (f"{entry['method']} {entry['path']} {subjects}".rstrip(), ""),
        (entry.get("client") or entry.get("address") or "", DIM),
        (entry.get("request_id") or "", DIM),
    )
    return Row(f"{kind}:{document['seq']}", cells, document)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return "" if value is None else str(value)
