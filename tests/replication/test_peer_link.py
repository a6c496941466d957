"""Links between nodes over real sockets: order, loss that is told, and one peer that costs others
nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio

from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import pki
from rtgf_node.replication.peer_frames import MAX_MESSAGE_BYTES
from rtgf_node.replication.peer_link import PeerLink
from rtgf_node.replication.peer_transport import listen
from rtgf_node.store.raft_store import Member
from tests.replication.peer_world import APPEND, LIMITS, NOW, Wire, World, message, until


@pytest.fixture
async def world(tmp_path):
    made = World(tmp_path)
    await made.open()
    yield made
    await made.close()


async def sent(node, to: int, *messages: bytes) -> None:
    """Send once there is a connection."""
    await until(lambda: node.transport.send(to, messages))


async def test_messages_arrive_whole_and_in_order(world):
    one, two = world.node(1), world.node(2)
    large = message(1, 2, APPEND, bytes(3 << 20))
    messages = [message(1, 2, APPEND, b"%d" % number) for number in range(500)]
    async with world.running(one, two):
        await sent(one, 2, *messages, large)
        await sent(one, 2, message(1, 2))
        await two.inbox.wait(502)
        assert two.inbox.came == [(1, data) for data in [*messages, large, message(1, 2)]]
        figures = one.transport.figures[2]
        await until(lambda: figures.rtt_seconds is not None)
        assert (figures.connects, figures.sent_frames, figures.queued_bytes) == (1, 502, 0)
        assert figures.sent_bytes == sum(map(len, [*messages, large, message(1, 2)]))


async def test_nothing_goes_to_oneself_to_strangers_or_before_the_start(world):
    one = world.node(1)
    assert not one.transport.send(2, [b"x"])
    async with world.running(one):
        assert not one.transport.send(1, [b"x"])
        assert not one.transport.send(9, [b"x"])
        assert not one.transport.send(2, [b"x"])  # nobody is there
    assert one.transport.figures[2].dropped_frames == 1
    assert not one.transport.send(2, [b"x"])


async def test_a_message_that_no_peer_would_take_is_dropped_here(world):
    one, two = world.node(1), world.node(2)
    async with world.running(one, two):
        await one.linked(2)
        assert not one.transport.send(2, [bytes(MAX_MESSAGE_BYTES + 1)])
        await sent(one, 2, message(1, 2))
        await two.inbox.wait(1)


async def test_a_peer_that_was_killed_is_told_lost_and_found_again(world):
    one, two = world.node(1), world.node(2)
    async with world.running(one, two) as tasks:
        await sent(one, 2, message(1, 2))
        await two.inbox.wait(1)
        two.scope.cancel()
        await one.inbox.wait_lost(2)
        assert not one.transport.send(2, [message(1, 2)])
        await tasks.start(two.run)
        await sent(one, 2, message(1, 2))
        await two.inbox.wait(2)
        assert one.transport.figures[2].connects == 2


@pytest.mark.parametrize("uri", ["urn:rtgf:node:n3", "urn:rtgf:partner:n2"])
async def test_the_dialler_sends_nothing_to_who_is_not_the_member(world, uri):
    world.certify("n2", uri)
    one, two = world.node(1), world.node(2)
    async with world.running(one, two):
        await until(lambda: one.transport.figures[2].failures >= 2)
        assert "urn:rtgf:node:n2 was due" in one.transport.figures[2].last_failure
        assert one.transport.figures[2].connects == 0
        assert not one.transport.send(2, [message(1, 2)])
    assert two.inbox.came == []


async def test_a_listener_of_another_ca_is_not_believed(world):
    other = pki.create_ca("Other CA", now=NOW)
    world.certify("n2", "urn:rtgf:node:n2", ca=other)
    one, two = world.node(1), world.node(2)
    async with world.running(one, two):
        await until(lambda: one.transport.figures[2].failures >= 2)
        assert "handshake" in one.transport.figures[2].last_failure
        assert one.transport.figures[2].connects == 0


async def test_a_wire_that_falls_silent_is_noticed_and_replaced(world):
    limits = LIMITS._replace(silence_seconds=0.3, handshake_seconds=0.3)
    one, two = world.node(1, limits), world.node(2)
    wire = Wire(world.members[2].address)
    async with world.running(two) as tasks:
        await tasks.start(wire.run)
        one.see_at(2, wire.address)
        await tasks.start(one.run)
        await one.linked(2)
        wire.silent = True
        await one.inbox.wait_lost(2)
        assert not one.transport.send(2, [message(1, 2)])
        wire.silent = False
        # What is sent into a wire that a busy machine takes for silent is lost.
        while not two.inbox.came:
            one.transport.send(2, [message(1, 2)])
            await trio.sleep(0.05)


async def test_a_peer_that_does_not_read_fills_its_own_queue_and_delays_nobody(world):
    limits = LIMITS._replace(
        queue_bytes=4 << 20, send_seconds=3600, silence_seconds=3600, handshake_seconds=3600
    )
    one, two, three = world.node(1, limits), world.node(2), world.node(3)
    wire = Wire(world.members[2].address)
    megabyte = message(1, 2, APPEND, bytes(1 << 20))
    async with world.running(two, three) as tasks:
        await tasks.start(wire.run)
        one.see_at(2, wire.address)
        await tasks.start(one.run)
        await one.linked(2)
        await one.linked(3)
        wire.silent = True
        figures = one.transport.figures[2]
        while one.transport.send(2, [megabyte]):
            assert figures.queued_bytes <= limits.queue_bytes
            await trio.lowlevel.checkpoint()
        assert figures.dropped_frames == 1
        assert figures.sent_bytes < 64 << 20  # what the kernel took
        for number in range(1, 21):
            assert one.transport.send(3, [message(1, 3)])
            await three.inbox.wait(number)
        assert one.inbox.lost == []


async def test_the_queue_is_bounded_in_frames_too(world):
    one, two = world.node(1, LIMITS._replace(queue_frames=10)), world.node(2)
    async with world.running(one, two):
        await one.linked(2)
        assert not one.transport.send(2, [message(1, 2)] * 11)
        assert one.transport.send(2, [message(1, 2)] * 10)
        assert not one.transport.send(2, [message(1, 2)])  # nothing was taken out meanwhile
        assert one.transport.figures[2].dropped_frames == 12
        await two.inbox.wait(10)


async def test_a_peer_that_does_not_read_in_time_is_cut(world):
    limits = LIMITS._replace(queue_bytes=64 << 20, send_seconds=0.2, silence_seconds=3600)
    one, two = world.node(1, limits), world.node(2)
    wire = Wire(world.members[2].address)
    async with world.running(two) as tasks:
        await tasks.start(wire.run)
        one.see_at(2, wire.address)
        await tasks.start(one.run)
        await one.linked(2)
        wire.silent = True
        assert one.transport.send(2, [message(1, 2, APPEND, bytes(20 << 20))])
        await one.inbox.wait_lost(2)
        assert "does not read" in one.transport.figures[2].last_failure


async def test_a_removed_member_loses_its_link_and_a_new_one_gets_one(world):
    one, two = world.node(1), world.node(2)
    del one.roster[2]
    async with world.running(one, two):
        assert not one.transport.send(2, [message(1, 2)])
        one.roster[2] = world.members[2]
        await sent(one, 2, message(1, 2))
        await two.inbox.wait(1)
        one.roster[2] = Member(2, "n2", world.members[2].address, "removed")
        await one.inbox.wait_lost(2)
        await until(lambda: not one.transport.send(2, [message(1, 2)]))
        assert not one.transport.figures[2].is_connected


async def test_a_new_member_is_linked_before_there_is_anything_to_say(world):
    """A vote that is asked for over a link that does not stand yet would be lost."""
    one, two = world.node(1, LIMITS._replace(ping_seconds=0.05)), world.node(2)
    del one.roster[2]
    async with world.running(one, two):
        assert 2 not in one.transport.figures
        one.roster[2] = world.members[2]
        await until(lambda: 2 in one.transport.figures)
        await one.linked(2)


async def test_a_member_that_moved_is_followed(world):
    one, two, three = world.node(1), world.node(2), world.node(3)
    wire = Wire(world.members[2].address)
    async with world.running(one, two, three) as tasks:
        await one.linked(2)
        await tasks.start(wire.run)
        one.see_at(2, wire.address)
        await one.inbox.wait_lost(2)
        await one.linked(2)
        assert len(wire.carried) == 2


async def test_reload_makes_every_connection_anew_with_the_files_of_now(world):
    one, two = world.node(1), world.node(2)
    async with world.running(one, two):
        await one.linked(2)
        await two.linked(1)
        world.ca = pki.create_ca("Second CA", now=NOW)
        world.write("ca", world.ca)
        world.certify("n1", "urn:rtgf:node:n1")
        one.transport.reload()
        await one.inbox.wait_lost(2)
        await two.inbox.wait_lost(1)
        await until(lambda: one.transport.figures[2].failures >= 2)
        assert not one.transport.figures[2].is_connected
        world.certify("n2", "urn:rtgf:node:n2")
        two.transport.reload()
        await one.linked(2)
        await two.linked(1)


async def test_files_that_cannot_be_used_change_nothing(world):
    one, two = world.node(1), world.node(2)
    async with world.running(one, two):
        await one.linked(2)
        world.path("n1").write_text("no certificate")
        with pytest.raises(RtgfError) as caught:
            one.transport.reload()
        assert caught.value.code is Code.RTGF_CONFIG_INVALID
        await sent(one, 2, message(1, 2))
        await two.inbox.wait(1)
        assert one.inbox.lost == []


async def test_an_address_in_use_stops_the_start(world):
    with pytest.raises(RtgfError) as caught:
        await listen(world.members[1].address)
    assert caught.value.code is Code.RTGF_CONFIG_INVALID


async def test_pauses_double_up_to_their_limit_and_are_jittered(world, autojump_clock):
    """Nobody listens; the clock jumps, for a refused connection waits for nothing else."""
    tried: list[float] = []
    jitters = iter([0.0, 1.0, 0.5, 1.0, 1.0, 1.0])

    def roster():
        # Asked for once to see whether it still is a member, once to dial.
        tried.append(trio.current_time())
        return {2: Member(2, "n2", "nowhere", "voter")} if len(tried) < 12 else {}

    limits = LIMITS._replace(first_pause_seconds=1.0, longest_pause_seconds=5.0)
    one = world.node(1)
    link = PeerLink(
        one.seat,
        2,
        roster=roster,
        tls=one.tls,
        unreachable=one.inbox.unreachable,
        jitter=lambda: next(jitters),
        figures=one.transport._figures_of(2),
        limits=limits,
    )
    await link.run()
    starts = tried[::2]
    assert [b - a for a, b in pairwise(starts)] == [
        0.5,
        2.0,
        3.0,
        5.0,
        5.0,
        5.0,
    ]
