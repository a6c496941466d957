"""What the supervisor promises: order, restarts, and giving up loudly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import structlog
import trio
import trio.testing

from rtgf_node.actors.mailbox import Mailbox, Request
from rtgf_node.actors.supervisor import Child, ChildState, GaveUpError, Restarts, Supervisor
from rtgf_node.errors import Code, RtgfError


class Poke(Request[int], frozen=True):
    crash: bool


@pytest.fixture(autouse=True)
def quiet_log():
    with structlog.testing.capture_logs() as lines:
        yield lines


def recorder(name: str, order: list[str]) -> Callable[..., Awaitable[None]]:
    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        order.append(f"{name} starts")
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            order.append(f"{name} stops")

    return run


async def crash_at_once(*, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()
    raise ZeroDivisionError("again")


async def test_children_start_in_order_and_stop_in_reverse(autojump_clock):
    order: list[str] = []
    supervisor = Supervisor([Child(name, recorder(name, order)) for name in "abc"])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        assert {child.state for child in supervisor.statistics()} == {ChildState.RUNNING}
        nursery.cancel_scope.cancel()
    assert order == ["a starts", "b starts", "c starts", "c stops", "b stops", "a stops"]
    assert {child.state for child in supervisor.statistics()} == {ChildState.STOPPED}


async def test_the_next_child_starts_only_when_the_one_before_is_ready(autojump_clock):
    order: list[str] = []

    async def slow(*, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(3)
        order.append("slow is ready")
        task_status.started()
        await trio.sleep_forever()

    supervisor = Supervisor([Child("slow", slow), Child("next", recorder("next", order))])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        nursery.cancel_scope.cancel()
    assert order[:2] == ["slow is ready", "next starts"]


async def test_a_crash_tells_the_asker_restarts_and_the_queue_survives(autojump_clock):
    box = Mailbox("flaky", capacity=8)
    starts: list[float] = []

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        starts.append(trio.current_time())
        task_status.started()
        async for envelope in box:
            with box.answering(envelope):
                assert isinstance(envelope.request, Poke)
                if envelope.request.crash:
                    raise ZeroDivisionError
                envelope.reply(len(starts))

    supervisor = Supervisor([Child("flaky", run)])
    answers: list[object] = []

    async def ask(crash: bool) -> None:
        try:
            answers.append(await box.ask(Poke(crash)))
        except RtgfError as error:
            answers.append(error.code)

    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        async with trio.open_nursery() as askers:
            askers.start_soon(ask, True)
            await trio.testing.wait_all_tasks_blocked()
            askers.start_soon(ask, False)
        (child,) = supervisor.statistics()
        assert (child.state, child.restarts_total) == (ChildState.RUNNING, 1)
        assert child.last_error == "ZeroDivisionError: "
        nursery.cancel_scope.cancel()
    assert answers == [Code.RTGF_ACTOR_CRASHED, 2]


async def test_one_for_one_leaves_the_others_alone(autojump_clock):
    order: list[str] = []
    crashes = 0

    async def crash_once(*, task_status: trio.TaskStatus[None]) -> None:
        nonlocal crashes
        task_status.started()
        crashes += 1
        if crashes == 1:
            raise ZeroDivisionError
        await trio.sleep_forever()

    children = [Child("steady", recorder("steady", order)), Child("flaky", crash_once)]
    async with trio.open_nursery() as nursery:
        await nursery.start(Supervisor(children).run)
        await trio.sleep(10)
        assert order == ["steady starts"]
        assert crashes == 2
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("is_ready_first", [True, False])
async def test_too_many_crashes_give_up(autojump_clock, is_ready_first: bool):
    starts: list[float] = []

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        starts.append(trio.current_time())
        if is_ready_first:
            task_status.started()
        raise ZeroDivisionError("again")

    begun = trio.current_time()
    with pytest.RaisesGroup(pytest.RaisesExc(GaveUpError, match="bad .* 6 times in 30 s")):
        await Supervisor([Child("bad", run)]).run()
    pauses = [start - begun for start in starts]
    assert pauses == pytest.approx([0, 0, 0.5, 2.5, 4.5, 6.5])


async def test_slow_crashes_never_give_up(autojump_clock):
    starts = 0

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        nonlocal starts
        starts += 1
        task_status.started()
        await trio.sleep(10)
        raise ZeroDivisionError

    with trio.move_on_after(1000):
        await Supervisor([Child("slow", run)]).run()
    assert starts > 80


async def test_giving_up_stops_the_others_in_order(autojump_clock):
    order: list[str] = []
    children = [
        Child("a", recorder("a", order)),
        Child("b", recorder("b", order)),
        Child("bad", crash_at_once),
    ]
    with pytest.RaisesGroup(GaveUpError):
        await Supervisor(children, Restarts(intensity=1)).run()
    assert order[-2:] == ["b stops", "a stops"]


async def test_a_child_that_returns_is_restarted_as_if_it_had_crashed(autojump_clock):
    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()

    with pytest.RaisesGroup(pytest.RaisesExc(GaveUpError, match="returned")):
        await Supervisor([Child("short", run)], Restarts(intensity=1)).run()


async def test_a_start_that_hangs_can_be_cancelled(autojump_clock):
    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep_forever()

    with trio.move_on_after(5) as limit:
        await Supervisor([Child("slow", run)]).run()
    assert limit.cancelled_caught
    assert trio.current_time() < 100


async def test_a_restart_that_hangs_can_be_stopped(autojump_clock):
    starts = 0

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        nonlocal starts
        starts += 1
        if starts > 1:
            await trio.sleep_forever()
        task_status.started()
        raise ZeroDivisionError

    supervisor = Supervisor([Child("slow", run)])
    with trio.move_on_after(5):
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            await trio.sleep(1)
            assert supervisor.statistics()[0].state is ChildState.STARTING
    assert supervisor.statistics()[0].state is ChildState.STOPPED


async def test_a_child_that_stops_slowly_holds_up_the_next_only_for_its_time(
    autojump_clock, quiet_log
):
    stopped: dict[str, float] = {}

    def stopping(name: str, seconds: float) -> Callable[..., Awaitable[None]]:
        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(seconds)
                stopped[name] = trio.current_time() - begun

        return run

    children = [
        Child("first", stopping("first", 0)),
        Child("stuck", stopping("stuck", 60), stop_within_seconds=2),
    ]
    async with trio.open_nursery() as nursery:
        await nursery.start(Supervisor(children).run)
        begun = trio.current_time()
        nursery.cancel_scope.cancel()
    assert stopped == pytest.approx({"first": 2, "stuck": 60})
    assert [line["event"] for line in quiet_log] == ["actor_stop_timed_out"]


async def test_a_crash_while_stopping_does_not_hide_the_orderly_end(autojump_clock, quiet_log):
    order: list[str] = []

    async def clumsy(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            raise ZeroDivisionError

    children = [Child("a", recorder("a", order)), Child("clumsy", clumsy)]
    async with trio.open_nursery() as nursery:
        await nursery.start(Supervisor(children).run)
        nursery.cancel_scope.cancel()
    assert order == ["a starts", "a stops"]
    assert quiet_log
