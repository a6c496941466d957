"""Counters and histograms for what happens ten thousand times a second.

Each is a dictionary that one thread fills; the families of Prometheus are made when they are
scraped. Names and meanings are as those of `prometheus_client`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString


class Count(Collector):
    """A counter, by labels."""

    def __init__(self, name: str, text: str, *labels: str, registry: CollectorRegistry) -> None:
        self._head = (name, text)
        self._labels = labels
        self._counts: dict[tuple[str, ...], int] = {} if labels else {(): 0}
        registry.register(self)

    def inc(self, *values: str) -> None:
        """Count one with these values of the labels."""
        self._counts[values] = self._counts.get(values, 0) + 1

    def add(self, number: int, *values: str) -> None:
        """Count some, perhaps none yet, with these values of the labels."""
        self._counts[values] = self._counts.get(values, 0) + number

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Return the family as it is now."""
        family = CounterMetricFamily(*self._head, labels=self._labels)
        for values, count in sorted(self._counts.items()):
            family.add_metric(values, count)
        yield family


class Spread(Collector):
    """A histogram, by labels."""

    def __init__(
        self,
        name: str,
        text: str,
        bounds: tuple[float, ...],
        *labels: str,
        registry: CollectorRegistry,
    ) -> None:
        self._head = (name, text)
        self._bounds = bounds
        self._names = [*map(floatToGoString, bounds), "+Inf"]
        self._labels = labels
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}
        if not labels:
            self._begin(())
        registry.register(self)

    def observe(self, value: float, *values: str) -> None:
        """Note one value with these values of the labels."""
        counts = self._counts.get(values) or self._begin(values)
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[values] += value

    def _begin(self, values: tuple[str, ...]) -> list[int]:
        counts = self._counts[values] = [0] * len(self._names)
        self._sums[values] = 0.0
        return counts

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Return the family as it is now."""
        family = HistogramMetricFamily(*self._head, labels=self._labels)
        for values, counts in sorted(self._counts.items()):
            buckets = list(zip(self._names, accumulate(counts), strict=True))
            family.add_metric(values, buckets, self._sums[values])
        yield family
