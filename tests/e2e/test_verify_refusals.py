"""What `/verify` and `/evaluate` refuse: tokens handed in that do not pass their own checks, and
requests that cannot be answered at all.
"""

from __future__ import annotations

import json

import pytest

from rtgf_node.core import tokens
from tests.questions import FOREIGN, IMT, RMT, held, question, signed, verify

# --- a token that was handed in and does not pass -----------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"controls": []},
        {"assurance_level": "low"},
        {"predicate_set": []},
        {"canonical_hash": "sha512:" + "0" * 128},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_altered_token_is_refused(published, change):
    """RTGF-REQ-020: the digest is taken anew."""
    token = held(published)
    assert token != {**token, **change}
    reply = verify(published, question({**token, **change}, None))
    problem = reply.problem(422, "RTGF_TOKEN_CANONICAL_MISMATCH")
    assert problem["errors"][0]["pointer"] == "/tokens/rmt/canonical_hash"


def test_an_altered_token_with_a_new_hash_is_not_signed(published):
    """RTGF-CT-43."""
    token = {**held(published), "controls": []}
    resealed = {**token, "canonical_hash": tokens.canonical_hash(token)}
    problem = verify(published, question(resealed, None)).problem(
        422, "RTGF_VERIFY_SIGNATURE_INVALID"
    )
    assert "RTGF_TOKEN_SIGNATURE_INVALID" in {error["code"] for error in problem["errors"]}


@pytest.mark.parametrize("how", ["absent", "empty", "cut"])
def test_a_missing_signature(published, how):
    """RTGF-CT-31."""
    token = held(published)
    if how == "absent":
        del token["signatures"]
    elif how == "empty":
        token["signatures"] = []
    else:
        token["signatures"][0]["jws"] = token["signatures"][0]["jws"].rpartition(".")[0] + "."
    problem = verify(published, question(token, None)).problem(422, "RTGF_VERIFY_SIGNATURE_INVALID")
    assert "RTGF_TOKEN_SIGNATURE_INVALID" in {error["code"] for error in problem["errors"]}


def test_a_key_that_the_node_does_not_publish(published):
    unsigned = {**held(published), "kid": FOREIGN.kid}
    del unsigned["signatures"]
    token = json.loads(tokens.sign(unsigned, [FOREIGN]))
    verify(published, question(token, None)).problem(422, "RTGF_KID_UNKNOWN")


@pytest.mark.parametrize("purpose", ["log", "status"])
def test_a_key_of_another_purpose_signs_no_token(published, purpose):
    signer = published.key_store().signer(purpose)
    unsigned = {**held(published), "kid": signer.kid}
    del unsigned["signatures"]
    token = json.loads(tokens.sign(unsigned, [signer]))
    verify(published, question(token, None)).problem(422, "RTGF_VERIFY_SIGNATURE_INVALID")


def test_a_signature_of_another_document_does_not_serve(published):
    """RTGF-CT-43: the IMT's signature, by the right key, says nothing about the RMT."""
    token = {**held(published), "signatures": held(published, IMT)["signatures"]}
    verify(published, question(token, None)).problem(422, "RTGF_VERIFY_SIGNATURE_INVALID")


def test_an_unknown_type(published):
    """RTGF-CT-32."""
    token = {**held(published), "type": "XMT"}
    problem = verify(published, question(token, None)).problem(422, "RTGF_TOKEN_TYPE_UNSUPPORTED")
    assert problem["errors"][0]["pointer"] == "/tokens/rmt/type"


@pytest.mark.parametrize("place", [(), ("effective",), ("revocation", "anchor")], ids=str)
def test_an_extra_member(published, place):
    """RTGF-CT-33, at every depth; RTGF-REQ-003."""
    token = held(published)
    inner = token
    for step in place:
        inner = inner[step]
    inner["extra"] = 1
    problem = verify(published, question(token, None)).problem(422, "RTGF_TOKEN_SCHEMA_INVALID")
    path = "/".join(("/tokens/rmt", *place, "extra"))
    assert problem["errors"][0]["pointer"] == path


