"""`/verify` and `/evaluate`: answered from the verifier's memory."""

from __future__ import annotations

from functools import partial
from typing import Final

import trio
from quart import request

from rtgf_node.api.access import Caller
from rtgf_node.api.again import Again
from rtgf_node.api.answers import document, ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered, Asked, Route
from rtgf_node.api.once import once
from rtgf_node.api.parameters import Query
from rtgf_node.api.receipted import receipted, wants_receipt
from rtgf_node.api.recording import recorded
from rtgf_node.errors import Code, RtgfError

BYTES_OF_ONE: Final = 16 << 10
"""Of a body: to read so much takes as long as a few answers. Each counts as a request more."""


def routes(desk: Desk) -> list[Route]:
    """Return the routes."""
    return [
        Route(
            "POST",
            "/verify",
            once(desk.kept, receipted(desk, recorded(desk, partial(verify, desk)))),
            again=Again(desk).answer,
        ),
        Route("POST", "/evaluate", recorded(desk, partial(evaluate, desk))),
    ]


def verify(desk: Desk, asked: Asked) -> Answered:
    """Answer whether a set of tokens is valid."""
    query = Query("at", "receipt", of=asked.query)
    wants_receipt(query)
    at = query.text("at")
    require_json(desk, asked)
    started = trio.current_time()
    try:
        answer = desk.verifier.verify(asked.body, at=at)
    except RtgfError as error:
        not_verified(desk, error)
        raise
    desk.metrics.answers.verify_took((trio.current_time() - started) * 1000)
    return ready(answer, cache="no-store")


def evaluate(desk: Desk, asked: Asked) -> Answered:
    """Answer what a token decides of a context."""
    query = Query("explain", "at", of=asked.query)
    explained, at = query.text("explain") == "text", query.text("at")
    require_json(desk, asked)
    return document(desk.verifier.evaluate(asked.body, explained=explained, at=at))


def not_verified(desk: Desk, error: RtgfError) -> None:
    """Count a verify request that is answered with a problem."""
    kind = None
    if error.code is Code.RTGF_VERIFY_SIGNATURE_INVALID:
        # The pointer is /tokens/<kind>…, and no text of the caller's.
        kind = (error.pointer or "").removeprefix("/tokens/").partition("/")[0].upper()
    desk.metrics.answers.not_verified(error.code.name, kind)


def require_json(desk: Desk, asked: Asked) -> None:
    """Refuse a body that does not say that it is JSON, or was not read; count a large one.

    Raises:
      RtgfError: RTGF_MEDIA_TYPE; RTGF_BODY_TOO_LARGE.
    """
    if asked.fault is not None:
        raise asked.fault
    said = asked.headers.get("content-type", "")
    if said != "application/json" and said.partition(";")[0].strip().lower() != "application/json":
        raise RtgfError(Code.RTGF_MEDIA_TYPE, "send Content-Type: application/json")
    if "content-encoding" in asked.headers:
        raise RtgfError(Code.RTGF_MEDIA_TYPE, "send the body as it is, without Content-Encoding")
    more = len(asked.body) // BYTES_OF_ONE
    if more:
        caller = Caller(asked.identity, asked.address, frozenset())
        desk.limits.owe(caller, at=trio.current_time(), cost=more, route="verify")


async def json_body() -> bytes:
    """Return the request's body, which must say that it is JSON.

    Raises:
      RtgfError: RTGF_MEDIA_TYPE.
    """
    if request.mimetype != "application/json":
        raise RtgfError(Code.RTGF_MEDIA_TYPE, "send Content-Type: application/json")
    if "content-encoding" in request.headers:
        raise RtgfError(Code.RTGF_MEDIA_TYPE, "send the body as it is, without Content-Encoding")
    return await raw_body()


async def raw_body() -> bytes:
    """Return the request's body, whatever it says that it is."""
    body: bytes = await request.get_data(cache=True, as_text=False, parse_form_data=False)
    return body
