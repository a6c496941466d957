"""The figures about what the node sends unasked: event streams and webhooks."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class PushFigures:
    """In the registry that is handed in. Names of webhooks are configured."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.streams = Gauge(
            "rtgf_event_streams", "Open streams of revocations.", registry=registry
        )
        self.deliveries = Counter(
            "rtgf_webhook_deliveries_total",
            "Tries to tell a webhook.",
            ("webhook", "result"),
            registry=registry,
        )
        self.behind = Gauge(
            "rtgf_webhook_behind",
            "Revocations that a webhook was not told of yet.",
            ("webhook",),
            registry=registry,
        )

    def delivered(self, webhook: str, result: str) -> None:
        """Count a try to tell a webhook: `ok` or `failed`."""
        self.deliveries.labels(webhook, result).inc()

    def waiting(self, webhook: str, count: int) -> None:
        """Note how much a webhook was not told of yet."""
        self.behind.labels(webhook).set(count)
