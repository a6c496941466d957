"""This node as a witness: `POST /add-checkpoint`, and what was cosigned (C2SP tlog-witness)."""

from __future__ import annotations

import hashlib

from quart import request

from rtgf_node.actors.messages import Cosign
from rtgf_node.api.answers import ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered, Views
from rtgf_node.api.parameters import Query
from rtgf_node.core.add_checkpoint import SIZE_TYPE
from rtgf_node.errors import Code, RtgfError

TEXT = "text/plain; charset=utf-8"

MAX_AGE = 5
"""Seconds a cache may hold what was cosigned last of a log."""


def routes(desk: Desk) -> Views:
    """Return the routes."""
    blueprint = Views("witness", __name__)
    logs = {
        hashlib.sha256(log.origin.encode()).hexdigest(): log.origin
        for log in desk.config.witnessed_log
    }

    @blueprint.post("/add-checkpoint")
    async def add_checkpoint() -> Answered:
        Query()
        if desk.witness is None:
            raise RtgfError(Code.RTGF_NOT_FOUND, "this node is no witness")
        body: bytes = await request.get_data(cache=True, as_text=False, parse_form_data=False)
        answer = await desk.witness.ask(Cosign(body))
        if answer.line is None:
            text, status, kind = f"{answer.held_size}\n", 409, SIZE_TYPE
        else:
            text, status, kind = answer.line, 200, TEXT
        return ready(text.encode(), cache="no-store", content_type=kind, status=status)

    @blueprint.get("/witnessed/<origin_hash>/checkpoint")
    async def cosigned(origin_hash: str) -> Answered:
        Query()
        origin = logs.get(origin_hash) if desk.witness is not None else None
        row = desk.store.witness.cosigned(origin) if origin is not None else None
        if row is None:
            raise RtgfError(Code.RTGF_NOT_FOUND, "no checkpoint of this log was cosigned here")
        return ready(row.note, cache=f"public, max-age={MAX_AGE}", content_type=TEXT)

    return blueprint
