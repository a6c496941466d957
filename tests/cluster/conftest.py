"""Clusters of real processes. They need the Raft core."""

from __future__ import annotations

import pytest

from tests.cluster.wires import Namespaces, why_no_namespaces
from tests.e2e.conftest import template  # noqa: F401
from tests.faults.conftest import quick_path  # noqa: F401

pytestmark = pytest.mark.usefixtures("raftcore")


@pytest.fixture(autouse=True)
def _core(raftcore: object) -> None:
    """Skip, or fail where it must be there."""


@pytest.fixture
def wires():
    """A network that can be cut; skips where there can be none."""
    if (why := why_no_namespaces()) is not None:
        pytest.skip(why)
    made = Namespaces()
    yield made
    made.close()
