"""Keys: published vectors, libsodium's rule, key windows and key sets."""

from __future__ import annotations

import json

import nacl.bindings
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import times
from rtgf_node.core.base64url import decode
from rtgf_node.core.keys import (
    KeySet,
    PublicKey,
    SeedSigner,
    check_public_key,
    verify_signature,
)
from rtgf_node.errors import Code, RtgfError

START = times.parse("2026-11-01T00:00:00Z")
END = times.parse("2027-11-01T00:00:00Z")
SIGNER = SeedSigner("rtgf.eu.example:ed25519:2026-11:001", bytes(range(32)))

P = 2**255 - 19
# The eight points of small order, in every encoding of 255 bits and a sign that decodes to one
# (their y, and y + p where that fits), as libsodium's own list has them.
SMALL_ORDER_Y = [
    0,
    1,
    P - 1,
    int.from_bytes(
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
    ),
    int.from_bytes(
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
    ),
    P,
    P + 1,
]


def key(**changes):
    members = {
        "kid": SIGNER.kid,
        "public": SIGNER.public,
        "use": "token",
        "created_at": START,
        "expires_at": END,
        "revoked_at": None,
    }
    return PublicKey(**{**members, **changes})


def rejects(public, message, signature):
    with pytest.raises(RtgfError) as caught:
        verify_signature(public, message, signature)
    return caught.value.code is Code.RTGF_VERIFY_SIGNATURE_INVALID


def test_every_wycheproof_case_is_decided_as_published(shared):
    path = shared / "vectors" / "wycheproof" / "testvectors_v1" / "ed25519_test.json"
    suite = json.loads(path.read_text())
    count = 0
    for group in suite["testGroups"]:
        public = bytes.fromhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
            if case["result"] == "valid":
                verify_signature(public, message, signature)
            else:
                assert rejects(public, message, signature), case
            count += 1
    assert count == suite["numberOfTests"]


def test_rfc_8032_vectors_are_signed_and_verified(shared):
    vectors = json.loads((shared / "vectors" / "transcribed" / "rfc8037-rfc8032.json").read_text())
    for case in vectors["rfc8032_7_1"]:
        signer = SeedSigner("k", bytes.fromhex(case["seed"]))
        assert signer.public.hex() == case["pub"]
        assert signer.sign(bytes.fromhex(case["msg"])).hex() == case["sig"]
        verify_signature(signer.public, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
    private = vectors["rfc8037_A1_private_jwk"]
    assert SeedSigner("k", decode(private["d"])).public == decode(private["x"])


@given(st.binary(max_size=64), st.integers(0, 95), st.integers(0, 7))
def test_no_altered_signature_key_or_message_passes(message, byte, bit):
    signature = SIGNER.sign(message)
    verify_signature(SIGNER.public, message, signature)
    altered = bytearray(signature + SIGNER.public)
    altered[byte] ^= 1 << bit
    assert rejects(bytes(altered[64:]), message, bytes(altered[:64]))
    assert rejects(SIGNER.public, message + b"\x00", signature)


@pytest.mark.parametrize("y", SMALL_ORDER_Y)
@pytest.mark.parametrize("sign", [0, 1])
def test_small_order_keys_and_nonces_are_refused(y, sign):
    point = (y | sign << 255).to_bytes(32, "little")
    # With S = 0, lax verifiers accept such keys with R the identity or the key itself.
    for r in (b"\x01" + bytes(31), point):
        for message in (b"", b"a", b"b", b"c"):
            assert rejects(point, message, r + bytes(32))
    assert rejects(SIGNER.public, b"", point + bytes(32))
    with pytest.raises(RtgfError) as caught:
        check_public_key(point)
    assert caught.value.code is Code.RTGF_INPUT_INVALID


@pytest.mark.parametrize("offset", range(19))
def test_non_canonical_keys_are_refused(offset):
    point = (P + offset).to_bytes(32, "little")
    with pytest.raises(RtgfError):
        check_public_key(point)
    assert rejects(point, b"", bytes(64))


def test_keys_outside_the_prime_order_group_are_not_enrolled():
    order_eight = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
    mixed = nacl.bindings.crypto_core_ed25519_add(SIGNER.public, order_eight)
    with pytest.raises(RtgfError):
        check_public_key(mixed)


def test_a_scalar_beyond_the_group_order_is_refused():
    order = 2**252 + 27742317777372353535851937790883648493
    signature = SIGNER.sign(b"m")
    malleable = int.from_bytes(signature[32:], "little") + order
    assert rejects(SIGNER.public, b"m", signature[:32] + malleable.to_bytes(32, "little"))


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_signatures_of_other_lengths_borrow_nothing_from_the_message(length):
    whole = SIGNER.sign(b"message") + b"message"
    assert rejects(SIGNER.public, whole[length:], whole[:length])


@pytest.mark.parametrize("length", [0, 31, 33])
def test_keys_of_other_lengths_are_refused(length):
    assert rejects(bytes(length), b"", bytes(64))
    with pytest.raises(RtgfError):
        check_public_key(bytes(length))


def test_a_signer_does_not_show_its_key():
    assert repr(SIGNER) == "SeedSigner('rtgf.eu.example:ed25519:2026-11:001')"
    with pytest.raises(RtgfError):
        SeedSigner("k", bytes(31))


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (START - 121, Code.RTGF_KID_EXPIRED),
        (START - 120, None),
        (START, None),
        (END, None),
        (END + 120, None),
        (END + 121, Code.RTGF_KID_EXPIRED),
    ],
)
def test_a_key_is_found_in_its_window_give_or_take_the_skew(at, code):
    keys = KeySet([key()])
    if code is None:
        assert keys.get(SIGNER.kid, at=at) == key()
        return
    with pytest.raises(RtgfError) as caught:
        keys.get(SIGNER.kid, at=at)
    assert caught.value.code is code


