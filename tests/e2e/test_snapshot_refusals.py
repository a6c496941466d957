"""Every snapshot that is turned away at the door, with its code and its place."""

from __future__ import annotations

import json

import pytest

from rtgf_node.core import canonical_json, digests, snapshot
from tests.observing import counted
from tests.snapshot_door import (
    EU,
    OTHER,
    QUORUM,
    SCHEMA,
    SIGNATURE,
    STRANGER,
    assert_refused,
    door_node,
    of,
    signed,
)
from tests.worlds import clause, reference, scenario, sealed


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    """A running node that pins three authorities; each test brings another place's snapshots."""
    node = door_node(tmp_path_factory.mktemp("door"))
    with node.running():
        yield node


# --- signatures ---------------------------------------------------------------------------------


def altered_after_signing() -> bytes:
    """The hash is made to fit again; the signature is over other bytes."""
    made = json.loads(signed(of("DK")))
    made["clauses"][0]["params"]["minimum_period"] = "P1D"
    made["policy_snapshot_hash"] = snapshot.digest(made)
    return canonical_json.canonical_bytes(made)


def unsigned() -> bytes:
    made = json.loads(signed(of("DK")))
    made["signatures"] = []
    return canonical_json.canonical_bytes(made)


def forged_kid() -> bytes:
    """Signed with a stranger's key under the authority's kid."""
    made = json.loads(sealed(of("DK"), STRANGER.signers))
    text = json.dumps(made).replace(STRANGER.signer.kid, EU.signer.kid)
    return text.encode()


BAD_SIGNATURES = {
    "altered": altered_after_signing,
    "unsigned": unsigned,
    "forged kid": forged_kid,
    "unpinned authority": lambda: signed(of("DK", issuer=STRANGER.did), STRANGER),
    "another authority's key": lambda: signed(of("DK"), OTHER),
    "one signature of two": lambda: sealed(
        of("DK", issuer=QUORUM.did, signature_threshold=2), QUORUM.signers[:1]
    ),
    "one key twice for two": lambda: sealed(
        of("DK", issuer=QUORUM.did, signature_threshold=2), [QUORUM.signer, QUORUM.signer]
    ),
}


@pytest.mark.parametrize("name", BAD_SIGNATURES)
def test_a_bad_signature_is_refused(door, name):
    """RTGF-CT-01."""
    failures = counted(door, "rtgf_snapshot_signature_failures_total")
    assert_refused(door, BAD_SIGNATURES[name](), 422, SIGNATURE)
    door.ask("GET", "/snapshots/snapshot:dk:payments_aml:2026-10").problem(404, "RTGF_NOT_FOUND")
    assert counted(door, "rtgf_snapshot_signature_failures_total") == failures + 1


# --- schema -------------------------------------------------------------------------------------

REQUIRED = (
    *("@context", "@type", "id", "version", "jurisdiction", "domain", "effective_date"),
    *("expires_at", "issuer", "normative_references", "clauses", "assurance_level", "ttl_sec"),
    *("policy_max_ttl", "status"),
)

FEED = {"max_age": "P2D", "min_records": 1}
PIN = {"content_sha256": digests.sha256(b"")}


def evidence(**changes):
    return {"provider": "un", "dataset": "un-sc", "authenticity": "tls_only", **changes}


