"""How policy snapshots come in, and why they do not, as a regulator and an operator see it."""

from __future__ import annotations

import json

import pytest

from rtgf_node.core import canonical_json, digests, snapshot
from tests.authorities import pinned, push, source
from tests.nodes import RATES, TestNode
from tests.observing import counted, events, refusals, rtgf, tree_size
from tests.worlds import Identity, authority, clause, document, reference, scenario, sealed

EU = authority("EU")
QUORUM = Identity("did:web:quorum.example", use="authority", keys=3)
OTHER = authority("US")
STRANGER = authority("KP")

SCHEMA = "RTGF_POL_MATRIX_SCHEMA_INVALID"
SIGNATURE = "RTGF_POL_MATRIX_SIGNATURE_INVALID"
STALE = "RTGF_POL_MATRIX_STALE"


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    """A running node that pins three authorities; each test brings another place's snapshots."""
    folder = tmp_path_factory.mktemp("door")
    settings = (
        RATES
        + pinned(folder / "pinned", EU, QUORUM, OTHER)
        + source("drop", "drop.json", EU)
        + source("matrix", "matrix.jsonld", EU)
        + source("nowhere", "nowhere.json", EU)
    )
    node = TestNode(folder / "node", settings=settings)
    with node.running():
        yield node


def of(place: str, **changes):
    """An unsigned snapshot of the pinned authority for any place."""
    return document(place, **{"issuer": EU.did, **changes})


def signed(made, by: Identity = EU) -> bytes:
    return sealed(made, by.signers)


def sent(node: TestNode, body: bytes):
    return node.ask("POST", "/admin/snapshots", body, role="regulator")


def assert_refused(node: TestNode, body: bytes, status: int, code: str, pointer=None) -> None:
    """Refused with its code and place, counted and recorded; and nothing else changed."""
    metric = f'rtgf_snapshot_validations_total{{result="{code}"}}'
    size, known, count = tree_size(node), refusals(node), counted(node, metric)
    index = node.ask("GET", "/policy-matrix/index.jsonld").body
    problem = sent(node, body).problem(status, code)
    if pointer is not None:
        assert pointer in [error.get("pointer") for error in problem["errors"]], problem
    assert refusals(node) == [*known, (code, "push", digests.sha256(body) if body else "")]
    assert counted(node, metric) == count + 1
    assert tree_size(node) == size
    assert node.ask("GET", "/policy-matrix/index.jsonld").body == index


def test_a_signed_snapshot_that_is_pushed_is_held_logged_and_served(door):
    """RTGF-CT-00."""
    body = signed(of("AT"))
    size = tree_size(door)
    reply = sent(door, body)
    assert reply.status == 201
    taken = reply.json()
    digest = snapshot.digest(json.loads(body))
    assert (taken["outcome"], taken["digest"]) == ("accepted", digest)
    (event,) = events(door, "policy_snapshot", since=size)
    assert (event["event_id"], event["digest"]) == (taken["event_id"], digest)
    assert event["subject"] == taken["subject"] == "snapshot:at:payments_aml:2026-10"
    assert event["payload"]["issuer"] == EU.did
    proof = door.ask("GET", f"/proofs/{event['event_id']}").json()
    assert proof["leafIndex"] == size
    assert door.ask("GET", "/snapshots/snapshot:at:payments_aml:2026-10").body == body
    assert counted(door, 'rtgf_snapshot_validations_total{result="accepted"}') >= 1


def test_the_same_snapshot_again_changes_nothing(door):
    """RTGF-CT-00."""
    body = signed(of("BE"))
    push(door, body)
    size = tree_size(door)
    again = sent(door, body)
    assert again.status == 200
    assert (again.json()["outcome"], again.json()["event_id"]) == ("unchanged", None)
    assert tree_size(door) == size


def test_a_snapshot_is_fetched_from_its_source(door):
    """RTGF-CT-00."""
    body = signed(of("BG"))
    (door.folder / "drop.json").write_bytes(body)
    size = tree_size(door)
    (item,) = door.fetch("drop")
    assert (item.outcome, item.subject) == ("accepted", "snapshot:bg:payments_aml:2026-10")
    (event,) = events(door, "policy_snapshot", since=size)
    assert event["digest"] == snapshot.digest(json.loads(body))
    assert event["payload"]["source"].endswith("/drop.json")
    (again,) = door.fetch("drop")
    assert again.outcome == "unchanged"
    assert tree_size(door) == size + 1


