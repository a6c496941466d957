"""What webhooks are told: who signed it, for whom, and what part of the whole it is."""

from __future__ import annotations

import pytest

from rtgf_node.core import notification
from rtgf_node.core.keys import KeySet, PublicKey, SeedSigner
from rtgf_node.errors import Code, RtgfError

AT = 1_790_000_000
URL = "https://bank.example/hook"
SIGNER = SeedSigner("notify", bytes([7] * 32))
ENTRY = {"token_id": "RMT:EU:a:1.1", "revEpoch": 5, "status": "invalid"}


def keys(use: str = "notify") -> KeySet:
    return KeySet([PublicKey("notify", SIGNER.public, use, AT - 60, AT + 3600)])


def body() -> bytes:
    return notification.make(
        [ENTRY], issuer="did:web:fma.example", audience=URL, since=4, rev_epoch=5, at=AT
    )


def refused(**changes) -> Code:
    given = {"body": body(), "signature": notification.sign(body(), SIGNER), "keys": keys()}
    given |= changes
    with pytest.raises(RtgfError) as caught:
        notification.check(
            given["body"],
            given["signature"],
            given["keys"],
            audience=given.get("audience", URL),
            at=given.get("at", AT),
        )
    return caught.value.code


def test_a_delivery_is_read_back():
    told = notification.check(
        body(), notification.sign(body(), SIGNER), keys(), audience=URL, at=AT
    )
    assert (told.issuer, told.audience, told.since, told.revEpoch) == (
        "did:web:fma.example",
        URL,
        4,
        5,
    )
    assert told.entries == (ENTRY,)
    assert told.time == "2026-09-21T14:13:20Z"


def test_what_is_not_believed():
    assert refused(body=body().replace(b"invalid", b"valid")) is Code.RTGF_VERIFY_SIGNATURE_INVALID
    assert refused(keys=keys("token")) is Code.RTGF_VERIFY_SIGNATURE_INVALID
    assert refused(keys=KeySet(())) is Code.RTGF_KID_UNKNOWN
    assert refused(at=AT + 7200) is Code.RTGF_KID_EXPIRED
    assert refused(signature="x") is Code.RTGF_VERIFY_SIGNATURE_INVALID
    assert refused(audience="https://other.example/hook") is Code.RTGF_INPUT_INVALID
    other = b'{"issuer":"a"}'
    signed = notification.sign(other, SIGNER)
    assert refused(body=other, signature=signed) is Code.RTGF_INPUT_INVALID
