"""Members that do not reach each other: one history, one leader that answers, and no more.

Every machine has a network namespace of its own; packets are dropped where they arrive, so that a
cut has a direction and nobody is told.
"""

from __future__ import annotations

import pytest
import trio

from tests.cluster.harm import Harm
from tests.cluster.playing import play
from tests.cluster.wires import has_netem

MINORITY_SECONDS = 4.0
"""Longer than a leader believes itself that it leads, and than a read waits."""
TRIES = 5
"""A machine that stands still may cost the lead once and again; who disturbs does so every time."""


async def asked(machine, do: str, **more):
    """Return what a member answers, None if it is no answer."""
    answer = await machine.ask(do, 12.0, **more)
    return None if answer is None or "error" in answer else answer


def test_a_leader_that_is_cut_off_answers_nothing_while_another_one_does(quick_path, wires):
    async def story(arena):
        old = await arena.leader()
        others = [one for one in arena.machines.values() if one is not old]
        wires.separate([old.raft_id], [one.raft_id for one in others])
        arena.faults["leader cut off"] += 1
        await trio.sleep(MINORITY_SECONDS)
        assert await asked(old, "read") is None
        await arena.until(
            old, lambda seen: seen["role"] != "leader" and seen["stale"] > MINORITY_SECONDS - 1
        )
        assert await arena.leader() is not old
        while await asked(others[0], "read") is None:
            pass
        assert await asked(old, "read") is None
        wires.heal()

    play(story, quick_path, seed=31, wires=wires)


def test_the_majority_goes_on_and_the_minority_waits(quick_path, wires):
    async def story(arena):
        leader = await arena.leader()
        others = [one for one in arena.machines.values() if one is not leader]
        minority = [leader, arena.chance.choice(others)]
        cut = [one.raft_id for one in minority]
        wires.separate(cut, set(arena.machines) - set(cut))
        arena.faults["majority, minority"] += 1
        await trio.sleep(MINORITY_SECONDS)
        for one in minority:
            assert await asked(one, "read") is None
        await arena.answered(10)
        wires.heal()

    play(story, quick_path, seed=32, members=5, wires=wires)


@pytest.mark.parametrize("direction", ["deaf", "mute"])
def test_a_leader_that_only_speaks_or_only_hears_gives_way(direction, quick_path, wires):
    async def story(arena):
        old = await arena.leader()
        for one in arena.machines.values():
            if one is not old:
                ends = (one, old) if direction == "deaf" else (old, one)
                wires.cut(*(end.raft_id for end in ends))
        arena.faults["one-way cut"] += 1
        await trio.sleep(MINORITY_SECONDS)
        await arena.until(old, lambda seen: seen["role"] != "leader")
        await arena.answered(10)
        wires.heal()

    play(story, quick_path, seed=33, wires=wires)


def test_cuts_that_come_and_go(quick_path, wires):
    async def story(arena):
        kinds = ("flap", "one way", "isolate one", "isolate leader", "split")
        await Harm(arena).inject(kinds, 20, pause=0.2)

    play(story, quick_path, seed=34, wires=wires)


def test_packets_are_lost_and_links_are_slow(quick_path, wires):
    async def story(arena):
        await Harm(arena).inject(("loss", "slow link"), 8, pause=0.3)

    play(story, quick_path, seed=35, wires=wires)


def test_packets_are_late_and_in_another_order(quick_path, wires):
    if not has_netem():
        pytest.skip("this kernel has no netem")

    async def story(arena):
        await Harm(arena).inject(("delay",), 4, pause=0.3)

    play(story, quick_path, seed=36, wires=wires)


def test_a_member_that_was_cut_off_for_long_disturbs_nobody_when_it_comes_back(quick_path, wires):
    """Pre-vote: it asked for votes in vain, and the term did not grow."""

    async def story(arena):
        for _ in range(TRIES):
            one = await arena.follower()
            wires.separate([one.raft_id], set(arena.machines) - {one.raft_id})
            arena.faults["one cut off"] += 1
            await arena.until(one, lambda seen: seen["leader"] is None)
            own = (await arena.look(one))["term"]
            await trio.sleep(MINORITY_SECONDS)
            assert (await arena.look(one))["term"] == own
            term = (await arena.look(await arena.leader()))["term"]
            wires.heal()
            await trio.sleep(1.5)
            await arena.until(one, lambda seen: seen["leader"] is not None)
            if (await arena.look(await arena.leader()))["term"] == term:
                break
        else:
            raise AssertionError("the term grows every time it comes back")

    play(story, quick_path, seed=37, wires=wires)
