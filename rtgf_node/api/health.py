"""`/healthz` and `/readyz`."""

from __future__ import annotations

from quart import Blueprint, Response

from rtgf_node.api.answers import document
from rtgf_node.api.desk import Desk
from rtgf_node.api.parameters import Query


def routes(desk: Desk) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    async def healthz() -> Response:
        Query()
        return document({"status": "alive"})

    @blueprint.get("/readyz")
    async def readyz() -> Response:
        Query()
        readiness = desk.readiness()
        return document(readiness, status=503 if readiness.state == "not_ready" else 200)

    return blueprint
