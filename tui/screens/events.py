"""Screen 8: the log, the privileged acts and the denials as one stream, the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from msgspec.structs import astuple
from textual.app import ComposeResult

from rtgf_node.client import operator_questions, questions
from rtgf_node.wire.overview import Cursors, OverviewAnswer
from tui import words
from tui.screens.pane import Hint, Pane
from tui.tones import DIM, Span, Spans, told
from tui.widgets.detail import fields
from tui.widgets.filtered import Filtered
from tui.widgets.table import Column, Row

AT_ONCE: Final = 100
"""Events of each stream that are asked for at once; of more that came, the newest."""

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
        self._passed = 0

    def compose(self) -> ComposeResult:
        """Return the table."""
        yield Filtered(
            Column("at"),
            Column("stream"),
            Column("what"),
            Column("about"),
            Column("who", drop=1),
            Column("request", drop=2),
            noun="events",
        )

    def tell(self, seen: OverviewAnswer) -> None:
        """Ask for what is new, if anything is."""
        if seen.cursors != self._come_to:
            self.load(self._load, seen)

    async def _load(self, seen: OverviewAnswer) -> None:
        now, first = seen.cursors, _first(seen.cursors)
        come_to = self._come_to or first
        then = Cursors(*map(max, astuple(come_to), astuple(first)))
        found: list[Row] = []
        if now.log > then.log:
            page = await self.inform(questions.log_page(then.log, limit=now.log - then.log))
            if page is None:
                return
            found += [_of_log(one.index, one.event) for one in page.entries]
        if READS_THE_TRAIL & set(seen.roles):
            for kind, old, new in (
                ("acts", then.acts, now.acts),
                ("denials", then.denials, now.denials),
            ):
                if new > old:
                    trail = await self.inform(
                        operator_questions.audit_trail(kind=kind, since=old + 1, limit=new - old)
                    )
                    if trail is None:
                        return
                    found += [_of_trail(kind, one) for one in trail.lines]
        self._come_to = now
        self._passed += sum(astuple(then)) - sum(astuple(come_to))
        # Sorted by time; of one second, in the order in which they came.
        self._rows = sorted([*reversed(found), *self._rows], key=_at, reverse=True)[:KEPT]
        passed = f"without {words.number(self._passed)} in between: see Log" if self._passed else ""
        self.show_rows(self._rows, note=passed)

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
        max(0, cursors.log - AT_ONCE),
        max(0, cursors.acts - AT_ONCE),
        max(0, cursors.denials - AT_ONCE),
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
    asked = f"{entry['method']} {entry['path']}".removeprefix("POST /admin/")
    subjects = ", ".join(entry.get("subjects") or ())
    cells: tuple[Span, ...] = (
        (words.moment(entry["at"]), DIM),
        ("acts" if kind == "acts" else "denials", ""),
        told(entry["outcome"]),
        (f"{asked} {subjects}".rstrip(), ""),
        (entry.get("client") or entry.get("address") or "", DIM),
        (entry.get("request_id") or "", DIM),
    )
    return Row(f"{kind}:{document['seq']}", cells, document)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return "" if value is None else str(value)
