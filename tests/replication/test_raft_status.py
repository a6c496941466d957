"""How a member sees itself, between one round and the next."""

from __future__ import annotations

import pytest

from rtgf_node.errors import RtgfError
from rtgf_node.replication.raftcore.wire import MessageKind
from tests.replication.cluster import three


def heartbeat(*, to: int, from_: int, term: int) -> bytes:
    """Return a core's message (raftpb.Message) with nothing but its head."""
    return bytes([0x08, MessageKind.HEARTBEAT, 0x10, to, 0x18, from_, 0x20, term])


async def test_one_that_was_deposed_does_not_say_that_it_leads_in_the_term_of_another(
    tmp_path, autojump_clock
):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        before = leader.replicator.status()
        assert before.role == "leader"
        [other, _] = cluster.others(leader)
        leader.replicator.receive(
            other.raft_id,
            heartbeat(to=leader.raft_id, from_=other.raft_id, term=before.core.term + 1),
        )
        after = leader.replicator.status()
        assert after.core.term == before.core.term + 1
        assert after.role == "follower"
        await cluster.leader()


async def test_who_decides_is_known_also_while_another_ones_state_is_taken(
    tmp_path, autojump_clock, monkeypatch
):
    """Objects are offered to them meanwhile, by tasks that an error would end with the node."""
    async with three(tmp_path) as cluster:
        replicator = (await cluster.leader()).replicator
        with monkeypatch.context() as patched:
            patched.setattr(replicator._rounds, "is_open", False)
            with pytest.raises(RtgfError):
                replicator.status()
            assert replicator.quorums() == [(1, 2, 3)]
        assert replicator.status().role == "leader"
