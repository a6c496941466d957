"""A copy of a member has no seat: it stands alone, and can never vote as the member did."""

from __future__ import annotations

import json
import shutil

from rtgf_node.wire.cluster import ClusterAnswer
from tests.clusters import cluster_of
from tests.nodes import TestNode


def test_a_copy_of_a_member_stands_alone_and_says_whose_seat_it_left(template, tmp_path):
    first = template.copy(tmp_path / "a")
    with cluster_of(first, tmp_path):
        made = first.cli("backup", tmp_path / "a.tar", "--with-keys", "--json")
        assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["member"] == "a"
    back = tmp_path / "back"
    done = first.cli("restore", tmp_path / "a.tar", back)
    assert done.returncode == 0, done.stderr
    assert "it was member a and has no seat now" in done.stdout
    shutil.copytree(first.folder / "guard", back / "guard")
    assert alone(first, back).tree_size == json.loads(made.stdout)["tree_size"]


def alone(first: TestNode, back) -> ClusterAnswer:
    """Return what a copy says of its cluster."""
    twin = TestNode.__new__(TestNode)
    twin.__dict__.update(first.__dict__)
    twin.folder = back
    with twin.running(), twin.client("operator") as operator:
        answer = operator.cluster()
    assert answer.alone
    return answer
