"""Simulations of whole members: every seed is another history, and gives it again exactly."""

from __future__ import annotations

import pytest

from rtgf_node.replication.raftcore import core
from tests.replication import raft_seeds

pytestmark = pytest.mark.skipif(not core.available(), reason="the Raft core is not built here")

SEEDS = 40


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_befalls_members_they_agree_on_what_was_answered(seed):
    _, counts = raft_seeds.run(seed)
    assert counts["answered"] > 0


def test_a_seed_gives_the_same_run_again():
    assert raft_seeds.run(3) == raft_seeds.run(3)
