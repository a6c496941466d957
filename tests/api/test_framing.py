"""The head of a request is read strictly: what two readers could read in two ways is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.api import framing
from rtgf_node.errors import Code, RtgfError

REFUSED = {
    "a line that ends in LF": b"GET / HTTP/1.1\nHost: x\r\n\r\n",
    "a header that ends in LF": b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "CR alone": b"GET / HTTP/1.1\r\nHost: x\r\nA: a\rb\r\n\r\n",
    "a folded line": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "a folded first line": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "two lengths that agree": b"POST / HTTP/1.1\r\nHost: x\r\n"
    + b"Content-Length: 1\r\n" * 2
    + b"\r\n",
    "two lengths in one": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n",
    "a length with a sign": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n",
    "a length in hex": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\n",
    "a length below nothing": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "a length without end": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: "
    + b"9" * 40
    + b"\r\n\r\n",
    "an empty length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n",
    "a length and chunks": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    ),
    "chunks and a length": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"
    ),
    "another coding": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    "two codings": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "chunked twice": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
    "two coding lines": b"POST / HTTP/1.1\r\nHost: x\r\n"
    + b"Transfer-Encoding: chunked\r\n" * 2
    + b"\r\n",
    "a coding that looks so": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
    "chunks in 1.0": b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    "space before the colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "no name": b"GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n",
    "NUL": b"GET / HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n",
    "NUL in the target": b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes above ASCII in a name": b"GET / HTTP/1.1\r\nHost: x\r\nA\xff: 1\r\n\r\n",
    "bytes above ASCII in the target": b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "another version": b"GET / HTTP/1.2\r\nHost: x\r\n\r\n",
    "an older version": b"GET / HTTP/0.9\r\nHost: x\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tab": b"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "a fragment": b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
    "an empty line in front": b"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "an unknown method": b"FROB / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method in lower case": b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a response": b"HTTP/1.1 200 OK\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "nothing": b"\r\n\r\n",
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_what_can_be_read_in_two_ways_is_refused(data: bytes) -> None:
    with pytest.raises(RtgfError) as caught:
        framing.read_head(data)
    assert caught.value.code is Code.RTGF_BAD_REQUEST


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"a" * framing.MAX_TARGET_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * framing.MAX_HEADERS + b"\r\n",
    ],
)
def test_a_head_is_bounded(data: bytes) -> None:
    with pytest.raises(RtgfError) as caught:
        framing.read_head(data)
    assert caught.value.code is Code.RTGF_HEAD_TOO_LARGE


def test_what_a_head_says() -> None:
    head = framing.read_head(
        b"POST /a%20b?c=d&e HTTP/1.1\r\nHOST: x\r\nAccept: a\r\nContent-Length: 17\r\n"
        b"accept:  b \r\n\r\n"
    )
    assert head.method == "POST"
    assert head.target == "/a%20b?c=d&e"
    assert head.headers == {"host": "x", "accept": "a, b", "content-length": "17"}
    assert head.length == 17
    assert head.keep_alive
    assert not head.upgrade


def test_chunks_have_no_length() -> None:
    head = framing.read_head(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n")
    assert head.length is None


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        (b"HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"HTTP/1.1\r\nHost: x\r\nConnection: Keep-Alive\r\n\r\n", True),
        (b"HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n", False),
        (b"HTTP/1.1\r\nHost: x\r\nConnection: a, close\r\n\r\n", False),
        (b"HTTP/1.1\r\nHost: x\r\nConnection: a\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.0\r\n\r\n", False),
        (b"HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", False),
    ],
)
def test_whether_the_connection_stays_open(lines: bytes, kept: bool) -> None:
    """RFC 9112 §9.3; a client of 1.0 connects anew."""
    assert framing.read_head(b"GET / " + lines).keep_alive is kept


@pytest.mark.parametrize("to", [b"h2c", b"websocket"])
def test_the_wish_for_another_protocol_is_seen(to: bytes) -> None:
    head = framing.read_head(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: " + to + b"\r\n\r\n"
    )
    assert head.upgrade


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_make_it_fail_otherwise(noise: bytes, whole: bool) -> None:
    data = b"GET / HTTP/1.1\r\nHost: x\r\n" + noise if whole else noise
    with suppress(RtgfError):
        framing.read_head(data.replace(b"\r\n\r\n", b"") + b"\r\n\r\n")


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.integers(1, 50))
def test_chunks_are_the_same_however_they_come(pieces: list[bytes], step: int) -> None:
    sent = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    chunks = framing.Chunks(CHUNKED)
    read = b""
    for start in range(0, len(sent), step):
        assert not chunks.is_whole
        read += chunks.feed(sent[start : start + step])
    assert chunks.is_whole
    again = framing.Chunks(CHUNKED)
    assert again.feed(read) == read or b"".join(pieces) == b""


@pytest.mark.parametrize(
    "sent",
    [
        b"x\r\n",
        b"3\nabc\r\n",
        b"3\r\nabcd\r\n",
        b"-3\r\nabc\r\n",
        b"0x3\r\nabc\r\n",
        b"ffffffffffffffffff\r\n",
        b" 3\r\nabc\r\n",
        b"3\r\nabc0\r\n\r\n",
    ],
)
def test_what_is_no_chunk_is_refused(sent: bytes) -> None:
    with pytest.raises(RtgfError) as caught:
        framing.Chunks(CHUNKED).feed(sent)
    assert caught.value.code is Code.RTGF_BAD_REQUEST


def test_what_follows_the_last_chunk_is_nobodys() -> None:
    chunks = framing.Chunks(CHUNKED)
    assert chunks.feed(b"0\r\n\r\n" + CHUNKED + b"3\r\nabc\r\n0\r\n\r\n") == b"0\r\n\r\n"
