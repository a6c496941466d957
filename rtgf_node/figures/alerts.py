"""The figures about alerts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from rtgf_node.alerts.catalogue import CATALOGUE


class AlertFigures:
    """In the registry that is handed in. Names of channels are configured."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.active = Gauge(
            "rtgf_alert_active",
            "1 while an alert stands.",
            ("alert", "severity"),
            registry=registry,
        )
        self.looked = Gauge(
            "rtgf_alert_looked_timestamp_seconds",
            "When the node judged itself last.",
            registry=registry,
        )
        self.gaps = Counter(
            "rtgf_alert_gaps_total",
            "Times that the node did not look at itself when it should have.",
            registry=registry,
        )
        self.deliveries = Counter(
            "rtgf_alert_deliveries_total",
            "Messages about alerts that a channel took, or did not in all its tries.",
            ("channel", "result"),
            registry=registry,
        )
        self.show(frozenset())

    def show(self, standing: frozenset[str]) -> None:
        """Say of every alert whether it stands."""
        for name, alert in CATALOGUE.items():
            self.active.labels(name, alert.severity).set(name in standing)

    def delivered(self, channel: str, result: str) -> None:
        """Count a message: `ok` or `failed`."""
        self.deliveries.labels(channel, result).inc()
