"""What one client of the fast lane does, however clever, costs nobody but itself."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest
import trio

from rtgf_node.api import listeners
from rtgf_node.settings import HttpConfig
from tests.api.test_lane import HOST, PATIENCE, Answers, get, hot, talking

CHUNKED = b"POST /other HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


@contextmanager
def flooding(stream: trio.SocketStream, data: bytes) -> Iterator[None]:
    """Send the same for ever, from a thread, as fast as it is taken."""
    sock = socket.socket(fileno=socket.dup(stream.socket.fileno()))
    sock.setblocking(True)

    def flood() -> None:
        with suppress(OSError):
            while True:
                sock.sendall(data)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield
    finally:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        thread.join()
        sock.close()


@pytest.mark.parametrize(
    ("head", "flood"),
    [
        (CHUNKED, b"0" * 65536),
        (CHUNKED + b"1;", b"a" * 65536),
        (CHUNKED + b"0\r\n", b"a: b\r\n" * 10000),
        (get("/echo", b"Connection: close\r\n"), bytes(65536)),
        (get("/other"), bytes(65536)),
        (b"", get("/echo") * 1000),
        (b"", get("/later") * 1000),
    ],
)
async def test_others_are_answered_while_one_sends_for_ever(head: bytes, flood: bytes) -> None:
    async with talking() as stream:
        await stream.send_all(head)
        port = stream.socket.getpeername()[1]
        with flooding(stream, flood):
            for _ in range(5):
                async with await trio.open_tcp_stream("127.0.0.1", port) as other:
                    await other.send_all(get("/echo"))
                    assert (await Answers(other).one())[0] == 200


@pytest.mark.parametrize("path", ["/echo", "/later", "/other", "/large"])
async def test_who_says_that_nothing_more_comes_is_answered(path: str) -> None:
    async def behind(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await trio.sleep(0.05)  # time to see that the client has ended
        headers = [(b"content-length", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await trio.sleep(0.05)
        await send({"type": "http.response.body", "body": b"x"})

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            serve = partial(
                listeners.serve, behind, HttpConfig(), tls=None, bind="127.0.0.1:0", hot=hot
            )
            bound = await nursery.start(serve)
            async with await trio.open_tcp_stream("127.0.0.1", bound.port) as stream:
                await stream.send_all(get(path))
                await stream.send_eof()
                answers = Answers(stream)
                status, headers, body = await answers.one()
                assert (status, str(len(body))) == (200, headers["content-length"])
                assert await answers.ended()
            nursery.cancel_scope.cancel()
