"""A store that another process of the node writes: read only, and seen as it grows."""

from __future__ import annotations

import sqlite3

import pytest

from rtgf_node.replication.commands import Proposal
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import create_store, follow_store
from tests.replication import samples


def test_who_follows_sees_what_is_committed_and_writes_nothing(tmp_path):
    with create_store(tmp_path / "data") as store:
        machine = StateMachine(store)
        with follow_store(tmp_path / "data") as follower:
            assert follower.log.size == 0
            machine.apply_batch([Proposal("a", 1, samples.append("one"))])
            follower.log.refresh()
            assert follower.log.size == 1
            assert follower.log.root() == store.log.root()
            with pytest.raises(sqlite3.OperationalError):
                follower.conn.execute("DELETE FROM leaves")
