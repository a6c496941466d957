"""What stands behind the fast lane: the framework on Hypercorn, for all that the lane leaves it.

`TCPServer` is an inner part of Hypercorn, which is why its version is pinned. The application finds
in `scope["state"]` the `client`, the SAN URI of the verified certificate or None, and the
`address`.
"""

from __future__ import annotations

import logging
from typing import Any, Final, Protocol, cast, runtime_checkable

import trio
from hypercorn.config import Config as HypercornConfig
from hypercorn.events import Event, Updated
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app

from rtgf_node.api.deadlines import AsgiApp, Deadlines
from rtgf_node.settings import HttpConfig

MAX_REQUESTS_PER_CONNECTION: Final = 1_000_000
"""A partner may keep one connection for days; rates are limited elsewhere."""


class Stream(Protocol):
    """A client's connection, or one request of it, as Hypercorn wants it.

    Over TLS it has `transport_stream`, `do_handshake` and `selected_alpn_protocol` too.
    """

    @property
    def socket(self) -> object:
        """The socket, for the addresses of both ends."""

    async def receive_some(self, max_bytes: int) -> bytes:
        """Return more of what the client sent."""

    async def send_all(self, data: bytes) -> None:
        """Send a piece of the answer."""

    async def aclose(self) -> None:
        """End."""


class OneStream(Stream, Protocol):
    """One request: it ends where the request does."""

    def answered(self) -> None:
        """Note that the answer is out, and the connection whole."""


@runtime_checkable
class Behind(Protocol):
    """Who answers what the lane does not."""

    async def one(self, request: OneStream, *, client: str | None, address: str) -> None:
        """Answer one request."""

    async def whole(self, connection: Stream, *, client: str | None, address: str) -> None:
        """Serve a connection to its end."""

    async def retire(self) -> None:
        """Let connections end with what is in hand."""


class Framework:
    """The application on Hypercorn.

    Args:
      app: an ASGI application; it gets `http` scopes only, and no lifespan.
      config: the limits.
      public_url: where the node's error pages are.
    """

    def __init__(self, app: AsgiApp, config: HttpConfig, public_url: str) -> None:
        self._app = wrap_app(cast("Any", Deadlines(app, config, public_url)), 0, "asgi")
        self._hypercorn = _hypercorn_config(config)
        self._context = WorkerContext(None)

    async def one(self, request: OneStream, *, client: str | None, address: str) -> None:
        """Answer one request."""
        await _OneExchange(*self._parts(client, address), cast("Any", request)).run()

    async def whole(self, connection: Stream, *, client: str | None, address: str) -> None:
        """Serve a connection to its end."""
        await _WholeConnection(*self._parts(client, address), cast("Any", connection)).run()

    async def retire(self) -> None:
        """Let connections end with what is in hand."""
        await self._context.terminated.set()

    def _parts(self, client: str | None, address: str) -> tuple[Any, HypercornConfig, Any, Any]:
        state = ConnectionState({"client": client, "address": address})
        return self._app, self._hypercorn, self._context, state


class _Ended:
    """A stream that was answered before its body came: what comes of that is for nobody."""

    async def handle(self, event: object) -> None:
        pass


class _Streams(dict[int, Any]):
    """Streams by their numbers, also those that have ended."""

    def __missing__(self, number: int) -> _Ended:
        return _Ended()


class _WholeConnection(TCPServer):
    """Hypercorn's server for one HTTP/2 connection, ended when the client has gone."""

    async def run(self) -> None:
        with trio.CancelScope() as self._life:
            await super().run()

    async def protocol_send(self, event: Event) -> None:
        spoken = self.protocol.protocol
        if not isinstance(spoken, H2Protocol):
            # The preface of HTTP/2 is no request: whoever says no more is idle.
            if isinstance(event, Updated):
                return
        elif not isinstance(spoken.streams, _Streams):
            spoken.streams = _Streams()  # at its first word; there are none yet
        await super().protocol_send(event)

    async def _read_data(self) -> None:
        await super()._read_data()
        # Not every stream hears that the client has gone; one that does not would last for ever.
        self._life.cancel()


class _OneExchange(TCPServer):
    """Hypercorn's server for one request of a lane, which has the time between two in its hands."""

    async def protocol_send(self, event: Event) -> None:
        if not isinstance(event, Updated):
            await super().protocol_send(event)
        elif event.idle:
            cast("OneStream", self.stream).answered()

    async def _read_data(self) -> None:
        await self.idle_task.stop()
        await super()._read_data()


def _hypercorn_config(config: HttpConfig) -> HypercornConfig:
    hypercorn = HypercornConfig()
    hypercorn.accesslog = None
    hypercorn.errorlog = logging.getLogger("hypercorn.error")
    hypercorn.include_server_header = False
    hypercorn.h11_max_incomplete_size = config.max_header_bytes
    hypercorn.h2_max_header_list_size = config.max_header_bytes
    hypercorn.h2_max_concurrent_streams = config.max_streams_per_connection
    hypercorn.keep_alive_max_requests = MAX_REQUESTS_PER_CONNECTION
    # Runs from the last answer, or the first byte, until the head of the next request is whole.
    hypercorn.keep_alive_timeout = config.keep_alive_seconds
    # Off: it would cut a client that silently waits for a long answer or follows a stream. What it
    # would guard against, `Deadlines` and the keep-alive limit do.
    hypercorn.read_timeout = None
    return hypercorn
