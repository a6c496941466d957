"""What a build makes, and when it is due."""

from __future__ import annotations

import json
import re

import pytest

from rtgf_node.core import merkle
from tests.authorities import push
from tests.observing import events, tree_size
from tests.small_builds import (
    MANY,
    PLACES,
    body_of,
    imt,
    rmt,
    served,
    small_node,
)

STAGES = ["plan", "compile", "compare", "lists", "sign", "log", "publish"]


@pytest.fixture
def small(tmp_path):
    """A node that pins three authorities and holds no snapshot yet; it does not run."""
    return small_node(tmp_path)


# --- what a build makes -------------------------------------------------------------------------


def test_the_pipeline_publishes_every_rmt_and_every_ordered_corridor(published):
    """RTGF-CT-80."""
    places = {(one.jurisdiction, one.domain) for one in published.world.snapshots}
    wanted = {f"RMT:{place}:{domain}:2026-10.1" for place, domain in places}
    wanted |= {
        f"IMT:{a}-{b}:{domain}:2026-10.1"
        for a, domain in places
        for b, other in places
        if a != b and domain == other
    }
    assert len(wanted) == 10 + 42 + 6
    assert served(published) == wanted
    for type_, place, name in (one.split(":")[:3] for one in sorted(wanted)):
        token = published.ask("GET", f"/{type_.lower()}/{place}/{name}")
        assert token.status == 200
        assert token.json()["token_id"] in wanted


def test_every_served_token_is_in_the_log_after_its_build(published):
    """RTGF-CT-80: what is not in the log is never served."""
    entries = published.ask("GET", "/transparency").json()["entries"]
    log = {entry["index"]: entry["event"] for entry in entries}
    build = next(index for index, event in log.items() if event["type"] == "build")
    catalog = published.ask("GET", "/catalog?limit=1000").json()["tokens"]
    for entry in catalog:
        event = log[entry["leafIndex"]]
        assert event["type"] == "token_issue"
        assert event["digest"] == entry["hash"]
        assert event["subject"] == entry["uri"].removeprefix("urn:rtgf:token:")
        assert event["refs"]["build"] == log[build]["subject"]
        assert entry["leafIndex"] > build
    assert log[build]["payload"]["tokens"] == len(catalog)


def test_a_build_is_made_twice_and_its_stages_say_so(small):
    """RTGF-REQ-002, RTGF-CT-20."""
    node = small
    with node.running():
        for place in ("EU", "UK"):
            push(node, body_of(place))
        size = tree_size(node)
        build = node.compile(accept=False)
        assert (build.state, build.held, build.unsatisfiable) == ("published", [], [])
        assert [stage.stage for stage in build.stages] == STAGES
        compared = next(stage.detail for stage in build.stages if stage.stage == "compare")
        assert "byte for byte equal" in compared
        logged = events(node, since=size)
        assert [event["type"] for event in logged] == ["build", *["token_issue"] * 4]
        assert (logged[0]["subject"], logged[0]["digest"]) == (
            build.build_id,
            build.manifest_digest,
        )
        assert build.issued == [event["subject"] for event in logged[1:]]
        assert node.compile(accept=False).state == "nothing_due"
        assert tree_size(node) == size + 5
        node.ask("GET", "/admin/builds/sha256:0", role="operator").problem(404, "RTGF_NOT_FOUND")


# --- conflicts, and what is due -----------------------------------------------------------------


