"""What needs a human: the alerts of a node, and what is none yet, the worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from rtgf_node.client.standing import WARN_DAYS
from rtgf_node.core import times
from rtgf_node.wire.overview import OverviewAnswer
from tui import words
from tui.tones import BAD, WARN, Tone
from tui.watch import Watch

LATE_DAYS: Final = 7
"""From when on the node says so itself, with an alert."""


class Need(NamedTuple):
    """One thing to look at, and where. `more` is said of it when there is room."""

    tone: Tone
    text: str
    screen: str
    more: tuple[str, ...] = ()


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
    now = times.parse(seen.at)
    for alert in seen.status.alerts:
        yield Need(
            WARN if alert.severity == "P2" else BAD,
            f"{alert.severity} {alert.name}: {alert.detail}",
            alert.screen,
            (
                f"{alert.sentence}, since {words.since(alert.since, now)}",
                f"what to do: {alert.runbook}",
            ),
        )
    if seen.waiting:
        noun = "request waits" if seen.waiting == 1 else "requests wait"
        yield Need(WARN, f"{seen.waiting} {noun} for a second person", "approvals")
    for one in (*seen.keys, *seen.certificates):
        left = times.parse(one.expires_at) - now
        if one.revoked_at is None and LATE_DAYS * words.DAY <= left < WARN_DAYS * words.DAY:
            yield Need(WARN, f"{one.purpose} {one.name} ends in {words.age(left)}", "safety")
