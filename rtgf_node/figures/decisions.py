"""The decision log's figures for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from rtgf_node.figures.tally import Count


class DecisionFigures:
    """How many answers were recorded, and how many wait to be; in the registry of the node."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._recorded = Count(
            "rtgf_decisions_recorded_total",
            "Answers whose record was kept (ok), or could not be (error).",
            "result",
            registry=registry,
        )
        for result in ("ok", "error"):
            self._recorded.add(0, result)
        self._roots = Counter(
            "rtgf_decision_roots_total",
            "Roots of decisions that the log took (ok), or did not (error).",
            ("result",),
            registry=registry,
        )
        self.unwritten = Gauge(
            "rtgf_decisions_unwritten",
            "Records of answers that are not on disk yet.",
            registry=registry,
        )
        self.roots_logged = self._roots.labels("ok")
        self.roots_refused = self._roots.labels("error")

    def kept(self, count: int = 1) -> None:
        """Count answers that are on record."""
        self._recorded.add(count, "ok")

    def refused(self) -> None:
        """Count an answer that is not given, for it cannot be recorded."""
        self._recorded.inc("error")
