"""Who and what the listener for peers lets in: the core sees nothing of the rest."""

from __future__ import annotations

import ssl

import pytest
import structlog
import trio

from rtgf_node.keys import pki
from rtgf_node.replication import peer_listener
from rtgf_node.replication.peer_frames import HEADER, MAX_BYTES, Ask, Kind, document, frame
from rtgf_node.store.raft_store import Member
from tests.replication.peer_world import (
    HUP,
    LIMITS,
    NOW,
    Stranger,
    World,
    anonymous,
    message,
    until,
)


@pytest.fixture
async def world(tmp_path):
    made = World(tmp_path)
    await made.open()
    yield made
    await made.close()


def deaf(world: World, node) -> None:
    """Let the node dial nobody: only what a test says reaches anyone."""
    node.roster = {i: Member(i, f"n{i}", "127.0.0.1:1", "voter") for i in world.members}


async def test_a_member_is_answered_and_its_messages_reach_the_core(world):
    node = world.node(1)
    deaf(world, node)
    async with world.running(node), Stranger.to(world, node, "n2") as peer:
        await peer.greet(2, 1)
        await peer.say(frame(Kind.MESSAGE, message(2, 1)) * 2)
        await node.inbox.wait(2)
        assert node.inbox.came == [(2, message(2, 1))] * 2
        figures = node.transport.figures[2]
        assert (figures.received_frames, figures.cut) == (2, 0)


async def test_a_certificate_of_another_ca_is_refused_in_the_handshake(world):
    other = pki.create_ca("Other CA", now=NOW)
    world.certify("n2", "urn:rtgf:node:n2", ca=other)
    node = world.node(1)
    deaf(world, node)
    async with world.running(node), Stranger.to(world, node, "n2") as peer:
        await peer.hello(2, 1)
        assert await peer.ended() == b""
        assert node.transport.refused_strangers == 1


async def test_without_a_certificate_nobody_comes_in(world):
    node = world.node(1)
    deaf(world, node)
    async with world.running(node), Stranger.to(world, node, None) as peer:
        await peer.hello(2, 1)
        assert await peer.ended() == b""
        assert node.transport.refused_strangers == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_3_is_spoken_and_nothing_older(world, version):
    node = world.node(1)
    deaf(world, node)
    context = anonymous(world)
    context.maximum_version = version
    context.load_cert_chain(world.path("n2"), world.path("n2", "key"))
    async with world.running(node), Stranger.to(world, node, None, context) as peer:
        if version is ssl.TLSVersion.TLSv1_3:
            await peer.greet(2, 1)
        else:
            with pytest.raises(trio.BrokenResourceError):
                await peer.stream.do_handshake()
            assert node.transport.refused_strangers == 1


@pytest.mark.parametrize(
    "uris",
    [
        ["urn:rtgf:node:n3"],
        ["urn:rtgf:operator:n2"],
        ["urn:rtgf:node:n22"],
        ["urn:rtgf:node:N2"],
        ["urn:rtgf:operator:x", "urn:rtgf:node:n2"],
        [],
    ],
)
async def test_a_certificate_that_is_not_the_members_own_is_refused(world, uris):
    world.certify("wrong", *uris)
    node = world.node(1)
    deaf(world, node)
    async with world.running(node), Stranger.to(world, node, "wrong") as peer:
        await peer.hello(2, 1)
        assert await peer.ended() == b""
        assert node.transport.refused_strangers == 1
    assert node.inbox.came == []


@pytest.mark.parametrize(
    ("from_", "to", "changed"),
    [
        (3, 1, {}),  # another's id
        (4, 1, {}),  # no member's
        (2, 3, {}),  # meant for another node
        (2, 1, {"cluster": "another"}),
        (2, 1, {"cluster_id": "an earlier one of the same name"}),
        (2, 1, {"version": 2}),
    ],
)
async def test_a_hello_that_is_not_true_or_not_for_this_node_is_refused(world, from_, to, changed):
    node = world.node(1)
    deaf(world, node)
    async with world.running(node), Stranger.to(world, node, "n2") as peer:
        await peer.hello(from_, to, **changed)
        assert await peer.ended() == b""
        assert node.transport.refused_strangers == 1


async def test_a_removed_member_is_refused(world):
    node = world.node(1)
    deaf(world, node)
    node.roster[2] = Member(2, "n2", "127.0.0.1:1", "removed")
    async with world.running(node), Stranger.to(world, node, "n2") as peer:
        await peer.hello(2, 1)
        assert await peer.ended() == b""


async def test_membership_is_looked_at_with_every_frame(world):
    node = world.node(1)
    deaf(world, node)
    async with world.running(node), Stranger.to(world, node, "n2") as peer:
        await peer.greet(2, 1)
        await peer.say(frame(Kind.MESSAGE, message(2, 1)))
        await node.inbox.wait(1)
        del node.roster[2]
        await peer.say(frame(Kind.MESSAGE, message(2, 1)))
        await peer.ended()
        assert len(node.inbox.came) == 1
        assert node.transport.figures[2].cut == 1


