"""Three members in one process: one history, whatever is lost on the way."""

from __future__ import annotations

import math

import pytest
import trio

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication import proposal_queue
from rtgf_node.replication.commands import AppendEvents, Outcome, Proposal
from rtgf_node.replication.raftcore import core
from rtgf_node.replication.raftcore.wire import MessageKind
from tests.replication import samples
from tests.replication.cluster import same_state, three, until

pytestmark = pytest.mark.skipif(not core.available(), reason="the Raft core is not built here")


async def test_what_is_answered_is_on_every_member(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        assert (leader.replicator.role, leader.replicator.leader_id) == ("leader", leader.raft_id)
        [applied] = await leader.propose(samples.append("a", "b"))
        assert applied.outcome.leaf_indexes == (0, 1)
        assert leader.store.log.size == 2
        for node in cluster.others(leader):
            await until(lambda node=node: node.heard[:1] == [applied])
            assert node.replicator.role == "follower"
            assert same_state(leader, node)


async def test_a_follower_carries_writes_to_the_leader(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        for node in cluster.others(leader):
            [applied] = await node.propose(samples.append(f"from-{node.raft_id}"))
            assert isinstance(applied.outcome, Outcome)
            assert node.store.log.size == applied.outcome.tree_size
        await cluster.equal()


async def test_refused_commands_are_refused_alike_everywhere(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        forged = AppendEvents((samples.altered(samples.event_bytes("s1")),))
        first, second = await leader.propose(samples.append("s1"), forged)
        assert isinstance(first.outcome, Outcome)
        assert second.outcome.code is Code.RTGF_TXP_APPEND_VIOLATION
        await cluster.equal()
        await until(lambda: all(same_state(leader, node) for node in cluster.others(leader)))


async def test_many_askers_share_entries_and_each_hears_of_its_own(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        before = leader.replicator.status().applied

        async def ask(number: int) -> None:
            [applied] = await leader.propose(samples.append(f"s{number}"))
            [index] = applied.outcome.leaf_indexes
            assert leader.store.log.entry(index) == samples.event_bytes(f"s{number}")

        async with trio.open_nursery() as nursery:
            for number in range(300):
                nursery.start_soon(ask, number)
        assert leader.store.log.size == 300
        assert leader.replicator.waiting == 0
        assert leader.replicator.status().applied - before < 60
        await cluster.equal()


async def test_lost_repeated_and_cut_messages_lose_and_repeat_nothing(tmp_path, autojump_clock):
    async with three(tmp_path, seed=5, loss=0.15, repeats=0.1) as cluster:

        async def ask(node, number: int) -> None:
            [applied] = await node.propose(samples.append(f"n{node.raft_id}-{number}"))
            assert isinstance(applied.outcome, Outcome)

        async with trio.open_nursery() as nursery:
            for number in range(15):
                for node in cluster.nodes.values():
                    nursery.start_soon(ask, node, number)
                await trio.sleep(0.3)
                if number % 5 == 2:
                    cluster.net.isolate(number % 3 + 1)
                if number % 5 == 4:
                    cluster.net.heal()
        cluster.net.heal()
        cluster.net.loss = 0
        await cluster.equal()
        assert all(node.store.log.size == 45 for node in cluster.nodes.values())


async def test_a_proposal_that_was_lost_on_the_way_is_proposed_again(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        follower = cluster.others(leader)[0]
        lost = []

        def drop(sender, to, kind):
            if kind is MessageKind.PROPOSAL and len(lost) < 2:
                lost.append(sender)
                return True
            return False

        cluster.net.drop = drop
        [applied] = await follower.propose(samples.append("a"))
        assert lost == [follower.raft_id] * 2
        assert applied.outcome.leaf_indexes == (0,)
        assert not applied.repeated


async def test_the_same_number_again_is_the_same_answer_wherever_it_is_asked(
    tmp_path, autojump_clock
):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        proposals = [Proposal("c", 1, samples.append("a")), Proposal("c", 2, samples.append("b"))]
        first = await leader.replicator.propose(proposals)
        for node in cluster.nodes.values():
            again = await node.replicator.propose(proposals)
            assert [one.outcome for one in again] == [one.outcome for one in first]
        await cluster.equal()
        assert leader.store.log.size == 2


async def test_a_later_number_that_comes_first_does_not_swallow_the_earlier(
    tmp_path, autojump_clock
):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        await leader.replicator.propose([Proposal("c", 2, samples.append("second"))])
        [late] = await leader.replicator.propose([Proposal("c", 1, samples.append("first"))])
        assert late.outcome.leaf_indexes == (1,)
        assert not late.repeated


async def test_a_ticket_that_no_entry_holds_is_applied_in_its_order(
    tmp_path, autojump_clock, monkeypatch
):
    monkeypatch.setattr(proposal_queue, "MAX_ENTRY_COMMANDS", 3)
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        applied = await leader.propose(*(samples.append(f"s{number}") for number in range(10)))
        assert [one.outcome.leaf_indexes[0] for one in applied] == list(range(10))


async def test_another_leads_when_the_leader_is_gone_and_nothing_is_lost(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        first = await cluster.leader()
        await first.propose(samples.append("a"))
        began = trio.current_time()
        await first.stop()
        second = await cluster.leader()
        assert trio.current_time() - began < 3
        await second.propose(samples.append("b"))
        assert second.store.log.entry(0) == samples.event_bytes("a")
        await first.restart_from_stopped()
        await cluster.equal()
        assert first.replicator.role == "follower"


async def test_what_is_asked_while_nobody_leads_waits_for_the_next_leader(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        first = await cluster.leader()
        other = cluster.others(first)[0]
        await first.stop()
        [applied] = await other.propose(samples.append("a"))
        assert applied.outcome.leaf_indexes == (0,)
        await first.restart_from_stopped()


async def test_what_a_leader_alone_took_in_is_never_answered(tmp_path, autojump_clock, monkeypatch):
    monkeypatch.setattr(proposal_queue, "GIVE_UP_SECONDS", 4.0)
    async with three(tmp_path) as cluster:
        old = await cluster.leader()
        cluster.net.isolate(old.raft_id)
        with pytest.raises(RtgfError) as refused:
            await old.propose(samples.append("alone"))
        assert refused.value.code is Code.RTGF_UNAVAILABLE
        assert not old.replicator.leader
        new = await cluster.leader()
        await new.propose(samples.append("b"))
        cluster.net.heal()
        await cluster.equal()
        assert new.store.log.entry(0) == samples.event_bytes("b")


async def test_a_leader_that_is_cut_off_answers_no_reads_and_goes_stale(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        old = await cluster.leader()
        await old.replicator.read_barrier()
        await trio.sleep(1)
        assert old.replicator.staleness_seconds() < 0.5
        cluster.net.isolate(old.raft_id)
        with pytest.raises(RtgfError) as refused:
            await old.replicator.read_barrier()
        assert refused.value.code is Code.RTGF_UNAVAILABLE
        assert old.replicator.staleness_seconds() >= 2
        assert all(node.replicator.staleness_seconds() < 2 for node in cluster.others(old))


async def test_a_barrier_on_a_follower_sees_what_was_answered_elsewhere(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        for number in range(20):
            await leader.propose(samples.append(f"s{number}"))
            for node in cluster.others(leader):
                await node.replicator.read_barrier()
                assert node.store.log.size == number + 1


async def test_nothing_is_fresh_before_the_first_confirmation(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        assert {node.replicator.staleness_seconds() for node in cluster.nodes.values()} == {
            math.inf
        }


async def test_a_leader_that_closes_hands_the_lead_over_first(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        old = await cluster.leader()
        began = trio.current_time()
        await old.replicator.aclose()
        new = await cluster.leader()
        # Faster than an election, which begins after half a second of silence.
        assert trio.current_time() - began < 0.5
        assert new is not old
        with pytest.raises(RtgfError) as refused:
            await old.propose(samples.append("a"))
        assert refused.value.code is Code.RTGF_UNAVAILABLE


async def test_too_much_waiting_is_overloaded_at_once(tmp_path, autojump_clock, monkeypatch):
    monkeypatch.setattr(proposal_queue, "MAX_WAITING_COMMANDS", 2)
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        with pytest.raises(RtgfError) as refused:
            await leader.propose(*(samples.append(f"s{number}") for number in range(3)))
        assert refused.value.code is Code.RTGF_OVERLOADED


async def test_a_command_that_no_frame_holds_is_refused(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        with pytest.raises(RtgfError) as refused:
            await leader.propose(AppendEvents((bytes(32 << 20),)))
        assert refused.value.code is Code.RTGF_BODY_TOO_LARGE


async def test_cancelling_the_asker_does_not_undo_what_it_asked(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        proposals = leader.proposals(samples.append("a"))
        with trio.move_on_after(0):
            await leader.replicator.propose(proposals)
        [applied] = await leader.replicator.propose(proposals)
        assert applied.outcome.leaf_indexes == (0,)
        await until(lambda: leader.replicator.waiting == 0)
        assert leader.store.log.size == 1


async def test_with_threads_as_in_a_node(tmp_path):
    async with three(tmp_path, threads=True) as cluster:
        leader = await cluster.leader()
        async with trio.open_nursery() as nursery:
            for number in range(200):
                nursery.start_soon(leader.propose, samples.append(f"s{number}"))
        await cluster.equal()
        assert leader.store.log.size == 200
