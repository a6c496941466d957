"""The fast lane over real sockets: hot requests, and the framework behind, on one connection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import structlog
import trio

from rtgf_node.api import listeners
from rtgf_node.api.exchange import Answered, Asked, Handler
from rtgf_node.api.lane import MAX_AT_ONCE, TOO_OFTEN_SECONDS
from rtgf_node.settings import HttpConfig

PATIENCE = 60  # seconds, after which a test has failed; nothing waits for it in good times

HOST = b"Host: x\r\n"


def echo(asked: Asked) -> Answered:
    """Say what was asked."""
    said = [asked.method, asked.path, asked.query, asked.body.decode(), asked.client]
    return Answered(200, {"X-Lane": "fast"}, json.dumps(said).encode())


async def later(asked: Asked) -> Answered:
    """Answer after others had their turn."""
    await trio.lowlevel.checkpoint()
    return echo(asked)


def fresh(asked: Asked) -> Answered:
    """Answer that the client holds it already."""
    del asked
    return Answered(304, {"ETag": '"x"'}, b"not to be sent")


def large(asked: Asked) -> Answered:
    """Answer with more than a socket takes."""
    del asked
    return Answered(200, {}, bytes(8 << 20))


HOT: dict[str, Handler] = {"/echo": echo, "/later": later, "/fresh": fresh, "/large": large}


class Hot:
    """The hot routes of these tests."""

    def find(self, method: str, path: str) -> Handler | None:
        return HOT.get(path) if method in {"GET", "HEAD", "POST"} else None

    def turned_away(self, asked: Asked) -> Answered | None:
        return Answered(429, {}, b"too often") if asked.path.startswith("/often") else None

    def refused(self, status: int) -> None:
        assert status >= 400


hot = Hot()


async def behind(scope: Any, receive: Any, send: Any) -> None:
    """Say who answered, and with what body."""
    body, more = b"", True
    while more and scope["path"] != "/early":
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    text = json.dumps([scope["method"], scope["path"], body.decode()]).encode()
    headers = [(b"content-length", str(len(text)).encode()), (b"x-lane", b"behind")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


@asynccontextmanager
async def talking(**limits: Any) -> AsyncIterator[trio.SocketStream]:
    """Serve, and give one connection to it."""
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            config = HttpConfig(**limits)
            serve = partial(listeners.serve, behind, config, tls=None, bind="127.0.0.1:0", hot=hot)
            bound = await nursery.start(serve)
            async with await trio.open_tcp_stream("127.0.0.1", bound.port) as stream:
                yield stream
            nursery.cancel_scope.cancel()


class Answers:
    """Reads answers from a stream, one after another."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._data = b""

    async def one(self, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        while b"\r\n\r\n" not in self._data:
            await self._more()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines}
        length = int(headers.get("content-length", "0")) if has_body else 0
        while len(self._data) < length:
            await self._more()
        body, self._data = self._data[:length], self._data[length:]
        return int(first.split()[1]), headers, body

    async def ended(self) -> bool:
        try:
            return not self._data and not await self._stream.receive_some(1)
        except trio.BrokenResourceError:
            return True

    async def _more(self) -> None:
        data = await self._stream.receive_some(65536)
        assert data, "the connection ended"
        self._data += bytes(data)