def test_corridors_with_conflicts_wait_until_an_approver_accepts_them(small):
    """RTGF-CT-80: what was accepted once is remembered, another difference is asked anew."""
    node = small
    free = [imt("EU-UK"), imt("UK-EU")]
    differing = [imt(corridor) for corridor in ("EU-SG", "SG-EU", "SG-UK", "UK-SG")]
    with node.running():
        for place, years in zip(PLACES, (5, 7, 5), strict=True):
            push(node, body_of(place, years=years))
        build = node.compile(accept=False)
        assert sorted(build.issued) == sorted([*free, *map(rmt, PLACES)])
        assert sorted(build.held) == differing
        assert not served(node) & set(differing)
        node.ask("GET", "/imt/EU-SG/payments_aml").problem(404, "RTGF_VERIFY_TOKEN_NOT_FOUND")
        accepting = {"accept_conflicts": True}
        refused = node.ask("POST", "/admin/compile", accepting, role="operator")
        refused.problem(403, "RTGF_FORBIDDEN")
        again = node.compile(accept=False)
        assert (again.state, sorted(again.held)) == ("nothing_due", differing)
        size = tree_size(node)
        build = node.compile(accept=True)
        assert sorted(build.issued) == differing
        approvals = events(node, "approval", since=size)
        assert sorted(event["subject"] for event in approvals) == [
            f"{corridor}:payments_aml" for corridor in ("EU-SG", "SG-EU", "SG-UK", "UK-SG")
        ]
        assert all("approver" in event["actor"] for event in approvals)
        assert all(event["refs"]["build"] == build.build_id for event in approvals)
        token = node.ask("GET", "/imt/EU-SG/payments_aml").json()
        assert token["token_id"] == imt("EU-SG")
        (conflict,) = token["effective_conflicts"]
        assert "Example Act 2020" in json.dumps(conflict)
        size = tree_size(node)
        push(node, body_of("SG", years=7, version="2026-11"))
        build = node.compile(accept=False)
        assert (build.state, build.held) == ("published", [])
        assert imt("EU-SG", "2026-11.1") in build.issued
        assert events(node, "approval", since=size) == []
        push(node, body_of("SG", years=9, version="2026-12"))
        assert sorted(node.compile(accept=False).held) == [
            one.replace("2026-10", "2026-12") for one in differing
        ]


def test_a_new_snapshot_rebuilds_its_own_tokens_only(small):
    """RTGF-CT-80: incremental."""
    node = small
    with node.running():
        for place in PLACES:
            push(node, body_of(place))
        assert len(node.compile(accept=False).issued) == 3 + 6
        before = node.ask("GET", "/rmt/EU/payments_aml").body
        push(node, body_of("UK", version="2026-11"))
        corridors = ("EU-UK", "SG-UK", "UK-EU", "UK-SG")
        assert sorted(node.compile(accept=False).issued) == sorted(
            [rmt("UK", "2026-11.1"), *(imt(corridor, "2026-11.1") for corridor in corridors)]
        )
        assert node.ask("GET", "/rmt/EU/payments_aml").body == before
        parents = node.ask("GET", "/imt/EU-UK/payments_aml").json()["derived_from"]
        assert sorted(parents) == [rmt("EU"), rmt("UK", "2026-11.1")]
        old = node.ask("GET", "/rmt/UK/payments_aml?version=2026-10")
        assert old.json()["token_id"] == rmt("UK")


def test_only_what_was_asked_for_is_built(small):
    node = small
    with node.running():
        for place in PLACES:
            push(node, body_of(place))
        assert node.compile(jurisdictions=["SG"]).issued == [rmt("SG")]
        assert node.compile(domains=["data_protection"]).state == "nothing_due"
        assert len(node.compile().issued) == 2 + 6


def test_what_was_withdrawn_is_not_issued_again_from_the_same_snapshot(small):
    node = small
    with node.running():
        for place in ("EU", "UK"):
            push(node, body_of(place))
        node.compile()
        assert node.revoke(rmt("UK")).status == 200
        assert node.compile().state == "nothing_due"
        node.ask("GET", "/rmt/UK/payments_aml").problem(404, "RTGF_VERIFY_TOKEN_NOT_FOUND")
        push(node, body_of("UK", version="2026-11"))
        corridors = [imt("EU-UK", "2026-11.1"), imt("UK-EU", "2026-11.1")]
        assert sorted(node.compile().issued) == [*corridors, rmt("UK", "2026-11.1")]


