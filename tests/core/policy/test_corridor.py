"""A corridor's rules are those of both its sides, by direction, and never laxer than either."""

from __future__ import annotations

import copy
import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgf_node.core import digests
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.policy import corridor, plan
from rtgf_node.core.policy.side import Side
from rtgf_node.errors import Code, RtgfError
from tests import contexts, worlds

STRICTNESS = ("PERMIT", "PERMIT_WITH_CONTROLS", "DENY")


@pytest.mark.parametrize("name", ["EU-SG", "KR-AU"])
def test_what_is_most_of_a_corridor_comes_with_its_canonical_text(name):
    merged = contexts.illustrative_corridor(name)
    assert merged.effective_conflicts
    assert {"predicate_set", "effective_conflicts"} < merged.texts.keys()
    for member, text in merged.texts.items():
        assert text == canonical_bytes(getattr(merged, member))


def settled(name, template, parameter, domain="payments_aml"):
    merged = contexts.illustrative_corridor(name, domain)
    return [
        row
        for row in merged.parameters
        if (row["template"], row["parameter"]) == (template, parameter)
    ]


@pytest.mark.parametrize(
    ("name", "period"), [("EU-SG", "P5Y"), ("KR-AU", "P7Y"), ("SG-MY", "P6Y"), ("EU-US", "P10Y")]
)
def test_records_are_kept_for_the_longer_period(name, period):
    [row] = settled(name, "record_retention", "minimum_period")
    assert row["result"] == period
    for value, decision in ((period, "PERMIT"), ("P4Y", "DENY")):
        rules = [
            p
            for p in contexts.illustrative_corridor(name).predicate_set
            if p["template"] == "record_retention"
        ]
        assert contexts.decide_on(rules, {"record_retention": value}).decision == decision


def test_a_difference_is_listed_with_both_values_and_both_citations():
    [row] = [
        row
        for row in contexts.illustrative_corridor("KR-AU").effective_conflicts
        if row["parameter"] == "minimum_period"
    ]
    assert (row["a"]["value"], row["b"]["value"], row["result"]) == ("P5Y", "P7Y", "P7Y")
    assert row["a"]["citation"]["article"] == "Article 5-4"
    assert row["b"]["citation"]["instrument"].startswith("Anti-Money Laundering")
    assert row["b"]["citation"]["article"] == "section 107"
    assert row["b"]["citation"]["paragraph"] == "2"


def test_what_agrees_is_no_conflict():
    conflicts = contexts.illustrative_corridor("EU-SG").effective_conflicts
    assert "minimum_period" not in {row["parameter"] for row in conflicts}


def test_the_stricter_clause_of_one_side_is_the_one_cited():
    [row] = settled("EU-US", "record_retention", "minimum_period")
    assert row["b"]["clause_id"] == "us.sanctions-records"
    assert row["b"]["citation"]["article"] == "section 501.601"


def test_amounts_in_two_currencies_are_both_carried():
    merged = contexts.illustrative_corridor("EU-SG")
    thresholds = {
        (p["jurisdiction"], p["params"]["threshold"]["value"], p["params"]["threshold"]["currency"])
        for p in merged.predicate_set
        if p["template"] == "travel_rule_information"
    }
    assert {("EU", "1000.00", "EUR"), ("SG", "1500.00", "SGD")} <= thresholds
    assert not [row for row in merged.parameters if row["parameter"] == "threshold"
                and row["template"] == "travel_rule_information"]  # fmt: skip


@pytest.mark.parametrize(
    ("eur", "sgd", "decision"),
    [
        ("1000.00", "1500.00", "PERMIT"),
        ("1000.01", "1500.00", "DENY"),
        ("1000.00", "1500.01", "DENY"),
    ],
)
def test_each_amount_is_compared_in_its_own_currency(eur, sgd, decision):
    context = contexts.payment_eu_sg(
        amount={"value": eur, "currency": "EUR"},
        amount_equivalents={"SGD": {"value": sgd, "currency": "SGD"}},
    )
    del context["originator"]["address"]
    rules = [
        p
        for p in contexts.illustrative_corridor("EU-SG").predicate_set
        if p["template"] == "travel_rule_information"
    ]
    assert contexts.decide_on(rules, context).decision == decision


