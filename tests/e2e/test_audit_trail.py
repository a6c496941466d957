"""The audit trail from outside: acts before and after, denials, and no act without a record."""

from __future__ import annotations

import pytest

from rtgf_node.core import digests
from tests.nodes import TestNode
from tests.observing import tree_size

RMT = "RMT:SG:payments_aml:2026-10"


@pytest.fixture(scope="module")
def node(own: TestNode) -> TestNode:
    return own


def trail(node: TestNode, kind: str = "acts") -> list[dict]:
    reply = node.ask("GET", f"/admin/audit-trail?kind={kind}&limit=1000", role="auditor")
    return [line["entry"] for line in reply.json()["lines"]]


def test_an_act_is_on_record_before_and_after(node):
    reply = node.revoke(RMT)
    assert reply.status == 200
    begun, done = trail(node)[-2:]
    assert (begun["outcome"], done["outcome"], done["status"]) == ("begun", "done", 200)
    for one in (begun, done):
        assert one["client"] == "urn:rtgf:operator:first"
        assert (one["method"], one["path"]) == ("POST", "/admin/revoke")
        assert one["subjects"] == [RMT]
        assert one["request_id"] == reply.headers["x-request-id"]
        assert one["body"].startswith("sha256:")


def test_the_body_is_there_by_its_digest(node):
    node.ask("POST", "/admin/fetch/none", b"{}", role="operator")
    failed = trail(node)[-1]
    assert (failed["outcome"], failed["status"]) == ("failed", 404)
    assert failed["body"] == digests.sha256(b"{}")


def test_who_is_turned_away_is_on_record(node):
    node.ask("POST", "/admin/fetch", {}).problem(401, "RTGF_UNAUTHENTICATED")
    node.ask("GET", "/admin/status", role="partner").problem(403, "RTGF_FORBIDDEN")
    stranger, partner = trail(node, "denials")[-2:]
    assert (stranger["client"], stranger["status"], stranger["path"]) == (
        None,
        401,
        "/admin/fetch",
    )
    assert (partner["client"], partner["status"]) == ("urn:rtgf:partner:first", 403)
    node.ask("POST", "/admin/log/resume", {}, role="operator").problem(403, "RTGF_FORBIDDEN")
    assert trail(node)[-1]["outcome"] == "denied"


def test_pages_follow_each_other(node):
    node.ask("POST", "/admin/fetch/none", {}, role="operator")
    first = node.ask("GET", "/admin/audit-trail?limit=1", role="operator").json()
    second = node.ask("GET", f"/admin/audit-trail?since={first['next']}&limit=1", role="operator")
    assert [first["lines"][0]["seq"], second.json()["lines"][0]["seq"]] == [1, 2]
    reply = node.ask("GET", "/admin/audit-trail?kind=other", role="operator")
    reply.problem(400, "RTGF_INPUT_INVALID")


def test_the_chain_is_checked_from_its_files(node):
    done = node.cli("audit-trail", "verify", "data/audit")
    assert done.returncode == 0, done.stderr
    assert "unbroken" in done.stdout
    copy = node.folder / "copy"
    copy.mkdir()
    for file in (node.folder / "data" / "audit").iterdir():
        (copy / file.name).write_bytes(file.read_bytes().replace(b":first", b":other", 1))
    assert node.cli("audit-trail", "verify", "copy").returncode == 74


def test_without_a_record_there_is_no_act(make_node):
    node = make_node(published=True)
    before = tree_size(node)
    folder = node.folder / "data" / "audit"
    folder.rename(folder.with_name("away"))
    reply = node.revoke(RMT)
    reply.problem(503, "RTGF_UNAVAILABLE")
    assert tree_size(node) == before
    folder.with_name("away").rename(folder)
    assert node.revoke(RMT).status == 200
