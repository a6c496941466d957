"""A member ends at every named point of its work, comes back, and nothing is lost or done twice."""

from __future__ import annotations

import pytest
import trio

from tests.cluster.breaks import STEPS, WRITES, Break
from tests.cluster.machines import Machine
from tests.cluster.playing import play

KILLED = -9
POINT_SECONDS = 120.0


async def breaks_off(arena, machine: Machine, told: Break) -> None:
    """Let a member end there, once, and come back."""
    await machine.kill()
    await arena.start(machine, told)
    status = await machine.wait_ended(POINT_SECONDS)
    assert machine.broken_at == told.at
    assert status == KILLED
    arena.faults[f"crash at: {told.at}"] += 1


async def lags(arena, machine: Machine) -> None:
    """Let a member miss so much that it needs the state of another one."""
    await machine.kill()
    # The log is never longer than `compact_every` entries; one holds commands of many clients.
    await arena.committed(2 * machine.compact_every)


@pytest.mark.parametrize("who", ["leader", "follower"])
def test_at_the_steps_of_a_round(who, quick_path):
    async def story(arena):
        for step in STEPS[:4]:
            for turn in (1, 17):
                machine = await (arena.leader() if who == "leader" else arena.follower())
                await breaks_off(arena, machine, Break(step, turn))
                await arena.start(machine)

    play(story, quick_path, seed=21)


@pytest.mark.parametrize("how", ["kill", "torn"])
def test_at_the_writes_and_syncs_of_a_commit(how, quick_path):
    async def story(arena):
        for at in WRITES[:2]:
            for turn in (1, 5, 24):
                machine = await arena.follower()
                await breaks_off(arena, machine, Break(at, turn, how))
                await arena.start(machine)

    play(story, quick_path, seed=22)


def test_while_the_state_of_another_one_comes_and_is_taken(quick_path):
    async def story(arena):
        for step in STEPS[4:]:
            machine = await arena.follower()
            await lags(arena, machine)
            await breaks_off(arena, machine, Break(step, 1))
            await arena.start(machine)

    play(story, quick_path, seed=23, clients=8)


def test_the_leader_ends_while_it_writes_its_state_for_another_one(quick_path):
    async def story(arena):
        at = "write .unfinished"
        machine = await arena.follower()
        await lags(arena, machine)
        # All who could lead break off there, whoever does.
        others = [one for one in arena.machines.values() if one is not machine]
        for one in others:
            await one.kill()
            await arena.start(one, Break(at, 1))
        await arena.start(machine)
        with trio.fail_after(POINT_SECONDS):
            while not any(one.broken_at == at for one in others):  # noqa: ASYNC110  nobody tells
                await trio.sleep(0.05)
        arena.faults[f"crash at: {at}"] += 1
        for one in others:
            await one.kill()
            await arena.start(one)

    play(story, quick_path, seed=24, clients=8)
