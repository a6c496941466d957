"""Large bytes between nodes: whole or not at all, from where it was cut, and held by a majority."""

from __future__ import annotations

import os
import random

import pytest
import trio

from rtgf_node.core.digests import sha256
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication import bulk
from rtgf_node.replication.peer_frames import Ask, Kind, Offer, document
from tests.replication.peer_world import LIMITS, NOW, Stranger, Wire, World, until


@pytest.fixture
async def world(tmp_path):
    made = World(tmp_path)
    await made.open()
    yield made
    await made.close()


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def hexed(digest: str) -> str:
    return digest.removeprefix("sha256:")


def wrong_object(node, digest: str, data: bytes) -> None:
    """Put other bytes under a digest, as a rotten disk or a liar would."""
    path = node.objects.path(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


async def failure(code: Code, awaitable) -> RtgfError:
    with pytest.raises(RtgfError) as caught:
        await awaitable
    assert caught.value.code is code
    return caught.value


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (3 << 20) + 7])
async def test_an_object_arrives_whole(world, size):
    one, two = world.node(1), world.node(2)
    digest = two.objects.put(noise(size))
    async with world.running(one, two):
        await one.bulk.fetch_object(digest, [2])
        assert one.objects.get(digest) == noise(size)
        await one.bulk.fetch_object(digest, [3])  # it is here; nobody is asked
    assert list((one.folder / "incoming").iterdir()) == []


async def test_the_next_peer_is_asked_when_one_is_away_or_does_not_have_it(world):
    one, two, three = world.node(1), world.node(2), world.node(3)
    digest = three.objects.put(b"list")
    one.see_at(1, "127.0.0.1:1")
    async with world.running(one, two, three):
        await one.bulk.fetch_object(digest, [9, 1, 2, 3])
        assert one.objects.get(digest) == b"list"
        error = await failure(
            Code.RTGF_UNAVAILABLE, one.bulk.fetch_object(sha256(b"none"), [9, 2, 3])
        )
        assert [cause.code for cause in error.causes] == [
            Code.RTGF_FORBIDDEN,
            Code.RTGF_NOT_FOUND,
            Code.RTGF_NOT_FOUND,
        ]


async def test_objects_are_fetched_from_whichever_member_has_them(world):
    one, two, three = world.node(1), world.node(2), world.node(3)
    digests = [two.objects.put(b"list"), three.objects.put(b"records")]
    async with world.running(one, two, three):
        await one.bulk.fetch(digests)
        assert all(one.bulk.has(digest) for digest in digests)
        await failure(Code.RTGF_UNAVAILABLE, one.bulk.fetch([sha256(b"none")]))


async def test_wrong_bytes_are_thrown_away_and_the_next_peer_is_asked(world):
    one, two, three = world.node(1), world.node(2), world.node(3)
    data = noise(3 << 20)
    digest = three.objects.put(data)
    wrong_object(two, digest, data[:-1] + b"?")
    async with world.running(one, two, three):
        error = await failure(Code.RTGF_UNAVAILABLE, one.bulk.fetch_object(digest, [2]))
        assert [cause.code for cause in error.causes] == [Code.RTGF_TXP_STORE_DAMAGED]
        assert not one.objects.has(digest)
        assert list((one.folder / "incoming").iterdir()) == []
        await one.bulk.fetch_object(digest, [2, 3])
        assert one.objects.get(digest) == data


async def test_a_cut_transfer_goes_on_where_it_was(world):
    one, two = world.node(1), world.node(2)
    data = noise(8 << 20)
    digest = sha256(data)
    (two.snapshots / hexed(digest)).write_bytes(data)
    wire = Wire(world.members[2].address)
    async with world.running(two) as tasks:
        await tasks.start(wire.run)
        wire.cut_after = 5 << 20
        one.see_at(2, wire.address)
        into = one.folder / "snapshots"
        path = await one.bulk.fetch_file(digest, len(data), 2, into)
        assert path == into / hexed(digest)
        assert path.read_bytes() == data
        first, second = list(wire.carried)[1:]
        assert first > 5 << 20
        assert 4 << 20 <= second < 5 << 20  # four whole pieces were kept


