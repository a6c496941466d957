"""The decision log's figures for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class DecisionFigures:
    """How many answers were recorded, and how many wait to be; in the registry of the node."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._recorded = Counter(
            "rtgf_decisions_recorded_total",
            "Answers whose record was kept (ok), or could not be (error).",
            ("result",),
            registry=registry,
        )
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
        self.kept = self._recorded.labels("ok")
        self.refused = self._recorded.labels("error")
        self.roots_logged = self._roots.labels("ok")
        self.roots_refused = self._roots.labels("error")
