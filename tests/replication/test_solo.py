"""The solo replicator: whoever waits shares a commit, the feed hears first, nothing is torn."""

from __future__ import annotations

import sqlite3

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication import solo
from rtgf_node.replication.commands import AppendEvents, Outcome, Proposal
from rtgf_node.replication.solo import SoloReplicator
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import create_store
from tests.replication import samples


@pytest.fixture
def store(tmp_path):
    with create_store(tmp_path / "node") as made:
        yield made


class Gate:
    """A state machine whose batches wait until the test lets them through."""

    def __init__(self, store):
        self.machine = StateMachine(store)
        self.batches: list[int] = []
        self.open = trio.Event()
        self.entered = trio.Event()
        self.failure: Exception | None = None

    def apply_batch(self, proposals):
        self.batches.append(len(proposals))
        trio.from_thread.run_sync(self.entered.set, trio_token=self.token)
        trio.from_thread.run(self.open.wait, trio_token=self.token)
        if self.failure is not None:
            raise self.failure
        return self.machine.apply_batch(proposals)


@pytest.fixture
async def gate(store):
    made = Gate(store)
    made.token = trio.lowlevel.current_trio_token()
    return made


def proposal(number: int) -> Proposal:
    return Proposal("c", number, samples.append(f"s{number}"))


async def test_answer_is_durable_and_visible_to_readers(store):
    async with SoloReplicator(StateMachine(store)) as replicator:
        [applied] = await replicator.propose([proposal(1)])
        assert applied.outcome.leaf_indexes == (0,)
        assert store.log.size == 1
        assert store.log.entry(0) == samples.event_bytes("s1")
    assert (replicator.leader, replicator.role, replicator.staleness_seconds()) == (
        True,
        "leader",
        0.0,
    )


async def test_whatever_waits_is_one_commit(store, gate):
    async with SoloReplicator(gate) as replicator, trio.open_nursery() as nursery:
        nursery.start_soon(replicator.propose, [proposal(0)])
        await gate.entered.wait()
        for number in range(1, 21):
            nursery.start_soon(replicator.propose, [proposal(number)])
        await wait_all_tasks_blocked()
        assert replicator.waiting == 21
        gate.open.set()
    assert gate.batches == [1, 20]
    assert store.log.size == 21


async def test_each_asker_gets_its_own_answers_in_order(store):
    answers = {}

    async def ask(replicator, start: int) -> None:
        wanted = [proposal(start + place) for place in range(3)]
        applied = await replicator.propose(wanted)
        answers[start] = [store.log.entry(result.outcome.leaf_indexes[0]) for result in applied]
        assert [result.command for result in applied] == [item.command for item in wanted]

    async with SoloReplicator(StateMachine(store)) as replicator, trio.open_nursery() as nursery:
        for start in range(0, 60, 3):
            nursery.start_soon(ask, replicator, start)
    for start, entries in answers.items():
        assert entries == [samples.event_bytes(f"s{start + place}") for place in range(3)]


async def test_refused_and_accepted_commands_share_a_batch(store):
    forged = AppendEvents((samples.altered(samples.event_bytes("s1")),))
    async with SoloReplicator(StateMachine(store)) as replicator:
        first, second, third = await replicator.propose(
            [proposal(1), Proposal("c", 2, forged), proposal(3)]
        )
    assert isinstance(first.outcome, Outcome)
    assert second.outcome.code is Code.RTGF_TXP_APPEND_VIOLATION
    assert third.outcome.leaf_indexes == (1,)


async def test_feed_hears_accepted_commands_once_in_order_before_the_answer(store):
    heard = []
    async with SoloReplicator(StateMachine(store)) as replicator:
        subscription = replicator.feed.subscribe("test", lambda applied: heard.append(applied))
        forged = AppendEvents((samples.altered(samples.event_bytes("s1")),))
        batch = [proposal(1), Proposal("c", 2, forged), proposal(3)]
        first, _, third = await replicator.propose(batch)
        assert heard == [first, third]
        await replicator.propose(batch)
        assert heard == [first, third]
        replicator.feed.unsubscribe(subscription)
        replicator.feed.unsubscribe(subscription)
        await replicator.propose([proposal(4)])
        assert heard == [first, third]
    assert not subscription.failed.is_set()


async def test_subscriber_that_raises_is_dropped_and_disturbs_nobody(store):
    heard = []

    def broken(applied):
        raise ValueError(applied.index)

    async with SoloReplicator(StateMachine(store)) as replicator:
        bad = replicator.feed.subscribe("bad", broken)
        replicator.feed.subscribe("good", lambda applied: heard.append(applied.index))
        await replicator.propose([proposal(1), proposal(2)])
    assert heard == [1, 2]
    assert bad.failed.is_set()
    assert bad.error.args == (1,)


async def test_cancelling_the_asker_does_not_undo_what_it_asked(store, gate):
    async with SoloReplicator(gate) as replicator:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(replicator.propose, [proposal(1), proposal(2)])
            await gate.entered.wait()
            nursery.cancel_scope.cancel()
        assert store.log.size == 0
        gate.open.set()
        first, second = await replicator.propose([proposal(1), proposal(2)])
        assert (first.repeated, second.repeated) == (True, True)
    assert store.log.size == 2


async def test_closing_applies_what_was_proposed(store, gate):
    async with trio.open_nursery() as nursery:
        replicator = SoloReplicator(gate)
        nursery.start_soon(replicator.propose, [proposal(1)])
        await gate.entered.wait()
        nursery.start_soon(replicator.aclose)
        await wait_all_tasks_blocked()
        gate.open.set()
    assert store.log.size == 1
    with pytest.raises(RtgfError) as refused:
        await replicator.propose([proposal(2)])
    assert refused.value.code is Code.RTGF_UNAVAILABLE


async def test_too_much_waiting_is_overloaded_at_once(store, gate, monkeypatch):
    monkeypatch.setattr(solo, "MAX_WAITING_COMMANDS", 3)
    async with SoloReplicator(gate) as replicator, trio.open_nursery() as nursery:
        nursery.start_soon(replicator.propose, [proposal(1), proposal(2)])
        await gate.entered.wait()
        with pytest.raises(RtgfError) as refused:
            await replicator.propose([proposal(3), proposal(4)])
        assert refused.value.code is Code.RTGF_OVERLOADED
        gate.open.set()


async def test_batches_are_bounded(store, gate, monkeypatch):
    monkeypatch.setattr(solo, "MAX_BATCH_COMMANDS", 8)
    async with SoloReplicator(gate) as replicator, trio.open_nursery() as nursery:
        nursery.start_soon(replicator.propose, [proposal(0)])
        await gate.entered.wait()
        for number in range(1, 21):
            nursery.start_soon(replicator.propose, [proposal(number)])
        await wait_all_tasks_blocked()
        gate.open.set()
    assert gate.batches == [1, 8, 8, 4]


async def test_failing_store_reaches_the_askers_and_nothing_more_is_taken(store, gate):
    gate.failure = sqlite3.OperationalError("disk I/O error")
    heard = []
    async with SoloReplicator(gate) as replicator:
        replicator.feed.subscribe("test", heard.append)
        gate.open.set()
        with pytest.raises(sqlite3.OperationalError, match="I/O"):
            await replicator.propose([proposal(1)])
        await replicator.failed.wait()
        assert replicator.error is gate.failure
        with pytest.raises(RtgfError) as refused:
            await replicator.propose([proposal(1)])
        assert refused.value.code is Code.RTGF_UNAVAILABLE
    assert heard == []
    assert gate.batches == [1]
    assert store.log.size == 0
