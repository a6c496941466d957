"""`/verify` and `/evaluate`: answered from the verifier's memory."""

from __future__ import annotations

import trio
from quart import Blueprint, Response, g, request

from rtgf_node.api.answers import document, ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.parameters import Query
from rtgf_node.api.recording import record_answers
from rtgf_node.errors import Code, RtgfError


def routes(desk: Desk) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("verify", __name__)
    record_answers(blueprint, desk)

    @blueprint.post("/verify")
    async def verify() -> Response:
        Query()
        body = await json_body()
        started = trio.current_time()
        try:
            answer = desk.verifier.verify(body)
        except RtgfError as error:
            desk.metrics.verified("error", error.code.name)
            if error.code is Code.RTGF_VERIFY_SIGNATURE_INVALID:
                # The pointer is /tokens/<kind>…, and no text of the caller's.
                kind = (error.pointer or "").removeprefix("/tokens/").partition("/")[0]
                desk.metrics.token_signature_failures.labels(kind.upper()).inc()
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
    body = await raw_body()
    g.asked = body
    return body


async def raw_body() -> bytes:
    """Return the request's body, whatever it says that it is."""
    body: bytes = await request.get_data(cache=True, as_text=False, parse_form_data=False)
    return body
