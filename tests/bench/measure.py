"""How the bench measures: contenders in alternating slices, ratios inside each round.

On a shared machine absolute figures drift from minute to minute, and two contenders that run one
after the other drift apart. So each round runs a short slice of everyone, in turns of order, the
ratio is taken inside the round, and the median of the rounds is what is reported.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Slice = Callable[[int], None]
"""Does the thing this many times."""

SLICE_SECONDS = 0.25
"""Of one contender in one round: long beside a scheduler's tick, short beside the drift."""

WARM_SECONDS = 0.01
"""Of a first slice: after it, caches are warm and an estimate holds."""

ROUNDS = 7


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
      what: the thing measured.
      measured: its median, in words with unit.
      baseline: what it is compared with, named, with its median.
      ratio: how many times as long it takes as the baseline; None where there is none.
    """

    what: str
    measured: str
    baseline: str
    ratio: float | None


@dataclass(frozen=True)
class Skipped:
    """A row that could not be measured here, and why."""

    what: str
    reason: str


def alternate(
    contenders: Mapping[str, Slice],
    *,
    rounds: int = ROUNDS,
    slice_seconds: float = SLICE_SECONDS,
    at_least: int = 1,
    prepare: Slice | None = None,
) -> dict[str, list[float]]:
    """Return seconds per operation of each contender, one figure a round.

    `at_least` is how many operations a slice has, however long they take; `prepare` is told their
    number before each slice, and is not measured.
    """
    counts = {
        name: max(at_least, int(slice_seconds / _seconds_each(run, at_least, prepare)))
        for name, run in contenders.items()
    }
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        names = list(contenders)
        for name in names if number % 2 == 0 else reversed(names):
            seconds = _timed(contenders[name], counts[name], prepare)
            found[name].append(seconds / counts[name])
    return found


def ratio(measured: Sequence[float], baseline: Sequence[float]) -> float:
    """Return the median of the rounds' ratios."""
    return statistics.median(one / other for one, other in zip(measured, baseline, strict=True))


def timed_each(run: Callable[[int], object], count: int) -> list[float]:
    """Return the seconds of each of `run(0)` … `run(count - 1)`, sorted."""
    found = []
    for number in range(count):
        began = time.perf_counter()
        run(number)
        found.append(time.perf_counter() - began)
    return sorted(found)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the sorted values lie."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def text(seconds: float) -> str:
    """Return a duration with three digits and a fitting unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def rate(seconds: float) -> str:
    """Return how often something of this duration happens in a second."""
    return f"{1 / seconds:,.0f}/s"


def _seconds_each(run: Slice, at_least: int, prepare: Slice | None) -> float:
    """Warm up with growing slices, and estimate by one more."""
    count = at_least
    while _timed(run, count, prepare) < WARM_SECONDS:
        count *= 4
    return _timed(run, count, prepare) / count


def _timed(run: Slice, count: int, prepare: Slice | None) -> float:
    if prepare is not None:
        prepare(count)
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        run(count)
        return time.perf_counter() - began
    finally:
        gc.enable()
