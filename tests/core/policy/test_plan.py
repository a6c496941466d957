"""The plan: one total order, a digest of it, and the check that a token carries the right one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import digests
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.policy import plan
from rtgf_node.errors import Code, RtgfError


def predicate(number, *, kind="obligation", clause="c.1", logic=True, **changes):
    return {
        "id": f"pred.eu.test.{number:012x}",
        "domain": "test",
        "clause_id": clause,
        "jurisdiction": "EU",
        "kind": kind,
        "template": "test",
        "applies_to": "both",
        "applies_when": None,
        "inputs": [{"name": "flag", "type": "boolean", "required": True}],
        "derive": [],
        "logic": logic,
        "on_fail": {"decision": "DENY", "reason": f"FAILED_{number}", "controls": []},
        "citation": {"ref": "law", "article": "1"},
        "params": {},
        **changes,
    }


SET = [
    predicate(1, kind="control", clause="a"),
    predicate(2, kind="prohibition", clause="b"),
    predicate(3, kind="prohibition", clause="a"),
    predicate(5, kind="obligation", clause="z"),
    predicate(4, kind="obligation", clause="z"),
    predicate(6, kind="obligation", clause="z.1"),
]


def refused(predicates):
    with pytest.raises(RtgfError) as caught:
        plan.make(predicates)
    assert caught.value.code is Code.RTGF_MAP_EXPRESSION_INVALID
    return caught.value


def test_obligations_then_prohibitions_then_controls_by_clause_then_id():
    sequence = plan.make(SET)["sequence"]
    assert [int(entry["predicate"][-1]) for entry in sequence] == [4, 5, 6, 3, 2, 1]
    assert [entry["stage"] for entry in sequence] == [
        *["obligation"] * 3,
        *["prohibition"] * 2,
        "control",
    ]


@given(st.permutations(SET))
def test_the_order_of_input_does_not_matter(predicates):
    """RTGF-CT-73"""
    assert plan.make(predicates) == plan.make(SET)


@given(st.permutations(SET), st.integers(0, len(SET)))
def test_the_plan_of_parts_is_the_plan_of_the_whole(predicates, cut):
    """A corridor's plan needs no rule compiled that its two jurisdictions' plans have."""
    parts = [plan.make(predicates[:cut]), plan.make(predicates[cut + 1 :])]
    for of in (predicates, predicates[1:]):
        made = plan.written(of, parts=parts)
        assert made.document == plan.make(of)
        assert made.text == canonical_bytes(made.document)
    twice = [*predicates, predicates[0]]
    with pytest.raises(RtgfError) as caught:
        plan.written(twice, parts=parts)
    assert caught.value.pointer == f"/{len(SET)}/id"


def test_a_plan_says_what_it_is_a_plan_of():
    made = plan.make(SET)
    assert made.keys() == {"eval_plan_id", "combining", "sequence", "hash"}
    assert made["combining"] == "deny-overrides"
    without = {name: value for name, value in made.items() if name != "hash"}
    assert made["hash"] == digests.of_document(without)
    content = {"combining": made["combining"], "sequence": made["sequence"]}
    assert made["eval_plan_id"] == f"plan.{digests.of_document(content)[7:19]}"
    assert plan.make(SET[:5])["eval_plan_id"] != made["eval_plan_id"]


def test_the_operators_of_a_step_are_sorted_and_named_once():
    logic = {
        "op": "OR",
        "args": [{"op": "NOT", "args": [{"var": "flag"}]}, {"op": "NOT", "args": [True]}],
    }
    derive = [
        {"name": "asked", "expr": {"op": "LOOKUP", "resolver": "registry", "args": {"token": "x"}}}
    ]
    made = plan.make([predicate(1, logic=logic, derive=derive)])
    assert made["sequence"][0]["ops"] == ["LOOKUP", "NOT", "OR"]


def test_a_plan_is_checked_against_its_predicates():
    made = plan.make(SET)
    plan.check(made, SET)
    plan.check(made, SET[::-1])
    for document in (
        plan.make(SET[1:]),
        {**made, "sequence": made["sequence"][::-1]},
        {**made, "combining": "permit-overrides"},
        {**made, "hash": "sha256:" + "0" * 64},
        {**made, "note": "x"},
        None,
    ):
        with pytest.raises(RtgfError) as caught:
            plan.check(document, SET)
        assert caught.value.code is Code.RTGF_TOKEN_SCHEMA_INVALID


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"note": "x"}, "/0/note"),
        ({"kind": "advice"}, "/0/kind"),
        ({"applies_to": "nobody"}, "/0/applies_to"),
        ({"logic": {"op": "EVAL", "args": []}}, "/0/logic/op"),
        ({"logic": 1}, "/0/logic"),
        ({"logic": {"var": "nobody"}}, "/0/logic/var"),
        ({"inputs": [{"name": "x", "type": "float", "required": True}]}, "/0/inputs/0/type"),
        ({"inputs": [{"name": "a b", "type": "string", "required": True}]}, "/0/inputs/0/name"),
        ({"inputs": [{"name": "x", "type": "string", "needed": 1}]}, "/0/inputs/0/needed"),
        ({"inputs": [{"name": "x", "type": "string"}] * 2}, "/0/inputs/1/name"),
        ({"derive": [{"name": "flag", "expr": 1}]}, "/0/derive/0/name"),
        ({"derive": [{"name": "A.B", "expr": 1}]}, "/0/derive/0/name"),
        ({"derive": [{"name": "a", "expr": {"var": "a"}}]}, "/0/derive/0/expr/var"),
        ({"on_fail": {"decision": "PERMIT", "reason": "X"}}, "/0/on_fail/decision"),
        (
            {"on_fail": {"decision": "PERMIT_WITH_CONTROLS", "reason": "X", "controls": []}},
            "/0/on_fail/controls",
        ),
        ({"citation": {"ref": "law"}}, "/0/citation/article"),
        ({"applies_when": []}, "/0/applies_when"),
        ({"applies_when": {"weather": "wet"}}, "/0/applies_when/weather"),
        ({"applies_when": {"instrument": 5}}, "/0/applies_when/instrument"),
        ({"applies_when": {"instrument": []}}, "/0/applies_when/instrument"),
        ({"applies_when": {"crossborder": "yes"}}, "/0/applies_when/crossborder"),
        ({"applies_when": {"amount_gt": "1000"}}, "/0/applies_when/amount_gt"),
        (
            {"applies_when": {"amount_gte": [{"value": "1", "currency": "EUR"}]}},
            "/0/applies_when/amount_gte",
        ),
    ],
)
def test_a_predicate_that_is_not_well_formed_has_no_plan(changes, pointer):
    assert refused([{**predicate(1), **changes}]).pointer == pointer


def test_two_predicates_have_two_ids():
    assert refused([predicate(1), predicate(1)]).pointer == "/1/id"
