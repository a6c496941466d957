"""Screen 5: what was withdrawn, when, why and because of what; the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from rtgf_node.client import operator_questions
from rtgf_node.core import times
from rtgf_node.core.withdrawal_reasons import LIFTABLE
from rtgf_node.wire import RevocationEntry, RevokeItem, RevokeRequest
from rtgf_node.wire.overview import OverviewAnswer
from tui import words
from tui.screens.pane import Hint, Pane
from tui.screens.registry import revocation, revoking
from tui.tones import ACCENT, DIM, Span, Spans, line, told
from tui.widgets.box import Box
from tui.widgets.confirm import Act
from tui.widgets.detail import Detail, fields
from tui.widgets.filtered import Filtered
from tui.widgets.plot import bar_line
from tui.widgets.table import Column, Row, Table

PAGE = 200
"""Changes that are asked for at once."""


class Revocation(Pane):
    """Changes of status."""

    NAME = "revocation"
    TITLE = "Revocation"
    SHORT = "Rev"
    KEY = "5"
    TWIN = "rtgf revocations"
    HINTS: ClassVar[tuple[Hint, ...]] = (
        Hint("row.related", "go to the token"),
        Hint("act.revoke-again", "revoke", acting=True),
        Hint("act.reinstate", "reinstate", acting=True),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("R", "revoke", "Revoke the token again", id="act.revoke-again"),
        Binding("U", "reinstate", "Lift the suspension", id="act.reinstate"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[RevocationEntry] = []
        self._next: int | None = None

    def compose(self) -> ComposeResult:
        """Return the parts."""
        yield Box("Epoch", id="r-epoch")
        yield Filtered(
            Column("revEpoch", drop=2, right=True),
            Column("at", drop=1),
            Column("status"),
            Column("token"),
            Column("reason"),
            Column("because of", drop=3),
            noun="changes",
        )

    def tell(self, seen: OverviewAnswer) -> None:
        """Load anew when there are further changes."""
        self.load_for(seen.status.revEpoch, self._load)
        self._epoch(seen)

    def _epoch(self, seen: OverviewAnswer) -> None:
        now = times.parse(seen.at)
        newest = f"the newest {words.since(self._entries[0].at, now)} ago" if self._entries else ""
        per_hour = _by_hour(self._entries, now)
        self.query_one("#r-epoch", Box).show(
            lambda width, _: [
                line(("revEpoch ", DIM), (str(seen.status.revEpoch), "strong"), f"  {newest}"),
                line(
                    ("24 hours ", DIM),
                    (bar_line(per_hour, max(1, min(48, width - 9))), ACCENT),
                ),
            ]
        )

    @on(Table.NearEnd)
    def _near_end(self) -> None:
        if self._next is not None:
            self.load(self._load, self._next)

    async def _load(self, before: int | None = None) -> None:
        page = await self.inform(operator_questions.newest_revocations(before=before, limit=PAGE))
        if page is None:
            return
        self._entries = page.entries if before is None else [*self._entries, *page.entries]
        self._next = page.next
        note = "" if page.next is None else "more below"
        self.show_rows([_row(one) for one in self._entries], note=note)
        if self.node.seen is not None:
            self._epoch(self.node.seen)

    def describe(self, row: Row) -> Sequence[Spans]:
        """Return a change in full."""
        one: RevocationEntry = row.data
        return fields(
            ("token", one.token_id),
            ("jti", one.jti),
            ("status", (told(one.status),)),
            ("reason", one.reason),
            ("revEpoch", str(one.revEpoch)),
            ("at", one.at),
            ("because of", one.root),
        )

    def detail(self, row: Row, *, raw: bool = False) -> Detail:
        """Return the window that shows a change in full; its id is that of the token."""
        title, token = f"revEpoch {row.key}", row.data.token_id
        return Detail(title, self.describe(row), row.data, copied=token, raw=raw)

    def action_related(self) -> None:
        """Go to the token."""
        if self.row is not None:
            self.window.go("registry", self.row.data.token_id)

    def action_revoke(self) -> None:
        """Withdraw the token for good that was suspended or reinstated."""
        if self.row is not None:
            token = self.row.data.token_id
            self.window.perform(revoking(token), partial(revocation, token))

    def action_reinstate(self) -> None:
        """Lift a suspension."""
        if self.row is None:
            return
        token = self.row.data.token_id
        act = Act(
            title="Reinstate",
            says=f"This lifts the suspension of {token}; a final withdrawal stays.",
            word=token,
            twin=f"rtgf reinstate {token}",
        )
        item = RevokeItem(token=token, reason=LIFTABLE)
        self.window.perform(
            act, lambda _reason: operator_questions.reinstate(RevokeRequest(items=[item]))
        )


def _row(one: RevocationEntry) -> Row:
    cells: tuple[Span, ...] = (
        (str(one.revEpoch), ""),
        (words.moment(one.at), DIM),
        told(one.status),
        (one.token_id, ""),
        (one.reason, ""),
        (one.root or "", DIM),
    )
    return Row(str(one.revEpoch), cells, one)


def _by_hour(entries: list[RevocationEntry], now: int) -> list[float | None]:
    hours = [0.0] * 24
    for one in entries:
        ago = (now - times.parse(one.at)) // 3600
        if 0 <= ago < 24:
            hours[23 - ago] += 1
    return list(hours) if any(hours) else [None] * 24
