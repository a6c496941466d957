"""`/revocations`: the signed list of status changes, and the status lists that wallets read."""

from __future__ import annotations

from quart import Blueprint, Response

from rtgf_node.actors.messages import RevocationList, StatusList
from rtgf_node.api.answers import document, ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.parameters import Query
from rtgf_node.core import status_list
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

    @blueprint.get("/revocations/status-list/<int:number>")
    async def statuses(number: int) -> Response:
        if Query("time").text("time") is not None:
            # What the draft has for a time that is not supported (§8.4). Signing a list now with a
            # date of the past would be a statement that nobody made then.
            raise RtgfError(
                Code.RTGF_NOT_FOUND,
                "only the present list is served; an earlier one follows from the log's entries",
                pointer="?time",
            )
        jwt = await desk.revocation.ask(StatusList(number=number))
        return ready(
            jwt.encode(),
            cache=f"public, max-age={MAX_AGE}",
            content_type=status_list.MEDIA_TYPE,
        )

    return blueprint
