"""What waits in quarantine waits through a restart, and can be put in force after it."""

from __future__ import annotations

from tests.held_lists import check_of, fetched, in_force
from tests.nodes import RATES, TestNode
from tests.providers import dataset, un_list

NAMES = [f"Quorrin{letter * 3} Velt{letter * 4}" for letter in "abcdefghij"]


def test_a_quarantined_list_survives_a_restart(tmp_path):
    node = TestNode(tmp_path / "node", settings=RATES + dataset("held", "held.xml"))
    file = node.folder / "held.xml"
    file.write_bytes(un_list(*NAMES))
    with node.running():
        good = fetched(node, "held")
        assert good.outcome == "accepted"
        file.write_bytes(un_list(*NAMES[:2]))
        bad = fetched(node, "held")
        assert bad.outcome == "quarantined"
    with node.running():
        check, state = check_of(node, "held")
        assert (state, check["ok"]) == ("degraded", False)
        assert "shrinks from 10 to 2 records" in check["detail"]
        assert in_force(node, "held")["content_sha256"] == good.content_sha256
        reply = node.ask("POST", "/admin/datasets/held/release", role="operator")
        assert reply.json()["outcome"] == "accepted"
        assert in_force(node, "held")["content_sha256"] == bad.content_sha256
    with node.running():
        check, state = check_of(node, "held")
        assert check["ok"]
        again = node.ask("POST", "/admin/datasets/held/release", role="operator")
        again.problem(404, "RTGF_NOT_FOUND")
