"""An exception relaxes its clause, and takes nothing else with it."""

from __future__ import annotations

import pytest

from rtgf_node.core.policy import predicates
from rtgf_node.errors import Code, RtgfError
from tests import contexts, worlds

CAP = worlds.clause(
    "cap",
    kind="prohibition",
    template="currency_amount_cap",
    params={"threshold": {"value": "1000", "currency": "EUR"}, "comparison": "gt"},
)


def review(clause_id, value, **changes):
    params = {
        "threshold": {"value": value, "currency": "EUR"},
        "comparison": "gt",
        "control": "ENHANCED_REVIEW",
    }
    template = "amount_threshold_review"
    return worlds.clause(clause_id, kind="control", template=template, params=params, **changes)


def compiled(*clauses):
    held = contexts.as_snapshot(worlds.document(clauses=list(clauses)))
    return predicates.compile_snapshot(held, worlds.library()).predicates


def test_one_that_names_a_control_of_its_own_is_refused():
    """Its control would never be due: where it does not hold, the clause it relaxes decides."""
    with pytest.raises(RtgfError, match="never ask for ENHANCED_REVIEW") as refusal:
        compiled(CAP, review("reviewed", "5000", exception_of="cap"))
    assert refusal.value.code is Code.RTGF_MAP_RULE_CONFLICT


@pytest.mark.parametrize(("value", "controls"), [("5000", ()), ("5000.01", ("ENHANCED_REVIEW",))])
def test_one_of_the_same_control_moves_the_threshold_on_its_occasions(value, controls):
    salary = review("salary", "5000", exception_of="any", applies_when={"purpose": "salary"})
    rules = compiled(review("any", "1000"), salary)
    context = {"amount": {"value": value, "currency": "EUR"}, "purpose": "salary"}
    assert contexts.decide_on(rules, context).controls == controls
    other = {**context, "purpose": "rent"}
    assert contexts.decide_on(rules, other).controls == ("ENHANCED_REVIEW",)
