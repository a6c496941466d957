"""How policy snapshots come in, as a regulator and an operator see it."""

from __future__ import annotations

import json

import pytest

from rtgf_node.core import snapshot
from tests.authorities import pinned, push, source
from tests.nodes import RATES, TestNode
from tests.observing import counted, events, refusals, rtgf, tree_size
from tests.snapshot_door import (
    EU,
    OTHER,
    QUORUM,
    SCHEMA,
    SIGNATURE,
    STALE,
    STRANGER,
    assert_refused,
    door_node,
    of,
    sent,
    signed,
)
from tests.worlds import clause, reference, sealed


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    """A running node that pins three authorities; each test brings another place's snapshots."""
    node = door_node(tmp_path_factory.mktemp("door"))
    with node.running():
        yield node


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


def test_an_entry_of_an_index_that_cannot_be_fetched_is_refused_and_recorded(door):
    write_matrix(door, GR=signed(of("GR")), RO=signed(of("RO")))
    (door.folder / "matrix-GR.json").unlink()
    known = refusals(door)
    items = door.fetch("matrix")
    assert [item.outcome for item in items] == ["refused", "accepted"]
    ((code, subject, _),) = refusals(door)[len(known) :]
    assert (code, subject) == ("RTGF_SANCTIONS_FETCH_FAILED", items[0].subject)


def test_an_index_that_does_not_fit_its_schema_is_refused(door):
    """RTGF-CT-02."""
    (door.folder / "matrix.jsonld").write_text('[{"jurisdiction": "EU", "surprise": 1}]')
    known = refusals(door)
    (item,) = door.fetch("matrix")
    assert (item.outcome, item.code) == ("refused", SCHEMA)
    assert [code for code, _, _ in refusals(door)[len(known) :]] == [SCHEMA]


def test_a_source_brings_only_its_own_authorities_snapshots(door):
    """RTGF-CT-01: another pinned authority may push its own, and is still no answer here."""
    body = signed(of("BR", issuer=OTHER.did), OTHER)
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


def test_enough_signatures_of_the_authority_are_accepted(door):
    """RTGF-CT-00."""
    made = of("EE", issuer=QUORUM.did, signature_threshold=2)
    assert sent(door, sealed(made, QUORUM.signers[1:])).status == 201


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
    """RTGF-REQ-005, RTGF-CT-00: and a build from it is possible."""
    settings = (
        RATES + pinned(tmp_path / "pinned", EU, own=True) + "\n[compiler]\nmax_ttl_sec = 172800\n"
    )
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
    (door.folder / "drop.json").write_bytes(sealed(of("DK"), STRANGER.signers))
    done = rtgf(door, "fetch", "drop")
    assert done.returncode == 10
    assert SIGNATURE in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_no_refusal_reached_the_log(door):
    """Every entry of the log is one that was accepted."""
    types = {event["type"] for event in events(door)}
    assert types <= {"policy_snapshot", "key_event", "jwks_publish"}
