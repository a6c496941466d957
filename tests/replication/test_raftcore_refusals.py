"""What the Raft core does not take: garbage, calls out of turn, and anything after a panic."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgf_node.replication.raftcore import wire
from rtgf_node.replication.raftcore.wire import ChangeKind, ConfState, MessageKind
from tests.replication.core_network import CoreNetwork


@pytest.fixture
def core(raftcore):
    made = raftcore.RaftCore(1, snapshot=wire.snapshot(1, 1, ConfState((1, 2, 3))), applied=1)
    yield made
    made.close()


def message(kind, *, to=1, sender=2, term=1, rest=b""):
    head = zip((1, 2, 3, 4), (kind, to, sender, term), strict=True)
    return b"".join(wire._number(field, value) for field, value in head) + rest


def finish(core):
    while core.ready() is not None:
        core.persisted()
        core.advance()


def panic(core):
    """Have a leader say that more is committed than this node has, as after a lost disk."""
    core.step(message(MessageKind.HEARTBEAT, rest=wire._number(8, 1 << 40)))


def test_a_library_that_is_none_is_refused(raftcore, tmp_path, monkeypatch):
    monkeypatch.setattr(raftcore, "LIBRARY", tmp_path / "libraftcore.so")
    assert not raftcore.available()
    raftcore.LIBRARY.write_bytes(b"for another machine")
    assert raftcore.available()
    with pytest.raises(raftcore.RaftError, match="cannot be loaded"):
        raftcore._loaded.__wrapped__()


def test_a_panic_is_told_and_the_node_answers_nothing_more(raftcore, core):
    with pytest.raises(raftcore.RaftPanicError, match="out of range"):
        panic(core)
    for call in (core.tick, core.ready, core.status, lambda: core.propose(b"x")):
        with pytest.raises(raftcore.RaftPanicError, match="panicked before"):
            call()


def test_a_panic_of_one_node_leaves_the_others(raftcore, core):
    other = raftcore.RaftCore(2)
    with pytest.raises(raftcore.RaftPanicError):
        panic(core)
    other.tick()
    assert other.status().role == "follower"
    other.close()


def test_a_panic_is_not_taken_for_an_error(raftcore):
    assert not issubclass(raftcore.RaftPanicError, Exception)


@pytest.mark.parametrize(
    "saved",
    [
        {"entries": [("gap", 5)], "applied": 1},
        {"applied": 9},
    ],
    ids=["a gap in the log", "applied what is not there"],
)
def test_a_disk_that_cannot_be_stops_the_start(raftcore, saved):
    entries = [raftcore.Entry(1, index, 0, b"") for _, index in saved.pop("entries", [])]
    first = wire.snapshot(1, 1, ConfState((1,)))
    with pytest.raises(raftcore.RaftPanicError):
        raftcore.RaftCore(1, snapshot=first, entries=entries, **saved)


def test_no_node_has_the_id_nought(raftcore):
    with pytest.raises(raftcore.RaftPanicError, match="cannot use none as id"):
        raftcore.RaftCore(0)


@pytest.mark.parametrize("kind", ["snapshot", "hard_state"])
def test_garbage_on_disk_is_refused(raftcore, kind):
    with pytest.raises(raftcore.RaftError):
        raftcore.RaftCore(1, **{kind: b"\xff\xff\xff"})


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 20,
        message(MessageKind.HEARTBEAT, to=2),
        message(MessageKind.HEARTBEAT, sender=1),
        message(MessageKind.HEARTBEAT, sender=0),
        message(0),
        message(10),
        message(19, sender=(1 << 64) - 1),
        message(13),
        message(23),
        message(1 << 20),
        message(MessageKind.PROPOSAL, term=0),
        message(
            MessageKind.PROPOSAL, term=0, rest=wire._text(7, wire._number(1, 2) + b"\x22\x01a")
        ),
        message(MessageKind.PROPOSAL, term=0, rest=wire._text(7, wire._number(1, 3))),
        message(MessageKind.PROPOSAL, rest=wire._text(7, b"")),
        message(MessageKind.READ_INDEX, term=0),
        message(MessageKind.VOTE, term=0),
        message(MessageKind.HEARTBEAT_ANSWER, rest=wire._text(12, b"abc")),
        message(MessageKind.APPEND, rest=wire._text(7, wire._number(3, 9))),
        message(MessageKind.SNAPSHOT),
    ],
)
def test_what_no_peer_says_is_refused_and_changes_nothing(raftcore, core, data):
    before = core.status()
    with pytest.raises(raftcore.RaftError):
        core.step(data)
    assert core.status() == before
    assert core.ready() is None


ADD = wire.conf_change([(ChangeKind.ADD_VOTER, 4)])


def test_a_change_that_would_have_to_be_left_by_hand_is_refused(raftcore, core):
    with pytest.raises(raftcore.RaftError, match="chooses the transition"):
        core.propose_conf_change(wire._number(1, 2) + ADD)


@pytest.mark.parametrize("data", [b"\xff", ADD[:-1]])
def test_a_change_that_cannot_be_read_is_refused(raftcore, core, data):
    with pytest.raises(raftcore.RaftError):
        core.propose_conf_change(data)
    with pytest.raises(raftcore.RaftError):
        core.apply_conf_change(2, data)
    with pytest.raises(raftcore.RaftError, match="changes no members"):
        core.apply_conf_change(0, data)


def test_more_than_one_call_takes_is_refused(raftcore, core, monkeypatch):
    monkeypatch.setattr(raftcore, "INPUT_BYTES", 10)
    with pytest.raises(raftcore.RaftError, match="11 bytes"):
        core.propose(bytes(11))


def test_calls_out_of_turn_are_refused(raftcore, core):
    for call in (core.persisted, core.advance):
        with pytest.raises(raftcore.RaftError, match="out of turn"):
            call()
    core.campaign()
    assert core.ready() is not None
    with pytest.raises(raftcore.RaftError, match="out of turn"):
        core.ready()


def test_a_closed_node_is_refused_and_closes_again(raftcore, core):
    core.close()
    core.close()
    with pytest.raises(raftcore.RaftError, match="closed"):
        core.tick()


@pytest.fixture(scope="module")
def said(raftcore):
    """One message of every kind that a small life of a cluster brings about."""
    found = {}
    net = CoreNetwork(raftcore, 1, 2, 3)
    deliver = net._deliver

    def listen(sender, to, data):
        found.setdefault(wire.message_head(data).kind, data)
        deliver(sender, to, data)

    net._deliver = listen
    leader = net.elect()
    away, follower = (node for node in net.peers if node != leader)
    net.cut = {away}
    net.propose(follower, b"one", b"two")
    net[leader].compact()
    net.cut = set()
    net.tick(2)
    net.read(follower, b"read")
    net[leader].core.transfer(away)
    net.settle()
    return found


def test_every_kind_that_travels_was_said(said):
    assert set(said) == set(MessageKind)


@settings(max_examples=400)
@given(data=st.data())
def test_a_damaged_message_is_taken_refused_or_panics_and_never_worse(raftcore, said, data):
    kind = data.draw(st.sampled_from(sorted(said)))
    damaged = bytearray(said[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    to = wire.message_head(said[kind]).to
    core = raftcore.RaftCore(to, snapshot=wire.snapshot(1, 1, ConfState((1, 2, 3))), applied=1)
    try:
        core.step(bytes(damaged))
        finish(core)
    except (raftcore.RaftError, raftcore.RaftPanicError):
        pass
    core.close()


FORKED = """
import os, sys
from rtgf_node.replication.raftcore import core
node = core.RaftCore(1)
child = os.fork()
if child == 0:
    try:
        node.tick()
    except core.RaftPanicError:
        os._exit(7)
    os._exit(1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.usefixtures("raftcore")
def test_a_forked_child_is_refused_instead_of_hanging():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED],
        capture_output=True,
        check=True,
        text=True,
        timeout=180,
    )
    assert done.stdout.strip() == "7"
