"""Heads that were read before: read as the first time, and never too many of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.api import head_memory
from rtgf_node.api.framing import read_head
from rtgf_node.api.head_memory import HEAD_BYTES, HeadMemory
from rtgf_node.errors import RtgfError

LINES = [
    b"Host: a\r\n",
    b"host: b\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 4\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Upgrade: x\r\n",
    b"Expect: 100-continue\r\n",
    b"X-Request-ID: one\r\n",
    b" folded\r\n",
    b"Connection: close\r\n",
]


@given(st.lists(st.lists(st.sampled_from(LINES), max_size=4), min_size=1, max_size=6))
def test_a_head_says_the_same_however_often_it_comes(heads):
    memory = HeadMemory()
    for lines in heads * 2:
        raw = b"POST /verify?x=1 HTTP/1.1\r\n" + b"".join(lines) + b"\r\n"
        try:
            expected = read_head(raw)
        except RtgfError:
            with pytest.raises(RtgfError):
                memory.read(raw)
        else:
            assert memory.read(raw) == expected


def test_they_are_bounded(monkeypatch):
    monkeypatch.setattr(head_memory, "HEADS_KEPT", 3)
    memory = HeadMemory()
    for number in range(9):
        assert memory.read(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number).path == f"/{number}"
    assert len(memory) == 3


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Bearer x\r\n",
        b"COOKIE: a=b\r\n",
        b"Proxy-Authorization: Basic x\r\n",
        b"X: %b\r\n" % (b"x" * HEAD_BYTES),
    ],
)
def test_secrets_and_long_ones_are_not_kept(line):
    memory = HeadMemory()
    memory.read(b"GET / HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n")
    assert len(memory) == 0
