"""Screen 7: the actors and their inboxes, and how late the node's clockwork is."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal

from rtgf_node.wire.overview import ActorFigures, OverviewAnswer, Tally
from tui import words
from tui.history import ActorPace, milliseconds
from tui.screens.overview import SLOW_MS
from tui.screens.pane import Pane
from tui.tones import DIM, WARN, Span, Spans, told
from tui.widgets.box import Box
from tui.widgets.detail import fields, heading
from tui.widgets.filtered import Filtered
from tui.widgets.plot import plotted
from tui.widgets.table import Column, Row

LAG_LIMIT_MS = 50.0
"""A loop that is later than this holds up every answer."""


class Actors(Pane):
    """Who runs, and how busy they are."""

    NAME = "actors"
    TITLE = "Actors"
    SHORT = "Act"
    KEY = "7"
    TWIN = "rtgf actors"

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
            Column("p50", right=True),
            Column("p99", right=True),
            Column("last error", drop=2),
            noun="actors",
        )

    def tell(self, seen: OverviewAnswer) -> None:
        """Show the actors and how late the clockwork is."""
        history = self.node.history
        self.show_rows([_row(one, history.actors.get(one.name)) for one in seen.actors])
        for name, series, limit in (
            ("lag", history.series(lambda one: one.lag), LAG_LIMIT_MS),
            ("p99", history.series(lambda one: one.p99), SLOW_MS),
        ):
            self.query_one(f"#a-{name}", Box).show(plotted(series, words.milliseconds, limit))

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
            ("takes", _takes(one.served)),
            *((name, words.number(count)) for name, count in sorted(one.outcomes.items())),
        )
        return lines


def _takes(tally: Tally | None) -> str:
    shares = ("p50", 0.5), ("p99", 0.99)
    told = [
        f"{name} {words.milliseconds(milliseconds(tally.quantile(share)))}"
        for name, share in shares
        if tally is not None
    ]
    return ", ".join(told)


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
        (words.milliseconds(pace.p50) if pace is not None else "", ""),
        (words.milliseconds(pace.p99) if pace is not None else "", ""),
        (one.last_error or "", ""),
    )
    return Row(one.name, cells, one)
