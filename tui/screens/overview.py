"""Screen 1: ready or not, what the node holds, what it answers, and what needs a human."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from rtgf_node.client import standing
from rtgf_node.core import times
from rtgf_node.wire.overview import OverviewAnswer, SourceFigures
from tui import words
from tui.history import History, Look
from tui.needs import Need, of_all
from tui.screens.pane import Hint, Pane
from tui.tones import ACCENT, BAD, DIM, OK, WARN, Span, Spans, Tone, line, sign, told
from tui.widgets.box import Box, fitted
from tui.widgets.detail import Detail, heading
from tui.widgets.plot import bar_line, plotted

SLOW_MS = 100.0
"""The objective for `/verify` (P95)."""

NEEDS_SHOWN = 4
"""Lines of the last box in a terminal of 24 rows; twice as many in a tall one."""

TALL = 34
"""Rows of a terminal that has room for plots; as in `Dashboard.VERTICAL_BREAKPOINTS`."""


class Overview(Pane):
    """The node on one page."""

    NAME = "overview"
    TITLE = "Overview"
    SHORT = "Top"
    KEY = "1"
    TWIN = "rtgf status"
    HINTS: ClassVar[tuple[Hint, ...]] = (
        Hint("overview.open", "all needs"),
        Hint("row.related", "go to the first"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Show all needs", id="overview.open")
    ]
    can_focus = True

    def compose(self) -> ComposeResult:
        """Return the boxes."""
        with Horizontal(id="upper"):
            with Vertical():
                yield Box("Log", id="o-log")
                yield Box("Sources", id="o-sources")
            with Vertical():
                yield Box("Verdicts", id="o-verdicts")
                yield Box("Actors", id="o-actors")
        with Horizontal(id="o-plots"):
            yield Box("/verify answers a second", id="o-rate")
            yield Box("/verify takes, p99, limit 100 ms", id="o-p99")
            yield Box("Entries in the log", id="o-size")
        yield Box("Needs you", id="o-needs")

    def tell(self, seen: OverviewAnswer) -> None:
        """Show the node on one page."""
        history = self.node.history

        def box(name: str) -> Box:
            return self.query_one(f"#o-{name}", Box)

        box("log").show(lambda width, _: _log(seen, history.series(lambda one: one.appends), width))
        box("verdicts").show(lambda width, height: _verdicts(history, seen, width, height))
        box("sources").show(lambda width, height: _sources(seen, width, height))
        box("actors").show(lambda width, height: _actors(history, seen, width, height))
        found = of_all(self.node, self.window.watches)
        box("needs").border_title = f"Needs you ({len(found)})" if found else "Needs you"
        lines = _told(found)
        most = NEEDS_SHOWN if self.app.size.height < TALL else 2 * NEEDS_SHOWN
        box("needs").styles.height = 2 + min(most, len(lines))
        box("needs").show(lambda _, height: fitted(lines, height, "after these"))
        box("rate").show(plotted(history.series(lambda one: one.verdicts), words.rate))
        p99 = history.series(lambda one: one.p99)
        box("p99").show(plotted(p99, words.milliseconds, SLOW_MS))
        size = history.series(lambda one: float(one.size))
        box("size").show(plotted(size, lambda value: words.number(int(value or 0))))

    def action_open(self) -> None:
        """Show what needs a human in full, and why checks do not pass."""
        found = of_all(self.node, self.window.watches)
        lines = []
        for one in found:
            lines += [*_told([one]), *(line((f"  {said}", DIM)) for said in one.more)]
        lines = lines or _told(found)
        seen = self.node.seen
        if seen is not None:
            lines += heading("checks")
            lines += [
                line(told(one.name, OK if one.ok else BAD), f"  {one.detail}")
                for one in seen.status.ready.checks
            ]
        self.app.push_screen(Detail("Needs you", lines, seen))

    def action_related(self) -> None:
        """Go to where the worst need is."""
        found = of_all(self.node, self.window.watches)
        if found:
            self.window.go(found[0].screen)


def _told(found: Sequence[Need]) -> list[Spans]:
    if not found:
        return [line(told("nothing needs you", OK))]
    return [
        ((f"{sign(one.tone)} ", one.tone), (one.text, ""), (f"  → {one.screen}", DIM))
        for one in found
    ]


def _log(seen: OverviewAnswer, appends: list[float | None], width: int) -> list[Spans]:
    status, now = seen.status, times.parse(seen.at)
    check = next((one for one in status.ready.checks if one.name == "log"), None)
    good = check is None or check.ok
    head = words.since(status.head_issued_at, now)
    lines = [
        _pair("size", words.number(status.tree_size)),
        line(
            _name("head"), f"{head} old  ", told("ok" if good else "too old", OK if good else BAD)
        ),
        _pair("pending", words.number(seen.pending)),
    ]
    witnesses = next((one for one in status.ready.checks if one.name == "witnesses"), None)
    if witnesses is not None:
        lines.append(
            line(_name("witnesses"), told(witnesses.detail.partition(",")[0], _tone(witnesses.ok)))
        )
    lines.append(
        line(_name("tokens"), f"{words.number(status.tokens)}  revEpoch {status.revEpoch}")
    )
    lines.append(line(_name("appends"), (bar_line(appends, max(1, width - 11)), ACCENT)))
    return lines


def _verdicts(history: History, seen: OverviewAnswer, width: int, height: int) -> list[Spans]:
    counted = sorted(seen.figures.verdicts.items(), key=lambda one: (one[0] != "valid", -one[1]))
    newest = history.newest or Look(0, 0)
    lines = [
        line(
            _name("p50 / p99"),
            f"{words.milliseconds(newest.p50)} / {words.milliseconds(newest.p99)}  ",
            (words.rate(newest.verdicts), DIM),
        )
    ]
    if not counted:
        return [*lines, line(("none asked since the node began", DIM))]
    names = {name: _short(name) for name, _ in counted}
    wide = min(24, max(len(name) for name in names.values()))
    room = max(1, width - wide - 13)
    for name, count in counted[: max(1, height - 1)]:
        series = [look.by_verdict.get(name) for look in history.looks]
        tone = OK if name == "valid" else WARN
        lines.append(
            line(
                (names[name][:wide].ljust(wide + 1), ""),
                words.number(count).rjust(9) + " ",
                (bar_line(series, room), tone),
            )
        )
    return lines


def _short(verdict: str) -> str:
    for prefix in ("RTGF_", "VERIFY_", "TOKEN_"):
        verdict = verdict.removeprefix(prefix)
    return verdict.lower()


def _sources(seen: OverviewAnswer, width: int, height: int) -> list[Spans]:
    states = {one.name: (one, *source_state(seen, one)) for one in seen.sources}
    rank = {BAD: 0, WARN: 1}
    ordered = sorted(states.values(), key=lambda one: rank.get(one[1][1], 2))
    room = max(8, width - 23)
    lines: list[Spans] = []
    for source, state, _ in ordered:
        name = source.name if len(source.name) <= room else source.name[: room - 1] + "…"
        lines.append(
            line(name.ljust(room + 1), words.age(source.seconds_ago).rjust(7) + "  ", state)
        )
    return fitted(lines, height, "→ 6")


def source_state(seen: OverviewAnswer, source: SourceFigures) -> tuple[Span, str]:
    """Return a source's state as it is told, and in its own words."""
    state, said = standing.of_source(seen, source)
    return told(state, DIM if state == "not fetched" else None), said


def _actors(history: History, seen: OverviewAnswer, width: int, height: int) -> list[Spans]:
    rows = sorted(seen.actors, key=lambda one: (one.state == "running", not one.restarts))
    room = min(12, max(8, width - 23))
    lines: list[Spans] = []
    for actor in rows:
        pace = history.actors.get(actor.name)
        waiting = f"{actor.depth}/{actor.capacity}" if actor.capacity is not None else ""
        p99 = f"p99 {words.milliseconds(pace.p99)}" if pace and pace.p99 is not None else ""
        state = told(actor.state)
        if actor.restarts and actor.state == "running":
            state = told(f"restarts: {actor.restarts}", WARN)
        lines.append(
            line(
                actor.name[:room].ljust(room + 1),
                (state[0].ljust(14), state[1]),
                waiting.rjust(7),
                p99.rjust(14) if width >= room + 37 else "",
            )
        )
    return fitted(lines, height, "→ 7")


def _name(text: str) -> Span:
    return text.ljust(11), DIM


def _pair(name: str, value: str) -> Spans:
    return line(_name(name), value)


def _tone(ok: bool) -> Tone:
    return OK if ok else WARN
