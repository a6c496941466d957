"""The same inputs give the same bytes; inputs that are not what they say are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rtgf_node.core import canonical_json, digests, identifiers, manifest, snapshot, tokens
from rtgf_node.core.build import (
    Build,
    BuildOutput,
    Note,
    UnbuildableError,
    build,
    finish,
    scope_hash,
)
from rtgf_node.core.lists.screening import NameIndex
from rtgf_node.core.policy import decide
from rtgf_node.core.trust import TrustState
from rtgf_node.errors import Code, RtgfError
from tests import worlds

LIBRARY = worlds.library()
_, CONTENT = worlds.record_list(worlds.LISTED)
INDEXES = {CONTENT: NameIndex.build(worlds.records(worlds.LISTED))}
SOURCES: dict[str, Any] = {"datasets": [worlds.dataset_input(CONTENT)]}

EU = worlds.screened_document()
SG = worlds.document("SG", clauses=[worlds.clause(params={"minimum_period": "P6Y"})])


def run(snapshots: dict[str, bytes], targets: list[str], **changes: Any) -> BuildOutput:
    inputs = worlds.build_inputs(snapshots, targets, **{**SOURCES, **changes})
    return build(inputs, snapshots=snapshots, parents={}, library=LIBRARY, datasets=INDEXES)


def refusal(snapshots: dict[str, bytes], targets: list[str], **changes: Any) -> RtgfError:
    with pytest.raises(RtgfError) as caught:
        run(snapshots, targets, **changes)
    return caught.value


def token(output: BuildOutput, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        output.artefacts[f"tokens/{name}-payments_aml-2026-10.1.json"]
    )
    return document


def test_an_rmt_has_every_member_that_its_envelope_asks_for() -> None:
    """RTGF-REQ-002."""
    output = run(worlds.by_id(EU), ["EU"])
    document = token(output, "rmt/eu")
    held = snapshot.parse(worlds.sealed(EU))
    assert document["policy_snapshot_hash"] == held.policy_snapshot_hash
    assert document["version"] == "2026-10.1"
    assert document["derived_from"] == []
    assert document["evidence"] == {
        "policy_snapshot": held.policy_snapshot_hash,
        "datasets": [worlds.dataset_input(CONTENT)],
        "inputs": sorted([held.policy_snapshot_hash, CONTENT, LIBRARY.digest]),
    }
    assert document["scope_hash"] == scope_hash([held], [CONTENT], LIBRARY.digest)
    assert document["revocation"]["revEpoch"] == 3
    assert document["revocation"]["anchor"]["tree_size"] == 12
    inputs = json.loads(output.manifest)["inputs"]
    assert document["build_manifest_id"] == digests.of_document(inputs)
    assert document["jti"] == identifiers.jti(
        document["build_manifest_id"], "RMT:EU:payments_aml:2026-10.1"
    )
    assert document["expires_at"] == held.expires_at
    node = worlds.node()
    checked = tokens.check(tokens.sign(document, node.signers), keys=node.keys, at=worlds.NOW)
    assert checked.canonical_hash == document["canonical_hash"]


def test_the_dataset_digest_is_in_the_token_and_a_new_list_changes_the_scope() -> None:
    """RTGF-CT-10: the list's digest is in the token that rests on it."""
    document = token(run(worlds.by_id(EU), ["EU"]), "rmt/eu")
    assert [each["content_sha256"] for each in document["evidence"]["datasets"]] == [CONTENT]
    held = snapshot.parse(worlds.sealed(EU))
    other = scope_hash([held], [worlds.digest_of("other")], LIBRARY.digest)
    assert document["scope_hash"] != other


def test_an_imt_rests_on_both_rmts() -> None:
    output = run(worlds.by_id(EU, SG), ["EU", "SG", "EU-SG", "SG-EU"])
    document = token(output, "imt/eu-sg")
    assert sorted(document["derived_from"]) == [
        "RMT:EU:payments_aml:2026-10.1",
        "RMT:SG:payments_aml:2026-10.1",
    ]
    eu, sg = token(output, "rmt/eu"), token(output, "rmt/sg")
    assert document["evidence"]["inputs"] == sorted(
        {*eu["evidence"]["inputs"], *sg["evidence"]["inputs"]}
    )
    assert document["policy_snapshot_hash"] == digests.of_documents(
        [eu["policy_snapshot_hash"], sg["policy_snapshot_hash"]]
    )
    node = worlds.node()
    signed = tokens.sign(document, node.signers)
    checked = tokens.check(signed, keys=node.keys, at=worlds.NOW)
    state = TrustState()
    state.screens = dict(INDEXES)
    state.fresh_until = dict.fromkeys(INDEXES, 2**53)

    def decided(context: dict[str, Any]) -> decide.Decision:
        return decide.run(
            state.prepared(checked),
            context,
            at=worlds.NOW,
            resolvers=state.resolvers(checked, worlds.NOW),
        )

    assert decided(worlds.payment()).decision == "PERMIT"
    assert decided(worlds.payment(record_retention="P5Y")).decision == "DENY"


