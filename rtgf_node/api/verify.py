"""`/verify` and `/evaluate`: answered from the verifier's memory."""

from __future__ import annotations

import trio
from quart import Blueprint, Response, request

from rtgf_node.api.answers import document, ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.parameters import Query
from rtgf_node.errors import Code, RtgfError


def routes(desk: Desk) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("verify", __name__)

    @blueprint.post("/verify")
    async def verify() -> Response:
        Query()
        body = await json_body()
        started = trio.current_time()
        try:
            answer = desk.verifier.verify(body)
        except RtgfError as error:
            desk.metrics.verified("error", error.code.name)
            raise
        desk.metrics.verify_latency.observe((trio.current_time() - started) * 1000)
        return ready(answer, cache="no-store")

    @blueprint.post("/evaluate")
    async def evaluate() -> Response:
        explained = Query("explain").text("explain") == "text"
        return document(desk.verifier.evaluate(await json_body(), explained=explained))

    return blueprint


async def json_body() -> bytes:
    """Return the request's body, which must say that it is JSON.

    Raises:
      RtgfError: RTGF_MEDIA_TYPE.
    """
    if request.mimetype != "application/json":
        raise RtgfError(Code.RTGF_MEDIA_TYPE, "send Content-Type: application/json")
    return await raw_body()


async def raw_body() -> bytes:
    """Return the request's body, whatever it says that it is."""
    body: bytes = await request.get_data(cache=True, as_text=False, parse_form_data=False)
    return body
