"""What needs a human: read off an overview, the worst first, each with the screen that has more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from rtgf_node.core import times
from rtgf_node.wire import Check
from rtgf_node.wire.overview import OverviewAnswer
from tui import words
from tui.tones import BAD, WARN, Tone
from tui.watch import Watch

WARN_DAYS: Final = 30
"""Before a key or certificate ends: time enough for a ceremony."""

LATE_DAYS: Final = 7
"""The alert rules' own limit for keys (P1)."""

LOW_DISK: Final = 0.10
"""Of the disk free: below it an operator has days, not weeks."""

_SCREENS: Final = {
    "dataset": "sources",
    "builds": "builds",
    "actors": "actors",
    "workers": "actors",
    "log": "log",
}


class Need(NamedTuple):
    """One thing to look at, and where."""

    tone: Tone
    text: str
    screen: str


def needs(seen: OverviewAnswer) -> list[Need]:
    """Return what needs a human, the worst first."""
    return sorted(_all(seen), key=lambda one: one.tone != BAD)


def of_all(current: Watch, watches: Sequence[Watch]) -> list[Need]:
    """Return what needs a human at a node, and which other nodes that are watched are not well."""
    found = [] if current.seen is None else needs(current.seen)
    others = [
        Need(
            WARN if one.state == "degraded" else BAD,
            f"{one.url.partition('://')[2]} is {one.state.replace('_', ' ')}",
            "cluster",
        )
        for one in watches
        if one.state in {"degraded", "not_ready", "unreachable"}
        and (one is not current or one.state == "unreachable")
    ]
    return sorted([*others, *found], key=lambda one: one.tone != BAD)


def _all(seen: OverviewAnswer) -> Iterator[Need]:
    status, now = seen.status, times.parse(seen.at)
    if status.halted:
        yield Need(BAD, f"the log is halted: {status.halted}", "log")
    must = {"actors", "log", "verifier", "decisions"}
    for check in status.ready.checks:
        if not check.ok and not (check.name == "intake" and status.halted):
            kind = check.name.partition(":")[0]
            tone = BAD if check.name in must else WARN
            yield Need(tone, _words(check), _SCREENS.get(kind, "safety"))
    if seen.waiting:
        noun = "request waits" if seen.waiting == 1 else "requests wait"
        yield Need(WARN, f"{seen.waiting} {noun} for a second person", "approvals")
    for source in seen.sources:
        if source.outcome == "refused" and source.kind == "source":
            yield Need(WARN, f"source {source.name} was refused: {source.detail}", "sources")
    for actor in seen.actors:
        if actor.restarts:
            times_ = "once" if actor.restarts == 1 else f"{actor.restarts} times"
            yield Need(WARN, f"actor {actor.name} was restarted {times_}", "actors")
    for one in (*seen.keys, *seen.certificates):
        left = times.parse(one.expires_at) - now
        if one.revoked_at is None and left < WARN_DAYS * words.DAY:
            tone = BAD if left < LATE_DAYS * words.DAY else WARN
            ends = f"ends in {words.age(left)}" if left > 0 else "has ended"
            yield Need(tone, f"{one.purpose} {one.name} {ends}", "safety")
    disk = seen.disk
    if disk.total_bytes and disk.free_bytes < LOW_DISK * disk.total_bytes:
        yield Need(WARN, f"the disk has {words.size(disk.free_bytes)} left", "safety")


def _words(check: Check) -> str:
    kind, _, name = check.name.partition(":")
    what = f"list {name}" if kind == "dataset" else check.name.replace(":", " ").replace("_", " ")
    return f"{what}: {check.detail}"
