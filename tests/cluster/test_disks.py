"""Bad disks: full, refusing, forgetful, and with other bytes than were written.

A member whose disk does not take what it must keep stops, and votes no more; a member that holds
something else than it wrote does not start. The others go on, and nothing is lost.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.cluster.breaks import Break
from tests.cluster.harm import POWER, Harm
from tests.cluster.member import FAILED, REFUSED
from tests.cluster.playing import play

DISK_MIB = 64


@pytest.fixture
def small_disk(tmp_path):
    """A file system that is soon full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mount = ("mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder))
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(("umount", "--lazy", str(folder)), check=True)


def test_the_power_fails_and_what_was_not_synced_is_gone(quick_path):
    """Of one and of all at once: what was answered had been synced by a majority before."""

    async def story(arena):
        harm = Harm(arena)
        for kind in POWER[:2]:
            await harm.inject((kind,), 3, pause=0.3)
        await harm.inject(POWER, 18, pause=0.3)

    played = play(story, quick_path, seed=51, forgets=True)
    assert {"power cut", "power cut of all (each)"} <= played.faults.keys()


def test_the_power_fails_at_the_writes_and_syncs_of_a_commit(quick_path):
    async def story(arena):
        for at in ("before_save", "after_save", "before_send", "after_apply"):
            for turn in (1, 9):
                machine = await arena.follower()
                await machine.power_cut()
                await arena.start(machine, Break(at, turn, "power"))
                assert await machine.wait_ended() == -9
                assert machine.broken_at == at
                arena.faults[f"power cut at: {at}"] += 1
                await arena.start(machine)

    play(story, quick_path, seed=52, forgets=True)


@pytest.mark.parametrize("at", ["write node.db-wal", "sync node.db-wal"])
@pytest.mark.parametrize("who", ["leader", "follower"])
def test_a_disk_that_says_eio_ends_the_member_and_no_more(at, who, quick_path):
    async def story(arena):
        machine = await (arena.leader() if who == "leader" else arena.follower())
        await machine.kill()
        await arena.start(machine, Break(at, 20, "error"))
        assert await machine.wait_ended() == FAILED
        arena.faults[f"EIO at: {at}"] += 1
        await arena.answered(10)
        await arena.start(machine)

    play(story, quick_path, seed=53)


@pytest.mark.parametrize("who", ["leader", "follower"])
def test_a_full_disk_ends_the_member_until_there_is_room(who, quick_path, small_disk):
    async def story(arena):
        machine = await (arena.leader() if who == "leader" else arena.follower())
        await machine.kill()
        own, machine.folder = machine.folder, small_disk / "node"
        shutil.copytree(own, machine.folder)
        await arena.start(machine)
        if who == "leader":
            for other in arena.machines.values():
                if other is not machine:
                    await other.ask("transfer", name=machine.name)
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                pass
        arena.faults["disk full"] += 1
        assert await machine.wait_ended() == FAILED
        # SQLite says it so, and who writes files beside the database otherwise.
        assert re.search("full|No space left", str(machine.told))
        await arena.answered(10)
        ballast.unlink()
        await arena.start(machine)

    play(story, quick_path, seed=54)


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        [byte] = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 0x20]))


def place_of(database: Path, query: str) -> int:
    """Return where in the file a value of a table stands."""
    with sqlite3.connect(database) as conn:
        [value] = conn.execute(query).fetchone()
    conn.close()
    at = database.read_bytes().find(value)
    assert at > 0
    return at + len(value) // 2


@pytest.mark.parametrize(
    "query",
    [
        "SELECT data FROM raft_log WHERE length(data) > 100 AND length(data) < 3000 LIMIT 1",
        "SELECT hard_state FROM raft_state",
        "SELECT conf_state FROM raft_state",
    ],
    ids=["raft log", "vote", "members"],
)
def test_a_member_that_holds_other_bytes_than_it_wrote_does_not_start(query, quick_path):
    async def story(arena):
        await arena.answered(30)
        machine = await arena.follower()
        await machine.stop()
        database = machine.folder / "node.db"
        flip(database, place_of(database, query))
        arena.faults["byte flipped"] += 1
        await machine.start()
        assert await machine.wait_ended() == REFUSED
        assert machine.told["refused"] == ["RTGF_TXP_STORE_DAMAGED"]
        await arena.remove(machine)

    play(story, quick_path, seed=55)


@pytest.mark.parametrize("how", ["flipped", "torn"])
def test_a_member_that_lost_the_end_of_its_write_ahead_log_stops(how, quick_path):
    """SQLite takes what follows the damage for never written: the member is as it was before.

    The leader knows that it had more, and it stops before it has answered anything. Only whoever
    led then knows it: where another one leads meanwhile, the member loses its log once more.
    """

    async def story(arena):
        machine = await arena.follower()
        others = [one for one in arena.machines.values() if one is not machine]
        await machine.stop()
        await arena.start(machine)
        while machine.alive:
            before = await arena.look(await arena.leader())
            await arena.until(
                machine, lambda seen, goal=before["commit"] + 20: seen["applied"] > goal
            )
            await machine.kill()
            # What it loses is held by a majority without it, whoever leads.
            goal = (await arena.look(await arena.leader()))["commit"]
            for one in others:
                await arena.until(one, lambda seen, goal=goal: seen["applied"] >= goal)
            wal = machine.folder / "node.db-wal"
            if how == "flipped":
                flip(wal, wal.stat().st_size // 3)
            else:
                os.truncate(wal, wal.stat().st_size // 3 + 100)
            arena.faults[f"WAL {how}"] += 1
            await machine.start()
            while machine.alive:
                leader = await arena.leader()
                if leader is machine or (await arena.look(leader))["term"] != before["term"]:
                    break
        assert await machine.wait_ended() in {FAILED, REFUSED}
        await arena.remove(machine)

    play(story, quick_path, seed=56)