def test_direction_means_something():
    there = contexts.illustrative_corridor("EU-SG")
    back = contexts.illustrative_corridor("SG-EU")
    ids = [{row["clause_id"] for row in side.predicate_set} for side in (there, back)]
    assert "eu.verify-originator" in ids[0] - ids[1]
    assert "eu.transfer-information-received" in ids[1] - ids[0]
    assert "sg.cdd-beneficiary" in ids[0] - ids[1]
    assert "eu.sanctions" in ids[0] & ids[1]
    controls = [{row["clause_id"] for row in side.controls} for side in (there, back)]
    assert "eu.verify-originator" in controls[0] - controls[1]


def test_what_an_imt_says_of_itself():
    a, b = contexts.illustrative_rmt("EU"), contexts.illustrative_rmt("SG")
    b |= {"ttl_sec": 60, "assurance_level": "low", "required_assurance_level": "high"}
    b["effective"] = {"nbf": "2026-11-01T00:00:00Z", "exp": "2028-01-01T00:00:00Z"}
    merged = corridor.intersect(a, b, corridor="EU->SG")
    assert merged.corridor == "EU-SG"
    assert merged.effective == {"nbf": "2026-11-01T00:00:00Z", "exp": "2027-10-01T00:00:00Z"}
    assert merged.ttl_sec == 60
    assert merged.assurance_level == "low"
    assert merged.required_assurance_level == "high"
    assert merged.policy_snapshot_hash == digests.of_documents(
        [b["policy_snapshot_hash"], a["policy_snapshot_hash"]]
    )
    assert merged.derived_from == [a["token_id"], b["token_id"]]
    datasets = [row["dataset"] for row in merged.evidence["datasets"]]
    assert datasets == ["eu-fsf", "un-sc"]
    sequence = [step["predicate"] for step in plan.make(merged.predicate_set)["sequence"]]
    assert sequence == [p["id"] for p in merged.predicate_set]


def small(jurisdiction, *clauses, **changes):
    changes = {"evidence_sources": [worlds.source()], **changes}
    return contexts.rmt(worlds.document(jurisdiction, clauses=list(clauses), **changes))


def mechanisms(*allowed, article="5"):
    return worlds.clause(
        "mech",
        kind="control",
        template="transfer_mechanism",
        params={"allowed": list(allowed)},
        citation={"ref": "law-1", "article": article},
    )


class TestUnsatisfiable:
    def refused(self, a, b):
        with pytest.raises(RtgfError) as refusal:
            corridor.intersect(a, b, corridor="EU-SG")
        assert refusal.value.code is Code.RTGF_MAP_RULE_CONFLICT
        return refusal.value.detail

    def test_no_mechanism_in_common(self):
        detail = self.refused(
            small("EU", mechanisms("consent", article="49")),
            small("SG", mechanisms("contract", article="26")),
        )
        assert "{consent} in EU (Example Act 2020, 49, clause mech)" in detail
        assert "{contract} in SG (Example Act 2020, 26, clause mech)" in detail

    def test_no_day_in_common(self):
        late = small("SG", worlds.clause())
        late["effective"] = {"nbf": "2027-10-01T00:00:00Z", "exp": "2028-10-01T00:00:00Z"}
        detail = self.refused(small("EU", worlds.clause()), late)
        assert "RMT:EU:payments_aml" in detail
        assert "RMT:SG:payments_aml" in detail

    def test_no_place_in_common(self):
        detail = self.refused(
            small("EU", mechanisms("contract", article="45"), data_residency={"allowed": ["EU"]}),
            small("SG", mechanisms("contract", article="26"), data_residency={"allowed": ["SG"]}),
        )
        assert "EU (Example Act 2020, 45): EU" in detail
        assert "SG (Example Act 2020, 26): SG" in detail

    def test_a_parameter_that_nobody_knows_how_to_merge(self):
        a, b = small("EU", worlds.clause()), small("SG", worlds.clause())
        for token, sugar in ((a, "one"), (b, "two")):
            token["predicate_set"][0]["params"]["sugar"] = sugar
        assert "record_retention.sugar is one in EU" in self.refused(a, b)
        b["predicate_set"][0]["params"]["sugar"] = "one"
        corridor.intersect(a, b, corridor="EU-SG")


def test_different_occasions_do_not_meet():
    on_cash = {**mechanisms("consent"), "applies_when": {"instrument": "cash"}}
    merged = corridor.intersect(
        small("EU", on_cash), small("SG", mechanisms("contract")), corridor="EU-SG"
    )
    assert len(merged.predicate_set) == 2
    assert merged.parameters == []


