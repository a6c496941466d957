"""Clusters of real processes. They need the Raft core."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import template  # noqa: F401

pytestmark = pytest.mark.usefixtures("raftcore")


@pytest.fixture(autouse=True)
def _core(raftcore: object) -> None:
    """Skip, or fail where it must be there."""
