"""JWS: published vectors, and documents that only their signers could have signed."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import base64url, jose, times
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.keys import KeySet, PublicKey, SeedSigner, verify_signature
from rtgf_node.errors import Code, RtgfError

NOW = times.parse("2026-11-22T10:00:00Z")
TYP = "rtgf-token+jws"
SIGNERS = [
    SeedSigner(f"rtgf.eu.example:ed25519:2026-11:{n:03d}", bytes([n] * 32)) for n in range(4)
]
DOCUMENT = {"type": "RMT", "amounts": ["1.00", "2.50"], "n": {"b": 1, "a": None}}


def public(signer, **changes):
    members = {"use": "token", "created_at": NOW - 1000, "expires_at": NOW + 1000}
    return PublicKey(kid=signer.kid, public=signer.public, **{**members, **changes})


KEYS = KeySet(public(signer) for signer in SIGNERS)


class HeaderSigner:
    """Signs under whatever header a forger likes."""

    def __init__(self, header, signer=SIGNERS[0]):
        self.header = header if isinstance(header, bytes) else canonical_bytes(header)
        self.signer = signer

    def detached(self, payload):
        header = base64url.encode(self.header)
        signing_input = f"{header}.{base64url.encode(payload)}".encode()
        return f"{header}..{base64url.encode(self.signer.sign(signing_input))}"


def refusal(function, *arguments, **named):
    with pytest.raises(RtgfError) as caught:
        function(*arguments, **named)
    return caught.value


def header(**changes):
    return {"alg": "EdDSA", "kid": SIGNERS[0].kid, "typ": TYP, **changes}


def test_rfc_8037_and_cookbook_vectors(shared):
    rfc = json.loads((shared / "vectors" / "transcribed" / "rfc8037-rfc8032.json").read_text())
    cookbook = json.loads(
        (shared / "vectors" / "jose-cookbook" / "curve25519" / "jws.json").read_text()
    )
    key = cookbook["input"]["key"]
    for compact in (rfc["rfc8037_A4_compact_jws"], cookbook["output"]["compact"]):
        members, payload, signature = jose.split_compact(compact)
        assert members == cookbook["signing"]["protected"]
        assert payload.decode() == cookbook["input"]["payload"]
        signing_input = compact.rpartition(".")[0].encode()
        assert signing_input.decode() == cookbook["signing"]["sig-input"]
        verify_signature(base64url.decode(key["x"]), signing_input, signature)
        assert SeedSigner("k", base64url.decode(key["d"])).sign(signing_input) == signature


@given(st.binary(max_size=300))
def test_detached_and_compact_signatures_are_verified(payload):
    jws = jose.sign_detached(payload, SIGNERS[1], typ=TYP)
    assert jose.verify_detached(jws, payload, KEYS, at=NOW, typ=TYP) == SIGNERS[1].kid
    error = refusal(jose.verify_detached, jws, payload + b"x", KEYS, at=NOW, typ=TYP)
    assert error.code is Code.RTGF_VERIFY_SIGNATURE_INVALID
    if payload:
        compact = jose.sign_compact(payload, SIGNERS[1], typ=TYP)
        assert jose.verify_compact(compact, KEYS, at=NOW, typ=TYP) == payload
        assert compact.replace(f".{base64url.encode(payload)}.", "..") == jws


@given(st.data())
def test_no_altered_compact_signature_passes(data):
    compact = jose.sign_compact(b"payload", SIGNERS[0], typ=TYP)
    at = data.draw(st.integers(0, len(compact) - 1))
    letter = data.draw(st.sampled_from("ABZaz09-_.=+/ \n\u00e9"))
    altered = compact[:at] + letter + compact[at + 1 :]
    if altered != compact:
        error = refusal(jose.verify_compact, altered, KEYS, at=NOW, typ=TYP)
        assert error.code in {Code.RTGF_VERIFY_SIGNATURE_INVALID, Code.RTGF_KID_UNKNOWN}


def test_both_names_of_the_algorithm_are_accepted_and_unknown_members_ignored():
    for members in (header(), header(alg="Ed25519"), header(cty="json", nonce="x")):
        jws = HeaderSigner(members).detached(b"p")
        assert jose.verify_detached(jws, b"p", KEYS, at=NOW, typ=TYP) == SIGNERS[0].kid


@pytest.mark.parametrize(
    "members",
    [
        header(crit=["exp"], exp=1),
        header(crit=["b64"], b64=False),
        header(crit=[]),
        header(alg="none"),
        header(alg="HS256"),
        header(alg="ES256"),
        header(alg="eddsa"),
        header(alg=None),
        header(typ="rtgf-head+jws"),
        header(typ="JWT"),
        header(kid=1),
        {"alg": "EdDSA", "kid": SIGNERS[0].kid},
        {"alg": "EdDSA", "typ": TYP},
        {"kid": SIGNERS[0].kid, "typ": TYP},
        ["EdDSA"],
        b"{",
        b'{"alg":"EdDSA","alg":"EdDSA","kid":"k","typ":"t"}',
        header(pad="x" * 2000),
    ],
)
def test_headers_that_must_be_refused(members):
    """RTGF-REQ-003: a critical extension that is not understood is refused."""
    jws = HeaderSigner(members).detached(b"p")
    error = refusal(jose.verify_detached, jws, b"p", KEYS, at=NOW, typ=TYP)
    assert error.code is Code.RTGF_VERIFY_SIGNATURE_INVALID


@pytest.mark.parametrize(
    "jws", ["", ".", "..", "a.b", "a.b.c.d", "\u00e9..x", "{}..{}", "e30..e30"]
)
def test_malformed_signatures_are_refused(jws):
    for function, arguments in ((jose.verify_detached, (jws, b"p")), (jose.verify_compact, (jws,))):
        error = refusal(function, *arguments, KEYS, at=NOW, typ=TYP)
        assert error.code is Code.RTGF_VERIFY_SIGNATURE_INVALID


def test_detached_and_compact_are_not_interchangeable():
    compact = jose.sign_compact(b"p", SIGNERS[0], typ=TYP)
    detached = jose.sign_detached(b"p", SIGNERS[0], typ=TYP)
    refusal(jose.verify_detached, compact, b"p", KEYS, at=NOW, typ=TYP)
    refusal(jose.verify_compact, detached, KEYS, at=NOW, typ=TYP)


def test_a_signed_document_is_verified_whatever_the_order_of_its_members():
    signed = jose.sign_document(DOCUMENT, SIGNERS[:2], typ=TYP)
    assert [entry["kid"] for entry in signed["signatures"]] == [s.kid for s in SIGNERS[:2]]
    reordered = dict(reversed(signed.items()))
    assert jose.verify_document(reordered, KEYS, at=NOW, typ=TYP) == [s.kid for s in SIGNERS[:2]]


def test_signing_again_replaces_the_signatures():
    signed = jose.sign_document(DOCUMENT, SIGNERS[:1], typ=TYP)
    again = jose.sign_document(signed, SIGNERS[1:2], typ=TYP)
    assert jose.verify_document(again, KEYS, at=NOW, typ=TYP) == [SIGNERS[1].kid]


@pytest.mark.parametrize("name", [*DOCUMENT, "extra"])
def test_no_altered_document_passes(name):
    signed = jose.sign_document(DOCUMENT, SIGNERS[:1], typ=TYP)
    error = refusal(jose.verify_document, {**signed, name: "changed"}, KEYS, at=NOW, typ=TYP)
    assert error.code is Code.RTGF_VERIFY_SIGNATURE_INVALID
    assert error.pointer == "/signatures/0"


def test_the_threshold_counts_different_keys():
    signed = jose.sign_document(DOCUMENT, [SIGNERS[0], SIGNERS[0], SIGNERS[1]], typ=TYP)
    kids = [SIGNERS[0].kid, SIGNERS[1].kid]
    assert jose.verify_document(signed, KEYS, at=NOW, threshold=2, typ=TYP) == kids
    error = refusal(jose.verify_document, signed, KEYS, at=NOW, threshold=3, typ=TYP)
    assert error.code is Code.RTGF_VERIFY_SIGNATURE_INVALID
    assert "2 of 3" in error.detail
    refusal(jose.verify_document, signed, KEYS, at=NOW, threshold=0, typ=TYP)


def test_one_key_under_two_ids_counts_once():
    first = SIGNERS[0]
    twin = msgspec.structs.replace(public(first), kid=SIGNERS[1].kid)
    keys = KeySet([public(first), twin])
    again = type("Twin", (), {"kid": twin.kid, "public": first.public, "sign": first.sign})
    signed = jose.sign_document(DOCUMENT, [first, again], typ=TYP)
    assert jose.verify_document(signed, keys, at=NOW, typ=TYP) == [first.kid, twin.kid]
    error = refusal(jose.verify_document, signed, keys, at=NOW, threshold=2, typ=TYP)
    assert "1 of 2" in error.detail


def test_a_signature_too_many_does_no_harm_but_counts_for_nothing():
    signed = jose.sign_document(DOCUMENT, SIGNERS[:3], typ=TYP)
    signed["signatures"][0]["jws"] = signed["signatures"][1]["jws"]
    few = KeySet([public(SIGNERS[1])])
    assert jose.verify_document(signed, few, at=NOW, typ=TYP) == [SIGNERS[1].kid]
    error = refusal(jose.verify_document, signed, few, at=NOW, threshold=2, typ=TYP)
    assert len(error.causes) == 2


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        (KeySet(), Code.RTGF_KID_UNKNOWN),
        (KeySet([public(SIGNERS[1])]), Code.RTGF_KID_UNKNOWN),
        (KeySet([public(SIGNERS[0], expires_at=NOW - 500)]), Code.RTGF_KID_EXPIRED),
        (KeySet([public(SIGNERS[0], created_at=NOW + 500)]), Code.RTGF_KID_EXPIRED),
        (KeySet([public(SIGNERS[0], revoked_at=NOW)]), Code.RTGF_KID_EXPIRED),
        (
            KeySet([PublicKey(SIGNERS[0].kid, SIGNERS[1].public, "token", NOW - 9, NOW + 9)]),
            Code.RTGF_VERIFY_SIGNATURE_INVALID,
        ),
        (KeySet([public(SIGNERS[0], use="log")]), Code.RTGF_VERIFY_SIGNATURE_INVALID),
    ],
)
def test_the_key_decides_which_code_is_told(keys, code):
    signed = jose.sign_document(DOCUMENT, SIGNERS[:1], typ=TYP)
    error = refusal(jose.verify_document, signed, keys, at=NOW, typ=TYP, uses=("token",))
    assert error.code is code


def entry(**changes):
    signature = jose.sign_document(DOCUMENT, SIGNERS[:1], typ=TYP)["signatures"][0]
    return {**signature, **changes}


@pytest.mark.parametrize(
    "signatures",
    [
        None,
        [],
        {},
        "x",
        [None],
        [{}],
        [entry(extra=1)],
        [entry(kid=SIGNERS[1].kid)],
        [entry(alg="none")],
        [entry(jws=1)],
        [entry()] * (jose.MAX_SIGNATURES + 1),
    ],
)
def test_missing_or_malformed_signatures_are_refused(signatures):
    error = refusal(
        jose.verify_document, {**DOCUMENT, "signatures": signatures}, KEYS, at=NOW, typ=TYP
    )
    assert error.code is Code.RTGF_VERIFY_SIGNATURE_INVALID


def test_signatures_as_structs_are_taken_too():
    entries = (jose.Signature(**entry()),)
    payload = canonical_bytes(DOCUMENT)
    assert jose.verify_signatures(payload, entries, KEYS, at=NOW, typ=TYP) == [SIGNERS[0].kid]


@given(st.binary(max_size=100))
def test_base64url_has_one_text_for_each_bytes(data):
    text = base64url.encode(data)
    assert base64url.decode(text) == data
    for other in (text + "=", text + "\n", " " + text, text + "A===", f"{text}\u00e9"):
        refusal(base64url.decode, other)


@pytest.mark.parametrize("text", ["A", "AB", "AAB", "AA==", "+/", "AAAAA"])
def test_other_base64_is_refused(text):
    assert refusal(base64url.decode, text).code is Code.RTGF_INPUT_INVALID
