"""One published node for tests that only ask, and copies of it for tests that change things."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.nodes import TestNode


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> TestNode:
    """A node that was published and stopped: what the others begin with. It is never started."""
    node = TestNode(tmp_path_factory.mktemp("template") / "node")
    with node.running():
        refused = [item for item in node.fetch() if item.outcome != "accepted"]
        assert not refused, refused
        build = node.compile()
        assert build.state == "published", build
    return node


@pytest.fixture(scope="session")
def published(template: TestNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    """A running node with every RMT and IMT of the illustrative policies. Do not change it."""
    node = template.copy(tmp_path_factory.mktemp("published") / "node")
    with node.running():
        yield node


@pytest.fixture(scope="module")
def own(template: TestNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    """A running, published node of this test file's own: its tests may revoke."""
    node = template.copy(tmp_path_factory.mktemp("own") / "node")
    with node.running():
        yield node


@pytest.fixture
def make_node(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., TestNode]]:
    """Make a node of this test's own; `running=True` serves it until the test ends.

    With `published=True` it holds all tokens from the start.
    """
    with ExitStack() as stack:

        def make(
            name: str = "node", *, running: bool = True, published: bool = False, **options: str
        ) -> TestNode:
            if published:
                node = request.getfixturevalue("template").copy(tmp_path / name, **options)
            else:
                node = TestNode(tmp_path / name, **options)
            if running:
                stack.enter_context(node.running())
            return node

        yield make
