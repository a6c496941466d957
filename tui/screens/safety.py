"""Screen 9: keys and certificates with the days they have left, the disk, the clock, the checks."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal

from rtgf_node.alerts.rules import LOW_DISK
from rtgf_node.client import standing
from rtgf_node.core import times
from rtgf_node.wire.overview import Expiry, OverviewAnswer
from tui import words
from tui.needs import LATE_DAYS
from tui.screens.pane import Pane
from tui.tones import BAD, DIM, OK, WARN, Span, Spans, Tone, line, told
from tui.widgets.box import Box, fitted
from tui.widgets.detail import fields
from tui.widgets.filtered import Filtered
from tui.widgets.table import Column, Row


class Safety(Pane):
    """What must not end or fill up unnoticed."""

    NAME = "safety"
    TITLE = "Safety"
    SHORT = "Saf"
    KEY = "9"
    TWIN = "rtgf safety"

    def compose(self) -> ComposeResult:
        """Return the parts."""
        with Horizontal(id="s-upper"):
            yield Box("House", id="s-house")
            yield Box("Checks", id="s-checks")
        yield Filtered(
            Column("key or certificate"),
            Column("for"),
            Column("days left", right=True),
            Column("state"),
            Column("ends", drop=1),
            noun="keys and certificates",
        )

    def tell(self, seen: OverviewAnswer) -> None:
        """Show what ends, the disk, the clock and the checks."""
        now = times.parse(seen.at)
        rows = [_row(one, now) for one in (*seen.keys, *seen.certificates)]
        self.show_rows(sorted(rows, key=lambda row: row.data.expires_at))
        offset = None if self.node.seen_at is None else now - self.node.seen_at
        self.query_one("#s-house", Box).say(*_house(seen, offset))
        checks = sorted(seen.status.ready.checks, key=lambda one: one.ok)
        lines = [
            line(told(one.name, OK if one.ok else BAD), (f"  {one.detail}", DIM)) for one in checks
        ]
        self.query_one("#s-checks", Box).show(
            lambda _, height: fitted(lines, height, "→ enter on the overview")
        )

    def describe(self, row: Row) -> Sequence[Spans]:
        """Return a key or certificate in full."""
        one: Expiry = row.data
        return fields(
            ("name", one.name),
            ("for", one.purpose),
            ("state", (row.cells[3],)),
            ("ends", one.expires_at),
            ("revoked", one.revoked_at),
        )


def _house(seen: OverviewAnswer, offset: int | None) -> list[Spans]:
    disk = seen.disk
    share = disk.free_bytes / disk.total_bytes if disk.total_bytes else 1.0
    clock = "-" if offset is None else f"{offset:+d} s to here"
    return fields(
        (
            "disk",
            line(
                told("enough" if share >= LOW_DISK else "low", OK if share >= LOW_DISK else WARN),
                f"  {words.size(disk.free_bytes)} free, {share:.0%}",
            ),
        ),
        ("store", words.size(disk.store_bytes)),
        (
            "clock",
            line(told("right" if abs(offset or 0) <= 2 else "off", _clock(offset)), f"  {clock}"),
        ),
        ("you", seen.caller),
        ("roles", ", ".join(seen.roles)),
        ("version", seen.status.version),
    )


def _clock(offset: int | None) -> Tone:
    return OK if offset is None or abs(offset) <= 2 else WARN


def _row(one: Expiry, now: int) -> Row:
    days, state = standing.days_left(one, now), standing.of_expiry(one, now)
    tone = {"fine": OK, "ends soon": BAD if days < LATE_DAYS else WARN}.get(state)
    cells: tuple[Span, ...] = (
        (one.name, ""),
        (one.purpose, DIM),
        (str(days), ""),
        told(state, tone),
        (one.expires_at[:10], DIM),
    )
    return Row(one.name, cells, one)
