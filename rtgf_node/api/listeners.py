"""The socket side of HTTP: TLS 1.3, who the client is, and what one connection may cost.

The fast lane (`lane.py`) reads HTTP/1.1 and answers what it can; HTTP/2, and the requests that the
lane leaves, are for who stands behind it (`behind.py`). Hypercorn's own accept loop would hide the
client's certificate, so this one takes its place.

A client that fails its handshake, sends or reads slowly, or breaks the protocol costs its own
connection and nothing else. Every state of a connection has its limit: handshake, the head of a
request (also the time between two), the request until its answer starts, each piece of an answer.
"""

from __future__ import annotations

import select
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from typing import Final, NamedTuple

import structlog
import trio

from rtgf_node.api import admin_socket
from rtgf_node.api.behind import Behind, Framework
from rtgf_node.api.connection import Connection, TlsConnection
from rtgf_node.api.deadlines import AsgiApp
from rtgf_node.api.exchange import Answered, Asked, Handler
from rtgf_node.api.lane import Hot, Lane, Turn
from rtgf_node.api.one_request import OneRequest
from rtgf_node.api.room import Room
from rtgf_node.api.server_tls import ServerTls, identity
from rtgf_node.config import host_and_port
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import HttpConfig

log = structlog.get_logger(__name__)

EXPIRE_SHARE: Final = 0.1
"""Of the keep-alive time: so much longer a silent connection may live."""

MAX_TURNS: Final = 4
"""Connections that have their turn before the time is looked at."""

TURNS_SECONDS: Final = 0.001
"""After so long other tasks have their turn."""


class Bound(NamedTuple):
    """Where a listener really is; with port 0, the system chose the port."""

    host: str
    port: int


class NothingHot:
    """Leaves every request to the application."""

    def find(self, method: str, path: str) -> Handler | None:
        """Return None."""

    def turned_away(self, asked: Asked) -> Answered | None:
        """Return None."""

    def refused(self, status: int) -> None:
        """Hear of a request that could not be read."""


NOTHING_HOT: Final = NothingHot()


