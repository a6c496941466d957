"""What makes a token genuine, and which failure is reported first."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import canonical_json, digests, jose, times, tokens
from rtgf_node.core.keys import KeySet, PublicKey
from rtgf_node.errors import Code, RtgfError
from tests import worlds

NODE = worlds.node()
BEGINS = times.parse("2026-10-01T00:00:00Z")
ENDS = times.parse("2027-10-01T00:00:00Z")

CORT_TERMS: dict[str, Any] = {
    "operators": [{"id": "did:web:bank.example", "role": "sender"}],
    "handoff_evidence": ["receipt"],
    "splits": [{"party": "a", "pct": "0.7"}, {"party": "b", "pct": "0.3"}],
}
PSRT_TERMS: dict[str, Any] = {
    "acquirer": "did:web:acquirer.example",
    "scheme": "sepa",
    "limits": {"per_txn": "100.00", "per_day": "500.00", "currency": "EUR"},
    "capture": {"mode": "immediate", "window_sec": 0},
    "dispute": {"reserve_pct": "0.05", "callback_url": "https://acquirer.example/d"},
    "compliance_flags": ["sca"],
    "kyb": {"attestation_hash": worlds.digest_of("kyb")},
}
RRMT_TERMS: dict[str, Any] = {
    "currency": "EUR",
    "pricing": {
        "mode": "tiered",
        "tiers": [
            {"from": "0", "to": "100.00", "rate": "0.02"},
            {"from": "100.00", "rate": "0.01"},
        ],
        "surcharges": [],
    },
    "tax": {"vat": "0.19"},
}


def signed(document: dict[str, Any] | None = None) -> bytes:
    return tokens.sign(document or worlds.token(), NODE.signers)


def check(data: bytes, **changes: Any) -> tokens.Token:
    return tokens.check(data, **{"keys": NODE.keys, "at": worlds.NOW, **changes})


def refusal(data: bytes, **changes: Any) -> RtgfError:
    with pytest.raises(RtgfError) as caught:
        check(data, **changes)
    return caught.value


def altered(data: bytes, *, reseal: bool = False, **changes: Any) -> bytes:
    document = {k: v for k, v in {**json.loads(data), **changes}.items() if v is not None}
    if reseal:
        document = {**tokens.seal(document), "signatures": document["signatures"]}
    return canonical_json.canonical_bytes(document)


@pytest.mark.parametrize(
    ("kind", "terms"),
    [
        ("RMT", None),
        ("IMT", None),
        ("CORT", CORT_TERMS),
        ("PSRT", PSRT_TERMS),
        ("RRMT", RRMT_TERMS),
    ],
)
def test_each_type_is_signed_and_checked(kind: str, terms: dict[str, Any] | None) -> None:
    data = signed(worlds.token(kind, terms=terms))
    token = check(data)
    assert token.type == kind
    assert tokens.parse(data) == token
    assert tokens.check(json.loads(data), keys=NODE.keys, at=worlds.NOW) == token
    assert (token.nbf, token.exp) == (BEGINS, ENDS)


def test_signing_twice_gives_the_same_canonical_bytes() -> None:
    """RTGF-CT-30."""
    document = worlds.token()
    first = signed(document)
    second = signed(dict(reversed(document.items())))
    assert first == second
    assert canonical_json.canonical_bytes(json.loads(first)) == first


def test_hash_and_signature_are_over_what_the_format_says() -> None:
    document = json.loads(signed())
    without = {k: v for k, v in document.items() if k not in {"canonical_hash", "signatures"}}
    assert document["canonical_hash"] == digests.sha512(canonical_json.canonical_bytes(without))
    assert jose.verify_document(document, NODE.keys, at=worlds.NOW, typ="rtgf-token+jws") == [
        NODE.signer.kid
    ]


def test_a_member_inside_another_may_be_called_as_what_is_not_signed() -> None:
    inside = {"a": 1, "canonical_hash": "sha512:00", "signatures": [{"alg": "none"}], "z": 2}
    data = signed(worlds.token(controls=[inside, inside]))
    assert check(data).controls == [inside, inside]
    document = json.loads(data)
    document["controls"][0]["signatures"] = []
    assert refusal(canonical_json.canonical_bytes(document)).code is (
        Code.RTGF_TOKEN_CANONICAL_MISMATCH
    )


class TestSignatures:
    """RTGF-CT-31."""

    @pytest.mark.parametrize("signatures", [None, []])
    def test_a_missing_signature(self, signatures: list[Any] | None) -> None:
        error = refusal(altered(signed(), signatures=signatures))
        assert error.code is Code.RTGF_TOKEN_SIGNATURE_INVALID

    def test_a_signature_over_another_token(self) -> None:
        other = json.loads(signed(worlds.token(ttl_sec=1)))
        error = refusal(altered(signed(), signatures=other["signatures"]))
        assert error.code is Code.RTGF_TOKEN_SIGNATURE_INVALID

    def test_a_signature_of_another_kind_of_document(self) -> None:
        sealed = tokens.seal(worlds.token())
        document = jose.sign_document(sealed, NODE.signers, typ="rtgf-snapshot+jws")
        error = refusal(canonical_json.canonical_bytes(document))
        assert error.code is Code.RTGF_TOKEN_SIGNATURE_INVALID

    def test_an_authoritys_key_signs_no_token(self) -> None:
        keys = worlds.Identity(worlds.NODE_DID, use="authority").keys
        assert refusal(signed(), keys=keys).code is Code.RTGF_TOKEN_SIGNATURE_INVALID

    def test_too_few_of_the_keys_that_are_asked_for(self) -> None:
        """RTGF-REQ-004."""
        two = worlds.node(keys=2)
        data = tokens.sign(worlds.token(), two.signers)
        assert check(data, keys=two.keys, threshold=2)
        error = refusal(signed(), keys=two.keys, threshold=2)
        assert error.code is Code.RTGF_TOKEN_SIGNATURE_INVALID

    def test_a_token_may_ask_for_more_signatures_and_never_for_fewer(self) -> None:
        """RTGF-REQ-004."""
        two = worlds.node(keys=2)
        asking = worlds.token(signature_threshold=2)
        assert check(tokens.sign(asking, two.signers), keys=two.keys)
        alone = refusal(tokens.sign(asking, two.signers[:1]), keys=two.keys)
        assert alone.code is Code.RTGF_TOKEN_SIGNATURE_INVALID
        modest = tokens.sign(worlds.token(signature_threshold=1), two.signers[:1])
        assert refusal(modest, keys=two.keys, threshold=2)
        none = refusal(tokens.seal(worlds.token(signature_threshold=0)))
        assert (none.code, none.pointer) == (
            Code.RTGF_TOKEN_SCHEMA_INVALID,
            "/signature_threshold",
        )

    def test_no_threshold_accepts_an_unsigned_token(self) -> None:
        error = refusal(altered(signed(), signatures=[]), threshold=0)
        assert error.code is Code.RTGF_TOKEN_SIGNATURE_INVALID


def test_an_unknown_type_is_unsupported_whatever_else_is_wrong() -> None:
    """RTGF-CT-32."""
    error = refusal(altered(signed(), type="XMT", extra=1, signatures=None))
    assert error.code is Code.RTGF_TOKEN_TYPE_UNSUPPORTED
    with pytest.raises(RtgfError) as caught:
        tokens.parse(b'{"type":"XMT"}')
    assert caught.value.code is Code.RTGF_TOKEN_TYPE_UNSUPPORTED


def without_one_share() -> dict[str, Any]:
    return {**CORT_TERMS, "splits": CORT_TERMS["splits"][:1]}


def with_tiers(*tiers: dict[str, str]) -> dict[str, Any]:
    pricing = {**RRMT_TERMS["pricing"], "tiers": list(tiers)}
    return {**RRMT_TERMS, "pricing": pricing}


@pytest.mark.parametrize(
    ("kind", "changes", "pointer"),
    [
        ("RMT", {"extra": 1}, "/extra"),
        ("RMT", {"domain": None}, "/domain"),
        ("RMT", {"ttl_sec": "3600"}, "/ttl_sec"),
        ("RMT", {"corridor": "EU-SG"}, "/corridor"),
        ("RMT", {"jurisdiction": None}, "/jurisdiction"),
        ("RMT", {"jurisdiction": "SG"}, "/jurisdiction"),
        ("RMT", {"terms": CORT_TERMS}, "/terms"),
        ("RMT", {"eval_plan": None}, "/eval_plan"),
        ("RMT", {"rmt_id": "RMT:EU:payments_aml:2026-10.2"}, "/rmt_id"),
        ("RMT", {"imt_id": "RMT:EU:payments_aml:2026-10.1"}, "/imt_id"),
        ("RMT", {"effective_date": "2026-10-02T00:00:00Z"}, "/effective_date"),
        ("RMT", {"expires_at": "2027-10-02T00:00:00Z"}, "/expires_at"),
        ("RMT", {"version": "2026-10.2"}, "/version"),
        ("RMT", {"domain": "ai"}, "/domain"),
        ("RMT", {"kid": "rtgf.node.example:ed25519:2026-11:002"}, "/kid"),
        ("RMT", {"issuer": "did:web:other.example"}, "/signatures/0/kid"),
        ("IMT", {"jurisdiction": "EU"}, "/jurisdiction"),
        ("CORT", {"terms": None}, "/terms"),
        ("CORT", {"terms": PSRT_TERMS}, "/terms"),
        ("CORT", {"terms": without_one_share()}, "/terms/splits"),
        (
            "RRMT",
            {"terms": with_tiers({"from": "1", "rate": "0.1"})},
            "/terms/pricing/tiers/0",
        ),
        (
            "RRMT",
            {
                "terms": with_tiers(
                    {"from": "0", "to": "5", "rate": "0.1"}, {"from": "6", "rate": "0.1"}
                )
            },
            "/terms/pricing/tiers/1",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(
    kind: str, changes: dict[str, Any], pointer: str
) -> None:
    """RTGF-CT-33."""
    terms = {"CORT": CORT_TERMS, "RRMT": RRMT_TERMS}.get(kind)
    data = altered(signed(worlds.token(kind, terms=terms)), reseal=True, **changes)
    error = refusal(data)
    assert error.code is Code.RTGF_TOKEN_SCHEMA_INVALID
    assert error.pointer is not None
    assert error.pointer.startswith(pointer)


def test_an_altered_member_is_a_canonical_mismatch() -> None:
    error = refusal(altered(signed(), ttl_sec=3601))
    assert error.code is Code.RTGF_TOKEN_CANONICAL_MISMATCH


def test_an_altered_and_resealed_token_fails_its_signature() -> None:
    error = refusal(altered(signed(), reseal=True, ttl_sec=3601))
    assert error.code is Code.RTGF_TOKEN_SIGNATURE_INVALID


def test_an_unknown_key_is_said_before_a_bad_signature() -> None:
    other = json.loads(signed(worlds.token(ttl_sec=1)))
    data = altered(signed(), signatures=other["signatures"])
    assert refusal(data, keys=KeySet()).code is Code.RTGF_KID_UNKNOWN


def test_an_expired_key_fails_even_inside_the_tokens_window() -> None:
    (key,) = NODE.public_keys
    expired = PublicKey(
        kid=key.kid,
        public=key.public,
        use="token",
        created_at=key.created_at,
        expires_at=worlds.NOW - 1000,
    )
    assert refusal(signed(), keys=KeySet([expired])).code is Code.RTGF_KID_EXPIRED


def test_signing_again_keeps_the_tokens_identity_and_its_first_signer() -> None:
    two = worlds.node(keys=2)
    data = signed()
    again = tokens.sign_again(data, [two.signers[1]])
    successor_only = KeySet([two.public_keys[1]])
    assert refusal(data, keys=successor_only).code is Code.RTGF_KID_UNKNOWN
    token = check(again, keys=successor_only)
    assert token.canonical_hash == tokens.parse(data).canonical_hash
    assert token.kid == NODE.signer.kid
    assert check(again, keys=two.keys, threshold=2)


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (BEGINS - times.SKEW_SECONDS, None),
        (BEGINS - times.SKEW_SECONDS - 1, Code.RTGF_VERIFY_NOT_YET_VALID),
        (ENDS + times.SKEW_SECONDS, None),
        (ENDS + times.SKEW_SECONDS + 1, Code.RTGF_VERIFY_EXPIRED),
    ],
)
def test_the_window_allows_the_clock_skew_and_no_more(at: int, code: Code | None) -> None:
    if code is None:
        assert check(signed(), at=at)
    else:
        assert refusal(signed(), at=at).code is code
        assert check(signed(), at=at, window=False)


def test_a_token_that_names_another_first_signer_is_not_signed() -> None:
    with pytest.raises(RtgfError) as caught:
        tokens.sign(worlds.token(), [worlds.node(keys=2).signers[1]])
    assert caught.value.pointer == "/kid"


ORDER = [
    ({"type": "XMT"}, Code.RTGF_TOKEN_TYPE_UNSUPPORTED),
    ({"extra": 1}, Code.RTGF_TOKEN_SCHEMA_INVALID),
    ({"ttl_sec": 1}, Code.RTGF_TOKEN_CANONICAL_MISMATCH),
    ({"signatures": []}, Code.RTGF_TOKEN_SIGNATURE_INVALID),
]


@given(st.sets(st.integers(0, len(ORDER) - 1)), st.booleans())
def test_the_first_failing_check_is_the_one_reported(wrong: set[int], expired: bool) -> None:
    changes: dict[str, Any] = {}
    for index in wrong:
        changes |= ORDER[index][0]
    at = ENDS + 3600 if expired else worlds.NOW
    expected = ORDER[min(wrong)][1] if wrong else Code.RTGF_VERIFY_EXPIRED if expired else None
    data = altered(signed(), **changes)
    if expected is None:
        assert check(data, at=at)
    else:
        assert refusal(data, at=at).code is expected


@given(st.data())
def test_no_altered_byte_passes(data: st.DataObject) -> None:
    held = bytearray(signed())
    index = data.draw(st.integers(0, len(held) - 1))
    held[index] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RtgfError):
        check(bytes(held))


@pytest.mark.parametrize(("kind", "terms"), [("RMT", None), ("IMT", None), ("CORT", CORT_TERMS)])
@pytest.mark.parametrize("how", ["canonical", "turned", "spaced", "parsed"])
def test_what_is_hashed_and_signed_is_cut_out_of_any_text_of_the_token(
    kind: str, terms: dict[str, Any] | None, how: str
) -> None:
    """RTGF-CT-30: the same token in any order of members, with any spaces, in any alphabet."""
    controls = [{"text": 'a "canonical_hash":" \U0001f600 é', "signatures": []}]
    data = signed(worlds.token(kind, terms=terms, controls=controls))
    document = json.loads(data)
    given: dict[str, Any] = {
        "canonical": data,
        "turned": json.dumps(dict(reversed(document.items()))).encode(),
        "spaced": json.dumps(document, indent=3, ensure_ascii=False).encode(),
        "parsed": document,
    }
    checked = tokens.check(given[how], keys=worlds.node().keys, at=worlds.NOW)
    bare = {k: v for k, v in document.items() if k not in {"canonical_hash", "signatures"}}
    assert checked.canonical_hash == digests.sha512(canonical_json.canonical_bytes(bare))
    changed = {**document, "controls": []}
    with pytest.raises(RtgfError) as caught:
        tokens.check(changed, keys=worlds.node().keys, at=worlds.NOW)
    assert caught.value.code is Code.RTGF_TOKEN_CANONICAL_MISMATCH
