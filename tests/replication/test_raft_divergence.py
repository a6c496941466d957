"""A member that applied something else than the leader stops, and stays away with the evidence."""

from __future__ import annotations

import json

import pytest
import trio

from rtgf_node.core import event
from rtgf_node.errors import Code
from rtgf_node.replication.commands import Proposal
from rtgf_node.replication.divergence import EVIDENCE, DivergenceError
from rtgf_node.replication.raftcore import core
from tests.replication import samples
from tests.replication.cluster import signed_head, three

pytestmark = pytest.mark.skipif(not core.available(), reason="the Raft core is not built here")


async def strayed(node) -> None:
    """Let a member apply something that nobody else did."""
    await node.stop()
    await node.reopen()
    machine = type(node.machine)(node.store)
    machine.apply_batch([Proposal("elsewhere", 1, samples.append("astray"))])
    await node.start()


async def stopped(node, leader) -> None:
    await node.replicator.failed.wait()
    assert isinstance(node.replicator.error, DivergenceError)
    kept = json.loads((node.folder / EVIDENCE).read_bytes())
    assert kept["our_root"] != kept["their_root"]
    assert kept["raft_id"] == node.raft_id
    # Nothing of that round was kept.
    size = node.store.log.size
    await node.stop()
    await node.reopen()
    assert node.store.log.size == size
    assert (await node.start_refused()).code is Code.RTGF_TXP_STORE_DAMAGED
    await leader.propose(samples.append("the others go on"))


async def test_a_signed_head_that_contradicts_what_is_here_stops_the_member(
    tmp_path, autojump_clock, monkeypatch
):
    monkeypatch.setattr("rtgf_node.replication.rounds.MARK_SECONDS", 1e9)
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        await trio.sleep(2)
        victim = cluster.others(leader)[0]
        await strayed(victim)
        await leader.propose(samples.append("a"))
        await leader.propose(signed_head(1, leader.store.log.root_at(1)))
        await stopped(victim, leader)


async def test_without_a_head_the_leaders_mark_tells(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        victim = cluster.others(leader)[0]
        await strayed(victim)
        await leader.propose(samples.append("a"))
        await stopped(victim, leader)
        said = [event.parse(entry) for entry in leader.store.log.entries(0)]
        [incident] = [one for one in said if one.subject == "RTGF_TXP_STORE_DAMAGED"]
        kept = json.loads((victim.folder / EVIDENCE).read_bytes())
        assert incident.payload["detail"] == (
            f"member node-{victim.raft_id} held another log than the leader and stopped: of "
            f"{kept['tree_size']} entries its root is {kept['our_root']}, and theirs "
            f"{kept['their_root']}"
        )


async def test_a_member_with_fewer_entries_than_the_leader_had_stops_too(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        victim = cluster.others(leader)[0]
        held = leader.machine.apply_batch

        def more(proposals, also):
            extra = [Proposal("elsewhere", 1, samples.append("astray"))]
            done = held([*extra, *proposals], lambda applied, log: also(applied[1:], log))
            return done[1:]

        leader.machine.apply_batch = more
        await leader.propose(samples.append("a"))
        await victim.replicator.failed.wait()
        assert isinstance(victim.replicator.error, DivergenceError)
        # Nobody knows who is right: with both others stopped, nothing more is decided.
        await trio.sleep(3)
        assert cluster.leaders == []


async def test_members_that_agree_never_stop(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        for number in range(10):
            await leader.propose(samples.append(f"s{number}"))
            size = leader.store.log.size
            await leader.propose(signed_head(size, leader.store.log.root_at(size)))
            await trio.sleep(0.7)
        await cluster.equal()
        assert not any(node.replicator.failed.is_set() for node in cluster.nodes.values())
