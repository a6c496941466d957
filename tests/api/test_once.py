"""What is kept under idempotency keys, for how long, how much of it, and what a crash leaves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from rtgf_node.api import once
from rtgf_node.api.exchange import Answered, Asked
from rtgf_node.api.once import KeptAnswers
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.answer_store import AnswerStore

LIMIT_SECONDS = 600.0
CUT_SHORT = "it may or may not have been done"


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
        return Answered(self._status, {"X": "y"}, b"%d" % self.times * self._size)


class Slow:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.begun, self.going, self.times = trio.Event(), trio.Event(), 0

    async def __call__(self, asked: Asked) -> Answered:
        self.times += 1
        self.begun.set()
        await self.going.wait()
        return Answered(200, {}, b"slow")


def asked(key: str = "k", *, client: str = "urn:a", body: bytes = b"{}") -> Asked:
    headers = {"idempotency-key": key}
    return Asked("POST", "/verify", "", headers, body, None, "192.0.2.1", "id", identity=client)


class Node:
    """Lives of one node: `start` begins one, `kill` ends it as SIGKILL does."""

    def __init__(self, folder: Path, nursery: trio.Nursery) -> None:
        self._path = folder / "answers.db"
        self._nursery = nursery
        self._life = trio.CancelScope()
        self.clock = Clock()
        self.kept: KeptAnswers

    async def start(self, *, limit_seconds: float = LIMIT_SECONDS) -> None:
        file = AnswerStore.open(self._path)
        self.kept = KeptAnswers(self.clock, file, limit_seconds=limit_seconds)
        self._life = trio.CancelScope()
        await self._nursery.start(self._live)

    async def _live(self, *, task_status: trio.TaskStatus[None]) -> None:
        with self._life:
            await self.kept.run(task_status=task_status)

    async def kill(self) -> None:
        self._life.cancel()
        await trio.testing.wait_all_tasks_blocked()

    async def answer(
        self,
        question: Asked,
        answer: Callable[[Asked], Answered | Awaitable[Answered]],
        *,
        acts: bool = False,
    ) -> bytes:
        return (await self.kept.answer(question, answer, acts=acts)).body

    async def refused(self, question: Asked, *, acts: bool = True) -> RtgfError:
        with pytest.raises(RtgfError) as caught:
            await self.kept.answer(question, Counting(), acts=acts)
        return caught.value


@pytest.fixture
async def node(tmp_path: Path, nursery: trio.Nursery) -> Node:
    made = Node(tmp_path, nursery)
    await made.start()
    return made


async def test_kept_for_a_day(node):
    answer = Counting()
    await node.answer(asked(), answer)
    node.clock.time += once.KEPT_SECONDS - 1
    assert await node.answer(asked(), answer) == b"1"
    node.clock.time += 1
    assert await node.answer(asked(), answer) == b"2"


@pytest.mark.parametrize("acts", [False, True])
@pytest.mark.parametrize("status", [401, 403, 408, 413, 415, 429, 500, 503])
async def test_what_says_something_of_the_moment_is_not_kept(node, status, acts):
    answer = Counting(status)
    await node.answer(asked(), answer, acts=acts)
    assert await node.answer(asked(), answer, acts=acts) == b"2"
    # Nor does it bind the key to its question, here or after a restart.
    assert await node.answer(asked(body=b"[]"), answer, acts=acts) == b"3"
    await node.kill()
    await node.start()
    assert await node.answer(asked(), answer, acts=acts) == b"4"


@pytest.mark.parametrize("acts", [False, True])
async def test_a_failure_leaves_the_key_free(node, acts):
    def fail(_: Asked) -> Answered:
        raise RtgfError(Code.RTGF_UNAVAILABLE, "x")

    with pytest.raises(RtgfError):
        await node.answer(asked(), fail, acts=acts)
    assert await node.answer(asked(), Counting(), acts=acts) == b"1"


async def test_no_two_requests_are_one_question(node):
    """Neither by a path that holds a decoded `?`, nor by what stands where."""
    one = asked()
    others = [
        one._replace(path="/verify?at=1"),
        one._replace(query="at=1"),
        one._replace(path="/verify?at", query="1"),
        one._replace(method="PUT"),
        one._replace(body=b"{ }"),
    ]
    await node.answer(one, Counting())
    for other in others:
        assert (await node.refused(other)).code is Code.RTGF_IDEMPOTENCY_MISMATCH
    await node.answer(others[0]._replace(headers={"idempotency-key": "q"}), Counting())
    again = others[1]._replace(headers={"idempotency-key": "q"})
    assert (await node.refused(again)).code is Code.RTGF_IDEMPOTENCY_MISMATCH


async def test_the_second_of_two_at_once_is_refused(node, nursery):
    slow, answers = Slow(), []

    async def first() -> None:
        answers.append(await node.answer(asked(), slow))

    nursery.start_soon(first)
    await slow.begun.wait()
    refusal = await node.refused(asked(), acts=False)
    assert refusal.code is Code.RTGF_CONFLICT
    assert "try again" in refusal.detail
    slow.going.set()
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert await node.answer(asked(), Counting()) == b"slow"
    assert answers == [b"slow"]


async def test_who_leaves_finds_the_answer_when_they_come_back(node):
    slow = Slow()
    with trio.CancelScope() as client:
        async with trio.open_nursery() as asking:
            asking.start_soon(node.answer, asked(), slow)
            await slow.begun.wait()
            client.cancel()
    slow.going.set()
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert await node.answer(asked(), slow) == b"slow"
    assert slow.times == 1


async def test_after_a_restart_the_same_answer_is_given(node):
    answer = Counting()
    first = await node.kept.answer(asked(), answer, acts=True)
    await node.kill()
    await node.start()
    again = await node.kept.answer(asked(), answer, acts=True)
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers == {**first.headers, "Idempotency-Replayed": "true"}
    refusal = await node.refused(asked(body=b"[]"))
    assert refusal.code is Code.RTGF_IDEMPOTENCY_MISMATCH
    assert await node.answer(asked(client="urn:b"), answer) == b"2"
    await node.kill()
    node.clock.time += once.KEPT_SECONDS
    await node.start()
    assert await node.answer(asked(), answer) == b"3"


async def test_an_act_that_was_cut_short_is_not_done_again(node, nursery):
    slow = Slow()

    async def first() -> None:
        with pytest.raises(RtgfError):
            await node.answer(asked(), slow, acts=True)

    nursery.start_soon(first)
    await slow.begun.wait()
    await node.kill()
    await node.start()
    refusal = await node.refused(asked())
    assert refusal.code is Code.RTGF_CONFLICT
    assert CUT_SHORT in refusal.detail
    assert (await node.refused(asked(body=b"[]"))).code is Code.RTGF_IDEMPOTENCY_MISMATCH
    assert await node.answer(asked("other"), Counting(), acts=True) == b"1"


async def test_a_question_that_was_cut_short_is_answered(node, nursery):
    slow = Slow()

    async def first() -> None:
        with pytest.raises(RtgfError):
            await node.answer(asked(), slow)

    nursery.start_soon(first)
    await slow.begun.wait()
    # Another answer is saved meanwhile; the question that is in hand is not saved with it.
    await node.answer(asked("other"), Counting())
    await node.kill()
    await node.start()
    assert await node.answer(asked(), Counting()) == b"1"


@pytest.mark.parametrize("acts", [False, True])
async def test_what_takes_too_long_is_given_up(node, acts, autojump_clock):
    slow = Slow()
    await node.kill()
    await node.start(limit_seconds=5)
    with pytest.raises(RtgfError, match="no answer after 5 s"):
        await node.answer(asked(), slow, acts=acts)
    if acts:
        assert CUT_SHORT in (await node.refused(asked())).detail
    else:
        assert await node.answer(asked(), Counting()) == b"1"


async def test_nothing_is_done_that_cannot_be_noted(node, monkeypatch):
    def full(*_: object) -> None:
        raise once.sqlite3.OperationalError("database or disk is full")

    answer = Counting()
    with monkeypatch.context() as patch:
        patch.setattr(AnswerStore, "write", full)
        with pytest.raises(RtgfError, match="nothing was done"):
            await node.answer(asked(), answer, acts=True)
        assert answer.times == 0
        # A question changes nothing: it is answered.
        assert await node.answer(asked("q"), answer) == b"1"
    assert await node.answer(asked(), answer, acts=True) == b"2"
    await node.kill()
    await node.start()
    assert await node.answer(asked("q"), answer) == b"1"


async def test_one_client_pushes_out_nobody_else(node, monkeypatch):
    monkeypatch.setattr(once, "CLIENT_BYTES", 4 * (once.OVERHEAD_BYTES + 100))
    answer = Counting(size=100)
    await node.answer(asked(client="urn:b"), answer)
    for number in range(20):
        await node.answer(asked(f"k{number}"), answer)
    await node.kill()
    await node.start()
    assert await node.answer(asked(client="urn:b"), Counting()) == b"1" * 100
    before = answer.times
    await node.answer(asked("k19"), answer)
    assert answer.times == before
    await node.answer(asked("k0"), answer)
    assert answer.times == before + 1


async def test_the_whole_is_bounded(node, monkeypatch):
    monkeypatch.setattr(once, "KEPT_BYTES", 10 * once.OVERHEAD_BYTES)
    answer = Counting()
    for number in range(100):
        await node.answer(asked(client=f"urn:{number}"), answer)
    assert len(node.kept) <= 10
    await node.kill()
    await node.start()
    assert len(node.kept) <= 10
    assert await node.answer(asked(client="urn:99"), answer) == b"100"
    assert await node.answer(asked(client="urn:0"), answer) == b"101"


async def test_an_answer_that_is_too_large_is_not_kept(node, monkeypatch):
    monkeypatch.setattr(once, "CLIENT_BYTES", 2 * once.OVERHEAD_BYTES)
    answer = Counting(size=10_000)
    for _ in range(2):
        await node.answer(asked(), answer)
    assert answer.times == 2
    assert len(node.kept) == 0


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "answers.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(RtgfError, match="move it away") as caught:
        AnswerStore.open(path)
    assert caught.value.code is Code.RTGF_TXP_STORE_DAMAGED