def test_an_rrmt_is_never_an_rmt(published):
    """RTGF-REQ-020: not even one that this node signed."""
    document = held(published)
    for member in ("rmt_id", "predicate_set", "eval_plan", "data_residency"):
        document.pop(member, None)
    terms = {
        "currency": "EUR",
        "pricing": {
            "mode": "tiered",
            "tiers": [{"from": "0", "to": None, "rate": "0.01"}],
            "surcharges": [],
        },
        "tax": {"mode": "exclusive"},
    }
    token_id = document["token_id"].replace("RMT", "RRMT", 1)
    unsigned = {**document, "type": "RRMT", "token_id": token_id, "terms": terms}
    token = signed(published, unsigned)
    problem = verify(published, question(token, None)).problem(422, "RTGF_TOKEN_TYPE_UNSUPPORTED")
    assert problem["errors"][0]["pointer"] == "/tokens/rmt"


def test_an_imt_is_never_an_rmt(published):
    for imt in (IMT, held(published, IMT)):
        verify(published, question(imt, None)).problem(422, "RTGF_TOKEN_TYPE_UNSUPPORTED")


# --- requests that cannot be answered -----------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"tokens": {"rmt": RMT}, "extra": 1}, "/extra"),
        ({"tokens": {"rmt": RMT, "xmt": RMT}}, "/tokens/xmt"),
        ({"tokens": {"rmt": 7}}, "/tokens/rmt"),
        ({"tokens": []}, "/tokens"),
        ({}, "/tokens"),
        ({"tokens": {"rmt": RMT}, "min_rev_epoch": "1"}, "/min_rev_epoch"),
        ({"tokens": {"rmt": RMT}, "min_rev_epoch": -1}, "/min_rev_epoch"),
        ({"tokens": {"rmt": RMT}, "proofs": {RMT: 1}}, "/proofs/..."),
    ],
    ids=str,
)
def test_a_body_that_does_not_fit(published, body, pointer):
    problem = verify(published, body).problem(400, "RTGF_VERIFY_BAD_REQUEST")
    assert problem["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("member", "value"), [("at", "yesterday"), ("corridor", "EU"), ("domain", "a b")]
)
def test_a_member_that_means_nothing(published, member, value):
    problem = verify(published, question(**{member: value})).problem(400, "RTGF_INPUT_INVALID")
    assert problem["errors"][0]["pointer"] == f"/{member}"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"", "1:1"),
        (b"rmt", "1:1"),
        (b'{"tokens":\n{"rmt": "x",}}', "2:12"),
        (b'{"tokens":{"rmt":"a","rmt":"b"}}', "/tokens/rmt"),
        (b'{"tokens":{"rmt":"a"},"min_rev_epoch":9007199254740992}', "/min_rev_epoch"),
        (b'{"tokens":{"rmt":"\xff"}}', None),
        (b'{"tokens":{"rmt":"\\ud800"}}', None),
        (b'\xef\xbb\xbf{"tokens":{"rmt":"a"}}', "1:1"),
        (b'{"tokens":{"rmt":"a"},"context":NaN}', "1:33"),
        (b"[" * 100_000, None),
        (b'{"context":' + b"[" * 64 + b"]" * 64 + b"}", "1:75"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_not_acceptable_json_is_refused_with_its_place(published, body, pointer):
    problem = verify(published, body).problem(400, "RTGF_JSON_INVALID")
    if pointer is not None:
        assert problem["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "media", ["text/plain", "application/jsonx", "application/x-www-form-urlencoded", ""]
)
def test_another_media_type(published, media):
    reply = verify(published, question(), headers={"Content-Type": media})
    reply.problem(415, "RTGF_MEDIA_TYPE")


def test_the_media_type_may_have_parameters(published):
    kind = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert verify(published, question(), headers=kind).status == 200


def test_evaluate_needs_a_token_that_holds(published):
    reply = published.ask(
        "POST", "/evaluate", {"token": IMT, "context": {}, "at": "2020-01-01T00:00:00Z"}
    )
    reply.problem(409, "RTGF_CONFLICT")
    reply = published.ask("POST", "/evaluate", {"token": "nothing", "context": {}})
    reply.problem(400, "RTGF_INPUT_INVALID")
    reply = published.ask("POST", "/evaluate", {"token": RMT})
    reply.problem(400, "RTGF_VERIFY_BAD_REQUEST")
    reply = published.ask("POST", "/evaluate?explain=text&x=1", {"token": RMT, "context": {}})
    reply.problem(400, "RTGF_BAD_REQUEST")
