"""Processes are killed, stand still and restart under load; nothing is lost or done twice."""

from __future__ import annotations

import trio

from tests.cluster.harm import Harm
from tests.cluster.playing import play

KILLS = ("kill leader", "kill follower", "kill all")


def test_leader_followers_and_all_at_once_are_killed(quick_path):
    async def story(arena):
        harm = Harm(arena)
        for kind in KILLS:
            await harm.inject((kind,), 3, pause=0.3)
        await harm.inject(KILLS, 15, pause=0.3)
        await arena.answered(10)

    played = play(story, quick_path, seed=11)
    assert {"kill leader", "kill follower", "kill all (each)"} <= played.faults.keys()


def test_another_one_leads_after_a_kill(quick_path):
    async def story(arena):
        leader = await arena.leader()
        await leader.kill()
        arena.faults["kill leader"] += 1
        assert await arena.leader() is not leader
        await arena.answered(10)
        await arena.start(leader)

    play(story, quick_path, seed=12)


def test_a_leader_stands_still_and_goes_on_as_if_it_still_led(quick_path):
    """SIGSTOP for longer than an election: when it goes on, another one leads."""

    async def story(arena):
        leader = await arena.leader()
        term = (await arena.look(leader))["term"]
        leader.pause()
        await arena.leader()
        await trio.sleep(2.0)
        await arena.answered(10)
        leader.resume()
        # Reads of the one that led are in the history, as those of all are.
        await trio.sleep(1.0)
        await arena.until(leader, lambda seen: seen["term"] > term)

    play(story, quick_path, seed=13)


def test_members_stand_still_at_random(quick_path):
    async def story(arena):
        harm = Harm(arena, short=True)
        await harm.inject(("stop",), 3, pause=0.4)
        await harm.inject(("stop", "kill follower"), 9, pause=0.4)

    assert play(story, quick_path, seed=14).faults["SIGSTOP, SIGCONT"]


def test_all_are_restarted_one_after_the_other(quick_path):
    """As for a new version: each hands its lead over, and clients notice nothing but a moment."""

    async def story(arena):
        harm = Harm(arena)
        for _ in range(2):
            await harm.roll()
            await trio.sleep(0.5)

    played = play(story, quick_path, seed=15)
    assert played.faults["rolling restart (each)"] == 6


def test_the_lead_is_handed_over_again_and_again(quick_path):
    async def story(arena):
        await Harm(arena).inject(("hand over",), 6, pause=0.3)

    # The heir has two elections' time to take over.
    play(story, quick_path, seed=16, election_ticks=30)
