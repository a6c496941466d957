"""One request of a connection as a stream of its own, for who stands behind the fast lane."""

from __future__ import annotations

from typing import Final

import trio

from rtgf_node.api import framing
from rtgf_node.api.connection import Connection
from rtgf_node.errors import RtgfError

READ_AHEAD_BYTES: Final = 64 << 10
"""How much of what follows a request is taken in before that request is answered."""


class OneRequest:
    """One request as a stream for the framework: it ends where the request does.

    Attributes:
      is_answered: whether the answer went out whole and the connection may go on.
      rest: what came after the request.
      refusal: what is wrong with its body, if nothing was answered before that was seen.
    """

    def __init__(
        self, connection: Connection, head: bytes, buffer: bytes, length: int | None
    ) -> None:
        """Take what was read already: the head, and the buffer of what follows it."""
        self._connection = connection
        self._head = head
        self._chunks = framing.Chunks(head) if length is None else None
        self._missing = length or 0
        self.rest = buffer
        self.is_answered = False
        self.refusal: RtgfError | None = None
        self._is_answering = False
        self._waiting = trio.CancelScope()

    @property
    def socket(self) -> object:
        """The socket, for the addresses of both ends."""
        return self._connection.socket

    async def receive_some(self, max_bytes: int) -> bytes:
        """Return more of the request. After it, wait until it is answered or the client is gone."""
        if self._head:
            head, self._head = self._head, b""
            return head
        while self._missing > 0 or (self._chunks is not None and not self._chunks.is_whole):
            data = self.rest or await self._connection.receive_some(max_bytes)
            self.rest = b""
            if not data:
                return b""
            if self._chunks is None:
                data, self.rest = data[: self._missing], data[self._missing :]
                self._missing -= len(data)
                return data
            try:
                chunks = self._chunks.feed(data)
            except RtgfError as error:
                self.refusal = None if self._is_answering else error
                return b""
            if chunks:
                return chunks
        with self._waiting:
            while len(self.rest) < READ_AHEAD_BYTES:
                data = await self._connection.receive_some()
                if not data and self._is_answering:
                    return b""
                if not data:
                    break  # it may have nothing more to say, and still listen
                self.rest += data
            await trio.sleep_forever()
        return b""

    async def send_all(self, data: bytes) -> None:
        """Send a piece of the answer."""
        if self.refusal is None:
            self._is_answering = True
            await self._connection.send_all(data)

    def answered(self) -> None:
        """Note that the answer is out, and the connection whole."""
        self.is_answered = True
        self._waiting.cancel()

    async def aclose(self) -> None:
        """End; the connection goes on if the request was answered, or is to be refused."""
        if not self.is_answered and self.refusal is None:
            await self._connection.aclose()


class OneTlsRequest(OneRequest):
    """The same over TLS. Hypercorn asks for these names to know that it is."""

    @property
    def transport_stream(self) -> OneTlsRequest:
        """What has the socket."""
        return self

    async def do_handshake(self) -> None:
        """Return at once: it is done."""

    def selected_alpn_protocol(self) -> str:
        """Return what is spoken."""
        return "http/1.1"


def without_headers(raw: bytes, *names: bytes) -> bytes:
    """Return a head without the header lines of these lower-case names."""
    lines = raw.split(b"\r\n")
    kept = [line for line in lines[1:] if line.partition(b":")[0].lower() not in names]
    return b"\r\n".join([lines[0], *kept])
