"""Members come and go; whoever is too far behind takes a state in place of the log."""

from __future__ import annotations

import pytest
import trio

from rtgf_node.core import digests
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.raft_settings import RaftSettings
from rtgf_node.replication.raftcore import core
from rtgf_node.replication.raftcore.wire import ConfState
from rtgf_node.store import open_store
from rtgf_node.store.raft_store import RaftStore
from tests.replication import samples
from tests.replication.cluster import same_state, signed_head, three, until

pytestmark = pytest.mark.skipif(not core.available(), reason="the Raft core is not built here")


async def joined(cluster, raft_id: int):
    """Add a learner and wait until it has the leader's state and was begun anew on it."""
    leader = await cluster.leader()
    node = cluster.join(raft_id)
    await node.start()
    await leader.replicator.change_members([cluster.member(raft_id, "learner")])
    await node.replicator.restart_needed.wait()
    await node.restart()
    await cluster.equal()
    return node


async def test_a_learner_joins_becomes_a_voter_and_is_removed(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        leader.store.objects.put(b"build-1")
        await leader.propose(samples.append("a"), samples.corridor_build())
        node = await joined(cluster, 4)
        assert not (node.folder / "fetched").exists()
        assert node.replicator.role == "learner"
        await until(lambda: node.replicator.staleness_seconds() < 1)
        [applied] = await node.propose(samples.append("from the learner"))
        assert node.store.log.size == applied.outcome.tree_size

        await leader.replicator.change_members([cluster.member(4)])
        await until(lambda: node.replicator.role == "follower")
        # It decides now: with it, two of four are cut off and nothing is lost yet.
        assert leader.replicator.status().core.members.voters == (1, 2, 3, 4)

        await leader.replicator.change_members([cluster.member(4, "removed")])
        assert 4 not in leader.replicator.members()
        await cluster.equal(*(cluster.nodes[one] for one in (1, 2, 3)))
        await leader.propose(samples.append("b"))
        await cluster.equal(*(cluster.nodes[one] for one in (1, 2, 3)))


async def test_members_are_the_same_on_every_disk(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        node = await joined(cluster, 4)
        leader = await cluster.leader()
        await leader.propose(samples.append("a"))
        await cluster.equal()
        await until(lambda: all(same_state(node, one) for one in cluster.others(node)))


async def test_one_node_alone_becomes_three_and_keeps_its_log(tmp_path, autojump_clock):
    async with three(tmp_path, voters=(1,)) as cluster:
        first = cluster.nodes[1]
        await cluster.leader()
        await first.propose(samples.append("alone"))
        for raft_id in (2, 3):
            await joined(cluster, raft_id)
        await first.replicator.change_members([cluster.member(2), cluster.member(3)])
        await until(lambda: first.replicator.status().core.members.voters_outgoing == ())
        await first.stop()
        new = await cluster.leader()
        assert new.store.log.entry(0) == samples.event_bytes("alone")
        await new.propose(samples.append("without the first"))
        await first.restart_from_stopped()
        await cluster.equal()


async def test_a_leader_gives_on_the_very_state_that_it_began_with(tmp_path, autojump_clock):
    """Nothing can be committed before: the other one is needed for that, and needs the state."""
    async with three(tmp_path, voters=()) as cluster:
        members = [cluster.member(1), cluster.member(2)]
        first, second = cluster.make(1), cluster.make(2)
        for node, index in ((first, 5), (second, 1)):
            with node.store.conn:
                RaftStore(node.store.conn).found(
                    node.raft_id,
                    members,
                    cluster_id="c",
                    conf_state=ConfState((1, 2)).encode(),
                    index=index,
                    term=1,
                )
            await node.start()
            # The first asks to be elected first.
            await trio.sleep(cluster.settings.election_seconds)
        with trio.fail_after(30):
            await second.replicator.restart_needed.wait()
        await second.restart()
        leader = await cluster.leader()
        await leader.propose(samples.append("a"))
        await cluster.equal()
        assert first.store.log.size == 1


async def test_several_members_change_at_once(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        for raft_id in (4, 5):
            await joined(cluster, raft_id)
        leader = await cluster.leader()
        gone = cluster.others(leader)[0]
        await leader.replicator.change_members(
            [cluster.member(4), cluster.member(5), cluster.member(gone.raft_id, "removed")]
        )
        await until(lambda: leader.replicator.status().core.members.voters_outgoing == ())
        assert len(leader.replicator.status().core.members.voters) == 4


@pytest.mark.parametrize("step", ["before_save", "after_save", "after_apply"])
async def test_a_change_survives_a_crash_of_everybody_in_the_middle(tmp_path, autojump_clock, step):
    async with three(tmp_path) as cluster:
        await joined(cluster, 4)
        leader = await cluster.leader()
        applied = leader.replicator.status().applied

        async def change() -> None:
            try:
                await leader.replicator.change_members([cluster.member(4)])
            except RtgfError as error:
                assert error.code is Code.RTGF_UNAVAILABLE  # noqa: PT017

        async with trio.open_nursery() as nursery:
            nursery.start_soon(change)
            for node in cluster.nodes.values():
                node.crash_at = step
            await trio.sleep(2)
            for node in cluster.nodes.values():
                node.crash_at = None
                await node.restart()
            await cluster.leader()
            nursery.cancel_scope.cancel()
        leader = await cluster.leader()
        await leader.propose(samples.append("a"))
        await cluster.equal()
        assert leader.replicator.status().applied > applied
        roles = [node.replicator.members()[4].role for node in cluster.nodes.values()]
        assert len(set(roles)) == 1
        if roles[0] == "learner":
            await leader.replicator.change_members([cluster.member(4)])
        await until(lambda: cluster.nodes[4].replicator.role == "follower")


async def test_changes_that_cannot_be_are_refused(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        follower = cluster.others(leader)[0]
        await joined(cluster, 4)
        await leader.replicator.change_members([cluster.member(4, "removed")])
        renamed = cluster.member(2)
        wrong = [
            [cluster.member(4)],
            [cluster.member(9, "removed")],
            [cluster.member(one, "removed") for one in (1, 2, 3)],
            [type(renamed)(2, "other", renamed.address, "voter")],
            [type(renamed)(5, "node-1", renamed.address, "voter")],
            [],
            [cluster.member(5), cluster.member(5, "learner")],
        ]
        for change in wrong:
            with pytest.raises(RtgfError) as refused:
                await leader.replicator.change_members(change)
            assert refused.value.code in {Code.RTGF_CONFLICT, Code.RTGF_INPUT_INVALID}
        await until(lambda: 4 not in follower.replicator.members())
        with pytest.raises(RtgfError):
            await follower.replicator.change_members([cluster.member(4)])


async def test_of_two_changes_on_the_same_ground_one_is_refused(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        follower = cluster.others(leader)[0]
        refused = []

        async def change(node, raft_id: int) -> None:
            try:
                await node.replicator.change_members([cluster.member(raft_id, "learner")])
            except RtgfError as error:
                refused.append(error.code)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(change, leader, 4)
            nursery.start_soon(change, follower, 5)
        assert refused == [Code.RTGF_CONFLICT]
        await cluster.equal()
        await until(lambda: follower.replicator.members() == leader.replicator.members())
        assert len(leader.replicator.members()) == 4


async def test_who_was_away_for_too_long_takes_a_state(tmp_path, autojump_clock):
    async with three(tmp_path, settings=RaftSettings(compact_every=20)) as cluster:
        leader = await cluster.leader()
        away = cluster.others(leader)[0]
        await away.stop()
        for number in range(60):
            await leader.propose(samples.append(f"s{number}"))
        assert leader.replicator.status().core.first_index > 20
        await away.restart_from_stopped()
        await away.replicator.restart_needed.wait()
        await away.restart()
        await cluster.equal()
        await leader.propose(samples.append("after"))
        await until(lambda: same_state(leader, away))
        away.store.log.check_all()


async def test_the_log_stays_short_and_restarts_from_what_is_left(tmp_path, autojump_clock):
    async with three(tmp_path, settings=RaftSettings(compact_every=10)) as cluster:
        leader = await cluster.leader()
        for number in range(50):
            await leader.propose(samples.append(f"s{number}"))
        await cluster.equal()
        for node in cluster.nodes.values():
            (count,) = node.store.reader.execute("SELECT count(*) FROM raft_log").fetchone()
            assert count <= 11
        for node in cluster.nodes.values():
            await node.restart()
        leader = await cluster.leader()
        await leader.propose(samples.append("after"))
        await cluster.equal()
        assert leader.store.log.size == 51


@pytest.mark.parametrize("step", ["before_take", "after_take"])
async def test_a_crash_while_a_state_is_taken_leaves_the_old_or_the_new(
    tmp_path, autojump_clock, step
):
    async with three(tmp_path, settings=RaftSettings(compact_every=10)) as cluster:
        leader = await cluster.leader()
        away = cluster.others(leader)[0]
        await away.stop()
        for number in range(40):
            await leader.propose(samples.append(f"s{number}"))
        away.crash_at = step
        await away.restart_from_stopped()
        await away.replicator.failed.wait()
        await away.stop()
        away.store = open_store(away.folder)
        assert away.store.log.size == (0 if step == "before_take" else 40)
        await away.start()
        if step == "before_take":
            await away.replicator.restart_needed.wait()
            await away.restart()
        await cluster.equal()


@pytest.mark.parametrize("fault", ["bytes", "head", "gone"])
async def test_a_state_that_is_not_what_it_says_is_not_taken(
    tmp_path, autojump_clock, fault, monkeypatch
):
    async with three(tmp_path, settings=RaftSettings(compact_every=10)) as cluster:
        leader = await cluster.leader()
        away = cluster.others(leader)[0]
        await away.stop()
        root = leader.store.log.root()
        await leader.propose(signed_head(0, root))
        for number in range(40):
            await leader.propose(samples.append(f"s{number}"))
        fetch, faults = away.fetch_state, []

        async def spoilt(manifest, sender):
            path = await fetch(manifest, sender)
            if len(faults) < 2:
                faults.append(fault)
                if fault == "gone":
                    raise RtgfError(Code.RTGF_NOT_FOUND, "gone")
                if fault == "bytes":
                    path.write_bytes(path.read_bytes()[:-1] + b"x")
            return path

        def check_head(document: bytes) -> None:
            if fault == "head" and len(faults) < 3:
                faults.append(fault)
                raise RtgfError(Code.RTGF_VERIFY_SIGNATURE_INVALID, "not ours")

        away.fetch_state, away.check_head = spoilt, check_head
        await away.restart_from_stopped()
        await away.replicator.restart_needed.wait()
        assert len(faults) >= 2
        await away.restart()
        await cluster.equal()


async def test_a_dataset_waits_for_its_objects_and_nothing_else_waits(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        late = cluster.others(leader)[0]
        late.objects.gate = trio.Event()
        record = samples.dataset("one")
        for content in (b"one", b"records one"):
            leader.store.objects.put(content)
        [applied] = await leader.propose(record)
        assert leader.objects.held == [tuple(sorted((record.raw_sha256, record.records_sha256)))]
        await leader.propose(samples.append("after"))
        await trio.sleep(2)
        assert late.store.log.size == 0
        assert late.replicator.status().delivered > late.replicator.status().applied
        assert late.replicator.staleness_seconds() > 1
        # It votes all the same: with the third one cut off, the leader has a majority with it.
        third = next(one for one in cluster.others(leader) if one is not late)
        cluster.net.isolate(third.raft_id)
        await leader.propose(samples.append("with its vote"))
        cluster.net.heal()
        # It comes back with what it had not applied.
        await late.restart()
        late.objects.gate.set()
        await cluster.equal()
        assert late.store.objects.get(digests.sha256(b"one")) == b"one"
        await until(lambda: late.replicator.staleness_seconds() < 1)
        assert applied.outcome.leaf_indexes == (0,)


async def test_nothing_is_proposed_that_a_majority_does_not_hold(tmp_path, autojump_clock):
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        for content in (b"one", b"records one"):
            leader.store.objects.put(content)
        leader.objects.refuse = RtgfError(Code.RTGF_UNAVAILABLE, "nobody holds it")
        with pytest.raises(RtgfError) as refused:
            await leader.propose(samples.dataset("one"))
        assert refused.value is leader.objects.refuse
        await trio.sleep(1)
        assert leader.store.log.size == 0


async def test_who_is_told_to_stop_does_not_wait_for_a_state_that_is_on_its_way(
    tmp_path, autojump_clock
):
    """It comes from the network, for as long as that takes. The next start gets it."""
    async with three(tmp_path) as cluster:
        leader = await cluster.leader()
        node = cluster.join(4)
        asked, held_up = trio.Event(), node.fetch_state

        async def never(manifest, sender: int):
            asked.set()
            await trio.sleep_forever()

        node.fetch_state = never
        await node.start()
        await leader.replicator.change_members([cluster.member(4, "learner")])
        await asked.wait()
        with trio.fail_after(1):
            await node.replicator.aclose()
        assert not node.replicator.restart_needed.is_set()
        assert node.replicator.error is None
        node.fetch_state = held_up
        await node.restart()
        await node.replicator.restart_needed.wait()
        await node.restart()
        await cluster.equal()