async def serve(
    app: AsgiApp | Behind,
    config: HttpConfig,
    *,
    tls: ServerTls | None,
    bind: str | list[trio.SocketListener],
    hot: Hot = NOTHING_HOT,
    public_url: str = "",
    room: Room | None = None,
    task_status: trio.TaskStatus[Bound] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` on `bind` until cancelled; plain HTTP if `tls` is None.

    Once cancelled it accepts nothing more and closes what is idle; requests in hand have
    `config.shutdown_seconds` to finish, then their connections are cut.

    Args:
      app: an ASGI application; it gets `http` scopes only, and no lifespan. Or whoever else is to
        stand behind the lane.
      config: the limits.
      tls: read anew for each connection, so a `reload` counts at once.
      bind: `host:port`, or what listens already.
      hot: the handlers of the fast lane.
      public_url: where the node's error pages are.
      room: counts the connections; without it they count by themselves.
      task_status: `started` is told where the listener really is.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if it cannot listen there.
    """
    listeners = await _open(bind) if isinstance(bind, str) else bind
    behind = app if isinstance(app, Behind) else Framework(app, config, public_url)
    server = _Server(behind, config, tls, hot, public_url, room or Room(config))
    name = listeners[0].socket.getsockname()
    bound = Bound(name, 0) if isinstance(name, str) else Bound(*name[:2])
    with closing(server):
        async with trio.open_nursery() as connections:
            try:
                connections.start_soon(server.watch, connections)
                connections.start_soon(server.expire)
                task_status.started(bound)
                await trio.serve_listeners(server.handle, listeners, handler_nursery=connections)
            finally:
                await server.drain()


async def _open(bind: str) -> list[trio.SocketListener]:
    host, port = host_and_port(bind)
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID, f"cannot listen on {bind}: {error.strerror or error}"
        ) from error
    if port == 0:
        # A name may have several addresses; with any port, each would get a port of its own.
        for extra in listeners[1:]:
            await extra.aclose()
        del listeners[1:]
    return listeners


class _Server:
    """What the connections of one listener share.

    A connection at rest has no task: one task watches all of them (`watch`).
    """

    def __init__(
        self,
        behind: Behind,
        config: HttpConfig,
        tls: ServerTls | None,
        hot: Hot,
        public_url: str,
        room: Room,
    ) -> None:
        self._config = config
        self._tls = tls
        self._hot = hot
        self._public_url = public_url
        self._behind = behind
        self._is_ending = False
        self._room = room
        self._shaking = trio.Lock()
        self._connections: trio.Nursery
        self._scopes: set[trio.CancelScope] = set()
        self._busy: set[Lane] = set()
        self._at_rest: dict[int, Lane] = {}
        self._ready = select.epoll()

    async def watch(self, connections: trio.Nursery) -> None:
        """Give every connection at rest its turn when its client speaks; until cancelled.

        What takes time is done in `connections`.
        """
        self._connections = connections
        while True:
            await trio.lowlevel.wait_readable(self._ready.fileno())
            until = trio.current_time() + TURNS_SECONDS
            # Others have spoken meanwhile: going round once more is cheaper than the scheduler.
            while trio.current_time() < until and self._look():
                pass

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """Do what takes as long as several answers, after those who wait for one have theirs.

        There is one such thing in a pass of the scheduler: whoever waits for the lock has it in the
        next.
        """
        async with self._shaking:
            self._look()
            yield

    def _look(self) -> bool:
        """Give some connections at rest their turn; return whether any had something to say."""
        spoken = self._ready.poll(0, MAX_TURNS)
        for descriptor, _ in spoken:
            self._take_turn(self._at_rest[descriptor])
        return bool(spoken)

    def _take_turn(self, lane: Lane) -> None:
        try:
            turn = lane.take_turn()
        except Exception:
            log.exception("connection_failed")
            turn = Turn.GONE
        if turn is Turn.AT_REST:
            return
        self._wake(lane)
        if turn is Turn.BUSY:
            self._connections.start_soon(self._go_on, lane)
        else:
            self._end(lane.connection, lane.address)

    async def expire(self) -> None:
        """End connections that are silent for too long, until cancelled.

        One task looks after all of them: a timer for each request would cost more than reading it.
        """
        seconds = self._config.keep_alive_seconds * EXPIRE_SHARE
        while True:
            await trio.sleep(seconds)
            now = trio.current_time()
            for lane in [lane for lane in self._at_rest.values() if now > lane.due]:
                self._wake(lane)
                self._end(lane.connection, lane.address)

    async def drain(self) -> None:
        """Let idle connections go, and give the others a deadline."""
        self._is_ending = True
        await self._behind.retire()
        for lane in [*self._at_rest.values()]:
            self._wake(lane)
            self._end(lane.connection, lane.address)
        for lane in self._busy:
            lane.retiring = True
        deadline = trio.current_time() + self._config.shutdown_seconds
        for scope in self._scopes:
            scope.deadline = min(scope.deadline, deadline)

    def close(self) -> None:
        """Let go of what the listener holds of the system."""
        self._ready.close()

    async def handle(self, transport: trio.SocketStream) -> None:
        """Open one connection, and serve it until it rests. Raises nothing but a cancellation."""
        try:
            transport.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            is_unix = transport.socket.family == socket.AF_UNIX
            address = "unix" if is_unix else transport.socket.getpeername()[0]
        except OSError:
            return  # gone before we looked
        has_room = self._room.enter(address)
        lane: Lane | None = None
        connection: Connection | None = None
        try:
            if has_room:
                connection = self._opened(transport)
                lane = await self._meet(connection, address)
        except (OSError, trio.BrokenResourceError, trio.TooSlowError):
            pass
        except Exception:
            log.exception("connection_failed")
        finally:
            if lane is None:
                self._end(connection, address)
        if lane is not None:
            self._rest(lane)

    def _opened(self, transport: trio.SocketStream) -> Connection:
        """Take over the socket: from here on it is the connection's alone.

        Raises:
          OSError: the client is gone already.
        """
        sock = socket.socket(fileno=transport.socket.detach())
        sock.setblocking(False)
        patience = self._config.send_timeout_seconds
        if self._tls is None:
            return Connection(sock, patience)
        return TlsConnection(sock, self._tls.context, patience, self._in_turn)

    async def _meet(self, connection: Connection, address: str) -> Lane | None:
        """Find out who is there and what is spoken; HTTP/2 is served to its end.

        Raises:
          trio.BrokenResourceError, trio.TooSlowError: the handshake failed.
        """
        client: str | None = None
        is_http2 = False
        if isinstance(connection, TlsConnection):
            with trio.fail_after(self._config.handshake_timeout_seconds):
                await connection.do_handshake()
            client = identity(connection.certificate())
            is_http2 = connection.selected_alpn_protocol() == "h2"
        elif connection.socket.family == socket.AF_UNIX:
            client = admin_socket.identity(connection.socket)

        async def whole() -> None:
            await self._behind.whole(connection, client=client, address=address)

        async def one(request: OneRequest) -> None:
            await self._behind.one(request, client=client, address=address)

        if is_http2:
            with self._drainable():
                await whole()
            return None
        return Lane(
            connection,
            config=self._config,
            hot=self._hot,
            pass_on=one,
            pass_all=whole,
            client=client,
            address=address,
            public_url=self._public_url,
        )

    async def _go_on(self, lane: Lane) -> None:
        """Do what takes a connection some time. Raises nothing but a cancellation."""
        turn = Turn.GONE
        self._busy.add(lane)
        try:
            with self._drainable():
                turn = await lane.go_on()
        finally:
            self._busy.discard(lane)
            if turn is Turn.AT_REST and not self._is_ending:
                self._rest(lane)
            else:
                self._end(lane.connection, lane.address)

    @contextmanager
    def _drainable(self) -> Iterator[None]:
        """Shield what is in hand from a stop of the listener, until `drain` ends it."""
        with trio.CancelScope(shield=True) as scope:
            self._scopes.add(scope)
            try:
                yield
            except Exception:
                # A client made Hypercorn or its protocol library fail. It is a bug there, or in
                # our use of it, and no reason to stop serving everybody else.
                log.exception("connection_failed")
            finally:
                self._scopes.discard(scope)

    def _rest(self, lane: Lane) -> None:
        descriptor = lane.connection.socket.fileno()
        self._at_rest[descriptor] = lane
        self._ready.register(descriptor, select.EPOLLIN)

    def _wake(self, lane: Lane) -> None:
        descriptor = lane.connection.socket.fileno()
        del self._at_rest[descriptor]
        self._ready.unregister(descriptor)

    def _end(self, connection: Connection | None, address: str) -> None:
        if connection is not None:
            connection.close()
        self._room.leave(address)
