"""What is kept under idempotency keys, for how long, and how much of it."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest
import trio
import trio.testing

from rtgf_node.api import once
from rtgf_node.api.exchange import Answered, Asked
from rtgf_node.api.once import KeptAnswers
from rtgf_node.errors import Code, RtgfError


class Clock:
    def __init__(self) -> None:
        self.time = 1_000_000

    def now(self) -> int:
        return self.time


class Counting:
    """Answers with how often it was asked."""

    def __init__(self, status: int = 200, size: int = 1) -> None:
        self.times = 0
        self._status = status
        self._size = size

    def __call__(self, asked: Asked) -> Answered:
        self.times += 1
        return Answered(self._status, {}, b"%d" % self.times * self._size)


def asked(key: str = "k", *, client: str = "urn:a", body: bytes = b"{}") -> Asked:
    headers = {"idempotency-key": key}
    return Asked("POST", "/verify", "", headers, body, None, "192.0.2.1", "id", identity=client)


def test_kept_for_a_day():
    clock, answer = Clock(), Counting()
    kept = KeptAnswers(clock)
    kept.answer(asked(), answer)
    clock.time += once.KEPT_SECONDS - 1
    assert kept.answer(asked(), answer).body == b"1"
    clock.time += 1
    assert kept.answer(asked(), answer).body == b"2"


@pytest.mark.parametrize("status", [401, 403, 408, 413, 415, 429, 500, 503])
def test_what_says_something_of_the_moment_is_not_kept(status):
    kept, answer = KeptAnswers(Clock()), Counting(status)
    kept.answer(asked(), answer)
    assert kept.answer(asked(), answer).body == b"2"
    # Nor does it bind the key to its question.
    assert kept.answer(asked(body=b"[]"), answer).body == b"3"


def test_a_failure_leaves_the_key_free():
    kept = KeptAnswers(Clock())

    def fail(_: Asked) -> Answered:
        raise RtgfError(Code.RTGF_UNAVAILABLE, "x")

    with pytest.raises(RtgfError):
        kept.answer(asked(), fail)
    assert kept.answer(asked(), Counting()).body == b"1"


async def test_the_second_of_two_at_once_is_refused():
    kept, going = KeptAnswers(Clock()), trio.Event()
    answers = []

    async def slow() -> Answered:
        await going.wait()
        return Answered(200, {}, b"slow")

    async def first() -> None:
        waiting = kept.answer(asked(), lambda _: slow())
        assert isinstance(waiting, Awaitable)
        answers.append(await waiting)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(first)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(RtgfError) as caught:
            kept.answer(asked(), Counting())
        assert caught.value.code is Code.RTGF_CONFLICT
        going.set()
    assert kept.answer(asked(), Counting()).body == answers[0].body == b"slow"


async def test_a_cancelled_one_leaves_the_key_free():
    kept = KeptAnswers(Clock())

    async def never() -> Answered:
        await trio.sleep_forever()
        raise AssertionError

    with trio.move_on_after(0):
        await kept.answer(asked(), lambda _: never())
    assert kept.answer(asked(), Counting()).body == b"1"


def test_one_client_pushes_out_nobody_else(monkeypatch):
    monkeypatch.setattr(once, "CLIENT_BYTES", 4 * (once.OVERHEAD_BYTES + 100))
    kept, answer = KeptAnswers(Clock()), Counting(size=100)
    kept.answer(asked(client="urn:b"), answer)
    for number in range(20):
        kept.answer(asked(f"k{number}"), answer)
    assert kept.answer(asked(client="urn:b"), Counting()).body == b"1" * 100
    before = answer.times
    kept.answer(asked("k19"), answer)
    assert answer.times == before
    kept.answer(asked("k0"), answer)
    assert answer.times == before + 1


def test_the_whole_is_bounded(monkeypatch):
    monkeypatch.setattr(once, "KEPT_BYTES", 10 * once.OVERHEAD_BYTES)
    kept, answer = KeptAnswers(Clock()), Counting()
    for number in range(1000):
        kept.answer(asked(client=f"urn:{number}"), answer)
    assert len(kept) <= 10
    assert kept.answer(asked(client="urn:999"), answer).body == b"1000"
    assert kept.answer(asked(client="urn:0"), answer).body == b"1001"


def test_an_answer_that_is_too_large_is_not_kept(monkeypatch):
    monkeypatch.setattr(once, "CLIENT_BYTES", 2 * once.OVERHEAD_BYTES)
    kept, answer = KeptAnswers(Clock()), Counting(size=10_000)
    for _ in range(2):
        kept.answer(asked(), answer)
    assert answer.times == 2
    assert len(kept) == 0
