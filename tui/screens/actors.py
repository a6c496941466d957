"""Screen 7: the actors and their inboxes, and how late the node's clockwork is."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal

from rtgf_node.wire.overview import ActorFigures
from tui import words
from tui.history import ActorPace
from tui.screens.pane import Pane
from tui.tones import DIM, WARN, Span, Spans, told
from tui.watch import Watch
from tui.widgets.box import Box
from tui.widgets.detail import fields, heading
from tui.widgets.filtered import Filtered
from tui.widgets.plot import plot
from tui.widgets.table import Column, Row

LAG_LIMIT_MS = 50.0
"""A loop that is later than this holds up every answer."""

SLOW_MS = 100.0
"""The objective for `/verify` (P95)."""


class Actors(Pane):
    """Who runs, and how busy they are."""

    NAME = "actors"
    TITLE = "Actors"
    SHORT = "Act"
    KEY = "7"
    TWIN = "rtgf status"

    def compose(self) -> ComposeResult:
        """Return the parts."""
        with Horizontal(id="a-plots"):
            yield Box("Event loop late, p99, limit 50 ms", id="a-lag")
            yield Box("/verify takes, p99, limit 100 ms", id="a-p99")
        yield Filtered(
            Column("actor"),
            Column("state"),
            Column("restarts", right=True),
            Column("waiting", right=True),
            Column("peak", right=True),
            Column("asked", right=True),
            Column("waits", right=True, drop=1),
            Column("takes", right=True),
            Column("last error", drop=2),
            noun="actors",
        )

    def watched(self, watch: Watch) -> None:
        """Show what is known."""
        if watch.seen is None or self.filtered is None:
            return
        paces = watch.history.actors
        self.filtered.show([_row(one, paces.get(one.name)) for one in watch.seen.actors])
        for name, series, limit in (
            ("lag", watch.history.series(lambda one: one.lag), LAG_LIMIT_MS),
            ("p99", watch.history.series(lambda one: one.p99), SLOW_MS),
        ):
            self.query_one(f"#a-{name}", Box).show(
                lambda width, height, series=series, limit=limit: plot(  # type: ignore[misc]  # bound now
                    series, width, height, words=words.milliseconds, limit=limit
                )
            )

    def describe(self, row: Row) -> Sequence[Spans]:
        """Return an actor in full."""
        one: ActorFigures = row.data
        lines = fields(
            ("actor", one.name),
            ("state", (row.cells[1],)),
            ("restarts", f"{one.restarts}; more than 5 in 30 s end the node"),
            ("last error", one.last_error),
        )
        if one.capacity is None:
            return [*lines, *fields(("inbox", "none: it works by itself"))]
        lines += heading("inbox")
        lines += fields(
            ("waiting", f"{one.depth} of {one.capacity}, at most {one.peak} so far"),
            ("asked", words.number(one.requests)),
            *((name, words.number(count)) for name, count in sorted(one.outcomes.items())),
        )
        return lines


def _row(one: ActorFigures, pace: ActorPace | None) -> Row:
    state = told(one.state)
    if one.restarts and one.state == "running":
        state = told("restarted", WARN)
    cells: tuple[Span, ...] = (
        (one.name, ""),
        state,
        (str(one.restarts), WARN if one.restarts else DIM),
        (f"{one.depth}/{one.capacity}" if one.capacity is not None else "", ""),
        (str(one.peak) if one.capacity is not None else "", DIM),
        (words.rate(pace.per_second) if pace is not None else "", ""),
        (words.milliseconds(pace.wait_ms) if pace is not None else "", DIM),
        (words.milliseconds(pace.serve_ms) if pace is not None else "", ""),
        (one.last_error or "", ""),
    )
    return Row(one.name, cells, one)
