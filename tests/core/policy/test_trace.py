"""The trace: every step by digest and result, the same bytes for the same inputs, nobody in it."""

from __future__ import annotations

import pytest

from rtgf_node.core import canonical_json, digests
from rtgf_node.core.policy import plan
from rtgf_node.core.policy.decide import prepare, run
from rtgf_node.errors import RtgfError
from tests.rules import (
    AT,
    LAWFUL,
    LIMIT,
    RESOLVERS,
    RETENTION,
    REVIEW,
    SANCTIONS,
    SET,
    asked,
    op,
    predicate,
    sanctions,
    wanting,
)


def test_the_trace_names_every_step_with_digests_results_and_citation():
    context = {**LAWFUL, "amount": {"value": "5000", "currency": "EUR"}}
    found = asked(SET, context)
    made = plan.make(SET)
    assert found.trace["eval_plan_id"] == made["eval_plan_id"]
    assert found.trace["eval_plan_hash"] == made["hash"]
    assert (found.trace["decision"], found.trace["controls"]) == (
        "PERMIT_WITH_CONTROLS",
        ["CONTROL_8"],
    )
    assert [step["predicate"] for step in found.trace["steps"]] == [
        entry["predicate"] for entry in made["sequence"]
    ]
    step = found.trace["steps"][2]
    assert step == {
        "predicate": REVIEW["id"],
        "clause": "c.008",
        "stage": "control",
        "inputs": {"amount": digests.of_document(context["amount"])},
        "applies": True,
        "operators": {"/logic NOT": False, "/logic/args/0 GT": True},
        "outcome": "controls",
        "reasons": ["FAILED_8"],
        "citation": {"ref": "law", "article": "1"},
    }
    screening = found.trace["steps"][1]["operators"]["/derive/0/expr LOOKUP"]
    assert screening == digests.of_document(sanctions({"party": {}}))


def test_a_result_that_is_no_boolean_is_a_digest():
    total = op("ADD", {"var": "amount"}, LIMIT)
    held = wanting(1, "amount", "money", op("GT", total, LIMIT))
    step = asked([held], LAWFUL).trace["steps"][0]
    assert step["operators"] == {
        "/logic GT": True,
        "/logic/args/0 ADD": digests.of_document({"value": "1250.00", "currency": "EUR"}),
    }


def test_the_trace_says_what_was_missing_or_mistyped():
    step = asked([RETENTION], {}).trace["steps"][0]
    assert (step["inputs"], step["outcome"]) == ({"record_retention": "missing"}, "error")
    step = asked([RETENTION], {"record_retention": 5}).trace["steps"][0]
    assert step["inputs"] == {"record_retention": "mismatch"}
    held = [predicate(1, logic=False, applies_when={"instrument": "cash"})]
    step = asked(held, {"instrument": "crypto"}).trace["steps"][0]
    assert (step["applies"], step["outcome"], step["operators"]) == (False, "not_applicable", {})
    assert asked(held, {}).trace["steps"][0]["applies"] is None


def test_the_trace_holds_nothing_of_the_context():
    context = {
        "amount": {"value": "7613.37", "currency": "EUR"},
        "beneficiary": {"name": "Canary Müller", "address": "Canary Street 1"},
        "record_retention": "P77Y",
    }
    for predicates in (SET, [*SET, predicate(30, applies_when={"purpose": "x"})]):
        found = asked(predicates, context)
        text = canonical_json.canonical_bytes(found.trace).decode() + repr(found.reasons)
        for canary in ("7613", "Canary", "Müller", "P77Y"):
            assert canary not in text


def test_the_digest_is_of_the_canonical_trace():
    found = asked(
        SET, {**LAWFUL, "beneficiary": {"name": "Zoë \U0001f600", "z\uffee": 1, "z\U0001f600": 2}}
    )
    assert found.trace_digest == digests.of_document(found.trace)
    context = {"beneficiary": {"name": "Zoë \U0001f600", "z\uffee": 1, "z\U0001f600": 2}}
    step = asked([SANCTIONS], context).trace["steps"][0]
    assert step["inputs"]["beneficiary"] == digests.of_document(context["beneficiary"])


def test_time_is_handed_in_and_part_of_the_trace():
    held = [wanting(1, "since", "date", op("AGE_LT_DAYS", {"var": "since"}, 10))]
    context = {"since": "2026-11-20"}
    day = 86_400
    assert asked(held, context).decision == "PERMIT"
    assert asked(held, context).trace["at"] == "2026-11-22T10:00:00Z"
    assert asked(held, context, at=AT + 10 * day).decision == "DENY"
    assert asked(held, context).trace_digest != asked(held, context, at=AT + day).trace_digest


def test_where_no_rule_looks_at_the_time_it_changes_nothing():
    assert asked(SET, LAWFUL) == asked(SET, LAWFUL, at=AT + 86_400)


def test_a_prepared_token_decides_any_number_of_times():
    prepared = prepare(SET, plan.make(SET))
    first = run(prepared, LAWFUL, at=AT, resolvers=RESOLVERS)
    bad = run(prepared, {**LAWFUL, "beneficiary": {"name": "Listed"}}, at=AT, resolvers=RESOLVERS)
    again = run(prepared, LAWFUL, at=AT, resolvers=RESOLVERS)
    assert (first.decision, bad.decision) == ("PERMIT", "DENY")
    assert first == again == asked(SET, LAWFUL)


def test_what_is_bad_enough_to_raise_is_not_in_the_context():
    with pytest.raises(RtgfError):
        asked(SET, LAWFUL, at=10**15)
