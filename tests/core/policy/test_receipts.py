"""A receipt proves one thing about one party, until it expires, if a pinned verifier signed it."""

from __future__ import annotations

import pytest

from rtgf_node.core import jose
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.keys import KeySet
from rtgf_node.core.policy import receipts
from rtgf_node.core.policy.receipts import PinnedVerifiers, Verifier
from tests import contexts, worlds

NOW = worlds.NOW
HOUR = 3_600
ADA = {"name": "Ada Ordinary", "country": "SE"}
OWNER = worlds.Identity("did:web:proofs.example", use="proof", keys=2)
STRANGER = worlds.Identity("did:web:stranger.example", use="proof")
PINNED = PinnedVerifiers([Verifier(OWNER.did, frozenset({"solvency"}), KeySet(OWNER.public_keys))])


def receipt(proof="solvency", subject=ADA, *, begins=NOW - HOUR, ends=NOW + HOUR, signer=None):
    return receipts.sign(
        proof, subject, issued_at=begins, expires_at=ends, signer=signer or OWNER.signer
    )


def asked(held, *, proof="solvency", subject=ADA, at=NOW, verifiers=PINNED):
    arguments = {"proof": proof, "receipt": held, "subject": subject}
    return verifiers.resolve(arguments, at=at)["valid"]


def test_a_receipt_holds():
    assert asked({"receipt": receipt()}) is True
    assert asked({"receipt": receipt(signer=OWNER.signers[1])}) is True
    assert asked({"receipt": receipt(), "verified": False}) is True  # nobody's word counts


def tampered():
    header, payload, signature = receipt().split(".")
    return f"{header}.{payload[:-4]}AAAA.{signature}"


def extended(**members):
    payload = {"type": "solvency", "subject": "sha256:" + "0" * 64, **members}
    return jose.sign_compact(canonical_bytes(payload), OWNER.signer, typ=receipts.SIGNATURE_TYPE)


@pytest.mark.parametrize(
    "held",
    [
        {},
        {"verified": True},
        {"receipt": True, "verified": True},
        {"receipt": "good", "verified": True},
        {"receipt": tampered()},
        {"receipt": receipt(signer=STRANGER.signer)},
        {"receipt": receipt(proof="sanctions_screened")},
        {"receipt": receipt(subject={"name": "Bo Everyday", "country": "SG"})},
        {"receipt": receipt(subject={**ADA, "account": "1"})},
        {"receipt": receipt(ends=NOW - 1)},
        {"receipt": receipt(begins=NOW + HOUR, ends=NOW + 2 * HOUR)},
        {"receipt": extended()},
        {"receipt": extended(issued_at="yesterday", expires_at="2030-01-01T00:00:00Z")},
        {"receipt": jose.sign_compact(b"{}", OWNER.signer, typ="rtgf-token+jws")},
    ],
)
def test_anything_else_does_not(held):
    assert asked(held) is False


def test_a_key_for_something_else_proves_nothing():
    other = worlds.Identity(OWNER.did, use="authority")
    verifiers = PinnedVerifiers([Verifier(OWNER.did, frozenset({"solvency"}), other.keys)])
    assert asked({"receipt": receipt()}, verifiers=verifiers) is False


def test_without_a_pinned_verifier_nobody_can_say():
    with pytest.raises(LookupError):
        asked({"receipt": receipt()}, proof="age")
    with pytest.raises(LookupError):
        asked({"receipt": receipt()}, verifiers=PinnedVerifiers())


def test_a_verifier_is_believed_for_its_own_proofs_only():
    both = PinnedVerifiers(
        [
            Verifier(OWNER.did, frozenset({"solvency"}), OWNER.keys),
            Verifier(STRANGER.did, frozenset({"age"}), STRANGER.keys),
        ]
    )
    assert list(both.types()) == ["age", "solvency"]
    stranger = {"receipt": receipt("solvency", signer=STRANGER.signer)}
    assert asked(stranger, verifiers=both) is False
    stranger = {"receipt": receipt("age", signer=STRANGER.signer)}
    assert asked(stranger, proof="age", verifiers=both) is True


def test_the_reason_names_the_proof_and_the_party():
    from rtgf_node.core.policy import explain, predicates
    from rtgf_node.core.snapshot import Citation, Clause

    rule = predicates.compile_clause(
        Clause(
            clause_id="solvent",
            kind="obligation",
            template="proof_requirement",
            params={"proof": "solvency", "subject": "originator"},
            applies_to="both",
            citation=Citation(ref="law", article="1"),
        ),
        jurisdiction="EU",
        domain="test",
        library=worlds.library(),
    )
    denied = contexts.decide_on([rule], {"originator": ADA, "proofs": {"solvency": {}}})
    assert denied.reasons == ("PROOF_NOT_VALID",)
    told = explain.text(denied, [rule])
    assert "the proof solvency about the originator is valid; that is not so" in told
