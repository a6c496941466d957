"""How a member sees itself, between one round and the next."""

from __future__ import annotations

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
