"""One client's connection: bytes in and out with a deadline, and an end that loses no answer.

It works on a non-blocking socket of the standard library, plain or TLS: a read or a write that can
be done at once is done at once, and only one that cannot goes through the scheduler.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final

import trio

LINGER_SECONDS: Final = 1.0
"""After an early answer (413, say) the rest of the body is read away for so long: closing at once
would reset the connection, and the client would lose the answer."""

PIECE_BYTES: Final = 64 << 10
"""How much is read or written at a time."""


class Connection:
    """A connection as Hypercorn's server wants it, with a limit on sending and a soft end.

    Attributes:
      socket: the socket itself, for the addresses of both ends.
    """

    def __init__(self, sock: socket.socket, send_timeout_seconds: float) -> None:
        """Take over `sock`, which does not block."""
        self.socket = sock
        self._send_timeout_seconds = send_timeout_seconds
        self._unread = b""
        self._reading = False
        self._ended = False
        self._closing = False
        self._closed = trio.Event()
        self._read_out = trio.Event()

    def unread(self, data: bytes) -> None:
        """Put back what was read, in front of what comes next."""
        self._unread = data + self._unread

    async def receive_some(self, max_bytes: int = PIECE_BYTES) -> bytes:
        """Return what the client sent; nothing once it has ended, or we have.

        Raises:
          trio.BrokenResourceError: the connection was cut.
        """
        if self._closing:
            await trio.lowlevel.checkpoint()
            return b""
        if self._unread:
            data, self._unread = self._unread, b""
            return data
        self._reading = True
        try:
            data = await self._receive(max_bytes)
            while data and self._closing:
                data = await self._receive(max_bytes)
        except trio.BrokenResourceError:
            self._ended = True
            raise
        finally:
            self._reading = False
            self._read_out.set()
            self._read_out = trio.Event()
        self._ended = not data
        return data

    def receive_now(self) -> bytes | None:
        """Return what is there to read, or None if nothing is, without waiting.

        Raises:
          trio.BrokenResourceError: the connection was cut.
        """
        try:
            data = self.socket.recv(PIECE_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError as error:
            self._ended = True
            raise trio.BrokenResourceError from error
        self._ended = not data
        return data

    async def send_all(self, data: bytes) -> None:
        """Send it, or break the connection of a client that does not read.

        Raises:
          trio.BrokenResourceError: it did not go out.
        """
        rest = memoryview(data)
        while rest:
            piece, rest = rest[:PIECE_BYTES], rest[PIECE_BYTES:]
            with trio.move_on_after(self._send_timeout_seconds) as limit:
                while piece:
                    piece = piece[await self._send(piece) :]
            if limit.cancelled_caught:
                self.close()
                raise trio.BrokenResourceError("the client does not read what it is sent")

    def send_now(self, data: bytes) -> int:
        """Send what can go at once; return how much did.

        Raises:
          trio.BrokenResourceError: the connection was cut.
        """
        try:
            return self.socket.send(memoryview(data)[:PIECE_BYTES])
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except OSError as error:
            raise trio.BrokenResourceError from error

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
            self.close()
            self._closed.set()

    async def _linger(self) -> None:
        with suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            self._say_end()
            self.socket.shutdown(socket.SHUT_WR)
            if self._reading:
                await self._read_out.wait()
            while not self._ended and await self._receive(PIECE_BYTES):
                pass

    def close(self) -> None:
        """Cut it, whatever is still on its way."""
        self._ended = True
        if self.socket.fileno() >= 0:
            self._say_end()
            trio.lowlevel.notify_closing(self.socket)
            self.socket.close()

    def _say_end(self) -> None:
        """Say on top of TCP that nothing more comes, where there is something on top."""

    async def _receive(self, max_bytes: int) -> bytes:
        # A client that sends faster than it is read would else hold up everybody.
        await trio.lowlevel.checkpoint()
        while True:
            try:
                return self.socket.recv(max_bytes)
            except (BlockingIOError, ssl.SSLWantReadError):
                await trio.lowlevel.wait_readable(self.socket)
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(self.socket)
            except OSError as error:
                raise trio.BrokenResourceError from error

    async def _send(self, data: memoryview) -> int:
        while True:
            try:
                return self.socket.send(data)
            except (BlockingIOError, ssl.SSLWantWriteError):
                await trio.lowlevel.wait_writable(self.socket)
            except ssl.SSLWantReadError:
                await trio.lowlevel.wait_readable(self.socket)
            except OSError as error:
                raise trio.BrokenResourceError from error


class TlsConnection(Connection):
    """The same over TLS. Hypercorn asks for these names to know that it is."""

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        send_timeout_seconds: float,
        in_turn: Callable[[], AbstractAsyncContextManager[None]],
    ) -> None:
        """Take over `sock`, which does not block; each step of the handshake is `in_turn`."""
        self._tls = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self._in_turn = in_turn
        super().__init__(self._tls, send_timeout_seconds)

    @property
    def transport_stream(self) -> TlsConnection:
        """What has the socket."""
        return self

    async def do_handshake(self) -> None:
        """Shake hands; return at once if that is done.

        Raises:
          trio.BrokenResourceError: it failed, or the connection was cut.
        """
        while True:
            try:
                async with self._in_turn():
                    self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await trio.lowlevel.wait_readable(self._tls)
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(self._tls)
            except OSError as error:
                raise trio.BrokenResourceError from error

    def _say_end(self) -> None:
        """Send close_notify (RFC 8446 §6.1): else the client cannot tell the end from a cut."""
        # Without waiting for the client's own, and never twice: there is no TLS object then.
        with suppress(OSError, ValueError):
            self._tls.unwrap()

    def certificate(self) -> bytes | None:
        """Return the client's verified certificate as DER, or None if it showed none."""
        return self._tls.getpeercert(binary_form=True)

    def selected_alpn_protocol(self) -> str | None:
        """Return what the client and we agreed to speak."""
        return self._tls.selected_alpn_protocol()