def test_the_order_of_everything_that_has_none_changes_nothing() -> None:
    """RTGF-CT-20 and RTGF-CT-73: the same inputs in another order, the same bytes."""
    backwards = {**EU, "clauses": list(reversed(EU["clauses"]))}
    snapshots = worlds.by_id(EU, SG)
    first = run(snapshots, ["EU", "SG", "EU-SG"])
    second = run(dict(reversed(snapshots.items())), ["EU", "SG", "EU-SG"])
    assert first == second
    turned = token(run(worlds.by_id(backwards), ["EU"]), "rmt/eu")
    straight = token(run(worlds.by_id(EU), ["EU"]), "rmt/eu")
    assert turned["predicate_set"] == straight["predicate_set"]
    assert turned["eval_plan"] == straight["eval_plan"]


def test_the_manifest_lists_every_artefact_by_its_digest() -> None:
    output = run(worlds.by_id(EU, SG), ["EU", "SG", "EU-SG"])
    listed = manifest.parse(output.manifest)
    assert {each.name: each.sha256 for each in listed.artefacts} == {
        name: digests.sha256(content) for name, content in output.artefacts.items()
    }
    for content in output.artefacts.values():
        assert canonical_json.canonical_bytes(canonical_json.parse(content)) == content
    assert set(output.artefacts) == {
        "conflicts.json",
        "manual_review.json",
        "policy_token_map/EU-payments_aml.json",
        "policy_token_map/SG-payments_aml.json",
        "tokens/imt/eu-sg-payments_aml-2026-10.1.json",
        "tokens/rmt/eu-payments_aml-2026-10.1.json",
        "tokens/rmt/sg-payments_aml-2026-10.1.json",
        "unsatisfiable.json",
    }


def test_a_difference_that_the_stricter_rule_settles_is_listed() -> None:
    output = run(worlds.by_id(EU, SG), ["EU", "SG", "EU-SG"])
    (conflict,) = json.loads(output.artefacts["conflicts.json"])
    assert conflict["corridor"] == "EU-SG"
    assert conflict["effective_conflicts"] == token(output, "imt/eu-sg")["effective_conflicts"]


def test_every_clause_is_mapped_with_its_citation() -> None:
    """RTGF-CT-74."""
    output = run(worlds.by_id(EU), ["EU"])
    rows = json.loads(output.artefacts["policy_token_map/EU-payments_aml.json"])
    assert [row["clause_id"] for row in rows] == ["retain", "screen"]
    assert all(row["citation"]["article"] == "5" and row["predicate_id"] for row in rows)


def test_an_unsatisfiable_corridor_gets_no_token_and_the_rest_goes_on() -> None:
    at_home = {"allowed": ["KR"], "mechanisms": []}
    kr = worlds.document("KR", data_residency=at_home)
    eu = {**EU, "data_residency": {"allowed": ["EU"], "mechanisms": []}, "scenarios": []}
    output = run(worlds.by_id(eu, kr, SG), ["EU", "KR", "SG", "EU-KR", "EU-SG"])
    (listed,) = output.unsatisfiable()
    assert (listed["corridor"], listed["code"]) == ("EU-KR", "RTGF_MAP_RULE_CONFLICT")
    assert listed["detail"]
    made = [name for name in output.artefacts if name.startswith("tokens/imt/")]
    assert made == ["tokens/imt/eu-sg-payments_aml-2026-10.1.json"]


