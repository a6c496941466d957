"""Clauses become predicates: stable, complete, cited, and never two that contradict each other."""

from __future__ import annotations

import copy
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import digests
from rtgf_node.core.policy import predicates
from rtgf_node.errors import Code, RtgfError
from tests import contexts, worlds

LIBRARY = worlds.library()
EU = contexts.policy_document("eu-payments_aml")
PAYMENT = contexts.payment_eu_sg()


def compile_(document, **options):
    return predicates.compile_snapshot(contexts.as_snapshot(document), LIBRARY, **options)


def of(*clauses, **changes):
    changes = {"evidence_sources": [worlds.source()], **changes}
    return worlds.document(clauses=list(clauses), **changes)


def test_a_predicate_id_is_the_digest_of_its_clause_alone():
    """RTGF-CT-70: the same clause has the same predicate id whatever stands beside it."""
    alone = compile_(of(worlds.clause("b")))
    among = compile_(of(worlds.clause("a"), worlds.clause("c"), worlds.clause("b")))
    [found] = [p for p in among.predicates if p["clause_id"] == "b"]
    assert alone.predicates == (found,)
    clause = msgspec.to_builtins(contexts.as_snapshot(of(worlds.clause("b"))).clauses[0])
    expected = digests.of_document(clause).removeprefix("sha256:")[:12]
    assert found["id"] == f"pred.eu.payments_aml.{expected}"


def test_another_parameter_is_another_predicate():
    """RTGF-CT-70: an id never stays when the clause changes."""
    held = compile_(of(worlds.clause("b"))).predicates[0]["id"]
    other = worlds.clause("b", params={"minimum_period": "P6Y"})
    assert compile_(of(other)).predicates[0]["id"] != held


@given(st.randoms(use_true_random=False), st.sampled_from(contexts.policy_names()))
def test_the_order_of_the_input_does_not_matter(shuffler: random.Random, name: str):
    """RTGF-CT-73: clauses, references and parameters in any order compile to the same policy."""
    document = contexts.policy_document(name)
    shuffled = copy.deepcopy(document)
    shuffler.shuffle(shuffled["clauses"])
    shuffler.shuffle(shuffled["normative_references"])
    for clause in shuffled["clauses"]:
        items = list(clause["params"].items())
        shuffler.shuffle(items)
        clause["params"] = dict(items)
    assert compile_(shuffled) == compile_(document)


def test_the_order_is_obligations_prohibitions_controls_then_clause_id():
    found = [(p["kind"], p["clause_id"]) for p in compile_(EU).predicates]
    stages = ("obligation", "prohibition", "control")
    assert found == sorted(found, key=lambda each: (stages.index(each[0]), each[1]))


def test_the_citation_is_kept_to_the_paragraph():
    """RTGF-CT-74: instrument, article and paragraph reach the predicate, the duty and the map."""
    policy = compile_(EU)
    cited = {
        "ref": "tfr",
        "instrument": "Regulation (EU) 2023/1113",
        "article": "Article 26",
        "paragraph": "1",
    }
    for rows in (policy.predicates, policy.duties, policy.policy_token_map):
        [row] = [row for row in rows if row["clause_id"] == "eu.transfer-records"]
        assert row["citation"] == cited


@pytest.mark.parametrize("name", contexts.policy_names())
def test_every_clause_is_in_the_map(name):
    """RTGF-CT-74: no clause of a snapshot is lost on the way to its predicate."""
    document = contexts.policy_document(name)
    policy = compile_(document)
    ids = {p["id"] for p in policy.predicates}
    clauses = {clause["clause_id"]: clause for clause in document["clauses"]}
    assert {row["clause_id"] for row in policy.policy_token_map} == set(clauses)
    for row in policy.policy_token_map:
        assert row["predicate_id"] in ids
        assert row["citation"]["article"] == clauses[row["clause_id"]]["citation"]["article"]
    entries = [*policy.duties, *policy.prohibitions, *policy.controls]
    assert {entry["clause_id"] for entry in entries} == set(clauses)


UNMAPPED = worlds.clause("z.poem", template="unmapped", params={})


