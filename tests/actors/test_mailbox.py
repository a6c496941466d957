"""What a mailbox promises to those who ask and to the actor that answers."""

from __future__ import annotations

import copy

import msgspec
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.actors.mailbox import SERVE_SECONDS, Envelope, Mailbox, Request
from rtgf_node.errors import Code, RtgfError


class Doubled(msgspec.Struct, frozen=True):
    number: int


class Double(Request[Doubled], frozen=True):
    number: int


async def answer_doubles(box: Mailbox, seen: list[int]) -> None:
    async for envelope in box:
        with box.answering(envelope):
            assert isinstance(envelope.request, Double)
            seen.append(envelope.request.number)
            if envelope.request.number < 0:
                raise RtgfError(Code.RTGF_INPUT_INVALID, "give a number from 0 up")
            envelope.reply(Doubled(envelope.request.number * 2))


async def test_ask_gives_the_reply(autojump_clock):
    box = Mailbox("double", capacity=4)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_doubles, box, [])
        assert await box.ask(Double(21)) == Doubled(42)
        nursery.cancel_scope.cancel()
    assert box.statistics().outcomes["replied"] == 1


async def test_a_deliberate_failure_is_an_answer_and_the_actor_lives_on(autojump_clock):
    box = Mailbox("double", capacity=4)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_doubles, box, [])
        with pytest.raises(RtgfError) as caught:
            await box.ask(Double(-1))
        assert caught.value.code is Code.RTGF_INPUT_INVALID
        assert await box.ask(Double(1)) == Doubled(2)
        nursery.cancel_scope.cancel()
    assert box.statistics().outcomes["refused"] == 1


async def test_full_mailbox_answers_overloaded_at_once(autojump_clock):
    box = Mailbox("double", capacity=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.ask, Double(1))
        await trio.testing.wait_all_tasks_blocked()
        before = trio.current_time()
        with pytest.raises(RtgfError) as caught:
            await box.ask(Double(2))
        assert caught.value.code is Code.RTGF_OVERLOADED
        assert trio.current_time() == before
        nursery.cancel_scope.cancel()
    statistics = box.statistics()
    assert (statistics.depth, statistics.capacity, statistics.peak) == (1, 1, 1)
    assert statistics.outcomes["overloaded"] == 1
    assert statistics.requests_total == 2


async def test_a_request_past_its_deadline_is_skipped(autojump_clock):
    box = Mailbox("double", capacity=4)
    seen: list[int] = []
    with trio.move_on_after(1):
        await box.ask(Double(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_doubles, box, seen)
        await box.ask(Double(2))
        nursery.cancel_scope.cancel()
    assert seen == [2]
    assert box.statistics().outcomes["abandoned"] == 1


async def test_a_request_whose_asker_was_cancelled_is_skipped(autojump_clock):
    box = Mailbox("double", capacity=4)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.ask, Double(1))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert box.take_nowait(10) == []
    assert box.statistics().outcomes["abandoned"] == 1


async def test_the_deadline_of_the_asker_travels_with_the_request(autojump_clock):
    box = Mailbox("double", capacity=4)
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            with trio.move_on_after(7):
                await box.ask(Double(1))

        started = trio.current_time()
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        (envelope,) = box.take_nowait(1)
        assert envelope.deadline == started + 7
        envelope.reply(Doubled(2))


