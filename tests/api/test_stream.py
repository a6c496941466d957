"""How many streams there may be."""

from __future__ import annotations

from rtgf_node.api.stream import Streams
from rtgf_node.errors import RtgfError


def has_room(streams: Streams, client: str) -> bool:
    try:
        streams.check_room(client)
    except RtgfError:
        return False
    return True


def test_those_who_ask_at_once_are_counted_when_they_begin():
    streams = Streams(most=3, most_per_client=2)
    assert [has_room(streams, client) for client in "aaabbb"] == [True] * 6
    assert [streams.enter(client) for client in "aaabbb"] == [*(True, True, False), *[False] * 3]
    for client in "aabb":
        streams.leave(client)
    assert [has_room(streams, client) for client in "abc"] == [True] * 3
    for client in "ab":
        streams.leave(client)
    assert streams.total() == 0
