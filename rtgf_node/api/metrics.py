"""`/metrics` for Prometheus, on a listener of its own."""

from __future__ import annotations

from typing import cast

from quart import Response
from quart_trio import QuartTrio

from rtgf_node.api.deadlines import AsgiApp
from rtgf_node.telemetry import CONTENT_TYPE, Metrics


def build_app(metrics: Metrics) -> AsgiApp:
    """Return the application that answers scrapes and nothing else."""
    app = QuartTrio("rtgf_node.metrics", static_folder=None)

    @app.get("/metrics")
    async def scrape() -> Response:
        return Response(metrics.render(), content_type=CONTENT_TYPE)

    return cast("AsgiApp", app)
