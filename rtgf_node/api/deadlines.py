"""A request is answered in time, or cut: the ASGI layer between the sockets and the application."""

from __future__ import annotations

import math
import uuid
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, TypeAlias

import structlog
import trio

from rtgf_node.api import problems
from rtgf_node.api.connection import PIECE_BYTES
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import HttpConfig

log = structlog.get_logger(__name__)

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Deadlines:
    """Stands before the application: a request is answered in time, or cut."""

    def __init__(self, app: AsgiApp, config: HttpConfig, public_url: str) -> None:
        self._app = app
        self._config = config
        self._public_url = public_url

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Let the application answer, and answer in its place when it is too late."""
        if scope["type"] != "http":
            # There are no websockets here; refused before it is accepted, it is a 403.
            await send({"type": "websocket.close", "code": 1008})
            return
        has_body = has_started = is_waiting = False
        privileged = str(scope.get("path", "")).startswith("/admin/")
        seconds = self._config.request_timeout_seconds
        with trio.move_on_after(seconds) as work:

            async def bounded_receive() -> Message:
                nonlocal has_body, is_waiting, seconds
                is_waiting = True
                message = await receive()
                is_waiting = False
                has_body = has_body or not message.get("more_body", False)
                if has_body and privileged and not has_started:
                    # Large lists take minutes to fetch; without a role nobody gets so far.
                    seconds = self._config.admin_timeout_seconds
                    work.deadline = trio.current_time() + seconds
                return message

            async def bounded_send(message: Message) -> None:
                nonlocal has_started
                if message["type"] == "http.response.start":
                    has_started = True
                    # A stream of events may last; each piece of it has its own limit.
                    work.deadline = math.inf
                for piece in _pieces(message):
                    with trio.move_on_after(self._config.send_timeout_seconds) as limit:
                        await send(piece)
                    if limit.cancelled_caught:
                        work.cancel()
                        await trio.lowlevel.checkpoint()

            await self._app(scope, bounded_receive, bounded_send)
        if work.cancelled_caught and not has_started:
            is_clients_fault = is_waiting and not has_body
            await self._answer_late(send, seconds, is_clients_fault=is_clients_fault)

    async def _answer_late(self, send: Send, seconds: float, *, is_clients_fault: bool) -> None:
        if is_clients_fault:
            error = RtgfError(
                Code.RTGF_REQUEST_TIMEOUT, f"the body did not arrive within {seconds:g} s"
            )
        else:
            error = problems.late(seconds)
        request_id = str(uuid.uuid4())
        log.warning("request_timed_out", request_id=request_id, code=error.code.name)
        body, headers = problems.render(error, instance=request_id, public_url=self._public_url)
        headers |= {
            "Content-Type": problems.MEDIA_TYPE,
            "Content-Length": str(len(body)),
            "X-Request-ID": request_id,
        }
        await send(
            {
                "type": "http.response.start",
                "status": problems.status_of(error.code),
                "headers": [
                    (name.lower().encode(), value.encode()) for name, value in headers.items()
                ],
            }
        )
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _pieces(message: Message) -> Iterator[Message]:
    """Split a body message into pieces that have a send timeout each.

    So a slow client who goes on reading is served in the end.
    """
    body = message.get("body", b"")
    if len(body) <= PIECE_BYTES:
        yield message
        return
    last = (len(body) - 1) // PIECE_BYTES
    for number in range(last + 1):
        piece = body[number * PIECE_BYTES : (number + 1) * PIECE_BYTES]
        more = number < last or message.get("more_body", False)
        yield {"type": message["type"], "body": piece, "more_body": more}