def test_an_unsupported_clause_halts():
    """RTGF-CT-71: the clause is named, with its place, and nothing is compiled."""
    document = of(worlds.clause(), UNMAPPED)
    with pytest.raises(RtgfError, match=r"z\.poem") as refusal:
        compile_(document)
    assert refusal.value.code is Code.RTGF_MAP_UNSUPPORTED_CLAUSE
    assert refusal.value.pointer == "/clauses/1/template"
    [row] = predicates.review(contexts.as_snapshot(document), LIBRARY)
    assert (row["clause_id"], row["code"]) == ("z.poem", "RTGF_MAP_UNSUPPORTED_CLAUSE")


def test_only_a_waiver_for_this_clause_lets_it_pass():
    """RTGF-CT-71: a waived clause is listed for review and has no predicate."""
    policy = compile_(of(worlds.clause(), UNMAPPED), waived={"z.poem"})
    assert [row["clause_id"] for row in policy.manual_review] == ["z.poem"]
    assert [p["clause_id"] for p in policy.predicates] == ["retain"]
    assert policy.policy_token_map[1]["predicate_id"] is None
    with pytest.raises(RtgfError):
        compile_(of(worlds.clause(), UNMAPPED), waived={"retain"})


def test_a_waiver_passes_no_other_mistake():
    wrong = worlds.clause("wrong", params={"minimum_period": "soon"})
    with pytest.raises(RtgfError) as refusal:
        compile_(of(wrong), waived={"wrong"})
    assert refusal.value.code is Code.RTGF_POL_MATRIX_SCHEMA_INVALID


def test_all_refused_clauses_are_told_at_once():
    document = of(worlds.clause("a", params={}), worlds.clause("b", template="none-such"), UNMAPPED)
    with pytest.raises(RtgfError) as refusal:
        compile_(document)
    assert [cause.pointer for cause in refusal.value.causes] == [
        "/clauses/0/params/minimum_period",
        "/clauses/1/template",
        "/clauses/2/template",
    ]


def test_an_unknown_control_is_refused_with_its_place():
    """RTGF-CT-72: the whole snapshot is refused for a control that nobody defined."""
    with pytest.raises(RtgfError) as refusal:
        compile_(of(worlds.clause(), worlds.clause("x", control_id="DANCE")))
    assert refusal.value.code is Code.RTGF_MAP_CONTROL_UNKNOWN
    assert refusal.value.pointer == "/clauses/1/control_id"


@pytest.mark.parametrize(
    ("applies_when", "place"),
    [
        ({}, ""),
        ({"weather": "fine"}, "/weather"),
        ({"crossborder": "yes"}, "/crossborder"),
        ({"instrument": []}, "/instrument"),
        ({"instrument": 5}, "/instrument"),
        ({"amount_gt": "1000"}, "/amount_gt"),
        ({"amount_gt": [{"value": "1", "currency": "EUR"}]}, "/amount_gt"),
    ],
)
def test_an_occasion_outside_the_fixed_set_is_refused(applies_when, place):
    with pytest.raises(RtgfError) as refusal:
        compile_(of(worlds.clause(applies_when=applies_when)))
    assert refusal.value.code is Code.RTGF_POL_MATRIX_SCHEMA_INVALID
    assert refusal.value.pointer == f"/clauses/0/applies_when{place}"


def test_an_occasion_that_the_context_does_not_tell_is_no_excuse():
    rules = compile_(of(worlds.clause(applies_when={"suspicion": True}))).predicates
    assert contexts.decide_on(rules, {"suspicion": False}).decision == "PERMIT"
    assert contexts.decide_on(rules, {"record_retention": "P9Y"}).reasons == (
        "INPUT_MISSING:suspicion",
    )


def review_clause(clause_id, value, currency="EUR", **changes):
    params = {
        "threshold": {"value": value, "currency": currency},
        "comparison": "gt",
        "control": "ENHANCED_REVIEW",
    }
    return worlds.clause(
        clause_id, kind="control", template="amount_threshold_review", params=params, **changes
    )


