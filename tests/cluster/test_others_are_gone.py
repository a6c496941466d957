"""A majority is lost for good, and who is left never led: it goes on alone."""

from __future__ import annotations

from typing import Any

from rtgf_node.cli.local_cluster import eventually
from tests.clusters import SOON, cluster_of
from tests.nodes import TestNode

IMT = "IMT:EU-SG:payments_aml:2026-10"


def decisions(node: TestNode) -> dict[str, Any]:
    """Return the node's own chain of decisions."""
    return node.ask("GET", "/admin/decisions", role="auditor").json()


def test_a_member_that_never_led_goes_on_alone(template, tmp_path):
    first = template.copy(tmp_path / "a", settings=SOON)
    with cluster_of(first, tmp_path, "b") as cluster:
        assert cluster.leader() == "a"
        left = cluster.nodes["b"]
        assert left.verify().valid
        eventually(lambda: decisions(left)["logged_to"] > 0, "no root of its decisions")
        chain = decisions(left)["chain"]
        (root,) = cluster.roots()
        cluster.kill("b")
        cluster.kill("a")
        left.cli("cluster", "leave", "--others-are-gone").check_returncode()
        cluster.start("b")
        assert cluster.shown("b").alone
        assert left.ask("GET", "/roots/latest").json()["root_hash"] == root
        assert left.ask("GET", "/readyz").status == 200
        assert decisions(left)["chain"] == chain
        assert left.verify().valid
        assert left.revoke(IMT).status == 200
