"""Copies of one member's folder: the one that went on stays, any other stops."""

from __future__ import annotations

import pytest
import trio

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication import starts
from rtgf_node.replication.peer_stream import Seat, dial
from rtgf_node.replication.starts import Starts
from rtgf_node.store.raft_store import RaftStore, Start
from tests.replication.peer_world import (
    CLUSTER,
    CLUSTER_ID,
    Stranger,
    World,
    empty_folder,
    message,
    until,
)


def started(raft: RaftStore, nonce: bytes) -> Starts:
    made = Starts(nonce)
    made.load(raft)
    return made


def copied(raft: RaftStore, to: RaftStore) -> None:
    """Make one folder a copy of another."""
    raft._conn.backup(to._conn)


@pytest.fixture
async def world(tmp_path):
    made = World(tmp_path)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def folders():
    """Two empty ones."""
    return [empty_folder(), empty_folder()]


def test_each_start_has_the_next_number_and_is_written_once(folders):
    folder = folders[0]
    first = started(folder, b"a")
    first.load(folder)
    assert folder.starts() == [Start(1, b"a")]
    assert started(folder, b"b").own == Start(2, b"b")


def test_a_folder_knows_its_own_starts_and_no_others(folders):
    here, copy = folders
    before = started(here, b"a").own
    copied(here, copy)
    went_on, other = started(here, b"b"), started(copy, b"c")
    for known in (None, before, went_on.own):
        went_on.check(known, "n2")
    other.check(before, "n2")
    stopped = []
    other.stop = stopped.append
    with pytest.raises(RtgfError) as refused:
        other.check(went_on.own, "n2")
    assert refused.value.code is Code.RTGF_CONFLICT
    assert "n2 met start 2" in refused.value.detail
    assert stopped == [refused.value]
    # As one that runs beside it, so one that is started again and again.
    for _ in range(3):
        with pytest.raises(RtgfError):
            started(copy, b"d").check(went_on.own, "n2")


def test_a_folder_that_was_wiped_is_not_who_was_met(folders):
    with pytest.raises(RtgfError):
        started(folders[1], b"new").check(started(folders[0], b"a").own, "n2")


def test_nobody_is_stopped_for_what_is_too_long_ago_to_tell(folders, monkeypatch):
    monkeypatch.setattr(starts, "KEPT", 3)
    folder = folders[0]
    first = started(folder, b"a").own
    for number in range(5):
        now = started(folder, b"%d" % number)
    assert len(folder.starts()) == 3
    now.check(first, "n2")
    now.check(Start(1, b"of nobody"), "n2")
    with pytest.raises(RtgfError):
        now.check(Start(5, b"of nobody"), "n2")


def test_who_was_met_is_known_after_a_restart(folders):
    folder = folders[0]
    here = started(folder, b"a")
    here.meet(2, Start(7, b"x"))
    here.meet(2, Start(8, b"y"))
    assert here.met(2) == Start(8, b"y")
    here.save(folder)
    assert started(folder, b"b").met(2) == Start(8, b"y")


async def test_a_copy_stops_and_the_one_that_runs_is_not_disturbed(world):
    here, member = world.node(1), world.node(2)
    copy = started(empty_folder(), b"another folder")
    told = []
    copy.stop = told.append
    seat = Seat(CLUSTER, CLUSTER_ID, 2, copy)
    async with world.running(here, member):
        await member.linked(1)
        await here.linked(2)
        with pytest.raises(RtgfError) as refused:
            await dial(seat, 1, lambda: member.roster, member.tls, "raft")
        assert refused.value.code is Code.RTGF_CONFLICT
        assert told == [refused.value]
        while not here.inbox.came:  # its link may have to be made anew
            member.transport.send(1, [message(2, 1)])
            await trio.sleep(0.01)
        assert here.seat.starts.met(2) == member.seat.starts.own


async def test_a_copy_that_is_dialled_stops_before_it_answers(world):
    node = world.node(1)
    told = []
    node.seat.starts.stop = told.append
    async with world.running(node), Stranger.to(world, node, "n2") as peer:
        await peer.hello(2, 1, met=Start(9, b"later"))
        assert await peer.ended() == b""
    assert [error.code for error in told] == [Code.RTGF_CONFLICT]
    assert node.seat.starts.met(2) is None


async def test_a_stranger_does_not_say_who_was_met(world):
    """Whoever is no member cannot stop one."""
    node = world.node(1)
    told = []
    node.seat.starts.stop = told.append
    async with world.running(node), Stranger.to(world, node, "n2") as peer:
        await peer.hello(3, 1, met=Start(9, b"later"))
        assert await peer.ended() == b""
    assert told == []


async def test_a_start_counts_as_met_once_its_side_goes_on(world):
    """It hears first which one was met before, and may be the wrong one."""
    node = world.node(1)
    async with world.running(node), Stranger.to(world, node, "n2") as peer:
        await peer.greet(2, 1, start=Start(4, b"four"))
        assert node.seat.starts.met(2) is None
        await peer.say(b"\x03\x00\x00\x00\x08" + bytes(8))
        await until(lambda: node.seat.starts.met(2) == Start(4, b"four"))
