"""HTTP/2 clients that go, and what becomes of their streams."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from tests.api.test_listeners import H2Client, connect, read_all, serving, world

__all__ = ["world"]


class Lasting:
    """An application that sends until its client has gone."""

    def __init__(self) -> None:
        self._going = 0
        self._moved = trio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._going += 1
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, send)
                while (await receive())["type"] != "http.disconnect":
                    pass
                nursery.cancel_scope.cancel()
        finally:
            self._going -= 1
            self._moved.set()
            self._moved = trio.Event()

    async def rest(self) -> None:
        """Return when every request has ended."""
        while self._going:
            await self._moved.wait()

    async def _send(self, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"tick", "more_body": True})
            await trio.sleep(0.001)


async def test_every_stream_of_a_client_that_is_gone_has_an_end(world):
    app = Lasting()
    async with serving(world, app=app) as bound:
        for _ in range(10):
            stream = await connect(world, bound, alpn=["h2"])
            client = H2Client(stream)
            for _ in range(5):
                client.ask("/lasting")
            await client.flush()
            await stream.receive_some(1000)
            await trio.aclose_forcefully(stream)
            await app.rest()


@pytest.mark.parametrize("offered", ["h2", "http/1.1"])
@pytest.mark.parametrize(
    "said", [b"PRI * HTTP/2.0\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None]
)
async def test_who_says_no_more_than_that_it_speaks_http2_is_let_go(world, offered, said):
    async with serving(world, keep_alive_seconds=0.1) as bound:
        stream = await connect(world, bound, alpn=[offered])
        await stream.send_all(said or H2Client(stream).wire.data_to_send())
        await read_all(stream)
        await trio.aclose_forcefully(stream)


async def test_a_body_that_comes_after_its_answer_ends_no_other_stream(world):
    async with serving(world) as bound:
        stream = await connect(world, bound, alpn=["h2"])
        client = H2Client(stream)
        slow = client.ask("/slow")
        early = client.wire.get_next_available_stream_id()
        head = {":method": "POST", ":path": "/refuse", ":scheme": "https", ":authority": "x"}
        client.wire.send_headers(early, list(head.items()))
        await client.flush()
        assert await client.bodies(early) == {early: b"too large"}
        client.wire.send_data(early, bytes(1000))
        client.wire.send_data(early, b"", end_stream=True)
        await client.flush()
        world.go_on.set()
        assert await client.bodies(slow) == {slow: b"done at last"}
        await trio.aclose_forcefully(stream)
