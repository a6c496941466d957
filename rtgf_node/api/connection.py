"""One client's connection: sending has a deadline, and the end loses no answer."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Final

import trio

LINGER_SECONDS: Final = 1.0
"""After an early answer (413, say) the rest of the body is read away for so long: closing at once
would reset the connection, and the client would lose the answer."""

DISCARD_BYTES: Final = 64 << 10
"""How much is read away at a time."""


class Connection:
    """A plain connection as Hypercorn's server wants it, with a limit on sending and a soft end."""

    def __init__(
        self,
        stream: trio.SocketStream | trio.SSLStream[trio.SocketStream],
        transport: trio.SocketStream,
        send_timeout_seconds: float,
    ) -> None:
        self._stream = stream
        self._transport = transport
        self._send_timeout_seconds = send_timeout_seconds
        self._reading = False
        self._ended = False
        self._closing = False
        self._closed = trio.Event()
        self._read_out = trio.Event()

    @property
    def socket(self) -> trio.socket.SocketType:
        """The socket, for the addresses of both ends."""
        return self._transport.socket

    async def receive_some(self, max_bytes: int) -> bytes | bytearray:
        """Return what the client sent; nothing once it has ended, or we have."""
        if self._closing:
            await trio.lowlevel.checkpoint()
            return b""
        self._reading = True
        try:
            data = await self._stream.receive_some(max_bytes)
            while data and self._closing:
                data = await self._stream.receive_some(max_bytes)
        except trio.BrokenResourceError:
            self._ended = True
            raise
        finally:
            self._reading = False
            self._read_out.set()
            self._read_out = trio.Event()
        self._ended = not data
        return data

    async def send_all(self, data: bytes) -> None:
        """Send it, or break the connection of a client that does not read."""
        # Hypercorn sends under a shield; this deadline works inside it.
        with trio.move_on_after(self._send_timeout_seconds) as limit:
            await self._stream.send_all(data)
        if limit.cancelled_caught:
            self._ended = True
            await trio.aclose_forcefully(self._transport)
            raise trio.BrokenResourceError("the client does not read what it is sent")

    async def aclose(self) -> None:
        """Say that nothing more comes, read away what the client still sends, then close."""
        if self._closing:
            # Who reads and who answers may both close; the second must not cut the first short.
            await self._closed.wait()
            return
        self._closing = True
        try:
            # Shielded, for the framework cancels whoever answers as soon as the answer is out.
            with trio.move_on_after(LINGER_SECONDS, shield=True):
                await self._linger()
        finally:
            self._closed.set()
            await trio.aclose_forcefully(self._transport)

    async def _linger(self) -> None:
        with suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            self._transport.socket.shutdown(socket.SHUT_WR)
            if self._reading:
                await self._read_out.wait()
            while not self._ended and await self._transport.receive_some(DISCARD_BYTES):
                pass


class TlsConnection(Connection):
    """The same over TLS, its handshake done. Hypercorn asks for these names to know that it is."""

    def __init__(
        self,
        stream: trio.SSLStream[trio.SocketStream],
        transport: trio.SocketStream,
        send_timeout_seconds: float,
    ) -> None:
        super().__init__(stream, transport, send_timeout_seconds)
        self._tls = stream

    @property
    def transport_stream(self) -> trio.SocketStream:
        """What is below TLS."""
        return self._transport

    async def do_handshake(self) -> None:
        """Return at once: it is done."""
        await self._tls.do_handshake()

    def selected_alpn_protocol(self) -> str | None:
        """Return what the client and we agreed to speak."""
        protocol: str | None = self._tls.selected_alpn_protocol()
        return protocol
