"""One published node for tests that only ask, and fresh ones for tests that change things."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.nodes import TestNode


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    """A running node with every RMT and IMT of the illustrative policies. Do not change it."""
    node = TestNode(tmp_path_factory.mktemp("published") / "node")
    with node.running():
        refused = [item for item in node.fetch() if item.outcome != "accepted"]
        assert not refused, refused
        build = node.compile()
        assert build.state == "published", build
        yield node


@pytest.fixture
def make_node(tmp_path: Path) -> Iterator[Callable[..., TestNode]]:
    """Make a node of this test's own; `running=True` serves it until the test ends."""
    with ExitStack() as stack:

        def make(name: str = "node", *, running: bool = True, **options: Any) -> TestNode:
            node = TestNode(tmp_path / name, **options)
            if running:
                stack.enter_context(node.running())
            return node

        yield make
