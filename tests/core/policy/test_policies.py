"""The illustrative policies: accepted at the door, compiled whole, deciding as they say."""

from __future__ import annotations

import itertools
import json

import pytest

from rtgf_node.core import snapshot
from rtgf_node.core.policy import corridor
from tests import contexts, worlds

NAMES = contexts.policy_names()
PAYMENTS = sorted(n.partition("-")[0].upper() for n in NAMES if n.endswith("payments_aml"))
DATA = sorted(n.partition("-")[0].upper() for n in NAMES if n.endswith("data_protection"))
CORRIDORS = [
    (f"{a}-{b}", domain)
    for domain, places in (("payments_aml", PAYMENTS), ("data_protection", DATA))
    for a, b in itertools.permutations(places, 2)
]
SCENARIOS = [
    pytest.param(name, index, id=f"{name}: {scenario['name']}")
    for name in NAMES
    for index, scenario in enumerate(contexts.policy_document(name)["scenarios"])
]


def test_the_demo_has_these_policies():
    assert PAYMENTS == ["AU", "EU", "KR", "MY", "SG", "UK", "US"]
    assert DATA == ["EU", "SG", "US"]


@pytest.mark.parametrize("name", NAMES)
def test_its_authority_can_sign_it_and_it_is_taken_in(name):
    document = contexts.policy_document(name)
    authority = worlds.Identity(document["issuer"], use="authority")
    sealed = snapshot.seal(document, authority.signers)
    held = snapshot.accept(sealed, keys=authority.keys, issuers=[authority.did], at=contexts.NOW)
    assert held.status == "illustrative"
    assert held.issuer == f"did:web:{held.jurisdiction.lower()}.authority.example"
    assert f"{held.jurisdiction.lower()}-{held.domain}" == name


@pytest.mark.parametrize("name", NAMES)
def test_it_has_a_scenario_of_each_decision(name):
    expected = {s["expect"]["decision"] for s in contexts.policy_document(name)["scenarios"]}
    assert expected == {"PERMIT", "PERMIT_WITH_CONTROLS", "DENY"}


@pytest.mark.parametrize(("name", "index"), SCENARIOS)
def test_its_scenario_is_decided_as_it_says(name, index):
    scenario = contexts.policy_document(name)["scenarios"][index]
    rules = contexts.rmt(contexts.policy_document(name))["predicate_set"]
    decision = contexts.decide_on(rules, scenario["context"])
    assert decision.decision == scenario["expect"]["decision"], decision.reasons
    assert list(decision.reasons) == scenario["expect"]["reasons"]


@pytest.mark.parametrize("name", [n for n in NAMES if n.endswith("payments_aml")])
def test_it_screens_against_the_lists_that_it_rests_on(name):
    document = contexts.policy_document(name)
    named = {
        dataset
        for clause in document["clauses"]
        if clause["template"] == "sanctions_screening"
        for dataset in clause["params"]["lists"]
    }
    assert named == {source["dataset"] for source in document["evidence_sources"]}
    assert "un-sc" in named


@pytest.mark.parametrize(("name", "domain"), CORRIDORS)
def test_every_corridor_can_be_satisfied(name, domain):
    assert contexts.illustrative_corridor(name, domain).predicate_set


@pytest.mark.parametrize("name", ["EU-SG", "EU-US", "SG-US"])
def test_data_may_leave_on_contractual_clauses(name):
    rules = contexts.illustrative_corridor(name, "data_protection").predicate_set
    context = contexts.example("transfer-eu-sg")
    assert contexts.decide_on(rules, context).decision != "DENY"
    decision = contexts.decide_on(rules, {**context, "transfer_mechanism": "none"})
    assert decision.reasons == ("TRANSFER_MECHANISM_NOT_ALLOWED",)


