"""What waits in quarantine waits through a restart, and can be put in force after it."""

from __future__ import annotations

from tests.held_lists import check_of, fetched, in_force, kept
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


def files(node: TestNode) -> set[bytes]:
    """Return the files that are kept in quarantine."""
    folder = node.folder / "data/quarantine"
    return {path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def two_lists(tmp_path) -> TestNode:
    settings = RATES + dataset("held", "held.xml") + dataset("other", "other.xml")
    node = TestNode(tmp_path / "node", settings=settings)
    for name in ("held", "other"):
        (node.folder / f"{name}.xml").write_bytes(un_list(*NAMES))
    return node


def test_one_file_of_a_list_waits_and_nothing_is_left_of_it_when_it_does_no_more(tmp_path):
    """What two lists have in common stays while one of them needs it."""
    node = two_lists(tmp_path)
    small, smaller = un_list(*NAMES[:3]), un_list(*NAMES[:2])
    with node.running():
        for name in ("held", "other"):
            assert fetched(node, name).outcome == "accepted"
            (node.folder / f"{name}.xml").write_bytes(small)
            assert fetched(node, name).outcome == "quarantined"
        assert small in files(node)
        assert not kept(node, small)
        (node.folder / "held.xml").write_bytes(smaller)
        assert fetched(node, "held").outcome == "quarantined"
        assert {small, smaller} <= files(node)  # one each
        (node.folder / "other.xml").write_bytes(un_list(*NAMES))
        assert fetched(node, "other").outcome == "unchanged"
        assert smaller in files(node)
        assert small not in files(node)
        assert kept(node, un_list(*NAMES))
        done = node.cli("quarantine", "list")
        assert "held" in done.stdout
        assert "shrinks from 10 to 2 records" in done.stdout
        assert node.cli("quarantine", "release", "held").returncode == 0
        assert files(node) == set()
        assert kept(node, smaller)
        assert "nothing" in node.cli("quarantine", "list").stdout
