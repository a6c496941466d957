"""Trio mode for every test below; a new store, and a client of its state machine."""

from __future__ import annotations

import pytest
from pytest_trio.enable_trio_mode import *  # noqa: F403

from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import create_store
from tests.replication import samples


@pytest.fixture
def store(tmp_path):
    with create_store(tmp_path / "node") as made:
        yield made


@pytest.fixture
def client(store):
    return samples.Client(StateMachine(store))
