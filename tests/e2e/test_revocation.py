"""Withdrawing and lifting as operator and partner see it."""

from __future__ import annotations

import time

import msgspec
import pytest

from rtgf_node import wire
from rtgf_node.core import jose, merkle, proof_bundle
from rtgf_node.core.canonical_json import canonical_bytes
from tests.nodes import PATIENCE_SECONDS, TestNode, context

SG, EU = "RMT:SG:payments_aml:2026-10.1", "RMT:EU:payments_aml:2026-10.1"
EU_SG = "IMT:EU-SG:payments_aml:2026-10.1"
LIFTABLE = "corridor_suspended"


@pytest.fixture
def node(make_node) -> TestNode:
    return make_node(published=True)


def listed(node: TestNode, query: str = "") -> dict:
    """The signed list, its signature verified."""
    document = node.ask("GET", f"/revocations{query}").json()
    kids = jose.verify_document(
        document,
        node.keys(),
        at=int(time.time()),
        typ="rtgf-revocations+jws",
        uses=("status",),
    )
    assert len(kids) == 1
    return document


def reason(node: TestNode, *, rmt: str = SG, imt: str | None = EU_SG) -> str | None:
    return node.verify(imt, rmt=rmt).reason


def resting_on(node: TestNode, rmt: str) -> set[str]:
    """Every IMT that rests on an RMT, by what the tokens themselves say."""
    found = set()
    for entry in node.ask("GET", "/catalog?type=IMT&domain=payments_aml&limit=1000").json()[
        "tokens"
    ]:
        token = node.ask("GET", f"/tokens?uri={entry['uri']}").json()
        if rmt in token["derived_from"]:
            found.add(token["token_id"])
    return found


def test_a_revoked_rmt_takes_its_imts_with_it_at_once(node):
    """RTGF-CT-42, RTGF-REQ-030, RTGF-REQ-031."""
    fallen = resting_on(node, SG)
    assert EU_SG in fallen
    assert reason(node) is None
    assert listed(node)["entries"] == []

    answer = node.revoke(SG, reason="policy_withdrawn").json()

    # The very next question is answered with it.
    assert reason(node) == "RTGF_VERIFY_REVOKED"
    assert reason(node, rmt=EU) == "RTGF_VERIFY_REVOKED"
    assert reason(node, rmt=EU, imt=None) is None
    verdict = node.verify(context=context("payment-eu-sg"))
    assert (verdict.valid, verdict.revEpoch) == (False, answer["revEpoch"])
    whole = node.ask("GET", f"/tokens?uri={EU_SG}").json()
    assert node.verify(whole, rmt=EU).reason == "RTGF_VERIFY_REVOKED"

    assert answer["revEpoch"] == 1 + len(fallen)
    first, *followers = answer["entries"]
    assert (first["token_id"], first["status"], first.get("root")) == (SG, "invalid", None)
    assert {entry["token_id"] for entry in followers} == fallen
    assert {entry["root"] for entry in followers} == {SG}
    assert [entry["revEpoch"] for entry in answer["entries"]] == list(range(1, 2 + len(fallen)))

    document = listed(node)
    assert document["revEpoch"] == answer["revEpoch"]
    assert [entry["token_id"] for entry in document["entries"]] == [SG, *sorted(fallen)]
    assert document["entries"][0]["jti"] == node.ask("GET", f"/tokens?uri={SG}").json()["jti"]

    # The log has an event for each, and the head that covers them comes in under a second.
    deadline = time.monotonic() + PATIENCE_SECONDS
    size = document["treeSize"]
    while node.ask("GET", "/roots/latest").json()["tree_size"] < size:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    page = node.ask("GET", f"/transparency?since={size - answer['revEpoch']}").json()
    assert [entry["event"]["type"] for entry in page["entries"]] == ["revocation"] * len(
        document["entries"]
    )
    for entry, row in zip(page["entries"], document["entries"], strict=True):
        assert entry["event"]["subject"] == row["token_id"]
        assert entry["event"]["payload"]["rev_epoch"] == row["revEpoch"]
        assert entry["event"]["payload"].get("root") == row.get("root")
        assert node.ask("GET", f"/proofs/{entry['event']['event_id']}").status == 200

    # What the registry offers agrees.
    flags = {
        entry["uri"].removeprefix("urn:rtgf:token:"): entry["revoked"]
        for entry in node.ask("GET", "/catalog?limit=1000").json()["tokens"]
    }
    assert {token for token, revoked in flags.items() if revoked} == {SG, *fallen}
    node.ask("GET", "/rmt/SG/payments_aml").problem(404, "RTGF_VERIFY_TOKEN_NOT_FOUND")
    assert node.ask("GET", "/rmt/SG/payments_aml?version=2026-10").status == 200
    node.ask("POST", "/evaluate", {"token": EU_SG, "context": {}}).problem(409, "RTGF_CONFLICT")

    gauge = [line for line in node.metrics().splitlines() if line.startswith("rtgf_revocation_ep")]
    assert gauge == [
        f"rtgf_revocation_epoch {float(answer['revEpoch'])}",
        "rtgf_revocation_epoch_drift 0.0",
    ]


