"""Screen 2: the log's entries, newest first; an entry with its proof, checked here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from textual.app import ComposeResult

from rtgf_node.client import questions
from rtgf_node.core import merkle, times
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.errors import RtgfError
from rtgf_node.wire import ProofBundle
from rtgf_node.wire.overview import OverviewAnswer
from tui import words
from tui.screens.pane import Hint, Pane
from tui.tones import ACCENT, BAD, DIM, OK, Span, Spans, line, told
from tui.widgets.box import Box
from tui.widgets.detail import Detail, fields, heading
from tui.widgets.filtered import Filtered
from tui.widgets.pages import Pages
from tui.widgets.plot import bar_line
from tui.widgets.table import Column, Row

COLUMNS: Final = 5

RELATED: Final = {
    "token_issue": "registry",
    "revocation": "registry",
    "build": "builds",
    "approval": "approvals",
    "policy_snapshot": "sources",
    "terms": "sources",
    "dataset": "sources",
    "key_event": "safety",
    "jwks_publish": "safety",
    "membership": "cluster",
}
"""The screen that has more about the subject of an event, by its type."""


class Log(Pane):
    """The transparency log."""

    NAME = "log"
    TITLE = "Log"
    SHORT = "Log"
    KEY = "2"
    TWIN = "rtgf events log"
    HINTS: ClassVar[tuple[Hint, ...]] = (Hint("row.related", "go to its subject"),)

    def __init__(self) -> None:
        super().__init__()
        self._pages = Pages(COLUMNS, self._missed)

    def compose(self) -> ComposeResult:
        """Return the parts."""
        yield Box("Newest signed head", id="l-head")
        yield Filtered(
            Column("index", right=True),
            Column("at"),
            Column("type"),
            Column("subject"),
            Column("actor", drop=1),
            noun="entries",
        )

    def tell(self, seen: OverviewAnswer) -> None:
        """Show the newest head, and the entries in sight."""
        now, status = times.parse(seen.at), seen.status
        appends = self.node.history.series(lambda one: one.appends)
        self.query_one("#l-head", Box).show(
            lambda width, _: [
                line(
                    (words.number(status.tree_size), "strong"),
                    " entries, signed ",
                    f"{words.since(status.head_issued_at, now)} ago, {seen.pending} pending",
                ),
                line(("root ", DIM), status.root_hash),
                line(("appends  ", DIM), (bar_line(appends, max(1, width - 9)), ACCENT)),
            ]
        )
        self._pages.grow(status.tree_size)
        self.show_rows(self._pages)
        self._fill()

    def about(self, text: str) -> None:
        """Go to the entry with this index."""
        if self.filtered is not None and text.isdecimal():
            self.filtered.action_clear()
            self.filtered.table.go_to(self._pages.place_of(text))

    def _missed(self) -> None:
        self.call_later(self._fill)  # not amid drawing, which is when it shows

    def _fill(self) -> None:
        if self.display:
            self.load(self._load)

    async def _load(self) -> None:
        while (wanted := self._pages.wanted()) is not None:
            start, count = wanted
            page = await self.inform(questions.log_page(start, limit=count))
            if page is None or not page.entries:
                self._pages.give_up()
                return
            rows = {one.index: _row(one.index, one.event) for one in page.entries[:count]}
            self._pages.take(rows)
            self.show_rows(self._pages)

    def open(self, row: Row) -> None:
        """Show an entry, and get its proof."""
        if row.data is None:
            return
        window = Detail(
            f"entry {row.key}", self.describe(row), row.data, copied=row.data["event_id"]
        )
        self.app.push_screen(window)
        self.load_anew(self._prove, row, window)

    async def _prove(self, row: Row, window: Detail) -> None:
        bundle = await self.inform(questions.proof(row.data["event_id"]))
        if bundle is not None:
            window.add(_proof(row.data, bundle, self.node.url))

    def describe(self, row: Row) -> Sequence[Spans]:
        """Return an entry in full."""
        if row.data is None:
            return ()
        event: dict[str, Any] = row.data
        refs = [
            (name, ", ".join(to) if isinstance(to, list) else to)
            for name, to in event["refs"].items()
        ]
        return [
            *fields(
                ("event", event["event_id"]),
                ("type", event["type"]),
                ("at", event["at"]),
                ("subject", event["subject"]),
                ("digest", event["digest"]),
                ("actor", event["actor"]),
            ),
            *(heading("rests on") if refs else []),
            *fields(*refs),
            *(heading("payload") if event["payload"] else []),
            *fields(*((name, str(value)) for name, value in event["payload"].items())),
        ]

    def action_related(self) -> None:
        """Go to what the entry is about."""
        row = self.row
        if row is not None and row.data is not None:
            screen = RELATED.get(row.data["type"], "events")
            self.window.go(screen, row.data["subject"] if screen == "registry" else "")


def _row(index: int, event: dict[str, Any]) -> Row:
    cells: tuple[Span, ...] = (
        (str(index), ""),
        (words.moment(event["at"]), DIM),
        (event["type"], "strong"),
        (event["subject"], ""),
        (event["actor"], DIM),
    )
    return Row(str(index), cells, event)


def _proof(event: dict[str, Any], bundle: ProofBundle, url: str) -> list[Spans]:
    """Return the inclusion proof as steps from the entry up to the signed root."""
    leaf = merkle.leaf_hash(canonical_bytes(event))
    path = [bytes.fromhex(node) for node in bundle.path]
    root = bytes.fromhex(bundle.merkleRoot.removeprefix("sha256:"))
    try:
        merkle.verify_inclusion(
            leaf_hash=leaf,
            index=bundle.leafIndex,
            tree_size=bundle.treeSize,
            proof=path,
            root=root,
        )
        verdict = told("the path leads from the entry to the root", OK)
    except RtgfError as error:
        verdict = told(f"the proof does not hold: {error.detail}", BAD)
    lines = [
        *heading("proof, checked here"),
        line(verdict),
        line(("leaf  ", DIM), leaf.hex()),
    ]
    lines += [line(("  └── with ", DIM), node) for node in bundle.path]
    lines += [
        line(("root  ", DIM), bundle.merkleRoot),
        line(("under a head of ", DIM), f"{bundle.treeSize} entries, signed {bundle.issuedAt}"),
        (),
        line(("curl  ", DIM), f"curl --cacert pki/ca.pem {url}/proofs/{bundle.eventId}"),
    ]
    return lines