def write_matrix(node: TestNode, **bodies: bytes) -> None:
    entries = []
    for place, body in bodies.items():
        (node.folder / f"matrix-{place}.json").write_bytes(body)
        entries.append(
            {
                "jurisdiction": place,
                "domain": "payments_aml",
                "source_uri": f"matrix-{place}.json",
                "issuing_authority_did": EU.did,
                "last_updated": "2026-11-01T00:00:00Z",
            }
        )
    (node.folder / "matrix.jsonld").write_text(json.dumps(entries))


def test_of_an_index_the_good_ones_are_taken_and_the_bad_one_is_named(door):
    """RTGF-CT-00, RTGF-CT-01."""
    write_matrix(
        door, CY=signed(of("CY")), CZ=sealed(of("CZ"), STRANGER.signers), DE=signed(of("DE"))
    )
    items = door.fetch("matrix")
    assert [item.outcome for item in items] == ["accepted", "refused", "accepted"]
    assert (items[1].code, items[1].subject.rpartition("/")[2]) == (SIGNATURE, "matrix-CZ.json")
    door.ask("GET", "/snapshots/snapshot:cz:payments_aml:2026-10").problem(404, "RTGF_NOT_FOUND")
    assert {(SIGNATURE, items[1].subject)} <= {
        (code, subject) for code, subject, _ in refusals(door)
    }


def test_an_index_that_does_not_fit_its_schema_is_refused(door):
    """RTGF-CT-02."""
    (door.folder / "matrix.jsonld").write_text('[{"jurisdiction": "EU", "surprise": 1}]')
    known = refusals(door)
    (item,) = door.fetch("matrix")
    assert (item.outcome, item.code) == ("refused", SCHEMA)
    assert [code for code, _, _ in refusals(door)[len(known) :]] == [SCHEMA]


def test_a_source_brings_only_its_own_authorities_snapshots(door):
    """RTGF-CT-01: another pinned authority may push its own, and is still no answer here."""
    body = signed(document("US"), OTHER)
    (door.folder / "drop.json").write_bytes(body)
    (item,) = door.fetch("drop")
    assert (item.outcome, item.code) == ("refused", SIGNATURE)
    assert "not a pinned authority of this source" in item.detail
    assert sent(door, body).status == 201


@pytest.mark.parametrize("body", [b"<html>503</html>", b"", b"{}"])
def test_what_a_source_serves_in_place_of_a_snapshot_is_refused(door, body):
    """RTGF-CT-02."""
    (door.folder / "drop.json").write_bytes(body)
    known, size = refusals(door), tree_size(door)
    (item,) = door.fetch("drop")
    assert (item.outcome, item.code) == ("refused", SCHEMA)
    assert [code for code, _, _ in refusals(door)[len(known) :]] == [SCHEMA]
    assert tree_size(door) == size


def test_a_source_that_cannot_be_fetched_is_refused_and_recorded(door):
    known = refusals(door)
    (item,) = door.fetch("nowhere")
    assert (item.outcome, item.code) == ("refused", "RTGF_SANCTIONS_FETCH_FAILED")
    assert [code for code, _, _ in refusals(door)[len(known) :]] == ["RTGF_SANCTIONS_FETCH_FAILED"]


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


def test_enough_signatures_of_the_authority_are_accepted(door):
    """RTGF-CT-00."""
    made = of("EE", issuer=QUORUM.did, signature_threshold=2)
    assert sent(door, sealed(made, QUORUM.signers[1:])).status == 201


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


# --- versions -----------------------------------------------------------------------------------


def test_an_older_or_equal_version_with_other_bytes_is_stale(door):
    """RTGF-CT-00: the refusal leaves the held one in force."""
    held = signed(of("FR", version="2026-10-15"))
    push(door, held)
    longer = [clause(params={"minimum_period": "P9Y"})]
    equal = signed(of("FR", version="2026-10-15", clauses=longer))
    older = signed(of("FR", version="2026-10", clauses=longer))
    assert_refused(door, equal, 409, STALE)
    assert_refused(door, older, 409, STALE)
    assert door.ask("GET", "/snapshots/snapshot:fr:payments_aml:2026-10-15").body == held