def get(path: str, *lines: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\n" % path.encode() + HOST + b"".join(lines) + b"\r\n"


def post(path: str, body: bytes) -> bytes:
    head = b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n" % (path.encode(), len(body))
    return head + HOST + b"\r\n" + body


async def test_a_hot_request_is_answered_in_the_lane() -> None:
    async with talking() as stream:
        answers = Answers(stream)
        for _ in range(3):
            await stream.send_all(get("/echo?a=b"))
            status, headers, body = await answers.one()
            assert (status, headers["x-lane"]) == (200, "fast")
            assert "date" in headers
            assert json.loads(body) == ["GET", "/echo", "a=b", "", None]


async def test_hot_and_other_requests_share_a_connection() -> None:
    async with talking() as stream:
        answers = Answers(stream)
        for path, lane in [("/echo", "fast"), ("/other", "behind"), ("/echo", "fast")] * 3:
            await stream.send_all(post(path, b"said"))
            status, headers, body = await answers.one()
            assert (status, headers["x-lane"]) == (200, lane)
            assert "said" in json.loads(body)


@pytest.mark.parametrize("query", ["consistency=strong", "consistenc%79=s%74rong"])
async def test_what_waits_for_a_majority_is_not_answered_in_the_lane(query: str) -> None:
    async with talking() as stream:
        await stream.send_all(get(f"/echo?{query}"))
        assert (await Answers(stream).one())[1]["x-lane"] == "behind"


async def test_who_asks_too_often_is_turned_away_before_the_framework() -> None:
    async with talking() as stream:
        answers = Answers(stream)
        for _ in range(2):
            began = trio.current_time()
            await stream.send_all(post("/often", b"body") + get("/often") + get("/echo"))
            assert [(await answers.one())[::2] for _ in range(2)] == [(429, b"too often")] * 2
            assert (await answers.one())[1]["x-lane"] == "fast"
            # After each, nothing more is read of this client for a while.
            assert trio.current_time() - began >= 2 * TOO_OFTEN_SECONDS


@pytest.mark.parametrize(
    "line", [b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"]
)
async def test_who_is_turned_away_with_a_body_to_come_is_not_read_on(line: bytes) -> None:
    async with talking() as stream:
        answers = Answers(stream)
        await stream.send_all(get("/often", line))
        status, headers, _ = await answers.one()
        assert (status, headers["connection"]) == (429, "close")
        assert await answers.ended()


async def test_requests_sent_ahead_are_answered_in_order() -> None:
    paths = ["/echo", "/other", "/later", "/other", "/echo", "/echo"] * MAX_AT_ONCE
    async with talking() as stream:
        answers = Answers(stream)
        sent = b"".join(post(path, str(number).encode()) for number, path in enumerate(paths))
        await stream.send_all(sent)
        for number, path in enumerate(paths):
            said = json.loads((await answers.one())[2])
            assert said[1] == path
            assert str(number) in said


async def test_a_request_in_drops_is_put_together() -> None:
    async with talking() as stream:
        answers = Answers(stream)
        for path in ("/echo", "/other"):
            for drop in post(path, b"body"):
                await stream.send_all(bytes([drop]))
                await trio.lowlevel.checkpoint()
            assert "body" in json.loads((await answers.one())[2])


async def test_head_has_the_length_and_no_body() -> None:
    async with talking() as stream:
        answers = Answers(stream)
        await stream.send_all(get("/echo").replace(b"GET", b"HEAD") + get("/echo"))
        status, headers, _ = await answers.one(has_body=False)
        assert (status, headers["content-length"]) == (200, "31")
        assert (await answers.one())[2].startswith(b'["GET"')


async def test_304_has_no_body() -> None:
    async with talking() as stream:
        answers = Answers(stream)
        await stream.send_all(get("/fresh") + get("/echo"))
        status, headers, _ = await answers.one()
        assert (status, headers.get("content-length")) == (304, None)
        assert (await answers.one())[0] == 200


async def test_a_large_answer_goes_out_whole() -> None:
    async with talking() as stream:
        answers = Answers(stream)
        await stream.send_all(get("/large") + get("/echo"))
        assert len((await answers.one())[2]) == 8 << 20
        assert (await answers.one())[0] == 200


@pytest.mark.parametrize("path", ["/echo", "/other"])
async def test_close_is_heeded(path: str) -> None:
    async with talking() as stream:
        answers = Answers(stream)
        await stream.send_all(get(path, b"Connection: close\r\n") + get("/echo"))
        _, headers, _ = await answers.one()
        assert headers["connection"] == "close"
        assert await answers.ended()


async def test_chunks_are_for_the_framework_and_end_the_connection() -> None:
    chunked = b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    async with talking() as stream:
        answers = Answers(stream)
        await stream.send_all(chunked + b"3\r\nabc\r\n")
        await stream.send_all(b"0\r\n\r\n" + get("/echo"))
        status, headers, body = await answers.one()
        assert (status, headers["x-lane"], headers["connection"]) == (200, "behind", "close")
        assert json.loads(body)[2] == "abc"
        assert await answers.ended()


async def test_who_expects_to_be_told_to_continue_is_told() -> None:
    async with talking() as stream:
        answers = Answers(stream)
        head = post("/echo", b"abc")[:-3].replace(HOST, HOST + b"Expect: 100-continue\r\n")
        await stream.send_all(head)
        assert (await answers.one())[0] == 100
        await stream.send_all(b"abc" + get("/echo"))
        assert json.loads((await answers.one())[2])[2] == "abc"
        assert (await answers.one())[1]["x-lane"] == "fast"


async def test_a_body_over_the_limit_is_for_the_framework_to_refuse() -> None:
    async with talking(max_body_bytes=10) as stream:
        answers = Answers(stream)
        await stream.send_all(post("/echo", bytes(10)) + post("/echo", b"x" * 11))
        assert (await answers.one())[1]["x-lane"] == "fast"
        assert (await answers.one())[1]["x-lane"] == "behind"


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET / HTTP/1.1\nHost: x\r\n\r\n", 400, "RTGF_BAD_REQUEST"),
        (get("/other", b"A: " + b"b" * 20000 + b"\r\n"), 431, "RTGF_HEAD_TOO_LARGE"),
        (b"GET /" + b"x" * 20000, 431, "RTGF_HEAD_TOO_LARGE"),
        (
            b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
            400,
            "RTGF_BAD_REQUEST",
        ),
    ],
)
@pytest.mark.parametrize("before", [b"", get("/echo"), get("/other")])
async def test_what_is_ambiguous_is_a_problem_and_ends_the_connection(
    before: bytes, sent: bytes, status: int, code: str
) -> None:
    async with talking() as stream:
        answers = Answers(stream)
        await stream.send_all(before + sent)
        if before:
            assert (await answers.one())[0] == 200
        said, headers, body = await answers.one()
        assert (said, json.loads(body)["code"]) == (status, code)
        assert headers["content-type"] == "application/problem+json"
        assert headers["connection"] == "close"
        assert await answers.ended()


