"""Machines are lost and replaced, by those who follow the book and by those who do not."""

from __future__ import annotations

import shutil

import msgspec
import trio

from rtgf_node import cluster_seat
from rtgf_node.store import create_store
from rtgf_node.wire.cluster import ClusterMember, JoinDocument
from tests.cluster import people
from tests.cluster.arena import CLUSTER_ID
from tests.cluster.harm import Harm
from tests.cluster.machines import Machine
from tests.cluster.member import REFUSED
from tests.cluster.playing import play
from tests.cluster.wires import Loopback


async def takes_its_old_seat(arena, machine) -> None:
    """Lose a machine's disk, and give it the seat again that it had: what must not be done."""
    seen = await machine.ask("look")
    members = msgspec.convert(seen["members"], list[ClusterMember])
    await machine.kill()
    machine.wipe()
    seat = JoinDocument("fault.example", CLUSTER_ID, machine.raft_id, machine.name, members)
    with create_store(machine.folder) as store:
        cluster_seat.join(store, seat, cluster=seat.cluster)
    arena.faults["disk lost, old id"] += 1


def test_a_machine_is_lost_and_replaced_while_others_are_killed(quick_path):
    async def story(arena):
        async with trio.open_nursery() as both:
            both.start_soon(people.replace_one, arena)
            await Harm(arena).inject(("kill leader", "kill follower"), 5, pause=1.0)
        assert 4 in {one.raft_id for one in arena.machines.values()}

    played = play(story, quick_path, seed=41)
    assert played.faults["disk lost, member replaced"] == 1


def test_a_machine_without_its_disk_stops_when_somebody_speaks_to_its_old_id(quick_path):
    async def story(arena):
        machine = await arena.follower()
        await takes_its_old_seat(arena, machine)
        await machine.start()
        assert await machine.wait_ended() == REFUSED
        assert machine.told["refused"] == ["RTGF_CONFLICT"]
        await arena.remove(machine)
        other = arena.build(9)
        await arena.nursery.start(other.run)
        await arena.add(other)

    play(story, quick_path, seed=42)


def test_a_machine_without_its_disk_votes_for_nobody(quick_path):
    """Else one that lacks what was answered could lead: it asks the only one that had it."""

    async def story(arena):
        leader, lost = await arena.leader(), await arena.follower()
        [behind] = [one for one in arena.machines.values() if one not in (leader, lost)]
        await behind.kill()
        await arena.answered(20)
        answered = (await arena.look(leader))["size"]
        await takes_its_old_seat(arena, lost)
        await leader.kill()
        await lost.start()
        await arena.start(behind)
        await trio.sleep(4.0)
        assert (await arena.look(behind))["role"] != "leader"
        # With the one that has it all, there is a majority that knows it.
        await arena.start(leader)
        assert (await arena.look(await arena.leader()))["size"] >= answered
        # It stops by itself, as it must when somebody knows what it once was.
        assert await lost.wait_ended() == REFUSED
        await arena.remove(lost)

    play(story, quick_path, seed=43)


def test_a_member_whose_disk_went_back_to_an_older_state_stops(quick_path):
    """A disk that lied about its syncs, or a backup of one member that was put back."""

    async def story(arena):
        machine = await arena.follower()
        await machine.kill()
        older = arena.folder / "older"
        shutil.copytree(machine.folder, older)
        await arena.start(machine)
        await arena.answered(20)
        await machine.kill()
        machine.wipe()
        shutil.copytree(older, machine.folder, dirs_exist_ok=True)
        arena.faults["older state put back"] += 1
        await machine.start()
        assert await machine.wait_ended() == REFUSED
        assert machine.told["refused"] == ["RTGF_CONFLICT"]
        await arena.remove(machine)

    play(story, quick_path, seed=44)


def test_a_copy_of_a_folder_stops_and_the_member_goes_on(quick_path):
    """Two machines with one seat, as after a restore of one that was not gone."""

    async def story(arena):
        machine = await arena.follower()
        await machine.kill()
        address, _ = Loopback().place(machine.raft_id)
        pki = arena.folder / "pki"
        copy = Machine(machine.raft_id, address, arena.folder / "copy", pki)
        shutil.copytree(machine.folder, copy.folder)
        await arena.start(machine)
        await arena.answered(20)
        await arena.nursery.start(copy.run)
        arena.faults["copy of a member started"] += 1
        for _ in range(2):
            await copy.start()
            assert await copy.wait_ended() == REFUSED
            assert copy.told["refused"] == ["RTGF_CONFLICT"]
        await arena.answered(20)
        assert machine.alive

    play(story, quick_path, seed=46)


def test_a_folder_that_was_moved_is_still_the_member(quick_path):
    async def story(arena):
        machine = await arena.follower()
        await machine.stop()
        machine.folder = machine.folder.rename(arena.folder / "moved")
        await arena.start(machine)
        await arena.answered(20)

    play(story, quick_path, seed=47)


def test_a_learner_without_a_state_is_not_promoted(quick_path):
    """It could not vote, and a majority might need it."""

    async def story(arena):
        machine = arena.build(4)
        await arena.change("add", machine)
        answer = {"detail": "does not lead"}
        while "does not lead" in answer["detail"]:
            answer = await (await arena.leader()).ask("promote", name=machine.name)
        assert answer["error"] == "RTGF_CONFLICT"
        assert "no state yet" in answer["detail"]

    play(story, quick_path, seed=45)
