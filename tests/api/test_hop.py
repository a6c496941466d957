"""Requests that a worker hands to its node: what ends at one end has ended at the other."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import structlog
import trio

from rtgf_node.api import hop, listeners
from rtgf_node.api.behind import Framework
from rtgf_node.settings import HttpConfig
from tests.api.test_lane import PATIENCE, get, hot

AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER, so that closing resets the connection."""


class Node:
    """An application that notes when its one request has begun, and when it has ended."""

    def __init__(self) -> None:
        self.begun, self.ended = trio.Event(), trio.Event()

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        self.begun.set()
        if scope["path"] == "/wait":
            await receive()
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": bytes(32 << 20)})
        self.ended.set()


@asynccontextmanager
async def worker(node: Node) -> AsyncIterator[int]:
    """Serve as a worker does that has room for one connection, with a node behind it."""
    ours, theirs = hop.door()
    config = HttpConfig(max_connections_per_address=1, send_timeout_seconds=0.1)
    with ours, theirs, trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hop.receive, ours, Framework(node.app, config, ""))
            behind = hop.Hop(theirs, lambda: True)
            serve = partial(listeners.serve, behind, config, tls=None, bind="127.0.0.1:0", hot=hot)
            yield (await nursery.start(serve)).port
            nursery.cancel_scope.cancel()


async def answered(port: int) -> bool:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        try:
            await stream.send_all(get("/echo", b"Connection: close\r\n"))
            return bool(await stream.receive_some(100))
        except trio.BrokenResourceError:
            return False


@pytest.mark.parametrize(("path", "is_cut"), [("/wait", True), ("/more", True), ("/more", False)])
async def test_who_is_gone_ends_its_request_at_the_node_and_is_no_failure(
    path: str, is_cut: bool
) -> None:
    node = Node()
    with structlog.testing.capture_logs() as lines:
        async with worker(node) as port:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(get(path))
            await node.begun.wait()
            if is_cut:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                stream.socket.close()
            # Else it is there, and reads nothing of its answer.
            await node.ended.wait()
            while not await answered(port):
                pass  # the room is not given back yet
            stream.socket.close()
    assert lines == []