def test_a_revoked_key_gets_no_skew_but_keeps_its_past():
    keys = KeySet([key(revoked_at=START + 1000)])
    assert keys.get(SIGNER.kid, at=START + 999)
    with pytest.raises(RtgfError, match="revoked") as caught:
        keys.get(SIGNER.kid, at=START + 1000)
    assert caught.value.code is Code.RTGF_KID_EXPIRED


def test_an_unknown_key_is_named():
    with pytest.raises(RtgfError, match="other") as caught:
        KeySet([key()]).get("other", at=START)
    assert caught.value.code is Code.RTGF_KID_UNKNOWN


def test_a_key_set_is_published_and_read_back():
    other = SeedSigner("rtgf.eu.example:ed25519:2026-12:001", bytes(32))
    keys = KeySet([key(), key(kid=other.kid, public=other.public, use="log", revoked_at=START + 5)])
    jwks = keys.to_jwks()
    assert jwks["keys"][1] == {
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "kid": other.kid,
        "use": "sig",
        "purpose": "log",
        "x": "O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik",
        "createdAt": "2026-11-01T00:00:00Z",
        "expiresAt": "2027-11-01T00:00:00Z",
        "revoked": True,
        "revokedAt": "2026-11-01T00:00:05Z",
    }
    assert list(KeySet.from_jwks(jwks)) == list(keys)
    assert len(keys) == 2
    assert other.kid in keys


def test_a_key_revoked_without_a_date_was_never_valid():
    jwk = {**KeySet([key()]).to_jwks()["keys"][0], "revoked": True}
    with pytest.raises(RtgfError, match="revoked"):
        KeySet.from_jwks({"keys": [jwk]}).get(SIGNER.kid, at=START)


def test_a_key_set_that_has_the_purpose_in_use_is_read_as_before():
    jwk = {**KeySet([key()]).to_jwks()["keys"][0], "use": "token"}
    del jwk["purpose"]
    assert list(KeySet.from_jwks({"keys": [jwk]})) == [key()]


def test_foreign_key_types_are_passed_over():
    jwks = KeySet([key()]).to_jwks()
    jwks["keys"].insert(0, {"kty": "EC", "crv": "P-256", "kid": "x"})
    assert len(KeySet.from_jwks(jwks)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"d": "AAAA"},
        {"x": "AAAA"},
        {"x": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
        {"x": 1},
        {"alg": "RS256"},
        {"use": "enc"},
        {"use": "token"},
        {"use": None},
        {"purpose": "sig"},
        {"purpose": 1},
        {"purpose": None},
        {"kid": ""},
        {"kid": None},
        {"createdAt": "yesterday"},
        {"expiresAt": "2026-11-01T00:00:00Z"},
        {"revoked": "no"},
    ],
)
def test_a_malformed_key_set_is_refused_with_its_place(change):
    jwk = {**KeySet([key()]).to_jwks()["keys"][0], **change}
    with pytest.raises(RtgfError) as caught:
        KeySet.from_jwks({"keys": [jwk]})
    assert caught.value.code is Code.RTGF_INPUT_INVALID
    assert caught.value.pointer.startswith("/keys/0")


@pytest.mark.parametrize("value", [None, [], {}, {"keys": {}}, {"keys": [1]}])
def test_what_is_no_key_set_is_refused(value):
    with pytest.raises(RtgfError):
        KeySet.from_jwks(value)


def test_two_keys_of_one_id_are_refused():
    with pytest.raises(RtgfError, match="two keys"):
        KeySet([key(), key(use="log")])
