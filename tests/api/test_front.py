"""Answers that are kept ready: never older than what they tell of, and never too many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import Mock

import pytest
import trio

from rtgf_node.api import front
from rtgf_node.api.access import Caller
from rtgf_node.api.exchange import Answered, Asked, Route
from rtgf_node.api.front import Front


class World:
    """A front with one route that counts what it is asked."""

    def __init__(self) -> None:
        self.now = 1_800_000_000
        self.asked = 0
        self.go_on = trio.Event()
        self.desk = Mock()
        self.desk.limits.told.return_value = {}
        self.desk.access.named.return_value = Caller(None, "10.0.0.1", frozenset())
        self.desk.clock.now.side_effect = lambda: self.now
        self.desk.config.http.request_timeout_seconds = 5.0
        feed = Mock()
        routes = [
            Route("GET", "/now", self._now, is_kept=True),
            Route("GET", "/later", self._later, is_kept=True),
        ]
        self.front = Front(self.desk, routes, feed)
        self.applied: Callable[[Any], None] = feed.subscribe.call_args.args[1]

    def _now(self, asked: Asked) -> Answered:
        self.asked += 1
        return Answered(200, {}, str(self.asked).encode())

    async def _later(self, asked: Asked) -> Answered:
        answered = self._now(asked)
        await self.go_on.wait()
        return answered

    def ask(self, path: str, query: str = "") -> Answered | Awaitable[Answered]:
        handler = self.front.find("GET", path)
        assert handler is not None
        return handler(Asked("GET", path, query, {}, b"", None, "10.0.0.1", "id"))

    async def say(self, path: str, query: str = "") -> int:
        answered = self.ask(path, query)
        return int((answered if isinstance(answered, Answered) else await answered).body)


async def test_an_answer_is_ready_until_something_is_applied_or_the_second_passes() -> None:
    world = World()
    assert [await world.say("/now") for _ in range(3)] == [1, 1, 1]
    world.applied(None)
    assert [await world.say("/now") for _ in range(2)] == [2, 2]
    for step in (1, -5):
        world.now += step
        before = world.asked
        assert [await world.say("/now") for _ in range(2)] == [before + 1] * 2


@pytest.mark.parametrize("seconds", [0, 1])
async def test_an_answer_that_was_overtaken_is_not_kept(seconds: int) -> None:
    """Whoever asks after a change was applied is told of the change."""
    world = World()
    waiting = world.ask("/later")
    assert not isinstance(waiting, Answered)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: waiting)
        await trio.testing.wait_all_tasks_blocked()
        if seconds:
            world.now += seconds
            await world.say("/now")
        else:
            world.applied(None)
        before = world.asked
        world.go_on.set()
    assert await world.say("/later") == before + 1


async def test_ready_answers_are_bounded_however_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "READY_BYTES", 10 * (front.ENTRY_BYTES + 5))
    world = World()
    for number in range(100, 120):
        await world.say("/now", f"q={number}")
    said = [await world.say("/now", f"q={number}") for number in range(100, 120)]
    assert said == [*range(1, 10), *range(21, 32)]


@pytest.mark.parametrize("path", ["*", "/", "", "//now", "/now/", "/no%77", "x:now"])
def test_a_path_of_another_form_is_for_the_framework(path: str) -> None:
    world = World()
    assert world.front.find("GET", path) is None
    assert world.front.find("OPTIONS", path) is None