def mechanisms(clause_id, *allowed, **changes):
    return worlds.clause(
        clause_id,
        kind="control",
        template="transfer_mechanism",
        params={"allowed": list(allowed)},
        **changes,
    )


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (mechanisms("one", "contract"), mechanisms("two", "consent")),
        (review_clause("one", "1000.00"), review_clause("two", "2000.00")),
        (review_clause("one", "1000.00", applies_to="originator"), review_clause("two", "2000.00")),
    ],
)
def test_two_clauses_that_cannot_both_hold(a, b):
    with pytest.raises(RtgfError, match=r"one .*Example Act 2020.* and two") as refusal:
        compile_(of(b, a))
    assert refusal.value.code is Code.RTGF_MAP_RULE_CONFLICT


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (mechanisms("one", "contract", "law"), mechanisms("two", "contract", "consent")),
        (review_clause("one", "1000.00"), review_clause("two", "2000.00", "SGD")),
        (review_clause("one", "1000.00"), review_clause("two", "1000.00")),
        (
            review_clause("one", "1000.00", applies_to="originator"),
            review_clause("two", "2000.00", applies_to="beneficiary"),
        ),
        (
            review_clause("one", "1000.00", applies_when={"instrument": "cash"}),
            review_clause("two", "2000.00", applies_when={"instrument": "card"}),
        ),
        (mechanisms("one", "contract"), mechanisms("two", "consent", exception_of="one")),
        (worlds.clause("one"), worlds.clause("two", params={"minimum_period": "P10Y"})),
    ],
    ids=["common", "currencies", "same", "parties", "occasions", "exception", "both-can-hold"],
)
def test_two_clauses_that_can_both_hold(a, b):
    compile_(of(a, b))


class TestAnException:
    RULES = (
        mechanisms("rule", "contract"),
        mechanisms(
            "consent", "explicit_consent", exception_of="rule", applies_when={"purpose": "one_off"}
        ),
    )

    @pytest.mark.parametrize(
        ("mechanism", "purpose", "decision"),
        [
            ("contract", "one_off", "PERMIT"),
            ("contract", "regular", "PERMIT"),
            ("explicit_consent", "one_off", "PERMIT"),
            ("explicit_consent", "regular", "DENY"),
            ("nothing", "one_off", "DENY"),
        ],
    )
    def test_it_relaxes_its_clause_on_its_own_occasions(self, mechanism, purpose, decision):
        rules = compile_(of(*self.RULES)).predicates
        context = {"transfer_mechanism": mechanism, "purpose": purpose}
        assert contexts.decide_on(rules, context).decision == decision

    def test_it_is_asked_only_where_the_clause_itself_fails(self):
        rules = compile_(of(*self.RULES)).predicates
        assert contexts.decide_on(rules, {"transfer_mechanism": "contract"}).decision == "PERMIT"
        decision = contexts.decide_on(rules, {"transfer_mechanism": "nothing"})
        assert decision.reasons == ("INPUT_MISSING:purpose",)

    def test_the_clause_keeps_its_predicate_id_and_names_the_exception(self):
        alone = compile_(of(self.RULES[0])).predicates[0]
        policy = compile_(of(*self.RULES))
        [rule] = policy.predicates
        assert rule["id"] == alone["id"]
        assert rule["params"]["exceptions"] == ["consent"]
        assert {row["predicate_id"] for row in policy.policy_token_map} == {rule["id"]}

    def test_an_exception_of_an_exception(self):
        inner = mechanisms(
            "inner", "seal", exception_of="consent", applies_when={"data_category": "post"}
        )
        rules = compile_(of(inner, *self.RULES)).predicates
        context = {"transfer_mechanism": "seal", "purpose": "one_off", "data_category": "post"}
        assert contexts.decide_on(rules, context).decision == "PERMIT"
        assert contexts.decide_on(rules, {**context, "purpose": "regular"}).decision == "DENY"

    @pytest.mark.parametrize(
        ("at", "decision"),
        [
            ("2027-07-09T23:59:59Z", "DENY"),
            ("2027-07-10T00:00:00Z", "PERMIT"),
            ("2027-07-12T23:59:59Z", "PERMIT"),
            ("2027-07-13T00:00:00Z", "DENY"),
        ],
    )
    def test_it_excuses_nothing_outside_the_days_of_its_validity(self, at, decision):
        rule, consent = self.RULES
        timed = {**consent, "valid_from": "2027-07-10", "valid_to": "2027-07-12"}
        rules = compile_(of(rule, timed)).predicates
        context = {"transfer_mechanism": "explicit_consent", "purpose": "one_off"}
        assert contexts.decide_on(rules, context, at=at).decision == decision
        nothing = {"transfer_mechanism": "nothing", "purpose": "one_off"}
        assert contexts.decide_on(rules, nothing, at=at).decision == "DENY"

    def test_what_it_looks_up_keeps_its_own_name(self):
        screen = worlds.screening_clause()
        other = {**copy.deepcopy(screen), "clause_id": "narrow", "exception_of": "screen"}
        other["params"]["parties"] = ["originator"]
        rules = compile_(of(screen, other)).predicates
        listed = contexts.to_listed(PAYMENT)
        assert contexts.decide_on(rules, listed).decision == "PERMIT"

    def test_a_circle_is_refused(self):
        with pytest.raises(RtgfError, match="circle") as refusal:
            compile_(
                of(
                    mechanisms("one", "a", exception_of="two"),
                    mechanisms("two", "b", exception_of="one"),
                )
            )
        assert refusal.value.code is Code.RTGF_MAP_RULE_CONFLICT

    def test_one_for_another_party_is_refused(self):
        with pytest.raises(RtgfError, match="same party"):
            compile_(
                of(
                    mechanisms("one", "a"),
                    mechanisms("two", "b", exception_of="one", applies_to="originator"),
                )
            )


