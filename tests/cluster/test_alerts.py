"""What the last member of a cluster says when the others are gone."""

from __future__ import annotations

import time

from tests.clusters import SOON, cluster_of

PATIENCE_SECONDS = 60.0
"""An alert about a leader rises after half a minute without one."""


def test_a_member_without_a_leader_says_so(template, tmp_path):
    settings = f"{SOON}\n[alerts]\nevery_seconds = 1\n"
    with cluster_of(template.copy(tmp_path / "a", settings=settings), tmp_path, "b", "c") as made:
        for name in ("b", "c"):
            made.kill(name)
        node, deadline = made.nodes["a"], time.monotonic() + PATIENCE_SECONDS
        while True:
            status = node.ask("GET", "/admin/status", role="operator").json()
            standing = {one["name"]: one for one in status["alerts"]}
            if "no_leader" in standing:
                break
            assert time.monotonic() < deadline, standing
            time.sleep(0.5)
        assert standing["no_leader"]["severity"] == "P1"
        assert "member_lost" not in standing
