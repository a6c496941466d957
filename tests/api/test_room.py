"""How many connections there may be, of one client and in all, here and in other processes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.api.room import Room
from rtgf_node.settings import HttpConfig

SMALL = HttpConfig(max_connections=5, max_connections_per_address=2)


def test_one_client_fills_its_own_room_and_all_of_them_that_of_all():
    room = Room(SMALL)
    assert [room.enter("10.0.0.1") for _ in range(3)] == [True, True, False]
    room.leave("10.0.0.1")
    assert [room.enter(f"2001:db8::{number}") for number in range(2)] == [True, True]
    assert [room.enter("10.0.0.2") for _ in range(2)] == [True, False]
    room.leave("10.0.0.2")
    assert not room.enter("10.0.0.3")
    room.leave("10.0.0.3")
    room.leave("10.0.0.1")
    assert room.enter("10.0.0.3")


def test_what_a_client_has_elsewhere_counts_here():
    room = Room(SMALL)
    room.hear(1, [("10.0.0.1", 1)])
    room.hear(2, [("10.0.0.1", 1), ("10.0.0.2", 1)])
    assert not room.enter("10.0.0.1")
    room.leave("10.0.0.1")
    room.hear(2, [("10.0.0.1", 0)])
    assert room.enter("10.0.0.1")
    room.hear(1, [("10.0.0.1", 0), ("10.0.0.3", 4)])
    assert not room.enter("10.0.0.4")


def test_only_what_changed_is_told_and_once():
    room = Room(SMALL, is_shared=True)
    room.enter("10.0.0.1")
    room.enter("10.0.0.1")
    room.enter("10.0.0.2")
    room.leave("10.0.0.2")
    assert sorted(room.changes()) == [("10.0.0.1", 2), ("10.0.0.2", 0)]
    assert room.changes() == []
    room.hear(1, [("10.0.0.1", 1)])
    assert room.changes() == []


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.booleans(), st.booleans())))
def test_processes_that_tell_each_other_count_as_one(steps):
    rooms = [Room(SMALL, is_shared=True) for _ in range(3)]
    open_ = []
    for process, client, enters, tells in steps:
        address = f"10.0.0.{client}"
        if enters:
            rooms[process].enter(address)
            open_.append((process, address))
        elif (process, address) in open_:
            rooms[process].leave(address)
            open_.remove((process, address))
        if tells:
            tell(rooms)
    tell(rooms)
    for room in rooms:
        for client in range(4):
            address = f"10.0.0.{client}"
            held = sum(1 for _, whose in open_ if whose == address)
            assert room.enter(address) is (held < 2 and len(open_) < 5)
            room.leave(address)


def tell(rooms):
    for number, one in enumerate(rooms):
        changes = one.changes()
        for other in rooms:
            if other is not one:
                other.hear(number, changes)
