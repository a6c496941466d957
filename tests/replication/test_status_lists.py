"""Status lists follow from the revocations: in the same commit, the same on every node."""

from __future__ import annotations

import sqlite3

import pytest

from rtgf_node.core import event, status_list
from rtgf_node.errors import Code
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import create_store, open_store
from tests.replication import samples
from tests.replication.samples import CORT, IMT, PSRT, RMT_EU, RMT_SG

ALL = (RMT_EU, RMT_SG, IMT, CORT, PSRT)
"""In the order of their places in the list."""


@pytest.fixture
def store(tmp_path):
    with create_store(tmp_path / "node") as made:
        yield made


@pytest.fixture
def client(store):
    made = samples.Client(StateMachine(store))
    made.accepted(samples.corridor_build())
    return made


def listed(store) -> list[int]:
    packed = store.revocation.list_state(0).packed
    return [status_list.status_at(packed, index) for index in range(len(ALL))]


def said(store, leaf: int) -> dict:
    return event.parse(store.log.entry(leaf)).payload["status_list"]


def test_a_list_that_nothing_was_revoked_of_is_all_valid(store, client):
    state = store.revocation.list_state(0)
    assert (state.rev_epoch, state.newest_leaf) == (0, None)
    assert state.packed == bytes(status_list.ENTRIES * status_list.BITS // 8)
    assert store.revocation.newest_of_list(0, before_leaf=100) is None


def test_a_revocation_and_all_that_follows_change_the_list_at_once(store, client):
    outcome = client.accepted(samples.revoke(RMT_EU))
    assert listed(store) == [1, 0, 1, 1, 1]
    state = store.revocation.list_state(0)
    assert (state.rev_epoch, state.newest_leaf) == (4, outcome.leaf_indexes[-1])


def test_every_state_of_a_list_is_a_leaf_of_the_log(store, client):
    outcome = client.accepted(samples.revoke(RMT_EU))
    packed = status_list.empty()
    for row, leaf in zip(outcome.revocations, outcome.leaf_indexes, strict=True):
        index = ALL.index(row.token_id)
        status_list.put(packed, index, status_list.INVALID)
        digest = status_list.digest(packed)
        assert said(store, leaf) == {"number": 0, "idx": index, "sha256": digest}
    assert store.revocation.list_state(0).packed == packed


def test_suspending_and_lifting_go_through_the_list(store, client):
    client.accepted(samples.revoke(IMT, status="suspended"))
    assert listed(store) == [0, 0, 2, 2, 2]
    lifted = client.accepted(samples.revoke(IMT, status="valid"))
    assert listed(store) == [0, 0, 0, 0, 0]
    assert said(store, lifted.leaf_indexes[-1])["sha256"] == status_list.digest(status_list.empty())


def test_a_refused_revocation_leaves_the_list(store, client):
    client.accepted(samples.revoke(RMT_EU))
    before = store.revocation.list_state(0)
    assert client.refused(samples.revoke(RMT_EU)).code is Code.RTGF_CONFLICT
    assert store.revocation.list_state(0) == before


def test_a_commit_that_fails_leaves_the_list(store, client, monkeypatch):
    client.accepted(samples.revoke(PSRT))
    before = store.revocation.list_state(0)

    def fails(*_):
        raise sqlite3.OperationalError("disk full")

    machine = client.machine
    monkeypatch.setattr(machine._commands, "flush", fails)
    with pytest.raises(sqlite3.OperationalError):
        client.accepted(samples.revoke(RMT_SG))
    assert store.revocation.list_state(0) == before
    monkeypatch.undo()
    client.accepted(samples.revoke(RMT_SG))
    assert listed(store) == [0, 1, 1, 1, 1]


def test_the_newest_change_before_a_leaf_is_found(store, client):
    first = client.accepted(samples.revoke(PSRT)).leaf_indexes[-1]
    second = client.accepted(samples.revoke(CORT)).leaf_indexes[-1]
    assert store.revocation.newest_of_list(0, before_leaf=second + 1).token_id == CORT
    assert store.revocation.newest_of_list(0, before_leaf=second).token_id == PSRT
    assert store.revocation.newest_of_list(0, before_leaf=first) is None
    assert store.revocation.newest_of_list(1, before_leaf=second + 1) is None


def test_a_token_that_could_never_be_revoked_is_not_published(store):
    client = samples.Client(StateMachine(store))
    token = samples.token(RMT_EU, number=status_list.ENTRIES)
    assert client.refused(samples.publish("build-9", token)).code is Code.RTGF_INPUT_INVALID
    assert store.registry.count() == 0


def test_lists_of_a_store_made_before_there_were_any_are_filled_in(tmp_path):
    with create_store(tmp_path / "old") as store:
        client = samples.Client(StateMachine(store))
        client.accepted(samples.corridor_build())
        client.accepted(samples.revoke(RMT_EU))
        expected = store.revocation.list_state(0)
    with sqlite3.connect(tmp_path / "old" / "node.db") as conn:
        conn.execute("DROP TABLE status_lists")
        conn.execute("DELETE FROM migrations WHERE name = 'm0005_status_lists'")
    conn.close()
    with open_store(tmp_path / "old") as store:
        assert store.revocation.list_state(0) == expected
        assert listed(store) == [1, 0, 1, 1, 1]
