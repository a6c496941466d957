"""One connection: it lets others have their turn, and a slow client its time."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
import trio
import trio.testing

from rtgf_node.api.connection import PIECE_BYTES, Connection


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Connection, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIECE_BYTES)
    with closing(Connection(ours, 0.3)) as connection, closing(theirs):
        yield connection, theirs


async def test_reading_lets_others_have_their_turn(ends: tuple[Connection, socket.socket]) -> None:
    """Else a client that sends without a pause would stop the node."""
    connection, theirs = ends
    theirs.send(b"ab")
    for expected in (b"a", b"b"):
        with trio.testing.assert_checkpoints():
            assert await connection.receive_some(1) == expected


async def test_the_end_comes_though_the_client_sends_for_ever(
    ends: tuple[Connection, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    connection, theirs = ends
    clock = autojump_clock

    class Endless(socket.socket):
        def recv(self, *args: object) -> bytes:
            clock.jump(0.01)
            return b"more"

    connection.socket = Endless(fileno=connection.socket.detach())
    await connection.aclose()
    assert theirs.recv(1) == b""


async def test_a_slow_client_that_reads_is_served(
    ends: tuple[Connection, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    """The limit is on each piece, as it is for what the framework sends."""
    connection, theirs = ends
    size, come = 20 * PIECE_BYTES, 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.send_all, bytes(size))
        while come < size:
            await trio.sleep(0.1)
            come += len(theirs.recv(PIECE_BYTES))


async def test_a_client_that_does_not_read_is_cut(
    ends: tuple[Connection, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    connection, _ = ends
    with pytest.raises(trio.BrokenResourceError):
        await connection.send_all(bytes(20 * PIECE_BYTES))
    assert connection.socket.fileno() == -1
