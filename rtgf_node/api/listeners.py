"""The socket side of HTTP: TLS 1.3, who the client is, and what one connection may cost.

Hypercorn speaks HTTP on each connection; its own accept loop would hide the client's certificate,
so this one takes its place and hands each connection to `TCPServer` (an inner part of Hypercorn,
which is why its version is pinned). The application finds in `scope["state"]` the `client`, the SAN
URI of the verified certificate or None, and the `address`.

A client that fails its handshake, sends or reads slowly, or breaks the protocol costs its own
connection and nothing else. Every state of a connection has its limit: handshake, the head of a
request (also the time between two), the request until its answer starts, each piece of an answer.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import structlog
import trio
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app

from rtgf_node import pki
from rtgf_node.api.connection import Connection, TlsConnection
from rtgf_node.api.deadlines import AsgiApp, Deadlines
from rtgf_node.api.limits import client_network
from rtgf_node.config import host_and_port
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import HttpConfig

log = structlog.get_logger(__name__)

ALPN: Final = ("aarp/1", "h2", "http/1.1")
"""What is spoken (RFC 7301), best first; `aarp/1` is framed as HTTP/1.1."""

MAX_REQUESTS_PER_CONNECTION: Final = 1_000_000
"""A partner may keep one connection for days; rates are limited elsewhere."""


class Bound(NamedTuple):
    """Where a listener really is; with port 0, the system chose the port."""

    host: str
    port: int


class ServerTls:
    """The certificate of this server and the CA of its clients, read from files.

    `reload` reads them again; connections that are open keep what they have.
    """

    def __init__(self, certificate_file: Path, key_file: Path, client_ca_file: Path | None) -> None:
        """Read the files.

        Raises:
          RtgfError: RTGF_CONFIG_INVALID if one cannot be used.
        """
        self._files = (certificate_file, key_file, client_ca_file)
        self.context = self._made()

    def reload(self) -> None:
        """Use what the files hold now, for new connections.

        Raises:
          RtgfError: RTGF_CONFIG_INVALID if one cannot be used; then all stays as it was.
        """
        self.context = self._made()

    def _made(self) -> ssl.SSLContext:
        certificate_file, key_file, client_ca_file = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(list(ALPN))
        # No session tickets: each connection shows its certificate anew, to the CA in force.
        context.num_tickets = 0
        try:
            context.load_cert_chain(certificate_file, key_file)
            if client_ca_file is not None:
                # Optional, because public routes ask for none; a certificate that is shown and
                # does not verify ends the handshake.
                context.load_verify_locations(client_ca_file)
                context.verify_mode = ssl.CERT_OPTIONAL
        except OSError as error:  # ssl.SSLError is one
            raise RtgfError(
                Code.RTGF_CONFIG_INVALID,
                f"tls: {certificate_file}, {key_file} or {client_ca_file} cannot be used: "
                f"{error.strerror or error}",
            ) from error
        return context


async def serve(
    app: AsgiApp,
    config: HttpConfig,
    *,
    tls: ServerTls | None,
    bind: str,
    public_url: str = "",
    task_status: trio.TaskStatus[Bound] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` on `bind` until cancelled; plain HTTP if `tls` is None.

    Once cancelled it accepts nothing more and closes what is idle; requests in hand have
    `config.shutdown_seconds` to finish, then their connections are cut.

    Args:
      app: an ASGI application; it gets `http` scopes only, and no lifespan.
      config: the limits.
      tls: read anew for each connection, so a `reload` counts at once.
      bind: `host:port`.
      public_url: where the node's error pages are.
      task_status: `started` is told where the listener really is.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if it cannot listen there.
    """
    listeners = await _open(bind)
    server = _Server(app, config, tls, public_url)
    host, port = listeners[0].socket.getsockname()[:2]
    async with trio.open_nursery() as connections:
        try:
            task_status.started(Bound(host, port))
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
    """What the connections of one listener share."""

    def __init__(
        self, app: AsgiApp, config: HttpConfig, tls: ServerTls | None, public_url: str
    ) -> None:
        self._config = config
        self._tls = tls
        guarded = Deadlines(app, config, public_url)
        self._app = wrap_app(cast("Any", guarded), 0, "asgi")
        self._hypercorn = _hypercorn_config(config)
        self._context = WorkerContext(None)
        self._open: Counter[str] = Counter()
        self._scopes: set[trio.CancelScope] = set()

    async def drain(self) -> None:
        """Let idle connections go, and give the others a deadline."""
        await self._context.terminated.set()
        deadline = trio.current_time() + self._config.shutdown_seconds
        for scope in self._scopes:
            scope.deadline = min(scope.deadline, deadline)

    async def handle(self, transport: trio.SocketStream) -> None:
        """Serve one connection to its end. Raises nothing but a cancellation."""
        try:
            transport.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            address = transport.socket.getpeername()[0]
        except OSError:
            return  # gone before we looked
        with self._counted(address) as admitted, trio.CancelScope() as scope:
            if not admitted:
                return
            self._scopes.add(scope)
            try:
                await self._speak(transport, address, scope)
            except Exception:
                # A client made Hypercorn or its protocol library fail. It is a bug there, or in
                # our use of it, and no reason to stop serving everybody else.
                log.exception("connection_failed", address=address)
            finally:
                self._scopes.discard(scope)

    async def _speak(
        self, transport: trio.SocketStream, address: str, scope: trio.CancelScope
    ) -> None:
        identity: str | None = None
        connection: Connection
        if self._tls is None:
            connection = Connection(transport, transport, self._config.send_timeout_seconds)
        else:
            stream = trio.SSLStream(
                transport, self._tls.context, server_side=True, https_compatible=True
            )
            try:
                with trio.fail_after(self._config.handshake_timeout_seconds):
                    await stream.do_handshake()
            except (trio.BrokenResourceError, trio.TooSlowError):
                return
            identity = _identity(stream.getpeercert(binary_form=True))
            connection = TlsConnection(stream, transport, self._config.send_timeout_seconds)
        # From here on a stop of the listener waits for the requests in hand (`drain`).
        scope.shield = True
        state = ConnectionState({"client": identity, "address": address})
        served = cast("Any", connection)
        await _Http(self._app, self._hypercorn, self._context, cast("Any", state), served).run()

    @contextmanager
    def _counted(self, address: str) -> Iterator[bool]:
        """Count the connection while it is open; say whether there was room for it."""
        client = client_network(address)
        self._open[client] += 1
        try:
            yield (
                self._open[client] <= self._config.max_connections_per_address
                and self._open.total() <= self._config.max_connections
            )
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]


class _Http(TCPServer):
    """Hypercorn's server for one connection, ended when the client has gone."""

    async def _read_data(self) -> None:
        await super()._read_data()
        # Else it would wait out the keep-alive time, and count against its client's limit.
        await self.idle_task.stop()


def _identity(der: bytes | None) -> str | None:
    """Return who the verified certificate names; one that names nobody is as good as none."""
    if der is None:
        return None
    try:
        return pki.identity(der)
    except RtgfError:
        return None


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