async def test_a_later_attempt_goes_on_where_an_earlier_process_was(world):
    one, two = world.node(1), world.node(2)
    data = noise(4 << 20)
    digest = sha256(data)
    (two.snapshots / hexed(digest)).write_bytes(data)
    into = one.folder / "snapshots"
    (into / f"{hexed(digest)}.part").write_bytes(data[: (3 << 20) + 5])
    (into / f"{'0' * 64}.part").write_bytes(b"of an older snapshot")
    wire = Wire(world.members[2].address)
    async with world.running(two) as tasks:
        await tasks.start(wire.run)
        one.see_at(2, wire.address)
        path = await one.bulk.fetch_file(digest, len(data), 2, into)
        assert path.read_bytes() == data
        assert wire.carried[1] < 2 << 20
        assert list(into.iterdir()) == [path]


@pytest.mark.parametrize("torn", [b"?" * 100, bytes(5 << 20)])
async def test_a_beginning_that_is_wrong_or_too_long_is_fetched_anew(world, torn):
    one, two = world.node(1), world.node(2)
    data = noise(2 << 20)
    digest = two.objects.put(data)
    (one.folder / "incoming").mkdir()
    (one.folder / "incoming" / f"{hexed(digest)}.part").write_bytes(torn)
    async with world.running(one, two):
        await one.bulk.fetch_object(digest, [2])
        assert one.objects.get(digest) == data


async def test_a_file_of_another_size_than_was_said_is_not_taken(world):
    one, two = world.node(1), world.node(2)
    digest = sha256(b"snapshot")
    (two.snapshots / hexed(digest)).write_bytes(b"snapshot")
    async with world.running(one, two):
        error = await failure(
            Code.RTGF_UNAVAILABLE, one.bulk.fetch_file(digest, 7, 2, one.folder / "into")
        )
        assert error.causes[0].code is Code.RTGF_TXP_STORE_DAMAGED


async def test_objects_are_not_snapshots_and_snapshots_no_objects(world):
    one, two = world.node(1), world.node(2)
    object_digest, file_digest = two.objects.put(b"object"), sha256(b"snapshot")
    (two.snapshots / hexed(file_digest)).write_bytes(b"snapshot")
    async with world.running(one, two):
        await failure(Code.RTGF_UNAVAILABLE, one.bulk.fetch_object(file_digest, [2]))
        await failure(
            Code.RTGF_UNAVAILABLE, one.bulk.fetch_file(object_digest, 6, 2, one.folder / "into")
        )


async def test_a_digest_that_is_none_never_becomes_a_path(world):
    one = world.node(1)
    for wrong in ("../x", "sha256:..", "sha512:" + "0" * 128, ""):
        await failure(Code.RTGF_INPUT_INVALID, one.bulk.fetch_object(wrong, [2]))
        await failure(Code.RTGF_INPUT_INVALID, one.bulk.fetch_file(wrong, 1, 2, one.folder))


async def test_a_piece_past_the_end_is_empty(world):
    two = world.node(2)
    digest = two.objects.put(b"abc")
    async with world.running(two), Stranger.to(world, two, "n1") as peer:
        await peer.greet(1, 2, purpose="bulk")
        for offset, piece in ((0, b"abc"), (2, b"c"), (3, b""), (1 << 62, b"")):
            await peer.say(document(Kind.ASK, Ask("object", digest, offset, 1 << 20)))
            answer = bytes(await peer.stream.receive_some())
            assert answer[0] == Kind.PIECE
            assert answer[5:] == (3).to_bytes(8, "big") + piece


async def test_two_who_want_the_same_fetch_it_once(world):
    one, two = world.node(1), world.node(2)
    digest = two.objects.put(noise(2 << 20))
    wire = Wire(world.members[2].address)
    async with world.running(two) as tasks:
        await tasks.start(wire.run)
        one.see_at(2, wire.address)
        async with trio.open_nursery() as both:
            for _ in range(3):
                both.start_soon(one.bulk.fetch_object, digest, [2])
        assert len(wire.carried) == 2


async def test_a_majority_holds_the_bytes_though_one_peer_is_down(world, monkeypatch):
    monkeypatch.setattr(bulk, "MAX_OFFERED", 3)  # the fourth is in a second offer
    one, two = world.node(1), world.node(2)
    wanted = [one.objects.put(noise(100, seed)) for seed in range(5)]
    async with world.running(one, two):
        await one.bulk.hold(wanted)
        assert all(two.objects.get(digest) for digest in wanted)
        await one.bulk.hold(wanted)
        await one.bulk.hold([])


