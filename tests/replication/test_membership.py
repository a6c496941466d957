"""Changes of members as every node judges them: alike everywhere, and none that panics a core."""

from __future__ import annotations

import msgspec
import pytest

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.membership import MAX_MEMBERS, NOTHING, ChangeMembers, Members
from rtgf_node.replication.raftcore import core, wire
from rtgf_node.replication.raftcore.core import Entry, RaftCore
from rtgf_node.replication.raftcore.wire import ChangeKind, ConfState
from rtgf_node.store.raft_store import Member


def member(raft_id: int, role: str = "voter", name: str | None = None) -> Member:
    return Member(raft_id, name or f"node-{raft_id}", "127.0.0.1:1", role)


@pytest.fixture
def members() -> Members:
    return Members([member(1), member(2, "learner"), member(3, "removed")], 7)


def entry(data: bytes, index: int = 9, kind: int = 2) -> Entry:
    return Entry(1, index, kind, data)


def test_a_change_takes_effect_and_the_next_rests_on_it(members):
    data = members.propose("a", 1, [member(2)])
    change = members.deliver(entry(data))
    assert (change.asker, change.number, change.refusal, change.data) == ("a", 1, None, data)
    assert members.present() == {1: member(1), 2: member(2)}
    assert members.changed_at == 9
    again = members.deliver(entry(data, 10))
    assert again.data == NOTHING
    assert again.refusal.code is Code.RTGF_CONFLICT
    assert members.changed_at == 9


def test_the_end_of_a_change_is_the_cores_own(members):
    assert members.deliver(entry(b"")).data == b""
    assert members.changed_at == 7


@pytest.mark.parametrize(
    "wanted",
    [
        [],
        [member(3)],
        [member(4, "removed")],
        [member(1, "removed")],
        [member(1, "learner")],
        [member(2, name="other")],
        [member(4, name="node-1")],
        [member(0)],
        [member(4), member(4)],
        [member(number) for number in range(4, MAX_MEMBERS + 2)],
    ],
)
def test_what_cannot_be_is_refused_before_it_is_proposed_and_where_it_is_met(members, wanted):
    with pytest.raises(RtgfError) as refused:
        members.propose("a", 1, wanted)
    assert refused.value.code in {Code.RTGF_CONFLICT, Code.RTGF_INPUT_INVALID}
    context = msgspec.msgpack.encode(ChangeMembers("a", 1, 7, tuple(wanted)))
    kinds = {"voter": ChangeKind.ADD_VOTER, "learner": ChangeKind.ADD_LEARNER}
    changes = [(kinds.get(one.role, ChangeKind.REMOVE), one.raft_id) for one in wanted]
    change = members.deliver(entry(wire.conf_change(changes, context)))
    assert change.data == NOTHING
    assert change.refusal is not None
    assert members.changed_at == 7


@pytest.mark.parametrize(
    "data",
    [
        wire.conf_change([(ChangeKind.ADD_VOTER, 4)]),
        wire.conf_change([(ChangeKind.ADD_VOTER, 4)], b"nothing of ours"),
        # It says that 4 learns, and would let it decide.
        wire.conf_change(
            [(ChangeKind.ADD_VOTER, 4)],
            msgspec.msgpack.encode(ChangeMembers("a", 1, 7, (member(4, "learner"),))),
        ),
        b"\xff\xff",
    ],
)
def test_a_change_that_does_not_say_what_it_does_changes_nothing(members, data):
    change = members.deliver(entry(data))
    assert change.data == NOTHING
    assert change.refusal.code is Code.RTGF_INPUT_INVALID
    assert members.present() == {1: member(1), 2: member(2, "learner")}


def test_the_old_form_of_a_change_is_not_ours(members):
    assert members.deliver(entry(members.propose("a", 1, [member(2)]), kind=1)).data == NOTHING


@pytest.mark.skipif(not core.available(), reason="the Raft core is not built here")
def test_the_core_takes_a_change_of_nothing():
    conf_state = ConfState((1, 2, 3), (4,))
    made = RaftCore(1, snapshot=wire.snapshot(1, 1, conf_state), applied=1)
    try:
        after = made.apply_conf_change(2, NOTHING)
    finally:
        made.close()
    assert (after.voters, after.learners, after.voters_outgoing) == ((1, 2, 3), (4,), ())
