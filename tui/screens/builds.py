"""Screen b: builds, past and running; of a running one how far it is, and its log as it grows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from rtgf_node.client import Question, operator_questions
from rtgf_node.wire import BuildAnswer, BuildLine, CompileRequest
from rtgf_node.wire.overview import OverviewAnswer
from tui import words
from tui.screens.pane import Hint, Pane
from tui.tones import ACCENT, BAD, DIM, WARN, Span, Spans, line, told
from tui.widgets.box import Box
from tui.widgets.confirm import Act
from tui.widgets.detail import Detail, fields, heading
from tui.widgets.filtered import Filtered
from tui.widgets.table import Column, Row

STAGES_SHOWN: Final = 4
"""Of the newest build's log, above the table."""

BAR: Final = 30
"""Cells of the bar that says how far a stage is."""


class Builds(Pane):
    """The pipeline."""

    NAME = "builds"
    TITLE = "Builds"
    SHORT = "Bld"
    KEY = "b"
    TWIN = "rtgf builds list"
    HINTS: ClassVar[tuple[Hint, ...]] = (
        Hint("act.compile", "compile", acting=True),
        Hint("act.cancel", "cancel", acting=True),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("C", "compile", "Build what is due", id="act.compile"),
        Binding("K", "cancel", "Give the build up", id="act.cancel"),
    ]

    def compose(self) -> ComposeResult:
        """Return the parts."""
        yield Box("Newest build", id="b-newest")
        yield Filtered(
            Column("at"),
            Column("state"),
            Column("build"),
            Column("manifest", drop=1),
            noun="builds",
        )

    def tell(self, seen: OverviewAnswer) -> None:
        """Ask for the builds, and for the newest one."""
        self.load(self._load)

    async def _load(self) -> None:
        builds = await self.inform(operator_questions.builds())
        if builds is None:
            return
        self.show_rows([_row(one) for one in builds])
        if builds:
            newest = await self.inform(operator_questions.build(builds[0].build_id))
            if newest is not None:
                self.query_one("#b-newest", Box).say(*_brief(newest))
        else:
            self.query_one("#b-newest", Box).say(line(("nothing was built yet", DIM)))

    def open(self, row: Row) -> None:
        """Show a build, and get its log."""
        window = Detail(row.key, self.describe(row), row.data, copied=row.key)
        self.app.push_screen(window)
        self.load_anew(self._read, row.key, window)

    async def _read(self, build_id: str, window: Detail) -> None:
        build = await self.inform(operator_questions.build(build_id))
        if build is not None:
            window.add(_whole(build))

    def describe(self, row: Row) -> Sequence[Spans]:
        """Return the build's line in full."""
        one: BuildLine = row.data
        return fields(
            ("build", one.build_id),
            ("state", (told(one.state),)),
            ("at", one.at),
            ("manifest", one.manifest_digest),
        )

    def action_compile(self) -> None:
        """Build what is due."""
        act = Act(
            "Compile",
            "The node builds every token that is due, twice, and publishes what is equal. What "
            "takes two persons waits for the second.",
            "compile",
            "rtgf compile",
        )
        self.window.perform(act, lambda _reason: operator_questions.compile(CompileRequest()))

    def action_cancel(self) -> None:
        """Give a running build up."""
        if self.row is None:
            return
        build = self.row.key
        act = Act(
            "Cancel",
            f"The build {build} is given up; nothing of it is published.",
            build.removeprefix("sha256:")[:8],
            f"rtgf builds cancel {build}",
        )
        self.window.perform(act, partial(_cancelling, build))


def _cancelling(build: str, _reason: str) -> Question[object]:
    return operator_questions.cancel_build(build)


def _row(one: BuildLine) -> Row:
    cells: tuple[Span, ...] = (
        (words.moment(one.at), DIM),
        told(one.state),
        (one.build_id, ""),
        (words.short(one.manifest_digest or ""), DIM),
    )
    return Row(one.build_id, cells, one)


def _brief(build: BuildAnswer) -> list[Spans]:
    lines = [line(told(build.state), f"  {words.short(build.build_id, 16)}  ", *_outcome(build))]
    if build.progress is not None:
        done, total = build.progress.done, max(1, build.progress.total)
        full = round(done / total * BAR)
        lines.append(
            line(
                (f"{build.progress.stage:<9}", DIM),
                ("█" * full + "░" * (BAR - full), ACCENT),
                f" {done} of {total}",
            )
        )
    lines += [
        line((f"{one.at[11:19]}  {one.stage:<9}", DIM), one.detail)
        for one in build.stages[-STAGES_SHOWN:]
    ]
    return lines


def _outcome(build: BuildAnswer) -> list[str | tuple[str, Any]]:
    parts: list[str | tuple[str, Any]] = [f"{len(build.issued)} issued"]
    if build.held:
        parts.append((f", {len(build.held)} held for an approver", WARN))
    if build.failed:
        parts.append((f", {len(build.failed)} failed", BAD))
    if build.code:
        parts.append((f"  {build.code}", BAD))
    return parts


def _whole(build: BuildAnswer) -> list[Spans]:
    lines = heading("log")
    lines += [line((f"{one.at}  {one.stage:<9}", DIM), one.detail) for one in build.stages]
    if build.code:
        lines += [*heading("failed"), line((f"{build.code}: {build.detail}", BAD))]
        lines += [line(f"  because {cause}") for cause in build.causes]
    for title, names in (("issued", build.issued), ("held for an approver", build.held)):
        if names:
            lines += [*heading(f"{title} ({len(names)})"), *(line(name) for name in names)]
    for title, documents in (("failed", build.failed), ("cannot be met", build.unsatisfiable)):
        if documents:
            lines += [
                *heading(f"{title} ({len(documents)})"),
                *(line(str(one)) for one in documents),
            ]
    same = "both runs gave the same bytes" if build.state == "published" else "not published"
    lines += [*heading("determinism"), line(same)]
    return lines
