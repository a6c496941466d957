"""Frames between nodes: what goes in comes out, and what may not come is refused at its head."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication import peer_frames
from rtgf_node.replication.peer_frames import HEADER, MAX_BYTES, Ask, FrameReader, Hello, Kind
from rtgf_node.store.raft_store import Start

EVERY = tuple(Kind)
SIZES = st.sampled_from([(kind, size) for kind in Kind for size in {0, min(8, MAX_BYTES[kind])}])


@given(st.lists(SIZES), st.integers(1, 40))
def test_frames_come_out_as_they_went_in_however_they_are_cut(sizes, step):
    frames = [(kind, bytes([number % 256]) * size) for number, (kind, size) in enumerate(sizes)]
    stream = b"".join(peer_frames.frame(kind, body) for kind, body in frames)
    reader, found = FrameReader(EVERY), []
    for at in range(0, len(stream), step):
        reader.feed(stream[at : at + step])
        while (came := reader.take()) is not None:
            found.append(came)
    assert found == frames


@pytest.mark.parametrize("kind", EVERY)
def test_a_body_too_large_is_refused_before_any_of_it_has_come(kind):
    reader = FrameReader(EVERY)
    reader.feed(HEADER.pack(kind, MAX_BYTES[kind]))
    if MAX_BYTES[kind]:
        assert reader.take() is None
    reader = FrameReader(EVERY)
    reader.feed(HEADER.pack(kind, MAX_BYTES[kind] + 1))
    with pytest.raises(RtgfError, match=f"{MAX_BYTES[kind]} are allowed"):
        reader.take()
    with pytest.raises(RtgfError):
        peer_frames.frame(kind, bytes(MAX_BYTES[kind] + 1))


@pytest.mark.parametrize("number", [0, 10, 255, Kind.MESSAGE])
def test_a_kind_that_is_unknown_or_not_due_is_refused_at_its_head(number):
    reader = FrameReader((Kind.HELLO,))
    reader.feed(bytes([number, 0, 0, 0, 0]))
    with pytest.raises(RtgfError) as caught:
        reader.take()
    assert caught.value.code is Code.RTGF_BAD_REQUEST


HELLO = {
    "version": 1,
    "cluster": "c",
    "cluster_id": "d",
    "from_": 1,
    "to": 2,
    "purpose": "raft",
    "start": (1, b"n"),
    "met": None,
}
ASK = {"what": "object", "digest": "sha256:" + "0" * 64, "offset": 0, "length": 1}


@pytest.mark.parametrize(
    "changed",
    [
        {"from_": 0},
        {"to": 1 << 63},
        {"purpose": "admin"},
        {"cluster_id": "d" * 65},
        {"start": (0, b"n")},
        {"start": (1, b"")},
        {"met": (1, b"n" * 65)},
        {"cluster": ""},
        {"cluster": "c" * 256},
        {"more": 1},
        {"version": "1"},
    ],
)
def test_a_hello_is_exact(changed):
    assert peer_frames.read_hello(msgspec.msgpack.encode(HELLO)) == Hello(
        **HELLO | {"start": Start(1, b"n")}
    )
    with pytest.raises(RtgfError):
        peer_frames.read_hello(msgspec.msgpack.encode(HELLO | changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"digest": "../../etc/passwd"},
        {"digest": "sha256:" + "0" * 63},
        {"digest": "sha256:" + "0" * 64 + "\n"},
        {"digest": "sha256:" + "A" * 64},
        {"digest": "sha512:" + "0" * 128},
        {"what": "file"},
        {"offset": -1},
        {"length": 0},
        {"length": peer_frames.MAX_PIECE_BYTES + 1},
    ],
)
def test_only_digests_and_bounded_pieces_can_be_asked_for(changed):
    assert peer_frames.read_ask(msgspec.msgpack.encode(ASK)) == Ask(**ASK)
    with pytest.raises(RtgfError):
        peer_frames.read_ask(msgspec.msgpack.encode(ASK | changed))


@given(st.binary(max_size=200))
def test_garbage_is_no_document(data):
    for read in (peer_frames.read_hello, peer_frames.read_ask, peer_frames.read_offer):
        with pytest.raises(RtgfError):
            read(data)
