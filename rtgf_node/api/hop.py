"""From a worker to its node: requests that the worker does not answer itself.

For each such request, or whole HTTP/2 connection, the worker makes a pair of sockets and hands one
of them to the node through the `door`, a socket that both have held since the worker was started.
With it goes who the client is, as the worker verified it: not a header, so nothing that a client
sends can say it, and nobody else holds an end of the door. Over the pair go the request's bytes as
they came, and the answer's, each piece behind a mark.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec
import structlog
import trio

from rtgf_node.api.behind import Behind, OneStream, Stream

log = structlog.get_logger(__name__)

PIECE_BYTES: Final = 64 << 10
"""Of a request or an answer at a time; it must fit into one packet."""

PIECE: Final = b"+"
"""Stands before a piece of an answer."""

WHOLE: Final = b"."
"""Says that the answer is out whole, and the client's connection may go on."""

MAX_VISITOR_BYTES: Final = 4096
"""An address and the URI of a certificate."""


class Visitor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose request it is.

    Attributes:
      client: the SAN URI of the verified certificate, or None.
      address: of the other end.
      is_whole: whether it is a whole connection.
      is_tls: whether the client is on TLS.
      is_http2: whether HTTP/2 was agreed on.
    """

    client: str | None
    address: str
    is_whole: bool
    is_tls: bool
    is_http2: bool


_ENDED: Final = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)
"""How it shows that an end has gone."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Visitor).decode


def door() -> tuple[socket.socket, socket.socket]:
    """Return the node's and the worker's end of a new door."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class Hop:
    """The worker's end: stands behind its lane.

    Args:
      door: the worker's end.
      may_ask: whether the node is there to answer.
    """

    def __init__(self, door: socket.socket, may_ask: Callable[[], bool]) -> None:
        door.setblocking(False)
        self._door = door
        self._may_ask = may_ask

    async def one(self, request: OneStream, *, client: str | None, address: str) -> None:
        """Have one request answered by the node."""
        if await self._pass(request, client, address, is_whole=False):
            request.answered()
        await request.aclose()

    async def whole(self, connection: Stream, *, client: str | None, address: str) -> None:
        """Have a connection served by the node to its end."""
        await self._pass(connection, client, address, is_whole=True)
        await connection.aclose()

    async def retire(self) -> None:
        """Do nothing: the node lets its connections end by itself."""

    async def _pass(
        self, stream: Stream, client: str | None, address: str, *, is_whole: bool
    ) -> bool:
        """Return whether the answer came whole."""
        if not self._may_ask():
            return False
        alpn = getattr(stream, "selected_alpn_protocol", None)
        is_http2 = is_whole and alpn is not None and alpn() == "h2"
        visitor = _encode(Visitor(client, address, is_whole, alpn is not None, is_http2))
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with trio.socket.from_stdlib_socket(pair[0]) as ours:
            with pair[1] as theirs:
                await self._hand_in(visitor, theirs)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_send_request, stream, ours)
                is_answered = await _take_answer(stream, ours)
                nursery.cancel_scope.cancel()
        return is_answered

    async def _hand_in(self, visitor: bytes, theirs: socket.socket) -> None:
        while True:
            try:
                socket.send_fds(self._door, [visitor], [theirs.fileno()])
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._door)
            else:
                return


async def _send_request(stream: Stream, ours: trio.socket.SocketType) -> None:
    with suppress(*_ENDED):
        while data := await stream.receive_some(PIECE_BYTES):
            await ours.send(data)
    # The client has gone, or sent what nobody can read.
    with suppress(OSError):
        ours.shutdown(socket.SHUT_WR)


async def _take_answer(stream: Stream, ours: trio.socket.SocketType) -> bool:
    """Return whether it came whole, and the client took it."""
    with suppress(*_ENDED):
        while data := await ours.recv(PIECE_BYTES + 1):
            if data == WHOLE:
                return True
            await stream.send_all(data[1:])
    return False


async def receive(door: socket.socket, behind: Behind) -> None:
    """Answer what comes through the node's end of a door, until the worker has gone.

    Cancelled, it cuts what is in hand.
    """
    door.setblocking(False)
    async with trio.open_nursery() as visits:
        while True:
            await trio.lowlevel.wait_readable(door)
            try:
                data, descriptors, _, _ = socket.recv_fds(door, MAX_VISITOR_BYTES, 1)
            except BlockingIOError:
                continue
            except OSError:
                return
            if not data:
                return
            if descriptors:
                sock = socket.socket(fileno=descriptors[0])
                visits.start_soon(_answer, behind, _decode(data), sock)
            else:
                # The process has no descriptor left. The worker sees its end closed.
                log.error("visitor_not_taken")


async def _answer(behind: Behind, visitor: Visitor, sock: socket.socket) -> None:
    """Raises nothing but a cancellation."""
    kind = TlsVisit if visitor.is_tls else Visit
    serve = behind.whole if visitor.is_whole else behind.one
    with trio.socket.from_stdlib_socket(sock) as theirs:
        visit = kind(theirs, is_http2=visitor.is_http2)
        try:
            await serve(visit, client=visitor.client, address=visitor.address)
        except Exception:
            # As in the listener: a bug there is no reason to stop serving everybody else.
            log.exception("connection_failed")


class Visit:
    """The node's end of a pair, as Hypercorn wants it.

    Attributes:
      socket: the socket itself.
    """

    def __init__(self, sock: trio.socket.SocketType, *, is_http2: bool) -> None:
        self.socket = sock
        self._alpn = "h2" if is_http2 else "http/1.1"
        self._is_answered = False
        self._reading = trio.CancelScope()

    async def receive_some(self, max_bytes: int) -> bytes:
        """Return more of the request; nothing once it is answered, or the client is gone.

        Raises:
          trio.BrokenResourceError: the worker is gone.
        """
        if self._is_answered:
            await trio.lowlevel.checkpoint()
            return b""
        with trio.CancelScope() as self._reading:
            try:
                return await self.socket.recv(max(max_bytes, PIECE_BYTES))
            except OSError as error:
                raise trio.BrokenResourceError from error
        return b""

    async def send_all(self, data: bytes) -> None:
        """Send a piece of the answer.

        Raises:
          trio.BrokenResourceError: the worker is gone, or its client.
        """
        try:
            for begin in range(0, len(data), PIECE_BYTES):
                await self.socket.send(PIECE + data[begin : begin + PIECE_BYTES])
        except OSError as error:
            raise trio.BrokenResourceError from error

    def answered(self) -> None:
        """Note that the answer is out, and the connection whole."""
        self._is_answered = True
        self._reading.cancel()

    async def aclose(self) -> None:
        """End."""
        with suppress(OSError):
            if self._is_answered and self.socket.fileno() >= 0:
                with trio.CancelScope(shield=True):
                    await self.socket.send(WHOLE)
        self.socket.close()


class TlsVisit(Visit):
    """The same of a client on TLS. Hypercorn asks for these names to know that it is."""

    @property
    def transport_stream(self) -> TlsVisit:
        """What has the socket."""
        return self

    async def do_handshake(self) -> None:
        """Return at once: the worker did it."""

    def selected_alpn_protocol(self) -> str:
        """Return what the client and the worker agreed to speak."""
        return self._alpn
