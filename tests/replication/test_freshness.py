"""Reads that see what was committed before them: one question, one context, one answer."""

from __future__ import annotations

import math

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication import freshness
from rtgf_node.replication.freshness import FRESH_SECONDS, KEPT_SECONDS, READ_SECONDS, Reads


class Asked:
    """The core's side."""

    def __init__(self) -> None:
        self.reads = Reads(b"me")
        self.contexts: list[bytes] = []
        self.done: list[str] = []

    def ask(self) -> None:
        self.reads.ask(trio.current_time(), self.contexts.append)

    def settle(self, applied: int) -> None:
        self.reads.settle(applied, trio.current_time())

    async def read(self, name: str) -> None:
        await self.reads.barrier(lambda: None)
        self.done.append(name)


async def test_no_context_is_used_twice_and_all_who_wait_share_one(nursery, autojump_clock):
    asked = Asked()
    asked.ask()
    for name in "ab":
        nursery.start_soon(asked.read, name)
    await wait_all_tasks_blocked()
    asked.ask()
    asked.ask()
    assert asked.contexts == [b"me/1", b"me/2"]
    await trio.sleep(FRESH_SECONDS)
    asked.ask()
    assert len(set(asked.contexts)) == 3


async def test_a_read_is_not_answered_by_a_question_that_was_put_before_it(nursery, autojump_clock):
    asked = Asked()
    asked.ask()
    nursery.start_soon(asked.read, "late")
    await wait_all_tasks_blocked()
    asked.reads.confirm(asked.contexts[0], 5)
    asked.settle(5)
    await wait_all_tasks_blocked()
    assert asked.done == []
    asked.ask()
    asked.reads.confirm(asked.contexts[1], 6)
    asked.settle(5)
    await wait_all_tasks_blocked()
    assert asked.done == []
    asked.settle(6)
    await wait_all_tasks_blocked()
    assert asked.done == ["late"]


async def test_age_counts_from_when_it_was_asked_not_from_the_answer(autojump_clock):
    asked = Asked()
    assert asked.reads.age(trio.current_time()) == math.inf
    asked.ask()
    await trio.sleep(1)
    asked.reads.confirm(asked.contexts[0], 3)
    asked.settle(2)
    assert asked.reads.age(trio.current_time()) == math.inf
    await trio.sleep(1)
    asked.settle(3)
    assert asked.reads.age(trio.current_time()) == pytest.approx(2)


async def test_an_answer_that_never_comes_is_not_waited_for(autojump_clock):
    asked = Asked()
    began = trio.current_time()
    with pytest.raises(RtgfError) as refused:
        await asked.read("never")
    assert refused.value.code is Code.RTGF_UNAVAILABLE
    assert trio.current_time() - began == pytest.approx(READ_SECONDS)
    # Nobody waits, so that nothing is asked for them.
    asked.reads.confirm(b"me/9", 1)


async def test_questions_without_an_answer_are_forgotten(autojump_clock):
    asked = Asked()
    for _ in range(1000):
        asked.ask()
        asked.settle(0)
        await trio.sleep(FRESH_SECONDS)
    assert len(asked.reads._open) <= READ_SECONDS / FRESH_SECONDS + 2
    for context in list(asked.reads._open):
        asked.reads.confirm(context, 10**9)
    await trio.sleep(KEPT_SECONDS + 1)
    asked.settle(0)
    assert not asked.reads._open


async def test_too_many_readers_are_overloaded(nursery, autojump_clock, monkeypatch):
    monkeypatch.setattr(freshness, "MAX_WAITING_READS", 1)
    asked = Asked()
    nursery.start_soon(asked.read, "first")
    await wait_all_tasks_blocked()
    asked.ask()
    with pytest.raises(RtgfError) as refused:
        await asked.read("second")
    assert refused.value.code is Code.RTGF_OVERLOADED
    asked.reads.confirm(asked.contexts[0], 0)
    asked.settle(0)