def test_a_newer_version_supersedes_and_the_older_stays_readable(door):
    """RTGF-CT-00."""
    first, second = signed(of("HR")), signed(of("HR", version="2026-11"))
    push(door, first)
    size = tree_size(door)
    push(door, second)
    (event,) = events(door, "policy_snapshot", since=size)
    assert event["refs"] == {"supersedes": "snapshot:hr:payments_aml:2026-10"}
    for version, body in (("2026-10", first), ("2026-11", second)):
        assert door.ask("GET", f"/snapshots/snapshot:hr:payments_aml:{version}").body == body
    listed = door.ask("GET", "/policy-matrix/index.jsonld").json()["snapshots"]
    (entry,) = [entry for entry in listed if entry["jurisdiction"] == "HR"]
    assert entry["source_uri"].endswith("/snapshots/snapshot:hr:payments_aml:2026-11")


def test_a_superseded_snapshot_that_comes_again_changes_nothing(door):
    """RTGF-CT-00: an authority that still publishes the older one is no alarm."""
    first, second = signed(of("HU")), signed(of("HU", version="2026-11"))
    push(door, first)
    push(door, second)
    size = tree_size(door)
    assert sent(door, first).json()["outcome"] == "unchanged"
    assert tree_size(door) == size
    listed = door.ask("GET", "/policy-matrix/index.jsonld").json()["snapshots"]
    (entry,) = [entry for entry in listed if entry["jurisdiction"] == "HU"]
    assert entry["source_uri"].endswith(":2026-11")


# --- who, and how much --------------------------------------------------------------------------


def test_only_a_regulator_may_push(door):
    body = signed(of("IE"))
    door.ask("POST", "/admin/snapshots", body).problem(401, "RTGF_UNAUTHENTICATED")
    for role in ("operator", "approver", "partner", "auditor"):
        door.ask("POST", "/admin/snapshots", body, role=role).problem(403, "RTGF_FORBIDDEN")
    door.ask("GET", "/snapshots/snapshot:ie:payments_aml:2026-10").problem(404, "RTGF_NOT_FOUND")


def test_a_snapshot_larger_than_any_is_refused(door):
    """RTGF-CT-02."""
    texts = [reference(f"law-{number}", title="x" * 1000) for number in range(2, 5000)]
    body = signed(of("IT", normative_references=[reference(), *texts]))
    assert_refused(door, body, 422, SCHEMA)


def test_a_longer_ttl_is_accepted_where_the_configuration_allows_it(tmp_path):
    """RTGF-CT-00: and a build from it is possible."""
    settings = RATES + pinned(tmp_path / "pinned", EU) + "\n[compiler]\nmax_ttl_sec = 172800\n"
    node = TestNode(tmp_path / "node", settings=settings)
    with node.running():
        push(node, signed(of("EU", ttl_sec=100_000, policy_max_ttl=172_800)))
        assert node.compile().issued == ["RMT:EU:payments_aml:2026-10.1"]
        token = node.ask("GET", "/rmt/EU/payments_aml").json()
        assert (token["ttl_sec"], token["policy_max_ttl"]) == (100_000, 172_800)


def test_a_source_whose_authority_is_not_pinned_stops_the_start(tmp_path):
    settings = RATES + source("drop", "drop.json", STRANGER)
    node = TestNode(tmp_path / "node", settings=settings)
    with pytest.raises(Exception, match="has no pinned keys"), node.running():
        pass


def test_the_command_line_prints_a_refusal_and_ends_with_its_code(door):
    """RTGF-CT-01."""
    (door.folder / "drop.json").write_bytes(BAD_SIGNATURES["altered"]())
    done = rtgf(door, "fetch", "drop")
    assert done.returncode == 10
    assert SIGNATURE in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_no_refusal_reached_the_log(door):
    """Every entry of the log is one that was accepted."""
    types = {event["type"] for event in events(door)}
    assert types == {"policy_snapshot", "key_event", "jwks_publish"}
