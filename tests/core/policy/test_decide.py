"""Deciding: deny overrides, and errors deny and say so."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import canonical_json, digests
from rtgf_node.core.policy import plan
from rtgf_node.core.policy.decide import decide, prepare, run
from tests.rules import (
    AT,
    LAWFUL,
    RESOLVERS,
    RETENTION,
    REVIEW,
    SET,
    asked,
    op,
    outcome,
    predicate,
    wanting,
)

# --- combining ------------------------------------------------------------------------------------


def test_a_lawful_payment_is_permitted():
    found = asked(SET, LAWFUL)
    assert (found.decision, found.reasons, found.controls) == ("PERMIT", (), ())
    assert found.error is False


def test_an_amount_over_the_threshold_needs_a_control():
    at_threshold = {**LAWFUL, "amount": {"value": "1000.00", "currency": "EUR"}}
    assert asked(SET, at_threshold).decision == "PERMIT"
    found = asked(SET, {**LAWFUL, "amount": {"value": "1000.01", "currency": "EUR"}})
    assert found.decision == "PERMIT_WITH_CONTROLS"
    assert (found.reasons, found.controls) == (("FAILED_8",), ("CONTROL_8",))


def test_a_review_never_hides_a_sanctions_hit():
    context = {
        **LAWFUL,
        "amount": {"value": "5000", "currency": "EUR"},
        "beneficiary": {"name": "Listed"},
    }
    found = asked(SET, context)
    assert found.decision == "DENY"
    assert found.reasons == ("FAILED_7", "FAILED_8")
    assert found.controls == ("CONTROL_8",)
    assert found.error is False


def test_every_failing_rule_is_reported_in_plan_order_and_once():
    predicates = [
        predicate(3, logic=False, kind="control"),
        predicate(2, logic=False, kind="prohibition"),
        predicate(1, logic=False),
        predicate(4, logic=False, on_fail={"decision": "DENY", "reason": "FAILED_1"}),
    ]
    assert outcome(predicates, {}) == ("DENY", ["FAILED_1", "FAILED_2", "FAILED_3"], False)


def test_controls_are_united_in_order():
    def control(number, names):
        consequence = {"decision": "PERMIT_WITH_CONTROLS", "reason": "R", "controls": names}
        return predicate(number, logic=False, kind="control", on_fail=consequence)

    found = asked([control(2, ["C", "A"]), control(1, ["B", "A"])], {})
    assert found.controls == ("B", "A", "C")
    assert found.reasons == ("R",)


# --- failing closed -------------------------------------------------------------------------------


def test_a_missing_input_denies_as_an_error():
    for gone in ({}, {"record_retention": None}):
        context = {**{k: v for k, v in LAWFUL.items() if k != "record_retention"}, **gone}
        assert outcome(SET, context) == ("DENY", ["INPUT_MISSING:record_retention"], True)


def test_a_wrong_type_denies_as_an_error():
    context = {**LAWFUL, "amount": {"value": 250, "currency": "EUR"}}
    assert outcome(SET, context) == ("DENY", ["TYPE_MISMATCH:amount"], True)


def test_a_failing_resolver_denies_as_an_error():
    def broken(_):
        raise TimeoutError

    expected = ("DENY", ["RESOLVER_ERROR:sanctions"], True)
    assert outcome(SET, LAWFUL, resolvers={"sanctions": broken}) == expected
    assert outcome(SET, LAWFUL, resolvers={}) == expected


def test_another_currency_denies_as_an_error():
    context = {**LAWFUL, "amount": {"value": "1", "currency": "SGD"}}
    assert outcome(SET, context) == ("DENY", ["CURRENCY_MISMATCH:amount"], True)


def test_a_deny_beside_an_error_is_a_deny():
    context = {"amount": LAWFUL["amount"], "beneficiary": {"name": "Listed"}}
    reasons = ["INPUT_MISSING:record_retention", "FAILED_7"]
    assert outcome(SET, context) == ("DENY", reasons, False)


def test_an_error_is_not_softened_by_a_control():
    context = {**LAWFUL, "amount": {"value": "5000", "currency": "EUR"}, "record_retention": 5}
    reasons = ["TYPE_MISMATCH:record_retention", "FAILED_8"]
    assert outcome(SET, context) == ("DENY", reasons, True)


def test_all_missing_inputs_of_a_rule_are_named():
    inputs = [{"name": name, "type": "string", "required": True} for name in ("a.b", "c")]
    assert outcome([predicate(1, inputs=inputs)], {"a": {}}) == (
        "DENY",
        ["INPUT_MISSING:a.b", "INPUT_MISSING:c"],
        True,
    )
    assert outcome([predicate(1, inputs=inputs)], {"a": "x", "c": "y"})[1] == ["TYPE_MISMATCH:a.b"]


def test_an_optional_input_may_be_missing_but_not_of_another_type():
    logic = op(
        "OR", op("NOT", op("HAS_VALUE", {"var": "note"})), op("EQUALS", {"var": "note"}, "x")
    )
    held = [wanting(1, "note", "string", logic, required=False)]
    assert outcome(held, {}) == ("PERMIT", [], False)
    assert outcome(held, {"note": "x"}) == ("PERMIT", [], False)
    assert outcome(held, {"note": 5}) == ("DENY", ["TYPE_MISMATCH:note"], True)
    needed = [wanting(1, "note", "string", op("EQUALS", {"var": "note"}, "x"), required=False)]
    assert outcome(needed, {}) == ("DENY", ["INPUT_MISSING:note"], True)


def test_two_rules_read_one_place_as_two_types():
    held = [wanting(1, "note", "string"), wanting(2, "note", "integer")]
    assert outcome(held, {"note": "x"}) == ("DENY", ["TYPE_MISMATCH:note"], True)


# --- tokens that are not well formed --------------------------------------------------------------


def damaged(predicates, eval_plan=None):
    found = run(prepare(predicates, eval_plan), LAWFUL, at=AT, resolvers=RESOLVERS)
    assert (found.decision, found.error) == ("DENY", True)
    return list(found.reasons)


def test_an_unknown_operator_denies_at_run_time_too():
    broken = predicate(1, logic=op("EVAL", "x"))
    assert damaged([broken, RETENTION]) == ["PREDICATE_INVALID:pred.eu.test.000000000001"]
    assert prepare([broken], {}).causes[0].pointer == "/logic/op"


@pytest.mark.parametrize(
    ("predicates", "reasons"),
    [
        (None, ["PREDICATE_SET_INVALID"]),
        ({}, ["PREDICATE_SET_INVALID"]),
        ([RETENTION] * 5000, ["PREDICATE_SET_INVALID"]),
        ([], ["PREDICATE_SET_EMPTY"]),
        ([None], ["PREDICATE_INVALID:0"]),
        ([RETENTION, 5], ["PREDICATE_INVALID:1"]),
        ([{"id": 5}], ["PREDICATE_INVALID:0"]),
        ([{"id": "\ud800"}], ["PREDICATE_INVALID:0"]),
        ([{"id": "x" * 999}], ["PREDICATE_INVALID:" + "x" * 256]),
        ([{**RETENTION, "clause_id": "\ud800"}], [f"PREDICATE_INVALID:{RETENTION['id']}"]),
        ([RETENTION, RETENTION], [f"PREDICATE_INVALID:{RETENTION['id']}"]),
        ([{**RETENTION, "note": 1}], [f"PREDICATE_INVALID:{RETENTION['id']}"]),
        ([{**RETENTION, "params": {"x": float("nan")}}], [f"PREDICATE_INVALID:{RETENTION['id']}"]),
    ],
)
def test_a_token_whose_rules_do_not_compile_denies(predicates, reasons):
    assert damaged(predicates) == reasons


@pytest.mark.parametrize("eval_plan", [None, {}, [], "plan", plan.make([REVIEW])])
def test_a_token_with_the_plan_of_other_rules_denies(eval_plan):
    assert damaged(SET, eval_plan) == ["PLAN_INVALID"]


def test_a_token_without_rules_denies():
    found = decide({"type": "CORT"}, LAWFUL, at=AT, resolvers=RESOLVERS)
    assert (found.decision, found.reasons) == ("DENY", ("PREDICATE_SET_INVALID",))


def test_the_other_rules_are_still_evaluated():
    found = run(prepare([{}, *SET], None), {}, at=AT, resolvers=RESOLVERS)
    assert found.reasons == (
        "PREDICATE_INVALID:0",
        "INPUT_MISSING:record_retention",
        "INPUT_MISSING:beneficiary",
        "INPUT_MISSING:amount",
    )


# --- contexts that are not well formed ------------------------------------------------------------

DEEP = json.loads("[" * 900 + "]" * 900)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.just("\udfff")
    | st.binary(max_size=4)
    | st.just(DEEP),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4)
        | st.dictionaries(st.sampled_from(["value", "currency", "name", "kind"]), inner)
    ),
    max_leaves=12,
)
EVERYTHING = [
    *SET,
    wanting(20, "details", "object", op("EQUALS", {"var": "details.a.b"}, 1)),
    wanting(21, "codes", "list", op("SUBSET_OF", {"var": "codes"}, {"list": ["a"]})),
    wanting(22, "free", "any", op("EQUALS", {"var": "free"}, "a")),
    wanting(23, "word", "string", op("MATCHES_REGEX", {"var": "word"}, "[a-z]+")),
    wanting(24, "since", "date", op("AGE_LT_DAYS", {"var": "since"}, 3)),
    wanting(25, "moment", "datetime", op("LT", {"var": "moment"}, op("NOW"))),
    wanting(
        26,
        "rate",
        "decimal",
        op("GT", op("DIV", {"decimal": "1"}, {"var": "rate"}, 2), {"decimal": "1"}),
    ),
    wanting(27, "count", "integer", op("GT", op("MUL", {"var": "count"}, {"var": "count"}), 3)),
    wanting(28, "flag", "boolean", {"var": "flag"}),
    predicate(29, applies_when={"instrument": ["cash"], "crossborder": True}),
]
NAMES = sorted({row["name"] for one in EVERYTHING for row in one["inputs"]} | {"instrument"})
PREPARED = prepare(EVERYTHING, plan.make(EVERYTHING))


@given(ANYTHING | st.dictionaries(st.sampled_from(NAMES), ANYTHING))
def test_no_context_raises(context):
    assert PREPARED.faults == ()
    found = run(PREPARED, context, at=AT, resolvers=RESOLVERS)
    assert found.decision == "DENY"
    assert found.trace_digest == digests.of_document(found.trace)


@pytest.mark.parametrize("context", [None, [], "x", 5, 1.5, True, object(), DEEP])
def test_a_context_that_is_no_object_denies(context):
    found = asked(SET, context)
    assert (found.decision, found.error) == ("DENY", True)
    assert found.reasons[0] == "TYPE_MISMATCH:context"


def test_a_huge_context_denies():
    huge = {**LAWFUL, "beneficiary": {"name": "N", "aliases": ["x"] * 200_000}}
    assert outcome(SET, huge) == ("DENY", ["TYPE_MISMATCH:beneficiary"], True)
    wide = {**LAWFUL, "beneficiary": {"name": "N" * 5000}}
    assert outcome(SET, wide) == ("DENY", ["TYPE_MISMATCH:beneficiary"], True)


# --- properties -----------------------------------------------------------------------------------

RANK = {"PERMIT": 0, "PERMIT_WITH_CONTROLS": 1, "DENY": 2}
KINDS = st.sampled_from(["obligation", "prohibition", "control"])
LOGIC = st.sampled_from([True, False, {"var": "a"}, op("NOT", {"var": "a"}), {"var": "b"}])


@st.composite
def rules(draw, number):
    decision = draw(st.sampled_from(["DENY", "PERMIT_WITH_CONTROLS"]))
    inputs = [{"name": name, "type": "boolean", "required": False} for name in ("a", "b")]
    return predicate(number, kind=draw(KINDS), logic=draw(LOGIC), decision=decision, inputs=inputs)


SETS = st.integers(1, 5).flatmap(
    lambda count: st.tuples(*[rules(number) for number in range(1, count + 1)]).map(list)
)
CONTEXTS = st.fixed_dictionaries(
    {}, optional={"a": st.booleans() | st.none(), "b": st.booleans() | st.just("yes")}
)


@given(SETS, CONTEXTS)
def test_deny_overrides_controls_which_override_permit(predicates, context):
    alone = [asked([one], context) for one in predicates]
    together = asked(predicates, context)
    assert RANK[together.decision] == max(RANK[one.decision] for one in alone)
    assert set(together.reasons) == {reason for one in alone for reason in one.reasons}
    assert set(together.controls) == {control for one in alone for control in one.controls}


@given(SETS, rules(99), CONTEXTS)
def test_another_rule_never_permits_more(predicates, more, context):
    before, after = asked(predicates, context), asked([*predicates, more], context)
    assert RANK[after.decision] >= RANK[before.decision]
    assert set(before.reasons) <= set(after.reasons)
    assert set(before.controls) <= set(after.controls)


@given(SETS, CONTEXTS, st.randoms(use_true_random=False))
def test_the_same_inputs_give_the_same_bytes(predicates, context, random):
    def shuffled(value):
        if isinstance(value, dict):
            members = list(value.items())
            random.shuffle(members)
            return {name: shuffled(member) for name, member in members}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    other = [shuffled(one) for one in predicates]
    random.shuffle(other)
    first, second = asked(predicates, context), asked(other, shuffled(context))
    assert canonical_json.canonical_bytes(first.trace) == canonical_json.canonical_bytes(
        second.trace
    )
    assert first.trace_digest == second.trace_digest
    assert (first.decision, first.reasons, first.controls) == (
        second.decision,
        second.reasons,
        second.controls,
    )