async def test_a_crash_tells_the_asker_and_goes_up(autojump_clock):
    box = Mailbox("double", capacity=4)

    async def crash() -> None:
        async for envelope in box:
            with box.answering(envelope):
                raise ZeroDivisionError

    codes = []

    async def ask() -> None:
        with pytest.raises(RtgfError) as caught:
            await box.ask(Double(1))
        codes.append(caught.value.code)

    with pytest.RaisesGroup(ZeroDivisionError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            await crash()
    # The asker had its answer before the crash cancelled it.
    assert box.statistics().outcomes["crashed"] == 1


async def test_a_block_that_answers_nothing_is_a_crash(autojump_clock):
    box = Mailbox("double", capacity=4)
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(RtgfError) as caught:
                await box.ask(Double(1))
            assert caught.value.code is Code.RTGF_ACTOR_CRASHED

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        (envelope,) = box.take_nowait(1)
        with pytest.raises(RuntimeError, match="without an answer"), box.answering(envelope):
            pass


async def test_queued_requests_survive_the_instance_that_crashed(autojump_clock):
    box = Mailbox("double", capacity=4)
    answers: list[object] = []

    async def ask(number: int) -> None:
        try:
            answers.append(await box.ask(Double(number)))
        except RtgfError as error:
            answers.append(error.code)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, 1)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask, 2)
        await trio.testing.wait_all_tasks_blocked()
        envelope = await box.__anext__()
        with pytest.raises(ZeroDivisionError), box.answering(envelope):
            raise ZeroDivisionError
        envelope = await box.__anext__()
        with box.answering(envelope):
            envelope.reply(Doubled(4))
    assert answers == [Code.RTGF_ACTOR_CRASHED, Doubled(4)]


async def test_a_batch_is_taken_in_order_and_settled_together(autojump_clock):
    box = Mailbox("double", capacity=10)
    caught: list[RtgfError] = []

    async def ask(number: int) -> None:
        try:
            await box.ask(Double(number))
        except RtgfError as error:
            caught.append(error)

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(ask, number)
            await trio.testing.wait_all_tasks_blocked()
        first = await box.__anext__()
        batch = [first, *box.take_nowait(3)]
        assert [number_of(envelope) for envelope in batch] == [0, 1, 2, 3]
        assert box.statistics().serving == 4
        await trio.sleep(2)
        with box.answering(*batch):
            raise RtgfError(Code.RTGF_CONFLICT, "all or nothing")
        (last,) = box.take_nowait(3)
        last.reply(Doubled(8))
    # Each asker raises an exception of its own.
    assert len({id(error) for error in caught}) == 4
    statistics = box.statistics()
    assert (statistics.depth, statistics.serving) == (0, 0)
    assert statistics.serve_seconds_total == pytest.approx(8)
    took = dict(zip((*SERVE_SECONDS, "longer"), statistics.served, strict=True))
    assert {end: count for end, count in took.items() if count} == {0.0001: 1, 2.5: 4}
    assert statistics.wait_seconds_total == pytest.approx(2)


def number_of(envelope: Envelope) -> int:
    assert isinstance(envelope.request, Double)
    return envelope.request.number


async def test_only_the_first_answer_counts(autojump_clock):
    box = Mailbox("double", capacity=1)
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            assert await box.ask(Double(1)) == Doubled(2)

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        (envelope,) = box.take_nowait(1)
        envelope.reply(Doubled(2))
        envelope.reply(Doubled(3))
        envelope.fail(RtgfError(Code.RTGF_CONFLICT, "too late"))


def test_a_copied_failure_keeps_all_it_says():
    inner = RtgfError(Code.RTGF_NOT_FOUND, "inner")
    error = RtgfError(Code.RTGF_CONFLICT, "detail", pointer="/a", causes=(inner,))
    twin = copy.copy(error)
    assert (str(twin), twin.causes) == (str(error), (inner,))


@given(st.lists(st.sampled_from(["ask", "take", "tick"]), max_size=60), st.integers(1, 5))
def test_every_request_is_counted_exactly_once(steps: list[str], capacity: int):
    async def main() -> None:
        box = Mailbox("any", capacity=capacity)
        refused = 0

        async def ask() -> None:
            nonlocal refused
            try:
                with trio.move_on_after(3):
                    await box.ask(Double(1))
            except RtgfError:
                refused += 1

        async with trio.open_nursery() as nursery:
            for step in steps:
                if step == "ask":
                    nursery.start_soon(ask)
                elif step == "take":
                    for envelope in box.take_nowait(1):
                        envelope.reply(Doubled(2))
                else:
                    await trio.sleep(1)
                await trio.testing.wait_all_tasks_blocked()
                statistics = box.statistics()
                assert statistics.depth <= capacity
                ended = sum(statistics.outcomes.values())
                assert statistics.requests_total == ended + statistics.depth + statistics.serving
        assert box.statistics().outcomes["overloaded"] == refused

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
