"""`/healthz` and `/readyz`."""

from __future__ import annotations

from rtgf_node.api.answers import document
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered, Asked, Route
from rtgf_node.api.parameters import Query
from rtgf_node.wire.about import AliveAnswer


def routes(desk: Desk) -> list[Route]:
    """Return the routes."""

    def healthz(asked: Asked) -> Answered:
        Query(of=asked.query)
        return document(AliveAnswer("alive"))

    def readyz(asked: Asked) -> Answered:
        Query(of=asked.query)
        readiness = desk.readiness()
        return document(readiness, status=503 if readiness.state == "not_ready" else 200)

    return [Route("GET", "/healthz", healthz), Route("GET", "/readyz", readyz)]
