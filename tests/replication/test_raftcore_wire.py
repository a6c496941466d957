"""The messages that are written here are those the core reads, and heads are read as it does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.replication.raftcore import wire
from rtgf_node.replication.raftcore.wire import ChangeKind, ConfState, MessageHead, MessageKind

ids = st.integers(1, (1 << 64) - 1)


def sets(*, least=0):
    return st.lists(ids, min_size=least, max_size=5, unique=True).map(lambda s: tuple(sorted(s)))


@given(st.builds(ConfState, sets(), sets(), sets(), sets(), st.booleans()))
def test_who_is_in_the_cluster_survives_writing_and_reading(state):
    assert ConfState.decode(state.encode()) == state


@given(voters=sets(least=1), index=st.integers(1, 1 << 62), term=st.integers(1, 1 << 62))
def test_the_core_reads_the_snapshot_that_is_written_here(raftcore, voters, index, term):
    state = ConfState(voters)
    core = raftcore.RaftCore(1, snapshot=wire.snapshot(index, term, state, b"data"), applied=index)
    status = core.status()
    core.close()
    assert (status.members, status.commit, status.first_index) == (state, index, index + 1)


def test_members_that_change_are_those_the_core_says(raftcore):
    """Joint, with one who becomes a learner afterwards."""
    core = raftcore.RaftCore(1, snapshot=wire.snapshot(1, 1, ConfState((1, 2, 3))), applied=1)
    joint = core.apply_conf_change(
        2, wire.conf_change([(ChangeKind.ADD_LEARNER, 3), (ChangeKind.ADD_VOTER, 4)])
    )
    assert joint == ConfState((1, 2, 4), (), (1, 2, 3), (3,), auto_leave=True)
    assert core.status().members == joint
    assert core.apply_conf_change(2, b"") == ConfState((1, 2, 4), (3,))
    core.close()


@given(
    st.lists(st.tuples(st.sampled_from(ChangeKind), ids), max_size=4),
    st.binary(max_size=300),
)
def test_what_travels_with_a_change_is_found_again(changes, context):
    assert wire.conf_change_context(wire.conf_change(changes, context)) == context


def head(*fields):
    return b"".join(wire._number(field, value) for field, value in fields)


def test_a_head_is_read():
    data = head((1, 3), (2, 7), (3, 300), (4, 1 << 60)) + wire._text(7, b"\xff\xff") + head((6, 5))
    assert wire.message_head(data) == MessageHead(MessageKind.APPEND, 7, 300, 1 << 60)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        head((1, 3), (2, 7), (3, 8), (3, 9)),
        head((1, 3), (2, 7), (3, 8)) + wire._text(7, b"x") + head((3, 9)),
        head((1, 3), (2, 7)) + wire._text(3, b"8"),
        head((1, 3), (2, 7)) + b"\x1d\x01\x00\x00\x00",
        head((1, 0), (2, 7), (3, 8)),
        head((1, 13), (2, 7), (3, 8)),
        head((1, 19), (2, 7), (3, 8)),
        head((1, 99), (2, 7), (3, 8)),
        head((1, (1 << 32) + 3), (2, 7), (3, 8)),
        b"\x08" + b"\x83" + b"\x80" * 8 + b"\x02",
        b"\x08" + b"\x83" + b"\x80" * 9 + b"\x00",
        head((1, 3)) + b"\x3a\x05abc",
        head((1, 3)) + b"\x3b\x3c",
        head((1, 3)) + b"\x00\x01",
        head((1, 3)) + b"\x39abc",
    ],
)
def test_what_is_no_message_of_a_peer_is_refused(data):
    with pytest.raises(ValueError, match=r"\w"):
        wire.message_head(data)


@given(st.binary(max_size=60))
def test_garbage_is_a_head_or_a_value_error(data):
    try:
        found = wire.message_head(data)
    except ValueError:
        return
    assert found.kind in MessageKind


FIELD = st.tuples(st.sampled_from((1, 2, 3, 4, 6, 9)), st.integers(0, 9) | ids)


@given(st.lists(FIELD, max_size=7), st.permutations(["head", "rest"]))
def test_the_core_believes_no_other_receiver_than_the_head_names(raftcore, fields, order):
    """Whatever the order of the fields, and whether some come twice."""
    parts = {"head": head(*fields), "rest": head((1, 8), (2, 5), (3, 6), (4, 1))[: len(fields)]}
    data = b"".join(parts[part] for part in order)
    try:
        found = wire.message_head(data)
    except ValueError:
        return
    core = raftcore.RaftCore(5)
    try:
        core.step(data)
    except (raftcore.RaftError, raftcore.RaftPanicError) as error:
        refused = "not from a peer to this node" in str(error)
    else:
        refused = False
    core.close()
    unreadable = any(field == 9 for field, _ in fields)
    assert unreadable or refused == (found.to != 5 or found.from_ in (0, 5))