@pytest.mark.parametrize(
    ("at", "decision"),
    [
        ("2027-07-09T23:59:59Z", "PERMIT"),
        ("2027-07-10T00:00:00Z", "DENY"),
        ("2027-07-12T23:59:59Z", "DENY"),
        ("2027-07-13T00:00:00Z", "PERMIT"),
    ],
)
def test_a_clause_is_demanded_on_the_days_of_its_validity(at, decision):
    clause = worlds.clause(valid_from="2027-07-10", valid_to="2027-07-12")
    rules = compile_(of(clause)).predicates
    assert contexts.decide_on(rules, {"record_retention": "P1Y"}, at=at).decision == decision


def test_a_list_that_the_snapshot_does_not_rest_on_is_refused():
    """No token would carry the list's digest, so that screening against it could only fail."""
    screen = worlds.screening_clause()
    screen["params"]["lists"] = ["un-sc", "eu-fsf"]
    with pytest.raises(RtgfError, match="'eu-fsf' is none of the snapshot's") as refusal:
        compile_(of(worlds.clause(), screen))
    assert refusal.value.code is Code.RTGF_POL_MATRIX_SCHEMA_INVALID
    assert refusal.value.pointer == "/clauses/1/params/lists/1"
    both = [worlds.source(), worlds.source("eu-fsf")]
    assert compile_(of(screen, evidence_sources=both)).predicates


class TestResidency:
    """A snapshot's `data_residency` is a rule like any other."""

    def of(self, **stated):
        return compile_(of(worlds.clause(), data_residency=stated)).predicates

    @pytest.mark.parametrize(
        ("context", "decision"),
        [
            ({"data_location": "EU"}, "PERMIT"),
            ({"data_location": "SG", "transfer_mechanism": "contract"}, "PERMIT"),
            ({"data_location": "SG", "transfer_mechanism": "consent"}, "DENY"),
            ({"data_location": "SG"}, "DENY"),
            ({}, "DENY"),
        ],
    )
    def test_it_decides(self, context, decision):
        rules = self.of(allowed=["EU"], mechanisms=["contract"])
        found = contexts.decide_on(rules, {"record_retention": "P5Y", **context})
        assert found.decision == decision

    def test_its_id_is_the_same_for_every_version(self):
        [first, _] = self.of(allowed=["EU"])
        later = worlds.document(version="2027-01", data_residency={"allowed": ["EU"]})
        assert compile_(later).predicates[0]["id"] == first["id"]

    @pytest.mark.parametrize("stated", [{"allowed": []}, {"allowed": ["Atlantis"]}])
    def test_one_that_allows_nothing_is_refused(self, stated):
        with pytest.raises(RtgfError) as refusal:
            self.of(**stated)
        assert refusal.value.code is Code.RTGF_POL_MATRIX_SCHEMA_INVALID
        assert refusal.value.pointer.startswith("/data_residency")
