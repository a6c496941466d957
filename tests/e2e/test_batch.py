"""Many verify requests in one."""

from __future__ import annotations

import json

import pytest

from tests.nodes import RATES, TestNode, context

RMT, IMT = "RMT:SG:payments_aml:2026-10.1", "IMT:EU-SG:payments_aml:2026-10.1"
SOUND = {"tokens": {"rmt": RMT, "imt": IMT}}
SLOW = "\n[limits]\npublic_per_second = 1.0\npublic_burst = 5\n"


def test_each_is_answered_as_if_alone(published):
    """RTGF-CT-40, RTGF-CT-41: the same bytes, in the order of the questions."""
    requests = [
        SOUND,
        {"tokens": {"rmt": RMT}, "context": context("payment-eu-sg")},
        {"tokens": {"imt": IMT}},
        {"tokens": {"rmt": "RMT:SG:payments_aml:2031-01.1"}},
        {"tokens": {"rmt": RMT}, "surplus": 1},
        {**SOUND, "corridor": "EU-UK"},
        [],
        SOUND,
    ]
    answers = published.ask("POST", "/verify/batch", requests)
    assert answers.status == 200
    found = answers.json()
    assert len(found) == len(requests)
    for request, answer in zip(requests, found, strict=True):
        alone = published.ask("POST", "/verify", request).json()
        if "status" in alone:
            assert answer.pop("instance") == answers.headers["x-request-id"]
            del alone["instance"]
        assert answer == alone
    assert [answer.get("code") for answer in found] == [
        None,
        None,
        "RTGF_VERIFY_MISSING_TOKEN",
        "RTGF_VERIFY_TOKEN_NOT_FOUND",
        "RTGF_VERIFY_BAD_REQUEST",
        None,
        "RTGF_VERIFY_BAD_REQUEST",
        None,
    ]
    whole = b"[%b]" % b",".join(published.ask("POST", "/verify", SOUND).body for _ in range(2))
    assert published.ask("POST", "/verify/batch", [SOUND, SOUND]).body == whole


def test_a_thousand_and_no_more(published):
    assert len(published.ask("POST", "/verify/batch", [SOUND] * 1000).json()) == 1000
    refused = published.ask("POST", "/verify/batch", [SOUND] * 1001)
    refused.problem(400, "RTGF_VERIFY_BAD_REQUEST")


def test_what_is_remembered_is_forgotten_at_a_revocation(own):
    assert [one["valid"] for one in own.ask("POST", "/verify/batch", [SOUND] * 3).json()] == (
        [True] * 3
    )
    own.revoke(IMT)
    found = own.ask("POST", "/verify/batch", [SOUND] * 3).json()
    assert {one["reason"] for one in found} == {"RTGF_VERIFY_REVOKED"}


def test_an_earlier_state(own):
    size = own.ask("GET", "/roots/latest").json()["tree_size"]
    own.revoke("IMT:SG-EU:payments_aml:2026-10.1")
    request = {"tokens": {"rmt": RMT, "imt": "IMT:SG-EU:payments_aml:2026-10.1"}}
    [now] = own.ask("POST", "/verify/batch", [request]).json()
    [then] = own.ask("POST", f"/verify/batch?at={size}", [request]).json()
    assert (now["valid"], then["valid"]) == (False, True)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "RTGF_JSON_INVALID"),
        (b"[", "RTGF_JSON_INVALID"),
        (b"[1,]", "RTGF_JSON_INVALID"),
        (b"[] []", "RTGF_JSON_INVALID"),
        (b"[" * 5000, "RTGF_JSON_INVALID"),
        (b"[]", "RTGF_VERIFY_BAD_REQUEST"),
        (b"{}", "RTGF_VERIFY_BAD_REQUEST"),
        (b"null", "RTGF_VERIFY_BAD_REQUEST"),
    ],
)
def test_what_is_no_batch(published, body, code):
    published.ask("POST", "/verify/batch", body).problem(400, code)


def test_items_are_read_as_strictly_as_alone(published):
    plain = json.dumps(SOUND).encode()
    doubled = plain.replace(b'"tokens"', b'"tokens": {}, "tokens"', 1)
    deep = b'{"tokens": {"rmt": "x"}, "context": ' + b"[" * 100 + b"]" * 100 + b"}"
    latin = plain[:-1] + b', "corridor": "\xe9"}'
    body = b"[" + b",".join([plain, doubled, deep, latin]) + b"]"
    found = published.ask("POST", "/verify/batch", body).json()
    assert [one.get("code") for one in found] == [None] + ["RTGF_JSON_INVALID"] * 3


def test_a_body_that_does_not_say_what_it_is(published):
    reply = published.ask("POST", "/verify/batch", b"[]", headers={"Content-Type": "text/plain"})
    reply.problem(415, "RTGF_MEDIA_TYPE")


def test_a_batch_counts_as_many(make_node):
    """RTGF-CT-44: who asked a hundred waits as long as for a hundred."""
    node = make_node(published=True, settings=SLOW)
    assert node.ask("POST", "/verify/batch", [SOUND] * 100).status == 200
    refused = node.ask("POST", "/verify", SOUND)
    refused.problem(429, "RTGF_VERIFY_RATE_LIMIT")
    assert 80 <= int(refused.headers["retry-after"]) <= 100
    # Others are not affected.
    assert node.ask("POST", "/verify/batch", [SOUND] * 100, role="partner").status == 200


def test_a_batch_is_on_record_as_one(make_node):
    settings = RATES + '\n[decisions]\nmode = "durable"\n'
    node: TestNode = make_node(published=True, settings=settings)
    reply = node.ask("POST", "/verify/batch", [SOUND, {"tokens": {"rmt": RMT}}], role="partner")
    found = node.ask(
        "GET", f"/admin/decisions?request_id={reply.headers['x-request-id']}", role="auditor"
    )
    [entry] = found.json()["entries"]
    assert (entry["route"], entry["valid"], entry["tokens"]) == ("/verify/batch", True, [IMT, RMT])
    assert entry["client"] == "urn:rtgf:partner:first"
    node.ask("POST", "/verify/batch", [SOUND, {"tokens": {}}])
    entries = node.ask("GET", "/admin/decisions", role="auditor").json()["entries"]
    assert [one["valid"] for one in entries] == [True, False]
