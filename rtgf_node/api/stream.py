"""`/revocations/stream`: every revocation as it commits, as server-sent events.

A reader has no queue here: it has come to an epoch, and is sent what the store has after it. One
that reads too slowly is cut (`deadlines.py`), comes back with its last event id, and misses
nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Final

import trio
from quart import Response, request

from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Views
from rtgf_node.api.limits import client_network
from rtgf_node.api.parameters import Query
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.revocation_news import entry_of
from rtgf_node.store.revocation_store import RevocationRow

MEDIA_TYPE: Final = "text/event-stream"

HEARTBEAT_SECONDS: Final = 15.0
"""A reader that hears nothing for twice as long knows that the connection is dead."""

RETRY_MILLISECONDS: Final = 1000
"""What browsers wait before they come back."""

EVENTS_AT_ONCE: Final = 256
"""Revocations in one piece of the stream: 100 KB at most."""

MAX_EPOCH_DIGITS: Final = 16


class Streams:
    """How many streams are open, in all and by client."""

    def __init__(self, most: int, most_per_client: int) -> None:
        self._most = most
        self._most_per_client = most_per_client
        self._open: Counter[str] = Counter()

    def total(self) -> int:
        """Return how many are open."""
        return self._open.total()

    def check_room(self, client: str) -> None:
        """Look whether the client may open another one.

        Raises:
          RtgfError: RTGF_VERIFY_RATE_LIMIT if it has its share, RTGF_OVERLOADED if all are taken.
        """
        if self._open[client] >= self._most_per_client:
            detail = f"you have {self._most_per_client} streams open already"
            raise RtgfError(Code.RTGF_VERIFY_RATE_LIMIT, detail)
        if self._open.total() >= self._most:
            raise RtgfError(Code.RTGF_OVERLOADED, "no more streams can be opened now; try again")

    def enter(self, client: str) -> bool:
        """Count one in; return whether there was still room, for others may have come meanwhile."""
        self._open[client] += 1
        return self._open[client] <= self._most_per_client and self._open.total() <= self._most

    def leave(self, client: str) -> None:
        """Count one out."""
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]


def routes(desk: Desk) -> Views:
    """Return the route."""
    blueprint = Views("stream", __name__)
    http, figures = desk.config.http, desk.metrics.push
    streams = Streams(http.max_event_streams, http.max_event_streams_per_client)

    @blueprint.get("/revocations/stream")
    async def stream() -> Response:
        after = _after(Query("since"), request.headers.get("Last-Event-ID"))
        if after is None:
            after = desk.store.revocation.rev_epoch()
        caller = desk.access.caller(request.scope)
        client = caller.identity or client_network(caller.address)
        streams.check_room(client)
        body = b"" if request.method == "HEAD" else _told(client, after)
        response = Response(body, content_type=MEDIA_TYPE)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Access-Control-Allow-Origin"] = "*"
        # Proxies that gather an answer before they pass it on would hold every event back.
        response.headers["X-Accel-Buffering"] = "no"
        response.timeout = None  # it lasts; each piece of it has its own limit
        return response

    async def _told(client: str, after: int) -> AsyncGenerator[bytes]:
        # Counted here and not in the view: an answer that is never begun is never ended.
        has_room = streams.enter(client)
        figures.streams.set(streams.total())
        try:
            if has_room:
                async with aclosing(_events(desk, after)) as events:
                    async for piece in events:
                        yield piece
        finally:
            streams.leave(client)
            figures.streams.set(streams.total())

    return blueprint


def _after(query: Query, last_event_id: str | None) -> int | None:
    """Return the epoch that the client has come to, None if it does not say.

    A browser that reconnects sends the URL that it began with and the id of the last event it got:
    that counts.
    """
    since = query.whole("since", default=0) if query.text("since") is not None else None
    if not last_event_id:
        return since
    plain = last_event_id.isascii() and last_event_id.isdigit()
    if not plain or len(last_event_id) > MAX_EPOCH_DIGITS:
        raise RtgfError(Code.RTGF_BAD_REQUEST, "Last-Event-ID is the id of an event: a revEpoch")
    return int(last_event_id)


async def _events(desk: Desk, after: int) -> AsyncGenerator[bytes]:
    yield b"retry: %d\n\n" % RETRY_MILLISECONDS + _heartbeat(desk, after)
    while True:
        # Taken before the look into the store: what commits in between wakes us at once.
        news = desk.news.next()
        if desk.news.is_over:
            return
        rows = desk.store.revocation.since(after, EVENTS_AT_ONCE)
        if rows:
            after = rows[-1].rev_epoch
            yield _revocations(rows)
            continue
        with trio.move_on_after(HEARTBEAT_SECONDS) as waiting:
            await news.wait()
        if waiting.cancelled_caught:
            yield _heartbeat(desk, after)


def _revocations(rows: Iterable[RevocationRow]) -> bytes:
    return b"".join(
        b"id: %d\nevent: revocation\ndata: %b\n\n" % (row.rev_epoch, canonical_bytes(entry_of(row)))
        for row in rows
    )


def _heartbeat(desk: Desk, after: int) -> bytes:
    """Say that the stream is alive, and whether the node itself still hears everything."""
    told = canonical_bytes(
        {"revEpoch": desk.store.revocation.rev_epoch(), "fresh": desk.verifier.ready}
    )
    return b"id: %d\nevent: heartbeat\ndata: %b\n\n" % (after, told)
