"""The life of a cluster, as its operators see it: join, promote, fail over, remove, stand alone."""

from __future__ import annotations

import json

import pytest

from rtgf_node.cli.local_cluster import eventually
from tests.clusters import SOON, TestCluster, cluster_of
from tests.nodes import TestNode

IMT = "IMT:EU-SG:payments_aml:2026-10"
OTHER = "IMT:EU-UK:payments_aml:2026-10"


@pytest.fixture(scope="module")
def cluster(template: TestNode, tmp_path_factory):
    """Three members; the first had published before it became one."""
    folder = tmp_path_factory.mktemp("cluster")
    with cluster_of(template.copy(folder / "a", settings=SOON), folder, "b", "c") as made:
        yield made


def others(cluster: TestCluster) -> list[str]:
    """Return the members that follow."""
    leader = cluster.leader()
    return [name for name in cluster.running if name != leader]


def test_all_members_hold_the_log_that_the_first_one_had(cluster, template):
    assert len(cluster.roots()) == 1
    sizes = {cluster.shown(name).tree_size for name in cluster.running}
    assert len(sizes) == 1
    for name in cluster.running:
        node = cluster.nodes[name]
        assert node.verify(at=None).valid, name
        assert node.cli("audit").returncode == 0


def test_a_write_on_a_follower_is_answered_as_if_the_leader_had_been_asked(cluster):
    """RTGF-CT-93."""
    reply = cluster.revoke(others(cluster)[0], IMT, reason="issued_in_error")
    assert reply.status == 200, reply
    for name in cluster.running:
        node = cluster.nodes[name]
        answer = eventually(lambda node=node: (not node.verify().valid) and node.verify(), name)
        assert answer.reason == "RTGF_VERIFY_REVOKED"
    assert len(cluster.roots()) == 1


def test_the_leader_is_killed_and_nothing_is_lost(cluster):
    before = cluster.shown(cluster.leader()).tree_size
    killed = cluster.leader()
    cluster.kill(killed)
    leader = cluster.leader()
    assert leader != killed
    assert len(cluster.roots()) == 1
    assert cluster.shown(leader).tree_size >= before
    refused = cluster.nodes[leader].verify()
    assert refused.reason == "RTGF_VERIFY_REVOKED"
    taken = cluster.nodes[leader].fetch()
    assert taken
    cluster.start(killed)
    assert len(cluster.roots()) == 1


def test_leadership_is_handed_over(cluster):
    to = others(cluster)[0]
    done = cluster.nodes[cluster.leader()].cli("cluster", "transfer", to, "--json")
    assert done.returncode == 0, done.stderr
    assert cluster.leader() == to


def test_a_follower_says_who_has_to_be_asked_to_hand_leadership_over(cluster):
    done = cluster.nodes[others(cluster)[0]].cli("cluster", "transfer")
    assert done.returncode != 0
    assert "RTGF_CONFLICT" in done.stderr


def test_without_a_majority_writes_are_refused_and_answers_end(template, tmp_path):
    """RTGF-CT-84: it stays alive, and says no: `RTGF_TOKEN_REVOCATION_STALE` and not ready."""
    first = template.copy(tmp_path / "a", settings="\n[verify]\nmax_staleness_seconds = 1.0\n")
    with cluster_of(first, tmp_path, "b") as cluster:
        cluster.kill("b")
        stale = eventually(lambda: not first.verify().valid and first.verify(), "answers go on")
        assert stale.reason == "RTGF_TOKEN_REVOCATION_STALE"
        assert first.ask("GET", "/readyz").status == 503
        assert first.ask("GET", "/healthz").status == 200
        # What was refused so may happen later: of another token than those that are asked for.
        first.revoke(OTHER).problem(503, "RTGF_UNAVAILABLE")
        strong = first.ask("GET", "/roots/latest?consistency=strong")
        strong.problem(503, "RTGF_UNAVAILABLE")
        assert first.ask("GET", "/roots/latest").status == 200
        cluster.start("b")
        eventually(lambda: first.verify().valid, "no answers again")


def test_back_to_one_node_with_the_log_kept(template, tmp_path):
    first = template.copy(tmp_path / "a")
    with cluster_of(first, tmp_path, "b") as cluster:
        before = cluster.shown("a").tree_size
        refused = first.cli("cluster", "leave")
        assert refused.returncode != 0
        done = cluster.nodes[cluster.leader()].cli("cluster", "remove", "b")
        assert done.returncode == 0, done.stderr
        cluster.kill("b")
        cluster.stop("a")
        done = first.cli("cluster", "leave", "--json")
        assert done.returncode == 0, done.stderr
        kept = json.loads(done.stdout)["tree_size"]
        assert kept >= before > 0
        cluster.start("a")
        assert cluster.shown("a").alone
        assert cluster.shown("a").tree_size == kept
        assert first.cli("audit").returncode == 0
        assert cluster.revoke("a", IMT).status == 200