class TestThePaymentOfTheDemo:
    RULES = contexts.illustrative_corridor("EU-SG").predicate_set

    def test_an_ordinary_one_is_permitted(self):
        decision = contexts.decide_on(self.RULES, contexts.payment_eu_sg())
        assert (decision.decision, decision.reasons) == ("PERMIT", ())

    def test_a_large_one_needs_controls(self):
        decision = contexts.decide_on(self.RULES, contexts.example("payment-eu-sg-large"))
        assert decision.decision == "PERMIT_WITH_CONTROLS"
        assert decision.controls == ("VERIFY_ORIGINATOR_INFORMATION", "ENHANCED_REVIEW")

    def test_one_to_a_listed_name_is_denied(self):
        decision = contexts.decide_on(self.RULES, contexts.to_listed(contexts.payment_eu_sg()))
        assert (decision.decision, decision.reasons) == ("DENY", ("SANCTIONS_LISTED",))

    def test_a_large_one_to_a_listed_name_hides_nothing(self):
        context = contexts.to_listed(contexts.example("payment-eu-sg-large"))
        decision = contexts.decide_on(self.RULES, context)
        assert decision.decision == "DENY"
        assert decision.reasons == ("SANCTIONS_LISTED", "AMOUNT_OVER_THRESHOLD")

    @pytest.mark.parametrize(
        "member", sorted(contexts.payment_eu_sg().keys() - {"purpose", "suspicion"})
    )
    def test_nothing_that_it_states_may_be_left_out(self, member):
        context = contexts.payment_eu_sg()
        del context[member]
        decision = contexts.decide_on(self.RULES, context)
        assert decision.decision == "DENY"
        assert decision.error


@pytest.mark.parametrize("name", NAMES)
def test_the_known_errors_of_law_are_not_repeated(name):
    document = contexts.policy_document(name)
    text = json.dumps(document)
    assert "2018/1673" not in text  # the criminal-law directive lays no duty on payment firms
    assert "PSD3" not in text
    for reference in document["normative_references"]:
        # Replaced in the Union since 30 December 2024; it lives on only in United Kingdom law.
        replaced = "2015/847" in reference["instrument"]
        assert not replaced or document["jurisdiction"] == "UK"
    for clause in document["clauses"]:
        if clause["template"] == "reporting_deadline":
            assert document["jurisdiction"] != "EU"  # the directive says promptly
        threshold = clause["params"].get("threshold")
        assert not isinstance(threshold, dict) or set(threshold) == {"value", "currency"}


@pytest.mark.parametrize(
    ("jurisdiction", "clause_id", "value", "currency", "comparison"),
    [
        ("EU", "eu.transfer-information", "1000.00", "EUR", "gt"),
        ("EU", "eu.cash-cap", "10000.00", "EUR", "gt"),
        ("SG", "sg.wire-information", "1500.00", "SGD", "gt"),
        ("US", "us.travel-rule", "3000.00", "USD", "gte"),
        ("US", "us.currency-report", "10000.00", "USD", "gt"),
        ("AU", "au.threshold-report", "10000.00", "AUD", "gte"),
        ("MY", "my.wire-information", "3000.00", "MYR", "gte"),
        ("KR", "kr.cdd-originator", "20000000", "KRW", "gt"),
    ],
)
def test_the_boundaries_are_those_of_the_law(jurisdiction, clause_id, value, currency, comparison):
    document = contexts.policy_document(f"{jurisdiction.lower()}-payments_aml")
    [clause] = [c for c in document["clauses"] if c["clause_id"] == clause_id]
    assert clause["params"]["threshold"] == {"value": value, "currency": currency}
    assert clause["params"]["comparison"] == comparison


def test_the_cash_cap_bites_from_the_day_the_regulation_applies():
    rules = [
        p
        for p in contexts.illustrative_rmt("EU")["predicate_set"]
        if p["clause_id"] == "eu.cash-cap"
    ]
    cash = {"instrument": "cash", "amount": {"value": "10000.01", "currency": "EUR"}}
    for at, decision in (("2027-07-09T12:00:00Z", "PERMIT"), ("2027-07-10T00:00:00Z", "DENY")):
        assert contexts.decide_on(rules, cash, at=at).decision == decision


def test_the_corridor_of_the_demo_tells_what_it_settled():
    merged = contexts.illustrative_corridor("EU-SG")
    [row] = [row for row in merged.effective_conflicts if row["parameter"] == "lists"]
    assert row["result"] == ["eu-fsf", "un-sc"]
    assert isinstance(merged, corridor.IntersectedPolicy)
