"""Percent-encoded paths mean what they decode to, everywhere: to routes, roles, limits, records."""

from __future__ import annotations

import pytest

from tests.nodes import TestNode

QUESTION = {"tokens": {"rmt": "RMT:SG:payments_aml:2026-10.1"}}


@pytest.fixture(scope="module")
def node(own: TestNode) -> TestNode:
    return own


def recorded(node: TestNode, request_id: str) -> list[str]:
    node.ask("POST", "/verify", QUESTION)  # an entry after it, so that it is written
    path = f"/admin/decisions?request_id={request_id}"
    entries: list[dict] = []
    while not entries:
        entries = node.ask("GET", path, role="auditor").json()["entries"]
    return [entry["route"] for entry in entries]


def test_a_decision_is_on_record_under_its_route(node):
    said = {"X-Request-ID": "encoded-1"}
    assert node.ask("POST", "/%76erify", QUESTION, headers=said).json()["valid"] is True
    assert recorded(node, "encoded-1") == ["/verify"]


def test_a_key_binds_the_request_however_it_is_spelled(node):
    said = {"Idempotency-Key": "spelled"}
    first = node.ask("POST", "/verify", QUESTION, headers=said)
    again = node.ask("POST", "/v%65rify", QUESTION, headers=said)
    assert (again.body, again.headers["idempotency-replayed"]) == (first.body, "true")


@pytest.mark.parametrize("path", ["/%61dmin/status", "/admin%2Fstatus"])
def test_no_spelling_goes_past_the_door(node, path):
    refused = node.ask("GET", path)
    refused.problem(401, "RTGF_UNAUTHENTICATED")
    assert node.ask("GET", path, role="operator").status == 200
    page = node.ask("GET", "/admin/audit-trail?kind=denials&limit=1000", role="auditor").json()
    denied = page["lines"][-1]["entry"]
    assert denied["request_id"] == refused.headers["x-request-id"]
    assert (denied["path"], denied["status"]) == ("/admin/status", 401)


def test_a_path_is_decoded_once(node):
    node.ask("GET", "/%2561dmin/status", role="operator").problem(404, "RTGF_NOT_FOUND")


def test_what_breaks_lines_is_escaped_in_the_record(node):
    """Nobody writes a line of their own into the trail or the log."""
    path = "/admin/fetch/x%0d%0a%7b%22seq%22%3a1%7d"
    node.ask("POST", path, {}, role="operator").problem(404, "RTGF_NOT_FOUND")
    page = node.ask("GET", "/admin/audit-trail?limit=1000", role="auditor").json()
    assert page["lines"][-1]["entry"]["path"] == '/admin/fetch/x\r\n{"seq":1}'
    done = node.cli("audit-trail", "verify", "data/audit")
    assert done.returncode == 0, done.stderr
    assert '\n{"seq":1}' not in (node.folder / "node.log").read_text()
