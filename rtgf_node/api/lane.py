"""The fast lane: one HTTP/1.1 connection, its requests told apart and answered one by one.

A request whose handler is known (`Hot`) is answered here, with one read and one write and without a
task of its own. Any other is passed on, alone and whole, to the framework behind; its answer goes
out on the same connection, and the next request is read here again. So the framing of every request
is judged by one reader.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from enum import Enum, auto
from functools import partial
from typing import Final, Protocol

import trio

from rtgf_node.api import framing, problems
from rtgf_node.api.connection import Connection, TlsConnection
from rtgf_node.api.exchange import (
    Answered,
    Asked,
    Handler,
    Written,
    request_id,
    written_head,
)
from rtgf_node.api.framing import HEAD_END, Head
from rtgf_node.api.head_memory import HeadMemory
from rtgf_node.api.one_request import OneRequest, OneTlsRequest, without_headers
from rtgf_node.api.parameters import wants_strong
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import HttpConfig

MAX_AT_ONCE: Final = 4
"""Requests of one client that are answered before the others have their turn."""

TOO_OFTEN: Final = 429
"""The status of who is over a limit."""

TOO_OFTEN_SECONDS: Final = 0.1
"""Until more is read of one who is: to say so again and again is work too."""


class Hot(Protocol):
    """Who answers here."""

    def find(self, method: str, path: str) -> Handler | None:
        """Return who answers this, or None for the framework."""

    def turned_away(self, asked: Asked) -> Answered | None:
        """Return the refusal of a request whose client may not ask the framework now, or None."""

    def refused(self, status: int) -> None:
        """Hear of a request that could not be read."""


_WITHOUT_BODY: Final = frozenset({204, 304})
_CLOSE: Final = b"Connection: close\r\n\r\n"
_HEADS: Final = HeadMemory()


class Turn(Enum):
    """How a connection stands after its turn."""

    AT_REST = auto()
    """It waits for the client."""
    BUSY = auto()
    """It has something to do that takes time: `Lane.go_on`."""
    GONE = auto()
    """It has ended."""


class Lane:
    """One connection that speaks HTTP/1.1.

    Args:
      connection: ready to speak.
      config: the limits.
      hot: the handlers of this lane.
      pass_on: serves one request through the framework, on a stream that holds that request only.
      pass_all: serves the rest of a connection that turned out to speak HTTP/2.
      client: who the client's certificate names, or None.
      address: the address of the other end.
      public_url: where the node's error pages are.

    Attributes:
      connection, address: as handed in.
      due: when the client has been silent, or slow with a head, for too long (trio's clock).
      retiring: set to end after the request in hand.
    """

    __slots__ = (
        "_buffer",
        "_client",
        "_config",
        "_hot",
        "_pass_all",
        "_pass_on",
        "_public_url",
        "_to_do",
        "address",
        "connection",
        "due",
        "retiring",
    )

    def __init__(
        self,
        connection: Connection,
        *,
        config: HttpConfig,
        hot: Hot,
        pass_on: Callable[[OneRequest], Awaitable[None]],
        pass_all: Callable[[], Awaitable[None]],
        client: str | None,
        address: str,
        public_url: str,
    ) -> None:
        self.connection = connection
        self.due = trio.current_time() + config.keep_alive_seconds
        self.retiring = False
        self._config = config
        self._hot = hot
        self._pass_on = pass_on
        self._pass_all = pass_all
        self._client = client
        self.address = address
        self._public_url = public_url
        self._buffer = b""
        self._to_do: Callable[[], Awaitable[bool]] | None = None

    def take_turn(self) -> Turn:
        """Read what there is, and answer what can be answered without waiting."""
        try:
            data = self.connection.receive_now()
            if data is None:
                return Turn.AT_REST
            if not data:
                return Turn.GONE
            self._buffer = self._buffer + data if self._buffer else data
            return self._answer_now()
        except trio.BrokenResourceError:
            return Turn.GONE

    async def go_on(self) -> Turn:
        """Do what takes time, then answer what came meanwhile."""
        try:
            while self._to_do is not None:
                work, self._to_do = self._to_do, None
                if not await work() or self.retiring:
                    await self.connection.aclose()
                    return Turn.GONE
                self.due = trio.current_time() + self._config.keep_alive_seconds
                turn = self._answer_now()
                if turn is not Turn.BUSY:
                    return turn
                await trio.lowlevel.checkpoint()
        except trio.BrokenResourceError:
            return Turn.GONE
        return Turn.AT_REST

    def _answer_now(self) -> Turn:
        for _ in range(MAX_AT_ONCE):
            try:
                raw = self._head()
                if raw is None:
                    return Turn.AT_REST
                if raw == framing.HTTP2_PREFACE:
                    return self._later(partial(self._speak_http2, raw))
                head = _HEADS.read(raw)
            except RtgfError as error:
                return self._later(partial(self._refuse, error))
            length = head.length or 0
            is_plain = head.is_plain and length <= self._config.max_body_bytes
            if is_plain and head.query and wants_strong(head.query):
                # It may have to wait for a majority of the cluster.
                is_plain = False
            handler = self._hot.find(head.method, head.path) if is_plain else None
            if handler is None:
                refusal = self._hot.turned_away(self._asked(head, b""))
                if refusal is None:
                    return self._later(partial(self._hand_over, raw, head))
                return self._later(partial(self._turn_away, refusal, head))
            if len(self._buffer) < length:
                # TLS gives what was sent by itself by itself, though it has come together.
                self._buffer += self.connection.receive_now() or b""
            if len(self._buffer) < length:
                return self._later(partial(self._answer_late, handler, head))
            body, self._buffer = self._buffer[:length], self._buffer[length:]
            answered = handler(self._asked(head, body))
            if not (isinstance(answered, Written) or isinstance(answered, Answered)):  # noqa: SIM101 - a union is slow
                return self._later(partial(self._answer_awaited, answered, head))
            now = trio.current_time()
            data = self._message(answered, head, now)
            sent = self.connection.send_now(data)
            if sent < len(data) or not head.keep_alive or _asks_too_often(answered):
                return self._later(partial(self._send_rest, data[sent:], answered, head))
            self.due = now + self._config.keep_alive_seconds
            if not self._buffer:
                return Turn.AT_REST
        return self._later(self._let_others)

    def _later(self, work: Callable[[], Awaitable[bool]]) -> Turn:
        self._to_do = work
        return Turn.BUSY

    def _asked(self, head: Head, body: bytes) -> Asked:
        return Asked(
            head.method,
            head.path,
            head.query,
            head.headers,
            body,
            self._client,
            self.address,
            request_id(head.headers),
        )

    def _head(self) -> bytes | None:
        """Return the next head with its empty line; None if it has not come whole.

        Raises:
          RtgfError: RTGF_HEAD_TOO_LARGE.
        """
        end = self._buffer.find(HEAD_END, 0, self._config.max_header_bytes)
        if end < 0:
            if self._buffer and not self._buffer[:1].isupper():
                raise RtgfError(Code.RTGF_BAD_REQUEST, "this is no HTTP request")
            if len(self._buffer) < self._config.max_header_bytes:
                return None
            raise RtgfError(
                Code.RTGF_HEAD_TOO_LARGE, f"at most {self._config.max_header_bytes} bytes"
            )
        end += len(HEAD_END)
        raw, self._buffer = self._buffer[:end], self._buffer[end:]
        return raw

    # What takes time. Each says whether another request may follow.

    async def _let_others(self) -> bool:
        await trio.lowlevel.checkpoint()
        return True

    async def _send_rest(self, data: bytes, answered: Answered | Written, head: Head) -> bool:
        await self.connection.send_all(data)
        if head.keep_alive and _asks_too_often(answered):
            await trio.sleep(TOO_OFTEN_SECONDS)
        return head.keep_alive

    async def _answer_late(self, handler: Handler, head: Head) -> bool:
        """Wait for the body, then answer."""
        seconds = self._config.request_timeout_seconds
        length = head.length or 0
        come = bytearray(self._buffer)
        with trio.move_on_after(seconds):
            while len(come) < length:
                data = await self.connection.receive_some()
                if not data:
                    return False
                come += data
        if len(come) < length:
            return await self._refuse(
                RtgfError(
                    Code.RTGF_REQUEST_TIMEOUT, f"the body did not arrive within {seconds:g} s"
                )
            )
        self._buffer = bytes(come[length:])
        answered = handler(self._asked(head, bytes(come[:length])))
        return await self._answer_awaited(answered, head)

    async def _answer_awaited(
        self, answered: Answered | Written | Awaitable[Answered], head: Head
    ) -> bool:
        if not isinstance(answered, Written | Answered):
            answered = await answered
        message = self._message(answered, head, trio.current_time())
        return await self._send_rest(message, answered, head)

    async def _speak_http2(self, raw: bytes) -> bool:
        self.connection.unread(raw + self._buffer)
        await self._pass_all()
        return False

    async def _hand_over(self, raw: bytes, head: Head) -> bool:
        """Let the framework answer."""
        if head.upgrade:
            raw = without_headers(raw, b"upgrade", b"http2-settings")
        if head.length is None:
            # Nobody tells where the next request begins, so there is none.
            raw = raw[:-2] + b"Connection: close\r\n\r\n"
        one = OneTlsRequest if isinstance(self.connection, TlsConnection) else OneRequest
        request = one(self.connection, raw, self._buffer, head.length)
        await self._pass_on(request)
        if request.refusal is not None:
            return await self._refuse(request.refusal)
        self._buffer = request.rest
        return request.is_answered and head.keep_alive and head.length is not None

    async def _turn_away(self, refusal: Answered, head: Head) -> bool:
        """Answer without the body: unless it is here already, the connection ends."""
        is_here = head.length is not None and len(self._buffer) >= head.length
        head = head._replace(keep_alive=head.keep_alive and is_here)
        self._buffer = self._buffer[head.length or 0 :]
        return await self._answer_awaited(refusal, head)

    async def _refuse(self, error: RtgfError) -> bool:
        """Answer with a problem, after which the connection ends."""
        answered = problems.answered(error, str(uuid.uuid4()), self._public_url)
        self._hot.refused(answered.status)
        message = _message(answered, "GET", _date_line(trio.current_time()), _CLOSE)
        await self.connection.send_all(message)
        return False

    def _message(self, answered: Answered | Written, head: Head, now: float) -> bytes:
        end = _CLOSE if self.retiring or not head.keep_alive else b"\r\n"
        if isinstance(answered, Written):
            return b"%b%b%b%b" % (answered.head, _date_line(now), end, answered.body)
        return _message(answered, head.method, _date_line(now), end)


def _asks_too_often(answered: Answered | Written) -> bool:
    return isinstance(answered, Answered) and answered.status == TOO_OFTEN


def _message(answered: Answered, method: str, date: bytes, end: bytes) -> bytes:
    lines = written_head(answered.status, answered.headers)
    has_body = answered.status not in _WITHOUT_BODY
    length = b"Content-Length: %d\r\n" % len(answered.body) if has_body else b""
    body = answered.body if has_body and method != "HEAD" else b""
    return b"".join((lines, date, length, end, body))


_date = (-1, b"")


def _date_line(now: float) -> bytes:
    """Return the header of the date (RFC 9110 §6.6.1), made once a second."""
    global _date
    second = int(now)
    if _date[0] != second:
        _date = (second, f"Date: {formatdate(usegmt=True)}\r\n".encode())
    return _date[1]