class TestParents:
    def issued(self) -> dict[str, bytes]:
        output = run(worlds.by_id(SG), ["SG"])
        data = tokens.sign(token(output, "rmt/sg"), worlds.node().signers)
        return {"RMT:SG:payments_aml:2026-10.1": data}

    def stated(self, parents: dict[str, bytes]) -> list[dict[str, Any]]:
        return [
            {"token_id": name, "canonical_hash": tokens.parse(data).canonical_hash}
            for name, data in parents.items()
        ]

    def test_an_imt_may_rest_on_an_rmt_that_was_issued_before(self) -> None:
        parents = self.issued()
        output = build(
            worlds.build_inputs(
                worlds.by_id(EU), ["EU", "EU-SG"], parents=self.stated(parents), **SOURCES
            ),
            snapshots=worlds.by_id(EU),
            parents=parents,
            library=LIBRARY,
            datasets=INDEXES,
        )
        assert "RMT:SG:payments_aml:2026-10.1" in token(output, "imt/eu-sg")["derived_from"]

    def test_an_altered_parent_is_refused(self) -> None:
        parents = self.issued()
        stated = self.stated(parents)
        altered = {k: v.replace(b"P6Y", b"P1Y") for k, v in parents.items()}
        with pytest.raises(RtgfError) as caught:
            build(
                worlds.build_inputs(worlds.by_id(EU), ["EU", "EU-SG"], parents=stated, **SOURCES),
                snapshots=worlds.by_id(EU),
                parents=altered,
                library=LIBRARY,
                datasets=INDEXES,
            )
        assert caught.value.code is Code.RTGF_BUILD_HASH_MISMATCH

    def test_a_missing_rmt_is_refused(self) -> None:
        error = refusal(worlds.by_id(EU), ["EU", "EU-SG"])
        assert (error.code, error.pointer) == (Code.RTGF_INPUT_INVALID, "/parents")


class TestRefusals:
    """Nothing is signed and nothing is logged of a build that raises."""

    def test_bytes_that_are_no_snapshot(self) -> None:
        """RTGF-CT-21."""
        snapshots = worlds.by_id(EU)
        inputs = worlds.build_inputs(snapshots, ["EU"], **SOURCES)
        broken = {name: data[:-1] for name, data in snapshots.items()}
        with pytest.raises(RtgfError) as caught:
            build(inputs, snapshots=broken, parents={}, library=LIBRARY, datasets=INDEXES)
        assert caught.value.code is Code.RTGF_BUILD_SNAPSHOT_INVALID
        assert caught.value.causes[0].code is Code.RTGF_POL_MATRIX_SCHEMA_INVALID

    def test_a_snapshot_with_another_digest_than_the_inputs_name(self) -> None:
        snapshots = worlds.by_id(EU)
        inputs = worlds.build_inputs(snapshots, ["EU"], **SOURCES)
        other = worlds.by_id({**EU, "ttl_sec": 60})
        with pytest.raises(RtgfError) as caught:
            build(inputs, snapshots=other, parents={}, library=LIBRARY, datasets=INDEXES)
        assert caught.value.code is Code.RTGF_BUILD_HASH_MISMATCH

    def test_an_expired_snapshot(self) -> None:
        """RTGF-CT-21."""
        error = refusal(worlds.by_id(EU), ["EU"], issued_at="2027-10-01T00:00:00Z")
        assert error.code is Code.RTGF_BUILD_SNAPSHOT_INVALID

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"template": "unmapped"}, Code.RTGF_MAP_UNSUPPORTED_CLAUSE),
            ({"template": "no_such_template"}, Code.RTGF_MAP_PREDICATE_TEMPLATE_MISSING),
            ({"control_id": "NO_SUCH_CONTROL"}, Code.RTGF_MAP_CONTROL_UNKNOWN),
        ],
    )
    def test_a_clause_that_does_not_compile(self, changes: dict[str, Any], code: Code) -> None:
        """RTGF-CT-71, RTGF-CT-72."""
        made = worlds.document(clauses=[worlds.clause(**changes)])
        error = refusal(worlds.by_id(made), ["EU"])
        assert error.code is Code.RTGF_BUILD_SNAPSHOT_INVALID
        assert error.causes[0].code is code

    def test_a_list_that_is_not_the_pinned_one(self) -> None:
        """RTGF-CT-11, RTGF-CT-22."""
        (source,) = EU["evidence_sources"]
        pinned = {k: v for k, v in source.items() if k != "feed"}
        pinned["pin"] = {"content_sha256": worlds.digest_of("another list")}
        error = refusal(worlds.by_id({**EU, "evidence_sources": [pinned]}), ["EU"])
        assert error.code is Code.RTGF_SANCTIONS_HASH_MISMATCH
        pinned["pin"] = {"content_sha256": CONTENT}
        assert run(worlds.by_id({**EU, "evidence_sources": [pinned]}), ["EU"])

    def test_a_list_that_is_not_there(self) -> None:
        error = refusal(worlds.by_id(EU), ["EU"], datasets=[])
        assert error.code is Code.RTGF_SANCTIONS_FETCH_FAILED

    @pytest.mark.parametrize("member", ["library_digest", "catalogue_digest"])
    def test_another_library_than_the_inputs_name(self, member: str) -> None:
        error = refusal(worlds.by_id(EU), ["EU"], **{member: worlds.digest_of("x")})
        assert (error.code, error.pointer) == (Code.RTGF_BUILD_HASH_MISMATCH, f"/{member}")

    def test_a_target_without_its_snapshot(self) -> None:
        assert refusal(worlds.by_id(EU), ["SG"]).code is Code.RTGF_BUILD_SNAPSHOT_INVALID

    def test_a_target_named_twice(self) -> None:
        assert refusal(worlds.by_id(EU), ["EU", "EU"]).code is Code.RTGF_INPUT_INVALID


