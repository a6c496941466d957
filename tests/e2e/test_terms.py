"""Terms documents, from a regulator's hand to tokens that a partner verifies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rtgf_node.core import snapshot
from tests.authorities import pinned, source
from tests.nodes import RATES, Reply, TestNode
from tests.observing import counted, events, refusals, tree_size
from tests.snapshot_door import EU, OTHER, SCHEMA, SIGNATURE, STALE, STRANGER
from tests.terms import CORRIDOR, PRICES, ROUTE, signed, stated
from tests.worlds import Identity, authority, document, sealed

SG = authority("SG")
RMT, IMT = "RMT:EU:payments_aml:2026-10", "IMT:EU-SG:payments_aml:2026-10"
CORT, PSRT = "CORT:EU-SG:instant:2026-10", "PSRT:EU-SG:cards:2026-10"
RRMT = "RRMT:EU:payments_aml:2026-10"


def terms_node(folder) -> TestNode:
    settings = RATES + pinned(folder / "pinned", EU, SG, OTHER, own=True)
    settings += source("drop", "drop.json", EU)
    return TestNode(folder / "node", settings=settings)


def sent(node: TestNode, body: bytes) -> Reply:
    """Push it as a regulator."""
    return node.ask("POST", "/admin/terms", body, role="regulator")


def brought(node: TestNode, *bodies: bytes) -> None:
    for body in bodies:
        reply = sent(node, body)
        assert reply.status == 201, reply.body


def brought_snapshots(node: TestNode, **changes: Any) -> None:
    for place, by in (("EU", EU), ("SG", SG)):
        body = sealed(document(place, **changes), by.signers)
        reply = node.ask("POST", "/admin/snapshots", body, role="regulator")
        assert reply.status == 201, reply.body


def verified(node: TestNode, **tokens: str) -> tuple[bool, str | None]:
    answer = node.ask("POST", "/verify", {"tokens": tokens}, role="partner")
    assert answer.status == 200, answer.body
    return answer.json()["valid"], answer.json()["reason"]


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    """A running node that pins three authorities, each for its own place."""
    node = terms_node(tmp_path_factory.mktemp("terms"))
    with node.running():
        yield node


@pytest.fixture(scope="module")
def issued(tmp_path_factory):
    """A running node with one corridor and every kind of token."""
    node = terms_node(tmp_path_factory.mktemp("issued"))
    with node.running():
        brought_snapshots(node)
        brought(node, signed(stated(CORRIDOR)), signed(stated(ROUTE)), signed(stated(PRICES)))
        build = node.compile()
        assert build.state == "published", build
        yield node


# --- at the door ----------------------------------------------------------------------------------


def test_terms_that_are_pushed_are_held_logged_and_served(door):
    body = signed(stated(CORRIDOR, name="pushed"))
    size = tree_size(door)
    reply = sent(door, body)
    assert reply.status == 201
    taken = reply.json()
    (event,) = events(door, "terms", since=size)
    assert (event["event_id"], event["subject"]) == (taken["event_id"], taken["subject"])
    assert event["subject"] == "terms:cort:eu-sg:pushed:2026-10"
    assert event["digest"] == taken["digest"] == snapshot.digest(json.loads(body))
    assert event["payload"] == {"status": "illustrative", "source": "push", "issuer": EU.did}
    assert door.ask("GET", f"/terms/{taken['subject']}").body == body
    assert door.ask("GET", f"/proofs/{event['event_id']}").json()["leafIndex"] == size
    again = sent(door, body)
    assert (again.status, again.json()["outcome"]) == (200, "unchanged")
    assert tree_size(door) == size + 1


def test_terms_are_fetched_from_a_source(door):
    body = signed(stated(PRICES))
    (door.folder / "drop.json").write_bytes(body)
    size = tree_size(door)
    (item,) = door.fetch("drop")
    assert (item.outcome, item.subject) == ("accepted", "terms:rrmt:eu:payments_aml:2026-10")
    (event,) = events(door, "terms", since=size)
    assert event["payload"]["source"].endswith("/drop.json")
    assert [one.outcome for one in door.fetch("drop")] == ["unchanged"]


def test_the_index_lists_the_newest_terms_and_where_they_are(door):
    for version in ("2026-10", "2026-11"):
        brought(door, signed(stated(CORRIDOR, name="listed", version=version)))
    listed = door.ask("GET", "/policy-matrix/index.jsonld").json()["terms"]
    (entry,) = [entry for entry in listed if entry["name"] == "listed"]
    assert (entry["type"], entry["place"]) == ("CORT", "EU-SG")
    assert entry["issuing_authority_did"] == EU.did
    assert entry["source_uri"].endswith("/terms/terms:cort:eu-sg:listed:2026-11")


def test_a_newer_version_supersedes_and_the_older_stays_readable(door):
    old, new = (
        signed(stated(ROUTE, name="newer", version=version)) for version in ("2026-10", "2026-11")
    )
    brought(door, old)
    size = tree_size(door)
    brought(door, new)
    (event,) = events(door, "terms", since=size)
    assert event["refs"] == {"supersedes": "terms:psrt:eu-sg:newer:2026-10"}
    assert door.ask("GET", "/terms/terms:psrt:eu-sg:newer:2026-10").body == old
    before = door.ask("GET", f"/terms/terms:psrt:eu-sg:newer:2026-11?at={size}")
    before.problem(404, "RTGF_NOT_FOUND")
    assert sent(door, old).json()["outcome"] == "unchanged"
    for version in ("2026-10", "2026-11"):
        other = signed(stated(ROUTE, name="newer", version=version, ttl_sec=60))
        problem = sent(door, other).problem(409, STALE)
        assert "/version" in [error.get("pointer") for error in problem["errors"]]


REFUSED = {
    "a share is missing": (
        {"terms": {"splits": [{"party": "a", "pct": "0.6"}, {"party": "b", "pct": "0.39"}]}},
        "/terms/splits",
    ),
    "nobody operates it": ({"terms": {"operators": []}}, "/terms/operators"),
    "an unknown member": ({"surprise": 1}, "/surprise"),
    "no name": ({"name": None}, "/name"),
    "a jurisdiction too": ({"jurisdiction": "EU"}, "/jurisdiction"),
    "a corridor in other words": ({"corridor": "EU->SG"}, "/corridor"),
    "another id": ({"id": "terms:cort:eu-sg:other:2026-10"}, "/id"),
    "an end before its beginning": ({"expires_at": "2026-09-01T00:00:00Z"}, "/expires_at"),
    "a copy of any age": ({"ttl_sec": 86_401, "policy_max_ttl": 86_401}, "/ttl_sec"),
    "a snapshot": ({"@type": "policy:Snapshot"}, "/@type"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_terms_that_do_not_fit_are_refused_with_their_place(door, case):
    changes, place = REFUSED[case]
    body = signed(stated(CORRIDOR, **{"name": "refused", **changes}))
    size, known = tree_size(door), refusals(door)
    count = counted(door, f'rtgf_snapshot_validations_total{{result="{SCHEMA}"}}')
    problem = sent(door, body).problem(422, SCHEMA)
    assert place in [error.get("pointer") for error in problem["errors"]], problem
    assert tree_size(door) == size
    assert [code for code, _, _ in refusals(door)[len(known) :]] == [SCHEMA]
    assert counted(door, f'rtgf_snapshot_validations_total{{result="{SCHEMA}"}}') == count + 1


@pytest.mark.parametrize(
    ("kind", "terms", "place"),
    [
        (ROUTE, {"limits": {"per_txn": "9", "per_day": "8", "currency": "EUR"}}, "/limits/per_txn"),
        (ROUTE, {"limits": {"per_txn": "1", "per_day": "8"}}, "/limits/currency"),
        (
            PRICES,
            {
                "pricing": {
                    "mode": "tiered",
                    "tiers": [{"from": "1", "rate": "0"}],
                    "surcharges": [],
                }
            },
            "/pricing/tiers/0",
        ),
    ],
)
def test_the_rules_of_routes_and_prices_hold_at_the_door(door, kind, terms, place):
    problem = sent(door, signed(stated(kind, terms=terms))).problem(422, SCHEMA)
    assert f"/terms{place}" in [error.get("pointer") for error in problem["errors"]], problem


@pytest.mark.parametrize(
    ("changes", "by"),
    [
        ({}, STRANGER),
        ({"issuer": STRANGER.did}, STRANGER),
        ({"issuer": OTHER.did}, OTHER),
        ({"corridor": "US-CA"}, EU),
        ({"signature_threshold": 2}, EU),
    ],
    ids=["another's key", "nobody pinned", "pinned elsewhere", "elsewhere", "too few"],
)
def test_terms_of_who_may_not_state_them_are_refused(door, changes: dict[str, Any], by: Identity):
    body = signed(stated(CORRIDOR, name="foreign", **changes), by)
    sent(door, body).problem(422, SIGNATURE)


def test_what_one_end_states_the_other_does_not_replace(door):
    brought(door, signed(stated(CORRIDOR, name="taken")))
    other = stated(CORRIDOR, name="taken", version="2026-11", issuer=SG.did)
    problem = sent(door, signed(other, SG)).problem(422, SIGNATURE)
    assert EU.did in problem["detail"]
    brought(door, signed(stated(CORRIDOR, name="free", issuer=SG.did), SG))


def test_terms_are_no_snapshot_and_a_snapshot_is_no_terms(door):
    body = signed(stated(CORRIDOR, name="wrong-door"))
    door.ask("POST", "/admin/snapshots", body, role="regulator").problem(422, SCHEMA)
    sent(door, sealed(document("EU"), EU.signers)).problem(422, SCHEMA)


# --- built ----------------------------------------------------------------------------------------


def test_a_set_of_all_five_kinds_is_valid_together(issued):
    whole = {"rmt": RMT, "imt": IMT, "cort": CORT, "psrt": PSRT, "rrmt": RRMT}
    assert verified(issued, **whole) == (True, None)
    cort = issued.ask("GET", "/cort/EU-SG/instant").json()
    psrt = issued.ask("GET", "/psrt/EU-SG/cards").json()
    rrmt = issued.ask("GET", "/rrmt/EU/payments_aml").json()
    assert cort["derived_from"] == [f"{IMT}.1"]
    assert psrt["derived_from"] == [f"{CORT}.1"]
    assert rrmt["derived_from"] == []
    assert cort["terms"] == stated(CORRIDOR)["terms"]
    digest = snapshot.digest(json.loads(signed(stated(CORRIDOR))))
    assert digest in cort["evidence"]["inputs"]
    assert set(cort["evidence"]["inputs"]) < set(psrt["evidence"]["inputs"])


@pytest.mark.parametrize("missing", ["imt", "cort"])
def test_a_set_that_lacks_a_base_does_not_hold_together(issued, missing):
    whole = {"rmt": RMT, "imt": IMT, "cort": CORT, "psrt": PSRT}
    del whole[missing]
    assert verified(issued, **whole) == (False, "RTGF_VERIFY_CHAIN_MISMATCH")


def test_prices_are_never_accepted_for_law(issued):
    asked = {"tokens": {"rmt": RRMT}}
    reply = issued.ask("POST", "/verify", asked, role="partner")
    reply.problem(422, "RTGF_TOKEN_TYPE_UNSUPPORTED")


def test_prices_of_another_place_do_not_go_with_the_law(issued):
    asked = {"rmt": "RMT:SG:payments_aml:2026-10", "rrmt": RRMT}
    assert verified(issued, **asked) == (False, "RTGF_VERIFY_CORRIDOR_MISMATCH")


TERMS_OF_CORT, TERMS_OF_PSRT = "terms:cort:eu-sg:instant:2026-10", "terms:psrt:eu-sg:cards:2026-10"


@pytest.mark.parametrize(
    ("token", "terms"),
    [
        (f"{CORT}.1", [TERMS_OF_CORT]),
        (f"{PSRT}.1", [TERMS_OF_PSRT, TERMS_OF_CORT]),
        (f"{RRMT}.1", []),
        (f"{IMT}.1", []),
    ],
)
def test_the_evidence_of_each_kind_holds_and_has_its_terms(issued, tmp_path, token, terms):
    file = tmp_path / "evidence.json"
    file.write_bytes(issued.ask("GET", f"/evidence/{token}").body)
    done = issued.cli("check", file, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["terms"] == terms


def test_a_build_with_terms_is_replayed_byte_for_byte(issued, tmp_path):
    listed = json.loads(issued.cli("builds", "list", "--json").stdout)
    [build] = [one["build_id"] for one in listed if one["state"] == "published"]
    manifest, inputs = tmp_path / "build_manifest.json", tmp_path / "inputs"
    assert issued.cli("builds", "show", build, "--manifest", manifest).returncode == 0
    for origin in (("--save", inputs), ("--inputs", inputs)):
        done = issued.cli("replay", manifest, *origin, "--json")
        assert (done.returncode, json.loads(done.stdout)["different"]) == (0, []), done.stderr


def test_an_audit_finds_nothing(issued):
    done = issued.cli("audit", "--json")
    report = json.loads(done.stdout)
    assert (report["findings"], report["terms"]) == ([], 3)


def test_an_audit_finds_terms_that_were_exchanged(tmp_path):
    node = terms_node(tmp_path)
    with node.running():
        brought(node, signed(stated(CORRIDOR)))
    changed = signed(stated(CORRIDOR, terms={"handoff_evidence": []}))
    node.tamper(lambda conn: conn.execute("UPDATE terms SET body = ?", (changed,)))
    with node.running():
        done = node.cli("audit", "--json")
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["check"], finding["subject"]) == ("terms", TERMS_OF_CORT)
    assert done.returncode == 29


def test_nothing_is_due_again(issued):
    assert issued.compile().state == "nothing_due"


# --- what rests on what ---------------------------------------------------------------------------


def test_new_terms_reissue_their_token_and_what_rests_on_it_alone(tmp_path):
    node = terms_node(tmp_path)
    with node.running():
        brought_snapshots(node)
        brought(node, signed(stated(CORRIDOR)), signed(stated(ROUTE)), signed(stated(PRICES)))
        assert node.compile().state == "published"
        brought(node, signed(stated(CORRIDOR, version="2026-11")))
        assert sorted(node.compile().issued) == ["CORT:EU-SG:instant:2026-11.1", f"{PSRT}.2"]
        revoked = node.revoke(f"{IMT}.1").json()
        assert {"CORT:EU-SG:instant:2026-11.1", f"{PSRT}.2"} <= {
            one["token_id"] for one in revoked["entries"]
        }
        assert node.compile().state == "nothing_due"
        brought_snapshots(node, version="2026-11", ttl_sec=60)
        again = node.compile().issued
        assert {"CORT:EU-SG:instant:2026-11.2", f"{PSRT}.3"} <= set(again)
        assert not [one for one in again if one.startswith("RRMT")]


def test_terms_without_a_base_fail_by_themselves(tmp_path):
    node = terms_node(tmp_path)
    with node.running():
        brought(node, signed(stated(ROUTE)), signed(stated(PRICES)))
        build = node.compile()
        assert build.issued == [f"{RRMT}.1"]
        (failed,) = build.failed
        assert failed["terms"] == "PSRT:EU-SG:cards"
        (cause,) = failed["causes"]
        assert (cause["code"], cause["pointer"]) == ("RTGF_BUILD_SNAPSHOT_INVALID", "/rests_on")


def test_terms_that_never_hold_with_their_base_fail_by_themselves(tmp_path):
    node = terms_node(tmp_path)
    late = {"effective_date": "2027-10-01T00:00:00Z", "expires_at": "2028-01-01T00:00:00Z"}
    with node.running():
        brought_snapshots(node)
        brought(node, signed(stated(CORRIDOR, **late)), signed(stated(PRICES)))
        build = node.compile()
        assert f"{IMT}.1" in build.issued
        assert f"{RRMT}.1" in build.issued
        (failed,) = build.failed
        assert (failed["terms"], failed["domain"]) == ("CORT:EU-SG:instant", "payments_aml")


def test_what_rests_on_a_corridor_that_waits_for_approval_waits_too(tmp_path):
    node = terms_node(tmp_path)
    with node.running():
        brought_snapshots(node)
        stricter = document("SG", version="2026-11")
        stricter["clauses"][0]["params"] = {"minimum_period": "P7Y"}
        reply = node.ask("POST", "/admin/snapshots", sealed(stricter, SG.signers), role="regulator")
        assert reply.status == 201, reply.body
        brought(node, signed(stated(CORRIDOR)), signed(stated(ROUTE)))
        build = node.compile(accept=False)
        waiting = {one.partition(":")[0] for one in build.held}
        assert waiting == {"IMT", "CORT", "PSRT"}
        assert {one.partition(":")[0] for one in build.issued} == {"RMT"}
        assert {"CORT", "PSRT"} <= {one.partition(":")[0] for one in node.compile().issued}