def test_what_is_revoked_stays_revoked_through_a_restart(make_node):
    """RTGF-CT-42: revEpoch never goes back."""
    node = make_node(published=True, running=False)
    with node.running():
        epoch = node.revoke(EU_SG, reason="superseded").json()["revEpoch"]
        before = listed(node)
    with node.running():
        assert reason(node) == "RTGF_VERIFY_REVOKED"
        after = listed(node)
    assert epoch == before["revEpoch"] == after["revEpoch"]
    assert before["entries"] == after["entries"]


def test_a_revocation_answers_with_the_proofs_of_what_it_logged(node):
    order = {"items": [{"token": SG, "reason": "policy_withdrawn"}], "proofs": True}
    answer = node.ask("POST", "/admin/revoke", order, role="operator").json()
    keys = node.ask("GET", "/.well-known/rtgf").json()["log"]["keys"]
    assert len(answer["proofs"]) == len(answer["entries"]) > 1
    assert len({proof["checkpoint"] for proof in answer["proofs"]}) == 1
    for entry, proof in zip(answer["entries"], answer["proofs"], strict=True):
        bundle = msgspec.convert(proof, wire.ProofBundle)
        since = f"/transparency?since={bundle.leafIndex}&limit=1"
        [logged] = node.ask("GET", since).json()["entries"]
        assert logged["event"]["payload"]["token_id"] == entry["token_id"]
        leaf = merkle.leaf_hash(canonical_bytes(logged["event"]))
        proof_bundle.verify(bundle, leaf_hash=leaf, verifier_keys=keys)


def test_a_suspended_corridor_can_be_lifted(own):
    before = listed(own)["revEpoch"]
    assert own.revoke(EU_SG, reason=LIFTABLE).json()["entries"][0]["status"] == "suspended"
    assert reason(own) == "RTGF_VERIFY_REVOKED"
    lifted = own.revoke(EU_SG, reason=LIFTABLE, act="reinstate").json()
    assert lifted["entries"][0]["status"] == "valid"
    assert lifted["revEpoch"] == before + 2
    assert reason(own) is None
    history = [entry["status"] for entry in listed(own, f"?since={before}")["entries"]]
    assert history == ["suspended", "valid"]


def test_a_final_withdrawal_cannot_be_lifted(own):
    token = "IMT:EU-UK:payments_aml:2026-10.1"
    assert own.revoke(token, reason="issued_in_error").status == 200
    epoch = listed(own)["revEpoch"]
    problem = own.revoke(token, reason=LIFTABLE, act="reinstate").problem(409, "RTGF_CONFLICT")
    assert "final" in problem["detail"]
    own.revoke(token, reason="superseded").problem(409, "RTGF_CONFLICT")
    assert listed(own)["revEpoch"] == epoch


def test_one_unknown_token_and_nothing_is_done(own):
    good, bad = "IMT:EU-KR:payments_aml:2026-10.1", "IMT:EU-KR:payments_aml:2026-10.9"
    before = own.ask("GET", "/revocations").json()
    for order in ((good, bad), (bad, good)):
        problem = own.revoke(*order).problem(404, "RTGF_VERIFY_TOKEN_NOT_FOUND")
        assert problem["errors"][0]["pointer"] == f"/items/{order.index(bad)}/token"
    after = own.ask("GET", "/revocations").json()
    assert (after["revEpoch"], after["entries"]) == (before["revEpoch"], before["entries"])
    assert reason(own, rmt="RMT:KR:payments_aml:2026-10", imt=good) is None