def test_residency_that_one_side_leaves_open_is_the_others():
    a = small("EU", worlds.clause(), data_residency={"allowed": ["EU", "SG"], "mechanisms": ["x"]})
    b = small("SG", worlds.clause())
    assert corridor.intersect(a, b, corridor="EU-SG").data_residency == {
        "allowed": ["EU", "SG"],
        "mechanisms": ["x"],
    }
    assert (
        corridor.intersect(b, b | {"jurisdiction": "EU"}, corridor="SG-EU").data_residency is None
    )


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"jurisdiction": "US"}, "EU-SG"),
        ({"type": "RRMT"}, "EU-SG"),
        ({"domain": "tea"}, "EU-SG"),
        ({}, "SG-EU"),
    ],
)
def test_other_tokens_than_the_corridors_are_refused(change, name):
    a = small("EU", worlds.clause()) | change
    with pytest.raises(RtgfError) as refusal:
        corridor.intersect(a, small("SG", worlds.clause()), corridor=name)
    assert refusal.value.code is Code.RTGF_INPUT_INVALID


def test_a_duplicate_is_carried_once():
    a = small("EU", worlds.clause())
    b = a | {"jurisdiction": "SG", "token_id": "RMT:SG:payments_aml:2026-10.1"}
    assert len(corridor.intersect(a, b, corridor="EU-SG").predicate_set) == 1


