"""The counters of several processes as one: what was counted before a worker ended is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

Labels: TypeAlias = tuple[tuple[str, str], ...]
Samples: TypeAlias = dict[tuple[str, Labels], float]

ADDED: Final = frozenset({"counter", "histogram"})
"""Kinds of figures that are added up. A gauge is the node's own."""


def read(registry: CollectorRegistry) -> Samples:
    """Return the samples of all that can be added up."""
    return {
        (sample.name, tuple(sample.labels.items())): sample.value
        for family in registry.collect()
        if family.type in ADDED
        for sample in family.samples
    }


def add(one: Samples, other: Samples) -> Samples:
    """Return the sums."""
    return {key: one.get(key, 0.0) + other.get(key, 0.0) for key in {**one, **other}}


class Summed(Collector):
    """The families of a registry, with the samples of others added to its own."""

    def __init__(
        self, registry: CollectorRegistry, others: Callable[[], Iterable[Samples]]
    ) -> None:
        self._registry = registry
        self._others = others

    def collect(self) -> Iterator[Metric]:
        """Return the families as they are now."""
        left: Samples = {}
        for samples in self._others():
            left = add(left, samples)
        for family in self._registry.collect():
            if family.type in ADDED:
                yield _with(family, left)
            else:
                yield family


def _with(family: Metric, left: Samples) -> Metric:
    summed = Metric(family.name, family.documentation, family.type, family.unit)
    seen = set()
    for sample in family.samples:
        key = (sample.name, tuple(sample.labels.items()))
        seen.add(key)
        summed.samples.append(sample._replace(value=sample.value + left.get(key, 0.0)))
    names = {family.name + suffix for suffix in ("_total", "_bucket", "_count", "_sum")}
    for (name, labels), value in left.items():
        if name in names and (name, labels) not in seen:
            summed.add_sample(name, dict(labels), value)
    return summed
