"""`Idempotency-Key`: asking again under a key gives the answer that was given."""

from __future__ import annotations

import os
import signal

import pytest

from tests.nodes import RATES, Reply, TestNode
from tests.processes import main_process

RMT = "RMT:SG:payments_aml:2026-10.1"
QUESTION = {"tokens": {"rmt": RMT, "imt": "IMT:EU-SG:payments_aml:2026-10.1"}}
RECORDED = 'rtgf_decisions_recorded_total{result="ok"}'
OTHER = {"tokens": {"rmt": RMT}}


def ask(node: TestNode, key: str, body: object = QUESTION, path: str = "/verify", **how) -> Reply:
    return node.ask("POST", path, body, headers={"Idempotency-Key": key}, **how)


def decided(node: TestNode) -> int:
    text = node.metrics()
    [line] = [one for one in text.splitlines() if one.startswith(RECORDED)]
    return int(float(line.split()[-1]))


def revocation(token: str) -> dict:
    return {"items": [{"token": token, "reason": "policy_withdrawn"}]}


def test_the_same_key_and_body_give_the_same_answer_once(own):
    """RTGF-REQ-020: also when the world has changed in between; counted once."""
    token = "IMT:EU-AU:payments_aml:2026-10.1"
    question = {"tokens": {"rmt": "RMT:EU:payments_aml:2026-10.1", "imt": token}}
    before = decided(own)
    first = ask(own, "once-1", question)
    assert decided(own) == before + 1
    own.revoke(token)
    again = ask(own, "once-1", question)
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert decided(own) == before + 1
    assert ask(own, "once-2", question).json()["reason"] == "RTGF_VERIFY_REVOKED"


@pytest.mark.parametrize("change", ["body", "query"])
def test_the_same_key_with_another_request(published, change):
    assert ask(published, f"other-{change}").status == 200
    body, path = (OTHER, "/verify") if change == "body" else (QUESTION, "/verify?receipt=1")
    ask(published, f"other-{change}", body, path).problem(422, "RTGF_IDEMPOTENCY_MISMATCH")
    assert ask(published, f"other-{change}").status == 200


def test_a_key_is_its_clients_own(published):
    assert ask(published, "mine", role="partner").status == 200
    assert "idempotency-replayed" not in ask(published, "mine", OTHER).headers
    assert "idempotency-replayed" not in ask(published, "mine", OTHER, role="operator").headers
    assert "idempotency-replayed" in ask(published, "mine", role="partner").headers


def test_refusals_are_answers_too(published):
    first = ask(published, "refused", {"tokens": {}})
    first.problem(400, "RTGF_VERIFY_MISSING_TOKEN")
    again = ask(published, "refused", {"tokens": {}})
    assert (again.status, again.body) == (400, first.body)


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "é"])
def test_what_is_no_key(published, key):
    ask(published, key.encode().decode("latin-1")).problem(400, "RTGF_BAD_REQUEST")


def test_batches_too(published):
    first = ask(published, "batch", [QUESTION] * 2, "/verify/batch")
    again = ask(published, "batch", [QUESTION] * 2, "/verify/batch")
    assert again.body == first.body
    assert "idempotency-replayed" in again.headers


def test_a_privileged_request_is_done_once(own):
    """A lost answer can be asked for again: the revocation is not refused as one too many."""
    order = revocation("IMT:EU-KR:payments_aml:2026-10.1")
    first = ask(own, "r-1", order, "/admin/revoke", role="operator")
    assert first.status == 200
    again = ask(own, "r-1", order, "/admin/revoke", role="operator")
    assert (again.status, again.body) == (200, first.body)
    ask(own, "r-2", order, "/admin/revoke", role="operator").problem(409, "RTGF_CONFLICT")
    other = revocation("IMT:EU-MY:payments_aml:2026-10.1")
    ask(own, "r-1", other, "/admin/revoke", role="operator").problem(
        422, "RTGF_IDEMPOTENCY_MISMATCH"
    )
    ask(own, "r-1", order, "/admin/revoke", role="partner").problem(403, "RTGF_FORBIDDEN")
    ask(own, "r-1", order, "/admin/revoke").problem(401, "RTGF_UNAUTHENTICATED")
    refused = ask(own, "r-3", revocation("IMT:EU-XX:none:1.1"), "/admin/revoke", role="operator")
    again = ask(own, "r-3", revocation("IMT:EU-XX:none:1.1"), "/admin/revoke", role="operator")
    assert refused.status >= 400
    assert again.body == refused.body


@pytest.mark.parametrize("workers", [0, 1])
def test_a_killed_node_still_knows_what_it_answered(make_node, workers):
    node = make_node(
        running=False, published=True, settings=f"{RATES}[workers]\ncount = {workers}\n"
    )
    order = revocation("IMT:EU-KR:payments_aml:2026-10.1")
    with node.running():
        verdict = ask(node, "v")
        refused = ask(node, "n", {"tokens": {}})
        done = ask(node, "r", order, "/admin/revoke", role="operator")
        assert (verdict.status, refused.status, done.status) == (200, 400, 200)
        os.kill(main_process(node), signal.SIGKILL)
    with node.running():
        for key, body, path, role, first in (
            ("v", QUESTION, "/verify", None, verdict),
            ("n", {"tokens": {}}, "/verify", None, refused),
            ("r", order, "/admin/revoke", "operator", done),
        ):
            again = ask(node, key, body, path, role=role)
            assert (again.status, again.body) == (first.status, first.body)
            assert again.headers["idempotency-replayed"] == "true"
        ask(node, "v", OTHER).problem(422, "RTGF_IDEMPOTENCY_MISMATCH")
        # The key is the client's own.
        assert "idempotency-replayed" not in ask(node, "v", OTHER, role="partner").headers
        ask(node, "r", order, "/admin/revoke", role="partner").problem(403, "RTGF_FORBIDDEN")
