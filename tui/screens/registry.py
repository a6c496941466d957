"""Screen 3: the tokens, page by page; a filter that the node applies, and one that narrows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Final

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from rtgf_node.client import Question, operator_questions, questions, standing
from rtgf_node.core import times
from rtgf_node.core.withdrawal_reasons import LIFTABLE, REASONS
from rtgf_node.wire import Catalog, CatalogEntry, RevokeItem, RevokeRequest
from rtgf_node.wire.overview import OverviewAnswer
from tui import words
from tui.screens.pane import Hint, Pane
from tui.tones import ACCENT, DIM, Span, Spans, told
from tui.widgets.confirm import Act
from tui.widgets.detail import Detail, fields, heading
from tui.widgets.filtered import Filtered
from tui.widgets.table import Column, Row, Table

PAGE: Final = 200
"""Tokens that are asked for at once."""

BAR: Final = 12
"""Cells of a validity bar."""

ASKED: Final = ("type", "jurisdiction", "domain", "corridor")
"""What the node filters by: `type=IMT corridor=EU-SG` in the filter."""

URI: Final = "urn:rtgf:token:"


class Registry(Pane):
    """The tokens."""

    NAME = "registry"
    TITLE = "Registry"
    SHORT = "Reg"
    KEY = "3"
    TWIN = "rtgf tokens"
    HINTS: ClassVar[tuple[Hint, ...]] = (
        Hint("row.related", "go to its log entry"),
        Hint("registry.verify", "verify"),
        Hint("act.revoke", "revoke", acting=True),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "verify", "Verify it", id="registry.verify"),
        Binding("R", "revoke", "Revoke it", id="act.revoke"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._tokens: list[CatalogEntry] = []
        self._next: str | None = None
        self._asked: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """Return the table."""
        yield Filtered(
            Column("token"),
            Column("state"),
            Column("validity", drop=1),
            Column("until"),
            Column("entry", drop=2, right=True),
            noun="tokens",
        )

    def tell(self, seen: OverviewAnswer) -> None:
        """Load anew when there are other tokens, or others are withdrawn."""
        self.load_for((seen.status.tokens, seen.status.revEpoch), self._load)

    def about(self, text: str) -> None:
        """Show a token, or what the filter's words say."""
        filtered = self.filtered
        if filtered is not None:
            filtered.narrow_to(text.removeprefix(URI))
            filtered.table.focus()

    @on(Filtered.Narrowed)
    def _narrowed(self, event: Filtered.Narrowed) -> None:
        pairs = (word.split("=", 1) for word in event.text.split() if "=" in word)
        asked = {name: value for name, value in pairs if name in ASKED and value}
        if asked != self._asked:
            self._asked = asked
            self.load_anew(self._load)

    @on(Table.NearEnd)
    def _near_end(self) -> None:
        if self._next is not None:
            self.load(self._load, again=False)

    async def _load(self, *, again: bool = True) -> None:
        # What was loaded is loaded again whole: states and order may have changed.
        wanted = max(PAGE, len(self._tokens)) if again else PAGE
        cursor = None if again else self._next
        found: list[CatalogEntry] = [] if again else list(self._tokens)
        start = len(found)
        while True:
            page: Catalog | None = await self.inform(
                questions.catalog(cursor=cursor, limit=PAGE, **self._asked)
            )
            if page is None:
                return  # what was known stays
            found += page.tokens
            cursor = page.cursor
            if cursor is None or len(found) - start >= wanted:
                break
        self._tokens, self._next = found, cursor
        self._show()

    def _show(self) -> None:
        filtered, seen = self.filtered, self.node.seen
        if filtered is None or seen is None:
            return
        now = times.parse(seen.at)
        note = "" if self._next is None else f"of {words.number(seen.status.tokens)}; more below"
        filtered.show([_row(one, now) for one in self._tokens], note=note)

    def describe(self, row: Row) -> Sequence[Spans]:
        """Return the token's line in full."""
        one: CatalogEntry = row.data
        return fields(
            ("token", row.key),
            ("uri", one.uri),
            ("state", (row.cells[1],)),
            ("not before", one.nbf),
            ("until", one.exp),
            ("issued", one.issued_at),
            ("hash", one.hash),
            ("log entry", str(one.leafIndex)),
        )

    def open(self, row: Row) -> None:
        """Show a token, and get what was signed."""
        window = Detail(row.key, self.describe(row), row.data, copied=row.data.uri)
        self.app.push_screen(window)
        self.load_anew(self._read, row, window)

    async def _read(self, row: Row, window: Detail) -> None:
        body = await self.inform(questions.token(row.data.uri))
        if body is None:
            return
        text = msgspec.json.format(body, indent=2).decode()
        window.add([*heading("as it was signed"), *(((one, ""),) for one in text.splitlines())])

    def action_related(self) -> None:
        """Go to the entry of the log that issued it."""
        if self.row is not None:
            self.window.go("log", str(self.row.data.leafIndex))

    def action_verify(self) -> None:
        """Ask whether it is valid."""
        if self.row is not None:
            self.window.go("verify", self.row.key)

    def action_revoke(self) -> None:
        """Withdraw it."""
        if self.row is not None:
            token = self.row.key
            self.window.perform(revoking(token), partial(revocation, token))


def revoking(token: str) -> Act:
    """Return what somebody confirms who withdraws a token."""
    return Act(
        title="Revoke",
        says=f"This withdraws {token} and every token that rests on it, and it goes into the log. "
        f"Only {LIFTABLE} can be lifted again.",
        word=token,
        twin=f"rtgf revoke {token} --reason REASON",
        reason=True,
        reasons=REASONS,
    )


def revocation(token: str, reason: str) -> Question[object]:
    """Return the question that withdraws a token."""
    return operator_questions.revoke(RevokeRequest(items=[RevokeItem(token=token, reason=reason)]))


def _row(one: CatalogEntry, now: int) -> Row:
    begins, ends = times.parse(one.nbf), times.parse(one.exp)
    token = one.uri.removeprefix(URI)
    cells: tuple[Span, ...] = (
        (token, ""),
        told(standing.of_token(one, now)),
        _bar(begins, ends, now),
        (one.exp[:10], ""),
        (str(one.leafIndex), DIM),
    )
    return Row(token, cells, one)


def _bar(begins: int, ends: int, now: int) -> Span:
    """Return how much of its time is over, as a bar."""
    share = min(1.0, max(0.0, (now - begins) / max(1, ends - begins)))
    over = round(share * BAR)
    return "█" * over + "░" * (BAR - over), ACCENT