class TestScenarios:
    def test_a_failing_one_halts_the_build_and_is_named(self) -> None:
        wrong = worlds.scenario("too short a time", "PERMIT")
        wrong["context"] = worlds.payment(record_retention="P1Y")
        error = refusal(worlds.by_id({**EU, "scenarios": [*EU["scenarios"], wrong]}), ["EU"])
        assert error.code is Code.RTGF_PIPELINE_QA_FAIL
        assert error.pointer == "/scenarios/2"
        assert "too short a time" in error.detail
        assert "RETENTION_TOO_SHORT" in error.detail

    def test_the_right_decision_for_another_reason_fails(self) -> None:
        wrong = worlds.scenario("reason", "DENY", "SANCTIONS_LISTED")
        wrong["context"] = worlds.payment(record_retention="P1Y")
        error = refusal(worlds.by_id({**EU, "scenarios": [wrong]}), ["EU"])
        assert error.code is Code.RTGF_PIPELINE_QA_FAIL

    def test_one_with_a_corridor_is_asked_of_the_imt_alone(self) -> None:
        # Five years do for the EU, but not for the corridor, where six are due.
        due = worlds.scenario("corridor", "DENY", "RETENTION_TOO_SHORT", corridor="EU-SG")
        due["context"] = worlds.payment(record_retention="P5Y")
        snapshots = worlds.by_id({**EU, "scenarios": [due]}, SG)
        assert run(snapshots, ["EU", "SG", "EU-SG"])
        due["expect"] = {"decision": "PERMIT", "reasons": []}
        snapshots = worlds.by_id({**EU, "scenarios": [due]}, SG)
        assert run(snapshots, ["EU", "SG"])
        assert refusal(snapshots, ["EU", "SG", "EU-SG"]).code is Code.RTGF_PIPELINE_QA_FAIL

    @pytest.mark.parametrize("issued_at", ["2026-11-22T10:00:00Z", "2027-02-01T23:59:59Z"])
    def test_one_is_decided_alike_whenever_it_is_built(self, issued_at: str) -> None:
        # The clause begins inside the snapshot's window; the scenario is of the window's beginning.
        made = worlds.document(
            clauses=[worlds.clause(valid_from="2027-01-01")],
            scenarios=[worlds.scenario("not yet", "PERMIT", context={})],
        )
        assert run(worlds.by_id(made), ["EU"], issued_at=issued_at)

    def test_a_list_without_its_records_halts_the_build(self) -> None:
        snapshots = worlds.by_id(EU)
        inputs = worlds.build_inputs(snapshots, ["EU"], **SOURCES)
        with pytest.raises(RtgfError) as caught:
            build(inputs, snapshots=snapshots, parents={}, library=LIBRARY, datasets={})
        assert caught.value.code is Code.RTGF_BUILD_HASH_MISMATCH


def test_the_pieces_a_build_is_cut_into_change_nothing() -> None:
    """RTGF-CT-20: one by one, backwards, each by a builder of its own."""
    snapshots = worlds.by_id(EU, SG)
    inputs = worlds.build_inputs(snapshots, ["EU", "SG", "EU-SG", "SG-EU"], **SOURCES)
    artefacts: dict[str, str] = {}
    notes: list[Note] = []
    for number in reversed(range(4)):
        part = Build(inputs, snapshots, {}, LIBRARY, INDEXES).make([number])
        artefacts |= {name: digests.sha256(body) for name, body in part.artefacts.items()}
        notes += part.notes
    made, _ = finish(inputs, artefacts, notes)
    assert made == run(snapshots, ["EU", "SG", "EU-SG", "SG-EU"]).manifest


def test_every_entry_that_cannot_be_built_is_named_at_once() -> None:
    """RTGF-CT-82."""
    broken = {"clauses": [worlds.clause(template="no_such_template")]}
    snapshots = worlds.by_id(
        *(worlds.document(place, **broken) for place in ("UK", "SG")), worlds.document("EU")
    )
    with pytest.raises(UnbuildableError) as caught:
        run(snapshots, ["EU", "SG", "UK", "EU-SG", "SG-UK"])
    assert [place.name for place in caught.value.failures] == ["SG", "UK"]
