"""A member that dies at any step, or whose disk fails, comes back with all it had promised."""

from __future__ import annotations

import sqlite3

import pytest
import trio

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import Outcome
from rtgf_node.replication.raftcore import core
from rtgf_node.store import open_store
from rtgf_node.store.raft_store import RaftStore
from tests.replication import samples
from tests.replication.cluster import CrashError, same_state, three, until

pytestmark = pytest.mark.skipif(not core.available(), reason="the Raft core is not built here")

STEPS = ("before_save", "after_save", "before_send", "after_apply")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("leads", [True, False])
async def test_a_crash_at_any_step_loses_and_repeats_nothing(tmp_path, autojump_clock, step, leads):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        victim = leader if leads else cluster.others(leader)[0]
        asker = next(one for one in cluster.others(leader) if one is not victim)
        await asker.propose(samples.append("before"))
        for number in range(5):
            victim.crash_at = step
            [applied] = await asker.propose(samples.append(f"s{number}"))
            assert isinstance(applied.outcome, Outcome)
            await victim.replicator.failed.wait()
            assert isinstance(victim.replicator.error, CrashError)
            await victim.restart()
        assert asker.store.log.size == 6
        await cluster.equal()
        await until(lambda: all(same_state(asker, node) for node in cluster.others(asker)))


@pytest.mark.parametrize("step", STEPS)
async def test_all_members_crash_at_once_and_keep_what_was_answered(tmp_path, autojump_clock, step):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        await leader.propose(samples.append("answered"))
        proposals = leader.proposals(samples.append("asked"))
        for node in cluster.nodes.values():
            node.crash_at = step
        with pytest.raises(RtgfError) as refused:
            await leader.replicator.propose(proposals)
        assert refused.value.code is Code.RTGF_UNAVAILABLE
        for node in cluster.nodes.values():
            with trio.move_on_after(1):
                await node.replicator.failed.wait()
        for node in cluster.nodes.values():
            node.crash_at = None
            await node.restart()
        leader = await cluster.leader()
        # The same numbers again: applied once, whether they were before or not.
        [applied] = await leader.replicator.propose(proposals)
        assert applied.outcome.leaf_indexes == (1,)
        await cluster.equal()
        assert leader.store.log.size == 2


async def test_members_that_are_killed_again_and_again_agree(tmp_path, autojump_clock):
    async with three(tmp_path, seed=3, loss=0.05) as cluster:
        for number in range(12):
            asker = cluster.nodes[number % 3 + 1]
            victim = cluster.nodes[(number + 1) % 3 + 1]
            async with trio.open_nursery() as nursery:
                for part in range(5):
                    nursery.start_soon(asker.propose, samples.append(f"s{number}-{part}"))
                await trio.sleep(0.02 * number)
                await victim.restart()
        await cluster.equal()
        one, *others = cluster.nodes.values()
        assert one.store.log.size == 60
        await until(lambda: all(same_state(one, node) for node in others))


async def test_a_member_whose_disk_fails_stops_voting(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        victim = cluster.others(leader)[0]
        await leader.propose(samples.append("a"))
        await cluster.equal()
        (pages,) = victim.store.conn.execute("PRAGMA page_count").fetchone()
        victim.store.conn.execute(f"PRAGMA max_page_count = {pages}")
        with trio.fail_after(30):
            number = 0
            while not victim.replicator.failed.is_set():
                number += 1
                await leader.propose(samples.append(*(f"s{number}-{one}" for one in range(50))))
        assert isinstance(victim.replicator.error, sqlite3.OperationalError)
        with pytest.raises(RtgfError) as refused:
            await victim.propose(samples.append("x"))
        assert refused.value.code is Code.RTGF_UNAVAILABLE
        # Two are left; without the other one nothing is decided: the third has no vote any more.
        other = next(one for one in cluster.others(leader) if one is not victim)
        cluster.net.isolate(other.raft_id)
        await trio.sleep(3)
        assert cluster.leaders == []
        cluster.net.heal()
        await victim.restart()
        await cluster.equal()


async def test_a_flipped_bit_in_log_or_vote_keeps_the_member_from_starting(
    tmp_path, autojump_clock
):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        await leader.propose(samples.append("a"))
        await cluster.equal()
        for table, column in (
            ("raft_log", "data"),
            ("raft_log", "term"),
            ("raft_state", "applied"),
        ):
            victim = cluster.others(leader)[0]
            await victim.stop()
            victim.store = open_store(victim.folder)
            conn = victim.store.conn
            held = conn.execute(
                f"SELECT rowid, {column} FROM {table} ORDER BY rowid DESC"
            ).fetchone()
            spoilt = held[1] + (b"x" if column == "data" else 1)
            change = f"UPDATE {table} SET {column} = ? WHERE rowid = ?"
            conn.execute(change, (spoilt, held[0]))
            error = await victim.start_refused()
            assert error.code is Code.RTGF_TXP_STORE_DAMAGED
            conn.execute(change, (held[1], held[0]))
            await victim.start()
        await cluster.equal()


async def test_the_log_on_disk_is_what_the_core_said(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        for number in range(5):
            await leader.propose(samples.append(f"s{number}"))
        await cluster.equal()
        await trio.sleep(1)
        held = []
        for node in cluster.nodes.values():
            store = RaftStore(node.store.reader)
            state = store.state()
            assert state.applied == state.delivered
            held.append([tuple(map(repr, store.entries(state.compacted)))])
        assert held[0] == held[1] == held[2]
