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
from rtgf_node.wire.overview import ActorFigures, OverviewAnswer, Tally

KEPT: Final = 600
"""Looks that are kept: twenty minutes of one every two seconds."""


class ActorPace(NamedTuple):
    """How an actor did between two looks; times in milliseconds for each request."""

    per_second: float
    wait_ms: float | None
    serve_ms: float | None


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
        self._before: tuple[float, OverviewAnswer] | None = None

    def add(self, seen: OverviewAnswer, moment: float) -> None:
        """Take a look that was had at this moment of a clock that only goes forward."""
        now = times.parse(seen.at)
        head = seen.status.head_issued_at
        look = Look(seen.status.tree_size, now - times.parse(head) if head else 0)
        if self._before is not None:
            then, before = self._before
            look = _compared(look, before, seen, moment - then)
            self.actors = _paces(before.actors, seen.actors, moment - then)
        self.looks.append(look)
        self._before = moment, seen

    def series(self, of: Callable[[Look], float | None]) -> list[float | None]:
        """Return one figure of every look, the oldest first."""
        return [of(look) for look in self.looks]

    @property
    def newest(self) -> Look | None:
        """The newest look."""
        return self.looks[-1] if self.looks else None


def _compared(look: Look, before: OverviewAnswer, seen: OverviewAnswer, seconds: float) -> Look:
    old, new = before.figures, seen.figures
    asked = sum(new.requests.values()) - sum(old.requests.values())
    if seconds <= 0 or asked < 0:
        return look
    verdicts = sum(new.verdicts.values()) - sum(old.verdicts.values())
    valid = new.verdicts.get("valid", 0) - old.verdicts.get("valid", 0)
    failed = new.requests.get("5xx", 0) - old.requests.get("5xx", 0)
    latency = _difference(old.verify_ms, new.verify_ms)
    lag = quantile(_difference(old.loop_lag_seconds, new.loop_lag_seconds), 0.99)
    return look._replace(
        appends=max(0, seen.status.tree_size - before.status.tree_size) / seconds,
        requests=asked / seconds,
        errors=failed / seconds,
        verdicts=verdicts / seconds,
        invalid=(verdicts - valid) / seconds,
        p50=quantile(latency, 0.5),
        p99=quantile(latency, 0.99),
        lag=None if lag is None else lag * 1000,
        by_verdict={
            name: (count - old.verdicts.get(name, 0)) / seconds
            for name, count in new.verdicts.items()
        },
    )


def _paces(
    before: list[ActorFigures], seen: list[ActorFigures], seconds: float
) -> dict[str, ActorPace]:
    old = {actor.name: actor for actor in before}
    paces = {}
    for new in seen:
        then = old.get(new.name)
        if then is None or new.capacity is None or seconds <= 0:
            continue
        asked = new.requests - then.requests
        if asked < 0:
            continue
        wait, serve = new.wait_seconds - then.wait_seconds, new.serve_seconds - then.serve_seconds
        paces[new.name] = ActorPace(
            asked / seconds,
            1000 * wait / asked if asked else None,
            1000 * serve / asked if asked else None,
        )
    return paces


def _difference(old: Tally, new: Tally) -> Tally:
    if old.bounds != new.bounds:
        return new
    counts = [one - other for one, other in zip(new.counts, old.counts, strict=False)]
    return Tally(bounds=new.bounds, counts=counts, sum=new.sum - old.sum)


def quantile(tally: Tally, share: float) -> float | None:
    """Return the value that this share of all is not above, as near as the bounds tell.

    What lies above the last bound counts as that bound. None for an empty histogram.
    """
    total = sum(tally.counts)
    if total <= 0:
        return None
    wanted, passed, low = share * total, 0, 0.0
    for bound, count in zip(tally.bounds, tally.counts, strict=False):
        if count and passed + count >= wanted:
            return low + (bound - low) * (wanted - passed) / count
        passed += count
        low = bound
    return low
