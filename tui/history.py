"""What a dashboard remembers of a node between two looks: rates and latencies for its plots.

The node counts since it began; each look is compared with the one before. A node that was restarted
counts from zero again, which shows as a gap and not as a fall.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from rtgf_node.core import times
from rtgf_node.wire.overview import ActorFigures, OverviewAnswer

KEPT: Final = 600
"""Looks that are kept: twenty minutes of one every two seconds."""

PACED: Final = 30
"""Looks that an actor's pace is of: a minute, in which most are asked often enough to tell."""


class ActorPace(NamedTuple):
    """How an actor did in the newest looks; times in milliseconds for each request."""

    per_second: float
    wait_ms: float | None
    p50: float | None
    p99: float | None


class Look(NamedTuple):
    """What one look tells beside the one before; None where that cannot be known."""

    size: int
    head_age: int
    appends: float | None = None
    requests: float | None = None
    errors: float | None = None
    verdicts: float | None = None
    invalid: float | None = None
    p50: float | None = None
    p99: float | None = None
    lag: float | None = None
    by_verdict: Mapping[str, float] = MappingProxyType({})


class History:
    """The newest looks at a node."""

    def __init__(self) -> None:
        self.looks: deque[Look] = deque(maxlen=KEPT)
        self.actors: dict[str, ActorPace] = {}
        self._newest: deque[tuple[float, OverviewAnswer]] = deque(maxlen=PACED)

    def add(self, seen: OverviewAnswer, moment: float) -> None:
        """Take a look that was had at this moment of a clock that only goes forward."""
        now = times.parse(seen.at)
        head = seen.status.head_issued_at
        look = Look(seen.status.tree_size, now - times.parse(head) if head else 0)
        if self._newest and _asked(seen) < _asked(self._newest[-1][1]):
            self._newest.clear()  # it began again
        if self._newest:
            then, before = self._newest[-1]
            look = _compared(look, before, seen, moment - then)
        self.looks.append(look)
        self._newest.append((moment, seen))
        then, before = self._newest[0]
        self.actors = _paces(before.actors, seen.actors, moment - then)

    def series(self, of: Callable[[Look], float | None]) -> list[float | None]:
        """Return one figure of every look, the oldest first."""
        return [of(look) for look in self.looks]

    @property
    def newest(self) -> Look | None:
        """The newest look."""
        return self.looks[-1] if self.looks else None


def _compared(look: Look, before: OverviewAnswer, seen: OverviewAnswer, seconds: float) -> Look:
    old, new = before.figures, seen.figures
    if seconds <= 0:
        return look
    asked = _asked(seen) - _asked(before)
    verdicts = sum(new.verdicts.values()) - sum(old.verdicts.values())
    valid = new.verdicts.get("valid", 0) - old.verdicts.get("valid", 0)
    failed = new.requests.get("5xx", 0) - old.requests.get("5xx", 0)
    latency = new.verify_ms.since(old.verify_ms)
    lag = new.loop_lag_seconds.since(old.loop_lag_seconds).quantile(0.99)
    return look._replace(
        appends=max(0, seen.status.tree_size - before.status.tree_size) / seconds,
        requests=asked / seconds,
        errors=failed / seconds,
        verdicts=verdicts / seconds,
        invalid=(verdicts - valid) / seconds,
        p50=latency.quantile(0.5),
        p99=latency.quantile(0.99),
        lag=milliseconds(lag),
        by_verdict={
            name: (count - old.verdicts.get(name, 0)) / seconds
            for name, count in new.verdicts.items()
        },
    )


def _asked(seen: OverviewAnswer) -> int:
    return sum(seen.figures.requests.values())


def _paces(
    before: list[ActorFigures], seen: list[ActorFigures], seconds: float
) -> dict[str, ActorPace]:
    old = {actor.name: actor for actor in before}
    paces = {}
    for new in seen:
        then = old.get(new.name)
        if seconds <= 0 or then is None or then.served is None or new.served is None:
            continue
        asked = new.requests - then.requests
        waited = new.wait_seconds - then.wait_seconds
        took = new.served.since(then.served)
        paces[new.name] = ActorPace(
            asked / seconds,
            milliseconds(waited / asked) if asked else None,
            milliseconds(took.quantile(0.5)),
            milliseconds(took.quantile(0.99)),
        )
    return paces


def milliseconds(seconds: float | None) -> float | None:
    """Return seconds as milliseconds, and nothing as nothing."""
    return None if seconds is None else seconds * 1000