def test_a_corridor_that_nobody_could_satisfy_gets_no_token_and_a_reason(small):
    node = small
    with node.running():
        push(node, body_of("EU", expires_at="2027-01-01T00:00:00Z"))
        push(node, body_of("UK", effective_date="2027-06-01T00:00:00Z"))
        build = node.compile()
        assert (build.state, build.issued) == ("published", [rmt("EU"), rmt("UK")])
        assert [one["corridor"] for one in build.unsatisfiable] == ["EU-UK", "UK-EU"]
        assert {one["code"] for one in build.unsatisfiable} == {"RTGF_MAP_RULE_CONFLICT"}
        assert served(node) == {rmt("EU"), rmt("UK")}


def test_a_token_proves_that_it_is_in_the_log(small):
    """RTGF-CT-80: the anchor of a token is the head before it."""
    node = small
    with node.running():
        push(node, body_of("EU"))
        size = tree_size(node)
        build = node.compile()
        token = node.ask("GET", "/rmt/EU/payments_aml").json()
        assert token["revocation"]["anchor"]["tree_size"] == size
        assert token["build_manifest_id"] == build.build_id
        event = events(node, "token_issue")[0]
        proof = node.ask("GET", f"/proofs/{event['event_id']}").json()
        merkle.verify_inclusion(
            leaf_hash=bytes.fromhex(proof["leafHash"].removeprefix("sha256:")),
            index=proof["leafIndex"],
            tree_size=proof["treeSize"],
            proof=[bytes.fromhex(step) for step in proof["path"]],
            root=bytes.fromhex(proof["merkleRoot"].removeprefix("sha256:")),
        )


# --- from clauses to predicates -----------------------------------------------------------------


def test_predicates_do_not_depend_on_order_or_neighbours(small):
    """RTGF-CT-70, RTGF-CT-73, RTGF-CT-74."""
    node, built = small, []
    with node.running():
        for version, clauses in (
            ("2026-10", MANY),
            ("2026-11", MANY[::-1]),
            ("2026-12", (MANY[2], MANY[0])),
        ):
            push(node, body_of("EU", version=version, clauses=list(clauses)))
            assert node.compile().state == "published"
            built.append(node.ask("GET", "/rmt/EU/payments_aml").json())
    forward, backward, fewer = built
    ids = {one["clause_id"]: one["id"] for one in forward["predicate_set"]}
    assert set(ids) == {"retain", "review", "cash"}
    pattern = re.compile(r"pred\.eu\.payments_aml\.[0-9a-f]{12}")
    assert all(pattern.fullmatch(one) for one in ids.values())
    for member in ("predicate_set", "eval_plan", "duties", "prohibitions", "controls"):
        assert forward[member] == backward[member]
    assert [one["kind"] for one in forward["predicate_set"]] == [
        *("obligation", "prohibition", "control")
    ]
    assert {one["clause_id"]: one["id"] for one in fewer["predicate_set"]} == {
        name: ids[name] for name in ("retain", "cash")
    }
    cited = {one["clause_id"]: one["citation"] for one in forward["predicate_set"]}
    for one in MANY:
        expected = {**one["citation"], "instrument": "Example Act 2020"}
        assert cited[one["clause_id"]] == expected


def test_the_citation_is_kept_from_the_clause_to_the_corridors_token(published):
    """RTGF-CT-74."""
    (held,) = [
        one
        for one in published.world.snapshots
        if (one.jurisdiction, one.domain) == ("SG", "payments_aml")
    ]
    cited = {one.clause_id: one.citation for one in held.clauses}
    instruments = {one.id: one.instrument for one in held.normative_references}
    seen = set()
    for path in ("/rmt/SG/payments_aml", "/imt/EU-SG/payments_aml"):
        for predicate in published.ask("GET", path).json()["predicate_set"]:
            if predicate["clause_id"] not in cited:
                continue
            given, clause_ = predicate["citation"], cited[predicate["clause_id"]]
            assert (given["ref"], given["article"]) == (clause_.ref, clause_.article)
            assert given.get("paragraph") == clause_.paragraph
            assert given["instrument"] == instruments[clause_.ref]
            seen.add(predicate["clause_id"])
    assert "sg.sanctions" in seen
