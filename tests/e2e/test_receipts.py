"""Receipts: evidence of an answer that a partner can keep."""

from __future__ import annotations

import json
import time

import pytest

from rtgf_node.core import answer_receipt, digests, times
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.errors import Code, RtgfError
from tests.nodes import TestNode, context

ASKED = json.dumps(
    {
        "tokens": {
            "rmt": "RMT:SG:payments_aml:2026-10.1",
            "imt": "IMT:EU-SG:payments_aml:2026-10.1",
        },
        "context": context("payment-eu-sg"),
    }
).encode()


def test_the_receipt_proves_question_answer_and_time(published: TestNode):
    plain = published.ask("POST", "/verify", ASKED)
    reply = published.ask("POST", "/verify?receipt=1", ASKED)
    whole = reply.json()
    assert set(whole) == {"answer", "receipt"}
    assert canonical_bytes(whole) == reply.body
    assert canonical_bytes(whole["answer"]) == plain.body
    receipt = answer_receipt.check(reply.body, ASKED, published.keys())
    assert receipt.issuer == "did:web:fma.example"
    assert receipt.request_id == reply.headers["x-request-id"]
    assert receipt.answer_digest == digests.sha256(plain.body)
    assert abs(times.parse(receipt.time) - time.time()) < 60
    assert receipt.at is None


def test_the_receipt_names_the_state_that_was_asked_about(published: TestNode):
    size = published.ask("GET", "/roots/latest").json()["tree_size"]
    reply = published.ask("POST", f"/verify?at={size}&receipt=1", ASKED)
    assert answer_receipt.check(reply.body, ASKED, published.keys()).at == str(size)


def test_a_receipt_is_for_one_question_and_one_answer(published: TestNode):
    reply = published.ask("POST", "/verify?receipt=1", ASKED)
    keys = published.keys()
    forged = reply.body.replace(b'"valid":true', b'"valid":false', 1)
    assert forged != reply.body
    for response, request in ((forged, ASKED), (reply.body, ASKED + b" ")):
        with pytest.raises(RtgfError) as caught:
            answer_receipt.check(response, request, keys)
        assert caught.value.code is Code.RTGF_VERIFY_SIGNATURE_INVALID
    with pytest.raises(RtgfError) as caught:
        answer_receipt.check(published.ask("POST", "/verify", ASKED).body, ASKED, keys)
    assert caught.value.code is Code.RTGF_INPUT_INVALID


def test_another_key_of_the_node_makes_no_receipt(published: TestNode):
    reply = published.ask("POST", "/verify?receipt=1", ASKED)
    receipt = answer_receipt.check(reply.body, ASKED, published.keys())
    signer = published.key_store().signer("token")
    forged = answer_receipt.with_receipt(canonical_bytes(reply.json()["answer"]), receipt, signer)
    with pytest.raises(RtgfError) as caught:
        answer_receipt.check(forged, ASKED, published.keys())
    assert caught.value.code is Code.RTGF_VERIFY_SIGNATURE_INVALID


def test_problems_have_no_receipt(published: TestNode):
    published.ask("POST", "/verify?receipt=1", {"tokens": {}}).problem(
        400, "RTGF_VERIFY_MISSING_TOKEN"
    )


def test_receipt_is_yes_or_no(published: TestNode):
    plain = published.ask("POST", "/verify", ASKED).body
    assert published.ask("POST", "/verify?receipt=0", ASKED).body == plain
    for query in ("receipt=2", "receipt=", "receipt=1&receipt=1"):
        published.ask("POST", f"/verify?{query}", ASKED).problem(400, "RTGF_BAD_REQUEST")
