"""Roots of decisions as commands: each interval begins where the chain's last one ended."""

from __future__ import annotations

import msgspec
import pytest

from rtgf_node.core import decision, event
from rtgf_node.core.decision import Interval
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import Outcome, Proposal, RecordDecisionRoot, decode, encode
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import create_store
from tests.replication.samples import AT

ROOT = "sha256:" + "1" * 64
HEAD = "sha256:" + "2" * 64


def root(first: int, last: int, *, chain: str = "a", at: int = AT, **changes) -> RecordDecisionRoot:
    interval = Interval(first, last, last - first + 1, ROOT, HEAD)
    interval = msgspec.structs.replace(interval, **changes)
    made = decision.root_event(interval, chain=chain, at=at, actor="log.example")
    return RecordDecisionRoot(chain, interval, event.to_bytes(made))


@pytest.fixture
def store(tmp_path):
    with create_store(tmp_path / "node") as made:
        yield made


@pytest.fixture
def propose(store):
    machine, seq = StateMachine(store), 0

    def propose(command):
        nonlocal seq
        seq += 1
        (applied,) = machine.apply_batch([Proposal("test", seq, command)])
        return applied.outcome

    return propose


def test_roots_follow_one_another(store, propose):
    for command in (root(1, 3), root(4, 4), root(5, 90)):
        assert decode(encode(command)) == command
        assert isinstance(propose(command), Outcome)
    newest = store.decision_roots.newest("a")
    assert newest is not None
    assert newest.interval() == Interval(5, 90, 86, ROOT, HEAD)
    assert store.log.entry(newest.leaf_index) == root(5, 90).event
    covering = [store.decision_roots.covering("a", seq) for seq in (1, 3, 4, 5, 90)]
    assert [one.first_seq for one in covering if one is not None] == [1, 1, 4, 5, 5]
    assert store.decision_roots.covering("a", 91) is None
    assert store.decision_roots.covering("b", 1) is None


@pytest.mark.parametrize(
    "wrong",
    [
        root(1, 3, at=AT + 1, head=ROOT),
        root(3, 5),
        root(5, 6),
        root(4, 6, count=2),
        root(4, 6, count=4),
    ],
)
def test_a_root_that_does_not_follow_is_refused(store, propose, wrong):
    propose(root(1, 3))
    refused = propose(wrong)
    assert isinstance(refused, RtgfError)
    assert refused.code is Code.RTGF_CONFLICT
    assert store.log.size == 1


def test_the_same_root_again_changes_nothing(store, propose):
    first = propose(root(1, 3))
    again = propose(root(1, 3, at=AT + 60))
    assert (again.leaf_indexes, again.tree_size) == (first.leaf_indexes, 1)


def test_chains_do_not_touch_each_other(store, propose):
    propose(root(1, 3))
    assert isinstance(propose(root(1, 7, chain="b")), Outcome)
    assert isinstance(propose(root(4, 5)), Outcome)


def test_a_chain_goes_on_after_it_was_begun_anew(store, propose):
    propose(root(1, 3))
    anew = decision.begin_anew(3, "a disk failed")
    made = decision.root_event(anew, chain="a", at=AT, actor="urn:rtgf:approver:bob")
    assert isinstance(propose(RecordDecisionRoot("a", anew, event.to_bytes(made))), Outcome)
    newest = store.decision_roots.newest("a")
    assert newest is not None
    assert newest.interval() == anew
    # An empty interval proves nothing.
    assert store.decision_roots.covering("a", 4) is None
    assert isinstance(propose(root(4, 5)), Outcome)
    covering = store.decision_roots.covering("a", 3)
    assert covering is not None
    assert covering.count == 3