async def test_nothing_is_smuggled_in_a_body() -> None:
    inner = get("/other")
    async with talking() as stream:
        answers = Answers(stream)
        await stream.send_all(post("/echo", inner) + post("/other", inner) + get("/echo?last"))
        assert json.loads((await answers.one())[2])[3] == inner.decode()
        assert json.loads((await answers.one())[2])[2] == inner.decode()
        assert json.loads((await answers.one())[2])[2] == "last"


@pytest.mark.parametrize("path", ["/echo", "/other"])
async def test_a_body_that_never_comes_is_408(path: str) -> None:
    with structlog.testing.capture_logs():
        async with talking(request_timeout_seconds=0.1) as stream:
            answers = Answers(stream)
            await stream.send_all(post(path, b"abc")[:-1])
            status, headers, body = await answers.one()
            assert (status, json.loads(body)["code"]) == (408, "RTGF_REQUEST_TIMEOUT")
            assert headers["content-type"] == "application/problem+json"
            assert await answers.ended()


async def test_an_answer_before_the_body_ends_the_connection() -> None:
    async with talking() as stream:
        answers = Answers(stream)
        await stream.send_all(post("/early", bytes(1000))[:-1])
        assert (await answers.one())[0] == 200
        assert await answers.ended()


async def test_who_is_silent_is_let_go() -> None:
    async with talking(keep_alive_seconds=0.5) as stream:
        answers = Answers(stream)
        await stream.send_all(get("/echo"))
        assert (await answers.one())[0] == 200
        assert await answers.ended()


async def test_a_client_that_leaves_leaves_nothing_behind() -> None:
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            config = HttpConfig(max_connections_per_address=1)
            serve = partial(listeners.serve, behind, config, tls=None, bind="127.0.0.1:0", hot=hot)
            bound = await nursery.start(serve)
            for said in (b"", get("/echo"), get("/other"), b"GET /", post("/echo", b"x")[:-1]) * 4:
                stream = await trio.open_tcp_stream("127.0.0.1", bound.port)
                await stream.send_all(said)
                await stream.aclose()
                answered = False
                while not answered:  # there is room for one: it was given back
                    async with await trio.open_tcp_stream("127.0.0.1", bound.port) as next_one:
                        await next_one.send_all(get("/echo", b"Connection: close\r\n"))
                        try:
                            answered = bool(await next_one.receive_some(100))
                        except trio.BrokenResourceError:
                            continue
            nursery.cancel_scope.cancel()


async def test_a_handler_that_fails_costs_its_connection_only(monkeypatch) -> None:
    def fail(asked: Asked) -> Answered:
        raise ZeroDivisionError

    monkeypatch.setitem(HOT, "/bug", fail)
    with structlog.testing.capture_logs() as lines, trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            serve = partial(
                listeners.serve, behind, HttpConfig(), tls=None, bind="127.0.0.1:0", hot=hot
            )
            bound = await nursery.start(serve)
            async with await trio.open_tcp_stream("127.0.0.1", bound.port) as stream:
                await stream.send_all(get("/bug"))
                assert await Answers(stream).ended()
            async with await trio.open_tcp_stream("127.0.0.1", bound.port) as stream:
                await stream.send_all(get("/echo"))
                assert (await Answers(stream).one())[0] == 200
            nursery.cancel_scope.cancel()
    assert [line["event"] for line in lines] == ["connection_failed"]
