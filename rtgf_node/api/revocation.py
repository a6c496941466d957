"""`/revocations`: the signed list of status changes."""

from __future__ import annotations

from quart import Blueprint, Response

from rtgf_node.actors.messages import RevocationList
from rtgf_node.api.answers import document
from rtgf_node.api.desk import Desk
from rtgf_node.api.parameters import Query
from rtgf_node.core.identifiers import TOKEN_TYPES
from rtgf_node.errors import Code, RtgfError

MAX_AGE = 5
"""Seconds a cache may hold the list; far below the 60 s in which a revocation must be known."""


def routes(desk: Desk) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("revocation", __name__)

    @blueprint.get("/revocations")
    async def revocations() -> Response:
        query = Query("since", "type")
        kind = query.text("type")
        if kind is not None and kind.upper() not in TOKEN_TYPES:
            raise RtgfError(Code.RTGF_BAD_REQUEST, "not a token type", pointer="?type")
        since = query.whole("since", default=0)
        signed = await desk.revocation.ask(
            RevocationList(since=since, type=kind.upper() if kind else None)
        )
        return document(signed, max_age=MAX_AGE)

    return blueprint