def test_a_removed_member_stays_out_and_its_name_comes_back_with_a_new_seat(template, tmp_path):
    first = template.copy(tmp_path / "a")
    with cluster_of(first, tmp_path, "b") as cluster:
        seat = cluster.shown("b").members[-1].raft_id
        cluster.nodes[cluster.leader()].cli("cluster", "remove", "b").check_returncode()
        cluster.kill("b")
        cluster.nodes.pop("b").folder.rename(tmp_path / "old-b")
        cluster.add("b")
        cluster.promote("b")
        now = {one.raft_id: (one.name, one.role) for one in cluster.shown("a").members}
        assert now[seat] == ("b", "removed")
        assert now[seat + 1] == ("b", "voter")
        assert len(cluster.roots()) == 1


def test_a_seat_is_for_an_empty_node_and_for_this_cluster(template, tmp_path):
    first = template.copy(tmp_path / "a")
    other = TestNode(tmp_path / "other")
    with cluster_of(first, tmp_path) as cluster:
        seat = tmp_path / "x.seat"
        first.cli("cluster", "add", "x", "127.0.0.1:1", "--out", seat).check_returncode()
        assert (
            "RTGF_CONFLICT" in template.copy(tmp_path / "full").cli("cluster", "join", seat).stderr
        )
        seat.write_text(seat.read_text().replace("fma.example/log", "elsewhere.example/log"))
        assert "elsewhere" in other.cli("cluster", "join", seat).stderr
        assert cluster.leader() == "a"


def test_a_member_goes_by_the_keys_that_are_in_the_log(template, tmp_path):
    """What its folder says of the keys may be of before, or gone."""
    first = template.copy(tmp_path / "a")
    with cluster_of(first, tmp_path) as cluster:
        cluster.stop("a")
        for name in ("key_manifest.json", "jwks.jws"):
            (first.folder / "keys" / name).unlink()
        cluster.start("a")
        assert cluster.leader() == "a"
        assert first.verify(at=None).valid


def test_each_member_has_a_chain_of_decisions_of_its_own(cluster):
    """An auditor of any member finds the roots of what that member answered in the one log."""
    for name in cluster.running:
        node = cluster.nodes[name]
        node.verify()

        def rooted(node=node) -> bool:
            page = node.ask("GET", "/admin/decisions", role="auditor").json()
            return page["newest"] == page["logged_to"] > 0

        eventually(rooted, f"no root of the decisions of {name}")
    chains = set()
    for name in cluster.running:
        node = cluster.nodes[name]
        chains.add(node.ask("GET", "/admin/decisions", role="auditor").json()["chain"])
        done = node.cli("audit", "--cert", "pki/auditor.pem", "--key", "pki/auditor.key", "--json")
        assert done.returncode == 0, done.stdout
        assert json.loads(done.stdout)["decisions"]["entries"] > 0
    assert len(chains) == 3


def test_a_strong_read_has_what_was_answered_by_another_member(cluster):
    reply = cluster.revoke(cluster.leader(), OTHER)
    epoch = reply.json()["revEpoch"]
    for name in others(cluster):
        path = "/admin/status?consistency=strong"
        status = cluster.ask(name, "GET", path, role="operator").json()
        assert status["revEpoch"] >= epoch
        tokens = {"tokens": {"imt": OTHER, "rmt": "RMT:UK:payments_aml:2026-10"}}
        path = "/verify?consistency=strong"
        answer = cluster.ask(name, "POST", path, tokens, role="partner").json()
        assert answer["reason"] == "RTGF_VERIFY_REVOKED", answer


def test_who_is_in_takes_two_persons_where_the_settings_say_so(template, tmp_path):
    """Dual control of membership, and each change an event of the log before it is made."""
    dual = '\n[approvals]\nrequired = ["membership"]\n'
    first = template.copy(tmp_path / "a", settings=dual)
    with cluster_of(first, tmp_path) as cluster:
        seat = tmp_path / "b.seat"
        asked = first.cli("cluster", "add", "b", "127.0.0.1:1", "--out", seat, "--json")
        waiting = json.loads(asked.stdout)
        assert (waiting["state"], seat.exists()) == ("waiting", False)
        assert [one.name for one in cluster.shown("a").members] == ["a"]
        assert "second person: add b 127.0.0.1:1;" in first.cli("cluster", "status").stdout
        said = {"decision": "approve", "reason": "as agreed"}
        path = f"/admin/approvals/{waiting['approval_id']}"
        assert first.ask("POST", path, said, role="operator").status == 403
        assert first.ask("POST", path, said, role="approver").status == 200
        done = first.cli("cluster", "seat", "b", "--out", seat)
        assert done.returncode == 0, done.stderr
        assert json.loads(seat.read_text())["raft_id"] == 2
        events = first.ask("GET", "/transparency?limit=1000").json()["entries"]
        changes = [one["event"] for one in events if one["event"]["type"] == "membership"]
        assert [(one["subject"], one["payload"]["act"]) for one in changes] == [("b", "add")]
        assert changes[0]["refs"]["approver"] == "urn:rtgf:approver:first"
