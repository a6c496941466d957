"""What looks whether promises were kept notices each way in which they can be broken."""

from __future__ import annotations

import hashlib

import pytest

from rtgf_node.core import merkle
from tests.cluster.ledger import Ledger


def root_of(leaves: list[str]) -> str:
    frontier = merkle.Frontier()
    for leaf in leaves:
        frontier.append(bytes.fromhex(leaf))
    return frontier.root().hex()


def look(size: int, root: str, *, role: str = "follower", term: int = 2, stale: float = 1e9):
    return {"size": size, "root": root, "role": role, "term": term, "stale": stale}


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def leaves(ledger) -> list[str]:
    """Three commands that were answered one after the other."""
    held: list[str] = []
    for seq in range(1, 4):
        asked = ledger.ask("append", "c", seq, 1)
        ledger.answer(("c", seq), asked, {"leaves": [seq - 1]}, seq, seq + 0.5)
        held += asked
    return held


def test_nothing_is_said_of_what_is_as_it_should_be(ledger, leaves):
    ledger.look("n1", look(3, root_of(leaves), stale=0.1), 5.0)
    ledger.read("n2", {"size": 3, "root": root_of(leaves), "newest": leaves[-1]}, 5, 6)
    ledger.settle(leaves, 3)
    assert not ledger.violations
    assert ledger.settled == 3


def test_an_answered_command_is_lost(ledger, leaves):
    ledger.settle(leaves[:2], 2)
    assert any("was answered with (2,)" in one for one in ledger.violations)


def test_a_command_is_applied_twice(ledger, leaves):
    ledger.settle([*leaves, leaves[0]], 3)
    assert any("there twice" in one for one in ledger.violations)


def test_a_command_is_counted_twice(ledger, leaves):
    ledger.settle(leaves, 4)
    assert any("4 were applied" in one for one in ledger.violations)


def test_two_commands_are_in_each_others_place(ledger, leaves):
    ledger.settle([leaves[1], leaves[0], leaves[2]], 3)
    assert any("is there" in one for one in ledger.violations)


def test_something_is_there_that_nobody_asked_for(ledger, leaves):
    ledger.settle([*leaves, hashlib.sha256(b"foreign").hexdigest()], 3)
    assert any("never asked for" in one for one in ledger.violations)


def test_the_same_number_is_answered_with_other_leaves(ledger, leaves):
    ledger.answer(("c", 3), leaves[2:], {"leaves": [7]}, 8, 9)
    assert any("is now at" in one for one in ledger.violations)


def test_two_members_show_two_roots_of_one_size(ledger, leaves):
    ledger.look("n1", look(3, root_of(leaves)), 5.0)
    ledger.look("n2", look(3, root_of(leaves[::-1])), 5.0)
    assert any("another root" in one for one in ledger.violations)


def test_a_member_showed_a_root_that_is_of_no_log_in_the_end(ledger, leaves):
    ledger.look("n1", look(2, root_of(leaves[1:])), 5.0)
    ledger.settle(leaves, 3)
    assert any("of others" in one for one in ledger.violations)


def test_two_lead_in_one_term(ledger, leaves):
    ledger.look("n1", look(3, root_of(leaves), role="leader"), 5.0)
    ledger.look("n2", look(3, root_of(leaves), role="leader"), 5.0)
    assert any("both lead" in one for one in ledger.violations)


def test_a_member_says_that_it_is_up_to_date_and_is_not(ledger, leaves):
    ledger.look("n1", look(2, root_of(leaves[:2]), stale=0.1), 9.0)
    assert any("says it is" in one for one in ledger.violations)


def test_a_read_misses_what_was_answered_before_it_was_asked(ledger, leaves):
    ledger.read("n2", {"size": 2, "root": root_of(leaves[:2]), "newest": leaves[1]}, 5, 6)
    ledger.settle(leaves, 3)
    assert any("no order explains" in one for one in ledger.violations)