@given(st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_the_order_of_the_sides_members_does_not_matter(shuffler):
    """RTGF-CT-73: the order of clauses within the RMTs leaves no trace in the corridor."""
    a, b = contexts.illustrative_rmt("EU"), contexts.illustrative_rmt("SG")
    expected = corridor.intersect(copy.deepcopy(a), copy.deepcopy(b), corridor="EU-SG")
    for token in (a, b):
        for member in ("predicate_set", "duties", "prohibitions", "controls"):
            shuffler.shuffle(token[member])
        shuffler.shuffle(token["evidence"]["datasets"])
    assert corridor.intersect(a, b, corridor="EU-SG") == expected


def test_a_side_serves_many_corridors_as_if_each_were_its_first():
    places = ("EU", "SG", "US", "AU")
    sides = {place: Side(contexts.illustrative_rmt(place)) for place in places}
    for a, b in itertools.permutations(places, 2):
        made = corridor.between(sides[a], sides[b], corridor=f"{a}-{b}")
        assert made == contexts.illustrative_corridor(f"{a}-{b}")


PARTIES = st.sampled_from(["originator", "beneficiary", "both"])
CURRENCY = st.sampled_from(["EUR", "SGD"])
AMOUNT = st.integers(0, 40).map(lambda n: f"{n * 50}.00")


@st.composite
def clauses(draw):
    """Some clauses of one jurisdiction that do not contradict each other."""
    threshold = {"value": draw(AMOUNT), "currency": draw(CURRENCY)}
    comparison = draw(st.sampled_from(["gt", "gte"]))
    made = [
        worlds.clause("keep", params={"minimum_period": draw(st.sampled_from(["P3Y", "P5Y"]))}),
        worlds.clause(
            "review",
            kind="control",
            template="amount_threshold_review",
            params={"threshold": threshold, "comparison": comparison, "control": "ENHANCED_REVIEW"},
        ),
        worlds.clause(
            "cap",
            kind="prohibition",
            template="prohibited_instrument",
            params={"instruments": ["cash"], "threshold": threshold, "comparison": comparison},
        ),
        worlds.clause(
            "know",
            template="due_diligence",
            params={"party": draw(st.sampled_from(["originator", "beneficiary"])),
                    "level": draw(st.sampled_from(["simplified", "enhanced"]))},
        ),
        worlds.clause(
            "mech",
            kind="control",
            template="transfer_mechanism",
            params={"allowed": ["contract", draw(st.sampled_from(["consent", "law"]))]},
        ),
        worlds.screening_clause(),
    ]  # fmt: skip
    picked = draw(st.lists(st.sampled_from(made), min_size=1, unique_by=lambda c: c["clause_id"]))
    occasions = draw(st.sampled_from([{}, {"applies_when": {"crossborder": True}}]))
    return [{**each, **occasions, "applies_to": draw(PARTIES)} for each in picked]


@st.composite
def payments(draw):
    made = contexts.payment_eu_sg(
        amount={"value": draw(AMOUNT), "currency": draw(CURRENCY)},
        amount_equivalents={c: {"value": draw(AMOUNT), "currency": c} for c in ("EUR", "SGD")},
        crossborder=draw(st.booleans()),
        instrument=draw(st.sampled_from(["cash", "credit_transfer"])),
        record_retention=draw(st.sampled_from(["P2Y", "P4Y", "P5Y"])),
        transfer_mechanism=draw(st.sampled_from(["contract", "consent", "law"])),
    )
    if draw(st.booleans()):
        made = contexts.to_listed(made)
    for member in draw(st.lists(st.sampled_from(sorted(made)), max_size=1)):
        del made[member]
    return made


@given(clauses(), clauses(), payments())
@settings(max_examples=150)
def test_a_corridor_is_never_laxer_than_either_side(of_a, of_b, context):
    a, b = small("EU", *of_a), small("SG", *of_b)
    merged = corridor.intersect(a, b, corridor="EU-SG")
    held = [
        [p for p in a["predicate_set"] if p["applies_to"] in {"originator", "both"}],
        [p for p in b["predicate_set"] if p["applies_to"] in {"beneficiary", "both"}],
    ]
    both = contexts.decide_on(merged.predicate_set, context)
    for own in (contexts.decide_on(rules, context) for rules in held if rules):
        assert STRICTNESS.index(both.decision) >= STRICTNESS.index(own.decision)
        assert set(own.reasons) <= set(both.reasons)
        assert set(own.controls) <= set(both.controls)


@given(payments(), st.sampled_from(["EU-SG", "SG-EU", "EU-US", "KR-AU", "MY-UK"]))
@settings(max_examples=60)
def test_an_illustrative_corridor_is_never_laxer_than_either_side(context, name):
    a, b = name.split("-")
    both = contexts.decide_on(contexts.illustrative_corridor(name).predicate_set, context)
    for jurisdiction, side in ((a, "originator"), (b, "beneficiary")):
        rules = contexts.illustrative_rmt(jurisdiction)["predicate_set"]
        own = contexts.decide_on([p for p in rules if p["applies_to"] in {side, "both"}], context)
        assert STRICTNESS.index(both.decision) >= STRICTNESS.index(own.decision)
        assert set(own.reasons) <= set(both.reasons)


@given(clauses(), clauses(), payments())
@settings(max_examples=80)
def test_the_way_back_differs_exactly_where_direction_says_so(of_a, of_b, context):
    a, b = small("EU", *of_a), small("SG", *of_b)
    there = corridor.intersect(a, b, corridor="EU-SG").predicate_set
    back = corridor.intersect(b, a, corridor="SG-EU").predicate_set
    ids = [{p["id"] for p in rules} for rules in (there, back)]
    one_sided = {p["id"] for p in (*there, *back) if p["applies_to"] != "both"}
    assert ids[0] - one_sided == ids[1] - one_sided
    assert ids[0] ^ ids[1] == one_sided
    undirected = [[p for p in rules if p["applies_to"] == "both"] for rules in (there, back)]
    if undirected[0]:
        first, second = (contexts.decide_on(rules, context) for rules in undirected)
        assert first == second


def as_side(merged, jurisdiction):
    """A corridor's rules as the RMT of one side of the next corridor."""
    made = msgspec.to_builtins(merged)
    return made | {
        "type": "RMT",
        "jurisdiction": jurisdiction,
        "token_id": f"RMT:{jurisdiction}:{merged.domain}:2026-10.1",
    }


def effect(a, b, name, context):
    """What a corridor decides, or that it cannot be."""
    try:
        merged = corridor.intersect(a, b, corridor=name)
    except RtgfError as refusal:
        if refusal.code is not Code.RTGF_MAP_RULE_CONFLICT:
            raise
        return None, None
    found = contexts.decide_on(merged.predicate_set, context)
    says = (found.decision, set(found.reasons), set(found.controls), found.error)
    window = (merged.effective, merged.ttl_sec, merged.assurance_level)
    return merged, (*says, *window, merged.required_assurance_level, merged.data_residency)


ALLOWED = st.sampled_from([["contract"], ["consent"], ["contract", "consent"], ["consent", "law"]])


@given(st.tuples(clauses(), clauses(), clauses()), st.tuples(*[ALLOWED] * 3), payments())
@settings(max_examples=60)
def test_intersecting_is_associative_in_effect_where_it_is_defined(of_each, allowed, context):
    a, b, c = (
        small(
            place,
            *({**each, "applies_to": "both"} for each in given_ if each["clause_id"] != "mech"),
            {**mechanisms(*mine), "applies_to": "both"},
        )
        for place, given_, mine in zip(("EU", "SG", "US"), of_each, allowed, strict=True)
    )
    left, _ = effect(a, b, "EU-SG", context)
    right, _ = effect(b, c, "SG-US", context)
    if left is None or right is None:
        return
    _, first = effect(as_side(left, "EU"), c, "EU-US", context)
    _, second = effect(a, as_side(right, "US"), "EU-US", context)
    assert first == second
