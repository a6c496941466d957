"""Screen c: who holds the log together with this node, who leads, and all watched nodes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from rtgf_node.client import Question, operator_questions
from rtgf_node.wire.approvals import ApprovalAnswer
from rtgf_node.wire.cluster import ClusterAnswer, ClusterMember, LeadershipRequest
from tui import words
from tui.screens.pane import Hint, Pane
from tui.tones import BAD, DIM, OK, WARN, Span, Spans, line, told
from tui.watch import Watch
from tui.widgets.box import Box
from tui.widgets.confirm import Act
from tui.widgets.detail import fields
from tui.widgets.filtered import Filtered
from tui.widgets.table import Column, Row

WATCHED_SHOWN = 5
"""Nodes in the last box: as many as a cluster has that decide."""


class Cluster(Pane):
    """The cluster as this node sees it."""

    NAME = "cluster"
    TITLE = "Cluster"
    SHORT = "Clu"
    KEY = "c"
    TWIN = "rtgf cluster status"
    HINTS: ClassVar[tuple[Hint, ...]] = (
        Hint("row.related", "go to what waits"),
        Hint("act.lead", "hand leadership over", acting=True),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("T", "lead", "Hand leadership over to it", id="act.lead")
    ]

    def __init__(self) -> None:
        super().__init__()
        self._answer: ClusterAnswer | None = None

    def compose(self) -> ComposeResult:
        """Return the parts."""
        yield Box("This node", id="c-own")
        yield Filtered(
            Column("member"),
            Column("role"),
            Column("state"),
            Column("holds", right=True),
            Column("behind", right=True),
            Column("address", drop=1),
            noun="members",
        )
        yield Box("Watched from here", id="c-watched")

    def watched(self) -> None:
        """Say of all nodes whether they answer, and ask this one how the cluster is."""
        node = self.node
        watched = self.query_one("#c-watched", Box)
        watched.styles.height = 2 + min(WATCHED_SHOWN, len(self.window.watches))
        watched.say(*_watched(self.window.watches, self.window.now()))
        if node.lost_at is not None and self._answer is None:
            self.query_one("#c-own", Box).say(line(("not known: it does not answer", DIM)))
        if node.seen is not None and node.lost_at is None:
            self.load(self._load, waits=node.seen.waiting > 0)

    async def _load(self, *, waits: bool) -> None:
        answer = await self.inform(operator_questions.cluster())
        if answer is None:
            return
        self._answer = answer
        asked = await self.inform(operator_questions.approvals()) if waits else None
        changes = asked.waiting_for("membership") if asked is not None else []
        own, lines = self.query_one("#c-own", Box), [*_own(answer), *map(_waiting, changes)]
        own.styles.height = 2 + max(3, len(lines))
        own.say(*lines)
        self.show_rows([_row(one, answer) for one in answer.members])

    def describe(self, row: Row) -> Sequence[Spans]:
        """Return a member in full."""
        one: ClusterMember = row.data
        return fields(
            ("member", one.name),
            ("address", one.address),
            ("role", one.role),
            ("state", (row.cells[2],)),
            ("raft id", str(one.raft_id)),
            ("holds", "-" if one.match is None else words.number(one.match)),
        )

    def action_related(self) -> None:
        """Go to the changes that wait for a second person."""
        self.window.go("approvals")

    def action_lead(self) -> None:
        """Hand leadership over to the member under the cursor."""
        if self.row is None or self._answer is None:
            return
        name = self.row.key
        if self._answer.alone or name == self._answer.leader:
            self.notify(f"{name} leads already", severity="warning")
            return
        act = Act(
            "Hand leadership over",
            f"{name} leads from now on; writes wait for it, reads go on.",
            name,
            f"rtgf cluster transfer {name}",
        )
        self.window.perform(act, partial(_handing, name))


def _handing(name: str, _reason: str) -> Question[object]:
    return operator_questions.transfer_leadership(LeadershipRequest(to=name))


def _own(answer: ClusterAnswer) -> list[Spans]:
    if answer.alone:
        return [
            line(told("stands alone", OK), "  one node, its own leader; nobody takes over for it"),
            line(("log      ", DIM), f"{words.number(answer.tree_size)} entries"),
        ]
    leader = answer.leader or "nobody"
    return [
        line(
            (answer.name, "strong"),
            f" of {answer.cluster}: ",
            told(answer.role),
            f"  led by {leader}  term {answer.term}",
        )
        if answer.leader
        else line((answer.name, "strong"), f" of {answer.cluster}: ", told("no leader", BAD)),
        line(
            ("fresh    ", DIM),
            told(f"{answer.staleness_seconds:.1f} s behind", OK if answer.is_fresh else WARN),
            f"  applied {words.number(answer.applied)} of {words.number(answer.commit)} committed",
        ),
        line(("log      ", DIM), f"{words.number(answer.tree_size)} entries"),
    ]


def _waiting(one: ApprovalAnswer) -> Spans:
    return line(
        ("waits    ", DIM), told(one.subject, WARN), (f"  asked by {one.asked_by}  → a", DIM)
    )


def _row(one: ClusterMember, answer: ClusterAnswer) -> Row:
    state, behind = answer.state_of(one), answer.behind(one)
    tone = {"active": OK, "unreachable": None}.get(state, DIM)
    cells: tuple[Span, ...] = (
        (one.name, "strong" if one.name == answer.name else ""),
        told("leader") if answer.leads(one) else told(one.role, OK if one.role == "voter" else DIM),
        told(state, tone),
        ("-" if one.match is None else words.number(one.match), ""),
        ("" if behind is None else words.number(behind), ""),
        (one.address, DIM),
    )
    return Row(one.name, cells, one)


def _watched(watches: Sequence[Watch], now: int) -> list[Spans]:
    lines = []
    for number, watch in enumerate(watches, 1):
        size = words.number(watch.seen.status.tree_size) if watch.seen is not None else "-"
        lost = f"  since {words.clock(watch.lost_at)}" if watch.lost_at is not None else ""
        age = words.age(now - watch.seen_at) if watch.seen_at is not None else "-"
        lines.append(
            line(
                (f"{number} ", DIM),
                (f"{watch.url.partition('://')[2]}  ", "strong"),
                told(watch.state),
                f"{lost}  {size} entries",
                (f"  seen {age} ago", DIM),
            )
        )
    return lines
