"""What every test may use: the shared vectors and lists, and a deterministic hypothesis."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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
