"""However many shake hands, who has a connection is answered."""

from __future__ import annotations

import select
import ssl

import pytest
import trio

from tests.api.test_listeners import ASKED, PATIENCE, Ready, connect, open_kept, serving, world

__all__ = ["world"]


class Steps(trio.abc.Instrument):
    """Counts steps of handshakes between two looks of the scheduler at what has come.

    Attributes:
      most: of them between two looks.
      count: of them all.
    """

    def __init__(self) -> None:
        self.most = self.count = self._now = 0

    def before_io_wait(self, timeout: float) -> None:
        self.most = max(self.most, self._now)
        self.count += self._now
        self._now = 0

    def one(self) -> None:
        self._now += 1


async def test_however_many_shake_hands_at_once_others_have_their_turn_between(
    world, monkeypatch: pytest.MonkeyPatch
):
    """A step of a handshake takes as long as several answers, so there is one in a turn."""
    steps, clients, shake = Steps(), 20, ssl.SSLSocket.do_handshake

    def counted(tls: ssl.SSLSocket) -> None:
        steps.one()
        shake(tls)

    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", counted)

    async def come(name: str | None) -> None:
        stream = await connect(world, bound, name)
        await stream.send_all(ASKED)
        assert b"200" in await stream.receive_some(1000)
        await trio.aclose_forcefully(stream)

    async with serving(world) as bound:
        trio.lowlevel.add_instrument(steps)
        async with trio.open_nursery() as nursery:
            for number in range(clients):
                nursery.start_soon(come, "alice" if number % 2 else None)
        trio.lowlevel.remove_instrument(steps)
    assert steps.count >= 2 * clients
    assert steps.most == 1


async def test_who_waits_for_an_answer_has_it_before_the_next_step_of_a_handshake(
    world, monkeypatch: pytest.MonkeyPatch
):
    shake, asked, late = ssl.SSLSocket.do_handshake, [], []
    servers: list[ssl.SSLSocket] = []

    def counted(tls: ssl.SSLSocket) -> None:
        if tls.server_side:
            servers.append(tls)
        if asked:
            if select.select([servers[0]], [], [], 0)[0]:
                late.append(len(asked))
            ask()
        shake(tls)

    def ask() -> None:
        asked.append(kept.send(ASKED))
        assert select.select([servers[0]], [], [], PATIENCE)[0], "it has not come"

    async def come() -> None:
        streams.append(await connect(world, bound))

    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", counted)
    async with serving(world, hot=Ready()) as bound:
        kept, streams = await open_kept(world, bound), []
        ask()
        async with trio.open_nursery() as crowd:
            for _ in range(20):
                crowd.start_soon(come)
        kept.close()
        for stream in streams:
            await trio.aclose_forcefully(stream)
    assert len(asked) > 20
    assert late == []
