"""Every seed is a life of a cluster with faults; no promise is broken in any.

RTGF_TEST_SEEDS=n runs seeds 0 to n instead of those that fit into every run of the tests.
"""

from __future__ import annotations

import os

import pytest

from tests.simulation.running import simulate

SEEDS = int(os.environ.get("RTGF_TEST_SEEDS", "2000"))
CHUNK = 20
"""Seeds in one test: a few seconds, so that two workers end at about the same time."""

pytestmark = pytest.mark.usefixtures("raftcore")


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_promise_is_broken(first):
    for seed in range(first, min(first + CHUNK, SEEDS)):
        simulate(seed)
