"""What a value says counts, not how it is written: in one snapshot and in a corridor."""

from __future__ import annotations

from typing import Any

import pytest

from rtgf_node.core.policy import corridor, predicates
from rtgf_node.errors import Code, RtgfError
from tests import contexts, worlds


def cap(value: str, clause_id: str = "cap", **changes: Any) -> dict[str, Any]:
    return worlds.clause(
        clause_id,
        kind="prohibition",
        template="currency_amount_cap",
        params={"threshold": {"value": value, "currency": "EUR"}, "comparison": "gt"},
        **changes,
    )


def keep(period: str) -> dict[str, Any]:
    return worlds.clause(params={"minimum_period": period})


def screen(threshold: str) -> dict[str, Any]:
    clause = worlds.screening_clause()
    return {**clause, "params": {**clause["params"], "threshold": threshold}}


def on(value: Any) -> dict[str, Any]:
    return {"applies_when": {"instrument": value}}


def above(value: str) -> dict[str, Any]:
    return {"applies_when": {"amount_gt": {"value": value, "currency": "EUR"}}}


def small(jurisdiction: str, *clauses: dict[str, Any], **changes: Any) -> dict[str, Any]:
    made = {"clauses": list(clauses), "evidence_sources": [worlds.source()], **changes}
    return contexts.rmt(worlds.document(jurisdiction, **made))


def settled(a: dict[str, Any], b: dict[str, Any]) -> list[Any]:
    merged = corridor.intersect(small("EU", a), small("SG", b), corridor="EU-SG")
    assert merged.parameters
    return [(one["a"]["value"], one["b"]["value"]) for one in merged.effective_conflicts]


def compiled(*clauses: dict[str, Any]) -> int:
    held = contexts.as_snapshot(worlds.document(clauses=list(clauses)))
    return len(predicates.compile_snapshot(held, worlds.library()).predicates)


ALIKE = [
    (cap("1000"), cap("1000.00")),
    (keep("P5Y"), keep("P60M")),
    (keep("P7D"), keep("P1W")),
    (screen("0.9"), screen("0.90")),
]
ONE_OCCASION = [
    (on("cash"), on(["cash"])),
    (on(["cash", "crypto"]), on(["crypto", "cash"])),
    (above("1000"), above("1000.00")),
]


@pytest.mark.parametrize(("a", "b"), ALIKE)
def test_what_is_the_same_in_other_digits_is_no_difference(a, b):
    assert settled(a, b) == []


def test_what_differs_by_the_last_digit_is_one():
    assert len(settled(cap("1000.00"), cap("1000.01"))) == 1
    assert len(settled(keep("P5Y"), keep("P61M"))) == 1
    assert len(settled(screen("0.9"), screen("0.901"))) == 1


def test_one_amount_in_two_ways_of_writing_contradicts_nothing():
    assert compiled(cap("1000", "one"), cap("1000.00", "two")) == 2


@pytest.mark.parametrize(("a", "b"), ONE_OCCASION)
def test_one_occasion_in_two_ways_of_writing_is_one(a, b):
    assert len(settled(cap("1000", **a), cap("900", **b))) == 1
    with pytest.raises(RtgfError, match="cannot both hold") as refusal:
        compiled(cap("1000", "one", **a), cap("900", "two", **b))
    assert refusal.value.code is Code.RTGF_MAP_RULE_CONFLICT


def test_other_occasions_are_others():
    assert compiled(cap("1000", "one", **on("cash")), cap("900", "two", **on(["crypto"]))) == 2


@pytest.mark.parametrize("corridor_name", ["EU-SG", "SG-EU"])
def test_a_side_that_lets_data_leave_by_no_mechanism_is_not_overruled(corridor_name):
    stated = {"allowed": ["EU", "SG"]}
    sides = {
        "EU": small("EU", keep("P5Y"), data_residency={**stated, "mechanisms": ["contract"]}),
        "SG": small("SG", keep("P5Y"), data_residency=stated),
    }
    a, b = (sides[place] for place in corridor_name.split("-"))
    assert corridor.intersect(a, b, corridor=corridor_name).data_residency == stated