MISFITS = {
    "unknown member": ("/surprise", {"surprise": 1}),
    "unknown member of a clause": ("/clauses/0/surprise", {"clauses": [clause(surprise=1)]}),
    "unknown member of a reference": (
        "/normative_references/0/surprise",
        {"normative_references": [reference(surprise=1)]},
    ),
    "unknown member of a citation": (
        "/clauses/0/citation/surprise",
        {"clauses": [clause(citation={"ref": "law-1", "article": "5", "surprise": 1})]},
    ),
    "unknown member of residency": (
        "/data_residency/surprise",
        {"data_residency": {"allowed": ["EU"], "surprise": 1}},
    ),
    "another type": ("/@type", {"@type": "policy:Sketch"}),
    "a context from the network": ("/@context", {"@context": "https://w3id.org/other"}),
    "id of another version": ("/id", {"id": "snapshot:es:payments_aml:2026-11"}),
    "id of another place": ("/id", {"id": "snapshot:fr:payments_aml:2026-10"}),
    "id empty": ("/id", {"id": ""}),
    "a place that is none": ("/jurisdiction", {"jurisdiction": "ZZ"}),
    "a place in lower case": ("/jurisdiction", {"jurisdiction": "es"}),
    "a domain that is none": ("/domain", {"domain": "Payments AML"}),
    "a version that is none": ("/version", {"version": "2026.10"}),
    "effective_date empty": ("/effective_date", {"effective_date": ""}),
    "expires_at empty": ("/expires_at", {"expires_at": ""}),
    "expires_at a mere date": ("/expires_at", {"expires_at": "2027-10-01"}),
    "expires before it is effective": ("/expires_at", {"expires_at": "2026-09-30T23:59:59Z"}),
    "expires when it is effective": ("/expires_at", {"expires_at": "2026-10-01T00:00:00Z"}),
    "no references": ("/normative_references", {"normative_references": []}),
    "no clauses": ("/clauses", {"clauses": []}),
    "cited law repealed": (
        "/clauses/0/citation/ref",
        {"normative_references": [reference(in_force={"from": "2015-06-26", "to": "2026-09-30"})]},
    ),
    "cited law not yet in force": (
        "/clauses/0/citation/ref",
        {"normative_references": [reference(in_force={"from": "2026-10-02"})]},
    ),
    "cited law unknown": (
        "/clauses/0/citation/ref",
        {"clauses": [clause(citation={"ref": "law-9", "article": "5"})]},
    ),
    "a law that ends before it begins": (
        "/normative_references/0/in_force/to",
        {"normative_references": [reference(in_force={"from": "2020-01-02", "to": "2020-01-01"})]},
    ),
    "two references of one id": (
        "/normative_references/1/id",
        {"normative_references": [reference(), reference()]},
    ),
    "two clauses of one id": ("/clauses/1/clause_id", {"clauses": [clause(), clause()]}),
    "a kind that is none": ("/clauses/0/kind", {"clauses": [clause(kind="wish")]}),
    "a party that is none": ("/clauses/0/applies_to", {"clauses": [clause(applies_to="all")]}),
    "an exception of nothing": (
        "/clauses/0/exception_of",
        {"clauses": [clause(exception_of="gone")]},
    ),
    "a clause that ends before it begins": (
        "/clauses/0/valid_to",
        {"clauses": [clause(valid_from="2027-01-02", valid_to="2027-01-01")]},
    ),
    "a deadline that is none": ("/clauses/0/deadline", {"clauses": [clause(deadline="soon")]}),
    "an assurance level that is none": ("/assurance_level", {"assurance_level": "medium"}),
    "a status that is none": ("/status", {"status": "draft"}),
    "ttl over the bound": ("/ttl_sec", {"ttl_sec": 86_401, "policy_max_ttl": 86_401}),
    "maximum ttl over the bound": ("/policy_max_ttl", {"policy_max_ttl": 86_401}),
    "ttl over its own maximum": ("/ttl_sec", {"ttl_sec": 3601, "policy_max_ttl": 3600}),
    "ttl of nothing": ("/ttl_sec", {"ttl_sec": 0}),
    "a threshold of nobody": ("/signature_threshold", {"signature_threshold": 0}),
    "a list with pin and feed": (
        "/evidence_sources/0",
        {"evidence_sources": [evidence(pin=PIN, feed=FEED)]},
    ),
    "a list with neither": ("/evidence_sources/0", {"evidence_sources": [evidence()]}),
    "a list that is authentic by hope": (
        "/evidence_sources/0/authenticity",
        {"evidence_sources": [evidence(feed=FEED, authenticity="hope")]},
    ),
    "a pin that is no digest": (
        "/evidence_sources/0/pin/content_sha256",
        {"evidence_sources": [evidence(pin={"content_sha256": "md5:0"})]},
    ),
    "a list named twice": (
        "/evidence_sources/1",
        {"evidence_sources": [evidence(feed=FEED), evidence(feed=FEED)]},
    ),
    "two scenarios of one name": (
        "/scenarios/1/name",
        {"scenarios": [scenario("a", "PERMIT"), scenario("a", "DENY")]},
    ),
    "a scenario of a strange corridor": (
        "/scenarios/0/corridor",
        {"scenarios": [scenario("a", "PERMIT", corridor="SG-UK")]},
    ),
    "a decision that is none": (
        "/scenarios/0/expect/decision",
        {"scenarios": [scenario("a", "MAYBE")]},
    ),
}


@pytest.mark.parametrize("member", REQUIRED)
def test_a_missing_member_is_refused_with_its_place(door, member):
    """RTGF-CT-02."""
    made = of("ES")
    del made[member]
    assert_refused(door, signed(made), 422, SCHEMA, f"/{member}")


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_is_refused_with_its_place(door, name):
    """RTGF-CT-02."""
    pointer, changes = MISFITS[name]
    assert_refused(door, signed({**of("ES"), **changes}), 422, SCHEMA, pointer)


def test_a_hash_that_does_not_match_is_refused(door):
    """RTGF-CT-02."""
    made = json.loads(signed(of("FI")))
    made["clauses"][0]["params"]["minimum_period"] = "P1D"
    assert_refused(door, json.dumps(made).encode(), 422, SCHEMA, "/policy_snapshot_hash")
    del made["policy_snapshot_hash"]
    assert_refused(door, json.dumps(made).encode(), 422, SCHEMA, "/policy_snapshot_hash")


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'"text"', b'{"id": 1, "id": 2}', b"\xff", b'{"ttl_sec": NaN}']
)
def test_what_is_no_strict_json_object_is_refused(door, body):
    """RTGF-CT-02."""
    assert_refused(door, body, 422, SCHEMA)
