"""`/revocations`: the signed list of status changes, and the status lists that wallets read."""

from __future__ import annotations

from rtgf_node.actors.messages import PastStatusList, RevocationList, StatusList
from rtgf_node.api.answers import document, ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered, Asked, Route
from rtgf_node.api.parameters import Query
from rtgf_node.core import status_list
from rtgf_node.core.as_of import AsOf, Time
from rtgf_node.core.identifiers import TOKEN_TYPES
from rtgf_node.errors import Code, RtgfError

MAX_AGE = 5
"""Seconds a cache may hold the list; far below the 60 s in which a revocation must be known."""


def routes(desk: Desk) -> list[Route]:
    """Return the routes."""

    async def revocations(asked: Asked) -> Answered:
        query = Query("since", "type", "at", of=asked.query)
        kind = query.text("type")
        if kind is not None and kind.upper() not in TOKEN_TYPES:
            raise RtgfError(Code.RTGF_BAD_REQUEST, "not a token type", pointer="?type")
        since = query.whole("since", default=0)
        as_of = query.as_of(desk.store.log, now=desk.clock.now())
        signed = await desk.revocation.ask(
            RevocationList(
                since=since, type=kind.upper() if kind else None, tree_size=as_of.tree_size
            )
        )
        return document(signed, max_age=MAX_AGE)

    async def statuses(asked: Asked, text: str) -> Answered:
        if not text.isdigit() or not text.isascii() or len(text) > 9:
            raise RtgfError(Code.RTGF_NOT_FOUND, "there is no such list")
        number, as_of = int(text), past(Query("time", "at", of=asked.query))
        wanted = (
            StatusList(number=number)
            if as_of is None
            else PastStatusList(number=number, as_of=as_of)
        )
        jwt = await desk.revocation.ask(wanted)
        return ready(
            jwt.encode(),
            cache=f"public, max-age={MAX_AGE}",
            content_type=status_list.MEDIA_TYPE,
        )

    def past(query: Query) -> AsOf | None:
        """Return the state that `at`, or the draft's `time` in seconds since 1970, asks for."""
        log, now = desk.store.log, desk.clock.now()
        if query.text("time") is None:
            return query.as_of(log, now=now) if query.text("at") is not None else None
        if query.text("at") is not None:
            raise RtgfError(Code.RTGF_BAD_REQUEST, "give time or at, not both", pointer="?time")
        at = query.whole("time", default=now)
        if at > now:
            raise RtgfError(Code.RTGF_NOT_FOUND, "no list is there yet", pointer="?time")
        return log.as_of(Time(at), now=now)

    return [
        Route("GET", "/revocations", revocations, is_kept=True),
        Route("GET", "/revocations/status-list/<number>", statuses, is_kept=True),
    ]
