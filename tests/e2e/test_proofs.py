"""External proofs: who is believed, what for, and what a receipt is worth."""

from __future__ import annotations

import time

import pytest

from rtgf_node import wire
from rtgf_node.core import canonical_json, tokens
from rtgf_node.core.policy import receipts
from tests.authorities import pinned, push
from tests.nodes import RATES, TestNode
from tests.small_builds import body_of, imt, rmt
from tests.worlds import Identity, authority, clause

VERIFIER = Identity("did:web:proofs.example", use="proof")
ADA = {"name": "Ada Ordinary", "kind": "natural", "country": "SE"}
BO = {"name": "Bo Everyday", "kind": "natural", "country": "SG"}
HOUR = 3_600


def proving(proof):
    return clause(
        f"prove.{proof}",
        template="proof_requirement",
        params={"proof": proof, "subject": "originator"},
        applies_to="originator",
    )


def verifier_settings(folder, identity=VERIFIER):
    file = folder / "proofs.jwks.json"
    file.write_bytes(canonical_json.canonical_bytes(identity.keys.to_jwks()))
    return (
        f'\n[[proof_verifier]]\ndid = "{VERIFIER.did}"\njwks_file = "{file}"\n'
        'proofs = ["solvency"]\n'
    )


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node whose EU asks for a proof of solvency, and whose UK for one that nobody vouches for.

    Its SG asks for more assurance than the others vouch for, and to keep data at home.
    """
    folder = tmp_path_factory.mktemp("proofs")
    places = [authority(place) for place in ("EU", "SG", "UK")]
    settings = RATES + pinned(folder / "pinned", *places, own=True) + verifier_settings(folder)
    made = TestNode(folder / "node", settings=settings)
    with made.running():
        push(made, body_of("EU", clauses=[proving("solvency")]))
        push(made, body_of("UK", clauses=[proving("age")]))
        residency = {"allowed": ["SG"], "mechanisms": ["binding_corporate_rules"]}
        push(made, body_of("SG", assurance_level="high", data_residency=residency))
        assert made.compile().state == "published"
        yield made


def evaluated(node, token, context):
    with node.client("partner") as partner:
        return partner.evaluate(wire.EvaluateRequest(token=token, context=context))


def receipt(subject=ADA, proof="solvency", *, ends=HOUR):
    now = int(time.time())
    jws = receipts.sign(
        proof, subject, issued_at=now - HOUR, expires_at=now + ends, signer=VERIFIER.signer
    )
    return {"receipt": jws}


def test_the_node_says_which_proofs_it_understands(node, published):
    told = node.ask("GET", "/.well-known/mandala.json").json()
    assert told == {
        "receipt": {"format": "compact JWS", "typ": "rtgf-proof+jws"},
        "proof_types": [
            {
                "type": "solvency",
                "verifiers": [{"did": VERIFIER.did, "kids": [VERIFIER.signer.kid]}],
            }
        ],
    }
    assert published.ask("GET", "/.well-known/mandala.json").json()["proof_types"] == []


def test_the_token_names_the_proof_that_must_be_brought(node):
    token = node.ask("GET", "/rmt/EU/payments_aml").json()
    assert token["evidence_requirements"] == ["solvency"]


@pytest.mark.parametrize(
    ("proof", "decision", "reason"),
    [
        (receipt(), "PERMIT", None),
        (receipt(BO), "DENY", "PROOF_NOT_VALID"),
        (receipt(proof="age"), "DENY", "PROOF_NOT_VALID"),
        (receipt(ends=-1), "DENY", "PROOF_NOT_VALID"),
        ({"receipt": "trust me", "verified": True}, "DENY", "PROOF_NOT_VALID"),
        (None, "DENY", "INPUT_MISSING:proofs.solvency"),
    ],
)
def test_what_a_receipt_is_worth(node, proof, decision, reason):
    context = {"originator": ADA, **({"proofs": {"solvency": proof}} if proof else {})}
    answer = evaluated(node, rmt("EU"), context)
    assert (answer.decision, answer.reasons) == (decision, [reason] if reason else [])
    assert answer.error is (reason or "").startswith("INPUT_MISSING")
    verdict = node.verify(None, rmt=rmt("EU"), context=context)
    assert (verdict.valid, verdict.decision) == (decision == "PERMIT", decision)


def test_a_receipt_that_expires_is_asked_for_again(node):
    """No verdict is remembered longer than what it rests on."""
    for ends in (2, 10, 50):
        context = {"originator": ADA, "proofs": {"solvency": receipt(ends=ends)}}
        if node.verify(None, rmt=rmt("EU"), context=context).valid:
            break
        # A busy machine let it expire before it was asked.
    else:
        raise AssertionError("it is never valid")
    time.sleep(ends + 1)
    assert node.verify(None, rmt=rmt("EU"), context=context).decision == "DENY"


def test_a_proof_that_nobody_vouches_for_is_an_error(node):
    context = {"originator": ADA, "proofs": {"age": receipt(proof="age")}}
    answer = evaluated(node, rmt("UK"), context)
    assert (answer.decision, answer.error) == ("DENY", True)
    assert answer.reasons == ["RESOLVER_ERROR:proof"]


def test_a_verifier_must_have_proof_keys_of_its_own(tmp_path):
    for number, wrong in enumerate(
        (Identity(VERIFIER.did, use="authority"), Identity("did:web:b.example", use="proof"))
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        node = TestNode(folder / "node", settings=RATES + verifier_settings(folder, wrong))
        done = node.cli("serve")
        assert done.returncode == 78
        assert "is no proof key of did:web:proofs.example" in done.stderr


# --- what a snapshot demands besides its clauses ------------------------------------------------


CONTEXT = {
    "originator": BO,
    "record_retention": "P10Y",
    "assurance_level": "high",
    "data_location": "SG",
}


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, []),
        ({"assurance_level": "substantial"}, ["ASSURANCE_LEVEL_TOO_LOW"]),
        ({"assurance_level": "HIGH"}, ["ASSURANCE_LEVEL_TOO_LOW"]),
        ({"assurance_level": None}, ["INPUT_MISSING:assurance_level"]),
        ({"data_location": "EU", "transfer_mechanism": "binding_corporate_rules"}, []),
        (
            {"data_location": "EU", "transfer_mechanism": "consent"},
            ["DATA_LOCATION_NOT_ALLOWED"],
        ),
        ({"data_location": None}, ["INPUT_MISSING:data_location"]),
    ],
)
def test_a_corridor_demands_what_the_stricter_side_demands(node, changes, reasons):
    context = {**CONTEXT, "proofs": {"age": {}, "solvency": receipt(BO)}, **changes}
    token = node.ask("GET", "/imt/EU-SG/payments_aml").json()
    assert (token["assurance_level"], token["required_assurance_level"]) == ("substantial", "high")
    answer = evaluated(node, imt("EU-SG"), context)
    assert (answer.decision, answer.reasons) == ("DENY" if reasons else "PERMIT", reasons)


def test_a_token_that_asks_for_two_signatures_has_two(node):
    """RTGF-REQ-004: the node's own key signs it once more, but one key is one signature."""
    document = node.ask("GET", "/rmt/EU/payments_aml").json()
    del document["signatures"], document["canonical_hash"]
    signer = node.key_store().signer("token")
    forged = tokens.sign({**document, "signature_threshold": 2}, [signer])
    asked = {"tokens": {"rmt": canonical_json.parse(forged)}}
    node.ask("POST", "/verify", asked).problem(422, "RTGF_VERIFY_SIGNATURE_INVALID")


def test_a_corridor_that_vouches_for_what_it_demands_asks_for_nothing(node):
    context = {"originator": ADA, "proofs": {"solvency": receipt()}}
    assert evaluated(node, imt("EU-UK"), context).decision == "PERMIT"
