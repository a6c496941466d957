"""Screen a: what waits for a second person, and how what waited was settled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from rtgf_node.client import Question, operator_questions
from rtgf_node.core import times
from rtgf_node.wire.approvals import ApprovalAnswer, ApprovalRequest
from rtgf_node.wire.overview import OverviewAnswer
from tui import words
from tui.screens.pane import Hint, Pane
from tui.tones import DIM, Span, Spans, told
from tui.widgets.confirm import Act
from tui.widgets.detail import fields
from tui.widgets.filtered import Filtered
from tui.widgets.table import Column, Row

TYPED = 8
"""Characters of the id that have to be typed."""


class Approvals(Pane):
    """Acts that take two persons."""

    NAME = "approvals"
    TITLE = "Approvals"
    SHORT = "App"
    KEY = "a"
    TWIN = "rtgf approvals list"
    HINTS: ClassVar[tuple[Hint, ...]] = (
        Hint("row.related", "go to the build"),
        Hint("act.approve", "approve", acting=True),
        Hint("act.refuse", "refuse", acting=True),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("A", "settle('approve')", "Approve it", id="act.approve"),
        Binding("X", "settle('refuse')", "Refuse it", id="act.refuse"),
    ]

    def compose(self) -> ComposeResult:
        """Return the table."""
        yield Filtered(
            Column("state"),
            Column("acts"),
            Column("subject"),
            Column("asked by", drop=2),
            Column("asked ago", right=True, drop=1),
            Column("left", right=True),
            noun="requests",
        )

    def tell(self, seen: OverviewAnswer) -> None:
        """Ask for the requests."""
        self.load(self._load, times.parse(seen.at))

    async def _load(self, now: int) -> None:
        answer = await self.inform(operator_questions.approvals())
        if answer is not None:
            ordered = sorted(answer.approvals, key=lambda one: one.state != "waiting")
            self.show_rows([_row(one, now) for one in ordered])

    def describe(self, row: Row) -> Sequence[Spans]:
        """Return a request in full."""
        one: ApprovalAnswer = row.data
        return fields(
            ("request", one.approval_id),
            ("state", (told(one.state),)),
            ("acts", ", ".join(one.acts)),
            ("subject", one.subject),
            ("digest", one.digest),
            ("asked by", one.asked_by),
            ("asked at", one.asked_at),
            ("deadline", one.deadline),
            ("settled by", one.settled_by),
            ("settled at", one.settled_at),
            ("reason", one.reason),
        )

    def action_related(self) -> None:
        """Go to the builds."""
        self.window.go("builds")

    def action_settle(self, decision: Literal["approve", "refuse"]) -> None:
        """Approve or refuse what waits."""
        row = self.row
        if row is None:
            return
        one: ApprovalAnswer = row.data
        if one.state != "waiting":
            self.notify("this request is settled", severity="warning")
            return
        will = "It is done at once." if decision == "approve" else "It can be asked again."
        act = Act(
            title=decision.capitalize(),
            says=f"{', '.join(one.acts)}: {one.subject}, asked by {one.asked_by}. {will}",
            word=one.approval_id[:TYPED],
            twin=f"rtgf approvals {decision} {one.approval_id} --reason REASON",
            reason=True,
        )
        self.window.perform(act, partial(_settling, one.approval_id, decision), as_approver=True)


def _settling(
    approval_id: str, decision: Literal["approve", "refuse"], reason: str
) -> Question[object]:
    return operator_questions.settle_approval(approval_id, ApprovalRequest(decision, reason))


def _row(one: ApprovalAnswer, now: int) -> Row:
    left = words.age(times.parse(one.deadline) - now) if one.state == "waiting" else ""
    cells: tuple[Span, ...] = (
        told(one.state),
        (", ".join(one.acts), ""),
        (words.short(one.subject, 24), ""),
        (one.asked_by, DIM),
        (words.since(one.asked_at, now), DIM),
        (left, ""),
    )
    return Row(one.approval_id, cells, one)