@pytest.mark.parametrize(
    "said",
    [
        frame(Kind.MESSAGE, message(3, 1)),  # says that it is from another
        frame(Kind.MESSAGE, message(2, 3)),  # for another
        frame(Kind.MESSAGE, message(2, 1, HUP)),  # a node's word to itself
        frame(Kind.MESSAGE, message(2, 1, 20)),
        frame(Kind.MESSAGE, b"\xff" * 20),
        frame(Kind.MESSAGE, message(2, 1) + message(3, 1)),  # a second head
        frame(Kind.MESSAGE, b""),
        HEADER.pack(Kind.MESSAGE, MAX_BYTES[Kind.MESSAGE] + 1),
        HEADER.pack(Kind.PING, 9),
        HEADER.pack(77, 1),
        frame(Kind.PONG, bytes(8)),
        document(Kind.ASK, Ask("object", "sha256:" + "0" * 64, 0, 1)),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_a_peer_may_not_say_ends_its_connection_before_the_core_sees_it(world, said):
    node = world.node(1)
    deaf(world, node)
    async with world.running(node), Stranger.to(world, node, "n2") as peer:
        await peer.greet(2, 1)
        with structlog.testing.capture_logs() as logs:
            await peer.say(said)
            assert await peer.ended() == b""
        assert [entry["event"] for entry in logs] == ["peer_cut"]
        assert node.transport.figures[2].cut == 1
    assert node.inbox.came == []


async def test_nothing_but_a_hello_may_come_first(world):
    node = world.node(1)
    deaf(world, node)
    async with world.running(node), Stranger.to(world, node, "n2") as peer:
        await peer.say(frame(Kind.MESSAGE, message(2, 1)))
        assert await peer.ended() == b""
    assert node.inbox.came == []


async def test_bytes_that_are_no_tls_end_their_connection(world):
    node = world.node(1)
    deaf(world, node)
    host, _, port = world.members[1].address.rpartition(":")
    async with world.running(node), await trio.open_tcp_stream(host, int(port)) as raw:
        await raw.send_all(b"GET / HTTP/1.1\r\n\r\n")
        await Stranger(raw).ended()
        assert node.transport.refused_strangers == 1


@pytest.mark.parametrize("first", [b"", b"\x16\x03\x01"])
async def test_a_handshake_that_is_not_finished_in_time_is_cut(world, first):
    node = world.node(1, LIMITS._replace(handshake_seconds=0.05))
    deaf(world, node)
    host, _, port = world.members[1].address.rpartition(":")
    async with world.running(node), await trio.open_tcp_stream(host, int(port)) as raw:
        if first:
            await raw.send_all(first)
        await Stranger(raw).ended()
        assert node.transport.refused_strangers == 1


async def test_a_peer_without_a_hello_or_a_word_after_it_is_cut(world):
    node = world.node(1, LIMITS._replace(handshake_seconds=1.5, silence_seconds=0.5))
    deaf(world, node)
    async with world.running(node):
        async with Stranger.to(world, node, "n2") as peer:
            await peer.stream.do_handshake()
            await peer.ended()
        async with Stranger.to(world, node, "n2") as peer:
            await peer.greet(2, 1)
            await peer.ended()


async def test_a_peer_that_does_not_read_its_answers_is_cut(world):
    node = world.node(1, LIMITS._replace(answer_seconds=0.2))
    deaf(world, node)
    digest = node.objects.put(bytes(1 << 20))
    async with world.running(node), Stranger.to(world, node, "n2") as peer:
        await peer.greet(2, 1, purpose="bulk")
        ask = document(Kind.ASK, Ask("object", digest, 0, 1 << 20))
        await peer.say(ask * 100)
        await until(lambda: node.transport.figures[2].cut == 1)


async def test_a_newer_connection_of_a_peer_takes_the_place_of_the_older(world):
    node = world.node(1, LIMITS._replace(silence_seconds=3600))
    deaf(world, node)
    async with world.running(node), Stranger.to(world, node, "n2") as older:
        await older.greet(2, 1)
        async with Stranger.to(world, node, "n2") as newer:
            await newer.greet(2, 1)
            await older.ended()
            await newer.say(frame(Kind.MESSAGE, message(2, 1)))
            await node.inbox.wait(1)


async def test_strangers_from_one_address_are_bounded_and_peers_get_in_after(world, monkeypatch):
    monkeypatch.setattr(peer_listener, "MAX_STRANGERS_PER_ADDRESS", 2)
    node = world.node(1, LIMITS._replace(handshake_seconds=3600))
    deaf(world, node)
    host, _, port = world.members[1].address.rpartition(":")
    async with world.running(node):
        async with (
            await trio.open_tcp_stream(host, int(port)),
            await trio.open_tcp_stream(host, int(port)),
            await trio.open_tcp_stream(host, int(port)) as third,
        ):
            await Stranger(third).ended()
        async with Stranger.to(world, node, "n2") as peer:
            # The two have gone; that is seen when their ends are read.
            await until(lambda: node.transport.refused_strangers == 3)
            await peer.greet(2, 1)


async def test_reload_also_ends_what_is_at_its_handshake_under_the_old_ca(world):
    node = world.node(1, LIMITS._replace(handshake_seconds=3600))
    deaf(world, node)
    async with world.running(node), Stranger.to(world, node, "n2") as peer:
        await peer.stream.do_handshake()
        node.transport.reload()
        await peer.hello(2, 1)
        assert await peer.ended() == b""