async def test_without_a_majority_hold_fails_in_time(world):
    one = world.node(1)
    digest = one.objects.put(b"x")
    async with world.running(one):
        error = await failure(Code.RTGF_UNAVAILABLE, one.bulk.hold([digest], seconds=0.3))
        assert "[1]" in error.detail
        await failure(Code.RTGF_NOT_FOUND, one.bulk.hold([sha256(b"not here")]))


async def test_a_peer_that_comes_back_in_time_is_counted(world):
    one, two = world.node(1), world.node(2)
    digest = one.objects.put(b"x")
    async with world.running(one) as tasks:
        async with trio.open_nursery() as waiting:
            waiting.start_soon(one.bulk.hold, [digest])
            await trio.sleep(0.1)  # some links look again all the time
            await tasks.start(two.run)
        assert two.objects.has(digest)


async def test_a_peer_with_a_full_disk_does_not_count_as_holding(world):
    one, two = world.node(1), world.node(2)
    digest = one.objects.put(b"x")
    (two.folder / "incoming").write_text("no folder can be made here")
    async with world.running(one, two):
        await failure(Code.RTGF_UNAVAILABLE, one.bulk.hold([digest], seconds=0.3))
        assert not two.objects.has(digest)


async def test_both_majorities_of_a_change_of_members_are_needed(world):
    one, two = world.node(1), world.node(2)
    digest = one.objects.put(b"x")
    async with world.running(one, two):
        one.voters = [{1, 2}, {1, 3}]
        await failure(Code.RTGF_UNAVAILABLE, one.bulk.hold([digest], seconds=0.3))
        one.voters = [{1, 2}, {1, 2, 3}]
        await one.bulk.hold([digest])


async def test_a_learner_that_holds_is_no_voter(world):
    one, two, three = world.node(1), world.node(2), world.node(3)
    digest = one.objects.put(b"x")
    one.voters = [{2, 3}]
    async with world.running(one, two, three):
        await one.bulk.hold([digest])
        assert two.objects.has(digest)
        assert three.objects.has(digest)


async def test_offers_in_both_directions_do_not_wait_for_each_other(world):
    one, two = world.node(1), world.node(2)
    ours = [one.objects.put(noise(1000, seed)) for seed in range(8)]
    theirs = [two.objects.put(noise(1000, seed)) for seed in range(20, 28)]
    async with world.running(one, two), trio.open_nursery() as tasks:
        for a, b in zip(ours, theirs, strict=True):
            tasks.start_soon(one.bulk.hold, [a])
            tasks.start_soon(two.bulk.hold, [b])
    assert all(two.objects.has(digest) for digest in ours)
    assert all(one.objects.has(digest) for digest in theirs)


async def test_who_offers_what_it_does_not_have_is_answered_and_leaves_nothing(world):
    two = world.node(2)
    digest = sha256(b"promised")
    async with world.running(two, world.node(1)), Stranger.to(world, two, "n1") as peer:
        await peer.greet(1, 2, purpose="bulk")
        await peer.say(document(Kind.OFFER, Offer((digest,))))
        assert bytes(await peer.stream.receive_some()) == bytes([Kind.NOT_HELD, 0, 0, 0, 0])
        assert not two.objects.has(digest)


async def test_a_peer_that_stops_answering_is_given_up(world):
    one, two = world.node(1), world.node(2)
    data = noise(4 << 20)
    digest = two.objects.put(data)
    wire = Wire(world.members[2].address)
    async with world.running(two) as tasks:
        await tasks.start(wire.run)
        one.see_at(2, wire.address)
        one.bulk._limits = LIMITS._replace(answer_seconds=1.0, handshake_seconds=1.0)
        async with trio.open_nursery() as fetching:

            async def fetch() -> None:
                error = await failure(Code.RTGF_UNAVAILABLE, one.bulk.fetch_object(digest, [2]))
                assert error.causes[-1].code is Code.RTGF_REQUEST_TIMEOUT

            fetching.start_soon(fetch)
            await until(lambda: wire.carried[-1] > 1 << 20)
            wire.silent = True


async def test_a_start_goes_on_with_what_came_lately_and_removes_the_rest(world):
    one = world.node(1)
    (one.folder / "incoming").mkdir()
    young, part, state = (one.folder / "incoming" / name for name in ("y.part", "a.part", "a"))
    for path in (young, part, state):
        path.write_bytes(b"x")
    for path in (part, state):
        os.utime(path, (0, 0))
    one.bulk.sweep(NOW)
    assert list((one.folder / "incoming").iterdir()) == [young]
