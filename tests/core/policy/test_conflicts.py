"""Clauses that cannot both hold are found whatever their number."""

from __future__ import annotations

import itertools
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core.policy import conflicts, merge
from rtgf_node.core.policy.conflicts import Stated
from rtgf_node.core.policy.scope import validity
from rtgf_node.errors import RtgfError

CLAUSES = 2_000
"""As many as a snapshot may have."""

DAYS = st.sampled_from([None, "2027-01-01", "2027-02-01", "2027-03-01"])
MONEY = st.fixed_dictionaries(
    {"value": st.sampled_from(["1", "1.0", "2"]), "currency": st.sampled_from(["EUR", "USD"])}
)
SETS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=2, unique=True)
PARAMS = st.one_of(
    st.tuples(
        st.just("currency_amount_cap"),
        st.fixed_dictionaries({"threshold": MONEY}, optional={"currencies": SETS}),
    ),
    st.tuples(st.just("legal_basis"), st.fixed_dictionaries({"allowed": SETS})),
    st.tuples(st.just("record_retention"), st.just({"minimum_period": "P5Y"})),
    st.tuples(
        st.just("unregistered"), st.fixed_dictionaries({}, optional={"word": st.integers(0, 1)})
    ),
)


def predicate(number: int, template: str, params: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "clause_id": f"c{number}",
        "template": template,
        "params": params,
        "applies_to": "both",
        "applies_when": None,
        "citation": {"instrument": "Act", "article": str(number)},
        **changes,
    }


@st.composite
def rule_books(draw: st.DrawFn) -> list[Stated]:
    found = []
    for number in range(draw(st.integers(2, 7))):
        template, params = draw(PARAMS)
        begins, ends = draw(DAYS), draw(DAYS)
        party = draw(st.sampled_from(["both", "originator", "beneficiary"]))
        relaxes = draw(st.none() | st.integers(0, 6).map("c{}".format))
        stated = predicate(
            number, template, params, applies_to=party, valid_from=begins, valid_to=ends
        )
        found.append(Stated(stated, relaxes))
    return found


def contradict(a: Stated, b: Stated) -> bool:
    """As the module's own description says it, of one pair alone."""
    one, other = a.predicate, b.predicate
    (a_begins, a_ends), (b_begins, b_ends) = validity(one), validity(other)
    parties = {one["applies_to"], other["applies_to"]}
    if conflicts.scope_of(one) != conflicts.scope_of(other):
        return False
    if a_ends < b_begins or b_ends < a_begins or (len(parties) > 1 and "both" not in parties):
        return False
    if a.relaxes == other["clause_id"] or b.relaxes == one["clause_id"]:
        return False
    template = str(one["template"])
    left, right = merge.comparable(one["params"]), merge.comparable(other["params"])
    for name in left.keys() & right.keys():
        row = merge.row(template, name)
        if merge.merge(template, name, [left[name], right[name]]) is None:
            return True
        if row is not None and row.kind == "maximum_threshold":
            one_value, other_value = left[name], right[name]
            amounts = {Decimal(value["value"]) for value in (one_value, other_value)}
            if one_value["currency"] == other_value["currency"] and len(amounts) > 1:
                return True
    return False


@given(rule_books())
def test_the_first_conflict_is_that_of_comparing_every_pair(book):
    groups: dict[Any, list[Stated]] = {}
    for stated in book:
        groups.setdefault(conflicts.scope_of(stated.predicate), []).append(stated)
    pairs = [
        (a.predicate["clause_id"], b.predicate["clause_id"])
        for scope in sorted(groups)
        for a, b in itertools.combinations(groups[scope], 2)
        if contradict(a, b)
    ]
    if not pairs:
        conflicts.check(book)
        return
    with pytest.raises(RtgfError) as refused:
        conflicts.check(book)
    first, second = pairs[0]
    assert refused.value.detail.startswith(f"clauses {first} (")
    assert f") and {second} (" in refused.value.detail


def _cap(number: int, **changes: Any) -> Stated:
    threshold = {"value": str(number), "currency": "EUR"}
    made = predicate(number, "currency_amount_cap", {"threshold": threshold}, **changes)
    return Stated(made)


BOOKS = {
    "all alike": [_cap(1, clause_id=f"c{n:04}") for n in range(CLAUSES)],
    "each on its own day": [
        _cap(n, clause_id=f"c{n:04}", valid_from=day, valid_to=day)
        for n in range(CLAUSES)
        for day in [f"{1000 + n}-01-01"]
    ],
    "sets that share one element": [
        Stated(predicate(n, "legal_basis", {"allowed": ["x", *(str(n + i) for i in range(20))]}))
        for n in range(CLAUSES)
    ],
    "values that are never contrary": [
        Stated(predicate(n, "record_retention", {"minimum_period": f"P{n + 1}D"}))
        for n in range(CLAUSES)
    ],
}


@pytest.mark.parametrize("book", BOOKS)
def test_the_largest_rule_book_is_checked_in_seconds(book):
    begun = time.process_time()
    conflicts.check(BOOKS[book])
    assert time.process_time() - begun < 2.0


def test_one_conflict_among_the_largest_rule_book_is_found():
    last = Stated(predicate(CLAUSES, "legal_basis", {"allowed": ["other"]}, clause_id="z"))
    with pytest.raises(RtgfError, match="and z "):
        conflicts.check([*BOOKS["sets that share one element"], last])
