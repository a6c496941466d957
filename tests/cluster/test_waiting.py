"""A member without a state: it lives, says what it waits for, and ends when it is told to."""

from __future__ import annotations

import signal

import pytest

from rtgf_node.cli.local_cluster import eventually
from tests.clusters import TestCluster
from tests.nodes import TestNode


@pytest.fixture
def joiner(template: TestNode, tmp_path):
    """A cluster of one, which is stopped, and a node that has a seat in it and runs."""
    with TestCluster(template.copy(tmp_path / "a"), tmp_path) as cluster:
        cluster.start("a")
        cluster.seat("b")
        cluster.stop("a")
        cluster.start("b")
        yield cluster


def test_a_joiner_says_why_it_has_no_state_and_serves_once_it_comes(joiner: TestCluster):
    node = joiner.nodes["b"]

    def reason() -> str:
        ready = node.ask("GET", "/readyz")
        assert ready.status == 503
        [check] = ready.json()["checks"]
        return str(check["detail"])

    eventually(lambda: "a: the connection broke" in reason(), "no reason is told")
    said = node.cli("cluster", "status")
    assert said.returncode == 0, said.stderr
    assert "no member has sent its state yet" in said.stdout
    node.ask("GET", "/roots/latest").problem(503, "RTGF_UNAVAILABLE")
    joiner.start("a")
    assert len(joiner.roots()) == 1
    assert joiner.shown("b").waits is None
    assert node.verify(at=None).valid


def test_a_joiner_that_waits_ends_when_it_is_told_to(joiner: TestCluster):
    joiner.signal("b", signal.SIGTERM)
    assert joiner.wait("b") == 0
