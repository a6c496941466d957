"""What every test may use: the shared vectors and lists, and a deterministic hypothesis."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

from rtgf_node.replication.raftcore import core

settings.register_profile(
    "deterministic",
    derandomize=True,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("deterministic")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with published vectors and real lists, beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"published vectors and lists are not beside this checkout ({SHARED.name}/)")
    return SHARED


@pytest.fixture(scope="session")
def raftcore() -> ModuleType:
    """The Raft core; every test of a cluster asks for it.

    It is skipped where `scripts/build-raftcore` could build none, and fails there if
    RTGF_TEST_NEEDS_RAFT is set, as `.ci/run` sets it.
    """
    if not core.available():
        why = "this checkout has no Raft core; scripts/build-raftcore says why"
        if os.environ.get("RTGF_TEST_NEEDS_RAFT"):
            pytest.fail(why)
        pytest.skip(why)
    return core