def test_one_token_that_cannot_change_and_nothing_is_done(own):
    good, done = "IMT:SG-KR:payments_aml:2026-10.1", "IMT:KR-SG:payments_aml:2026-10.1"
    assert own.revoke(done).status == 200
    epoch = listed(own)["revEpoch"]
    problem = own.revoke(good, done).problem(409, "RTGF_CONFLICT")
    assert problem["errors"][0]["pointer"].startswith("/items/1")
    assert listed(own)["revEpoch"] == epoch
    assert reason(own, imt=good) is None


def test_a_token_is_named_by_jti_or_uri_too(own):
    token = own.ask("GET", "/tokens?uri=IMT:AU-SG:payments_aml:2026-10").json()
    assert own.revoke(token["jti"]).json()["entries"][0]["token_id"] == token["token_id"]
    other = "IMT:SG-AU:payments_aml:2026-10.1"
    assert own.revoke(f"urn:lane2:token:{other}").json()["entries"][0]["token_id"] == other


@pytest.mark.parametrize("why", ["", "because", "SUPERSEDED", "x" * 1000])
def test_an_unknown_reason(own, why):
    problem = own.revoke(EU_SG, reason=why).problem(400, "RTGF_INPUT_INVALID")
    assert problem["errors"][0]["pointer"] == "/items/0/reason"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/items"),
        ({"items": []}, "/items"),
        ({"items": [{"token": EU_SG}]}, "/items/0/reason"),
        ({"items": [{"token": EU_SG, "reason": "superseded", "at": "now"}]}, "/items/0/at"),
        ({"items": [{"token": EU_SG, "reason": "superseded"}] * 1001}, "/items"),
        ({"items": [{"token": 1, "reason": "superseded"}]}, "/items/0/token"),
    ],
    ids=["empty", "no items", "no reason", "unknown member", "too many", "number"],
)
def test_a_body_that_does_not_fit(own, body, pointer):
    reply = own.ask("POST", "/admin/revoke", body, role="operator")
    problem = reply.problem(400, "RTGF_VERIFY_BAD_REQUEST")
    assert problem["errors"][0]["pointer"] == pointer


def test_the_list_in_parts(own):
    """RTGF-REQ-030: a delta, and one type; each signed and saying what it is a part of."""
    rmt = "RMT:MY:payments_aml:2026-10.1"
    before = listed(own)["revEpoch"]
    own.revoke(rmt)
    whole = listed(own)
    delta = listed(own, f"?since={before}")
    assert delta["entries"] == whole["entries"][before:]
    assert delta["revEpoch"] == whole["revEpoch"]
    assert listed(own, f"?since={whole['revEpoch']}")["entries"] == []
    rmts = listed(own, "?type=rmt")
    assert {entry["token_id"].split(":")[0] for entry in rmts["entries"]} == {"RMT"}
    assert rmt in {entry["token_id"] for entry in rmts["entries"]}
    # Nobody can pass a part for the whole: what was asked is under the signature.
    assert (delta["since"], rmts["type"]) == (before, "RMT")
    assert "type" not in whole
    assert whole["since"] == 0


@pytest.mark.parametrize("query", ["?type=XMT", "?since=-1", "?since=x", "?epoch=1"])
def test_a_question_about_the_list_that_cannot_be(own, query):
    own.ask("GET", f"/revocations{query}").problem(400, "RTGF_BAD_REQUEST")


def test_the_list_is_cached_for_seconds_only(own):
    reply = own.ask("GET", "/revocations")
    assert int(reply.headers["cache-control"].partition("max-age=")[2]) <= 60
    etag = reply.headers["etag"]
    assert own.ask("GET", "/revocations", headers={"If-None-Match": etag}).status == 304
    own.revoke("IMT:US-AU:payments_aml:2026-10.1")
    changed = own.ask("GET", "/revocations", headers={"If-None-Match": etag})
    assert changed.status == 200
    assert changed.headers["etag"] != etag
