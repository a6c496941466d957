"""What nobody could see, or is of another type, is not information about a party."""

from __future__ import annotations

from typing import Any

import pytest

from rtgf_node.core.policy import predicates
from rtgf_node.core.policy.blanks import is_blank, says_nothing
from tests import contexts, worlds

GROUPS = {"originator_always": [["name"]], "originator_above": [["address", "date_of_birth"]]}
CLAUSE = worlds.clause(
    "travel",
    template="travel_rule_information",
    params={
        "threshold": {"value": "0", "currency": "EUR"},
        "comparison": "gte",
        "beneficiary_always": [["name"]],
        "beneficiary_above": [["name"]],
        **GROUPS,
    },
)
INVISIBLE = {
    "zero width": "\u200b",
    "joiners": " \u200d\u2060\ufeff",
    "right to left override": "\u202e",
    "soft hyphen": "\xad",
    "hangul filler": "\u3164",
    "braille blank": "\u2800",
    "variation selector": "\ufe0f",
    "tag letter": "\U000e0041",
    "control": "\x00\x1f\x7f",
    "ideographic space": "\u3000",
}


def decided(**originator: Any) -> Any:
    held = contexts.as_snapshot(worlds.document(clauses=[CLAUSE]))
    rules = predicates.compile_snapshot(held, worlds.library()).predicates
    context = {
        "amount": {"value": "10", "currency": "EUR"},
        "originator": {"name": "A", "address": "1 Street", **originator},
        "beneficiary": {"name": "B"},
    }
    return contexts.decide_on(rules, context)


def test_what_is_seen_is_given():
    assert decided().decision == "PERMIT"
    assert decided(address={"line": "", "town": "Singapore"}).decision == "PERMIT"
    assert decided(address=None, date_of_birth="1980-02-29").decision == "PERMIT"


@pytest.mark.parametrize("text", INVISIBLE.values(), ids=INVISIBLE)
def test_a_text_that_nobody_could_see_is_not_given(text):
    for context in ({"name": text}, {"address": text}, {"address": [{"line": text}, None]}):
        found = decided(**context)
        assert (found.decision, found.error) == ("DENY", False)
        assert found.reasons == ("TRAVEL_RULE_INFORMATION_MISSING",)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("name", 5),
        ("name", False),
        ("name", ["A"]),
        ("date_of_birth", "banana"),
        ("date_of_birth", "2026-02-29"),
        ("date_of_birth", 0),
    ],
)
def test_a_member_of_another_type_denies_as_an_error(member, value):
    found = decided(**{"address": None, member: value})
    assert (found.decision, found.error) == ("DENY", True)
    assert found.reasons == (f"TYPE_MISMATCH:originator.{member}",)


def test_an_invisible_answer_is_a_missing_one():
    held = contexts.as_snapshot(
        worlds.document(
            clauses=[
                worlds.clause(template="legal_basis", params={"allowed": ["consent"]}),
            ]
        )
    )
    rules = predicates.compile_snapshot(held, worlds.library()).predicates
    found = contexts.decide_on(rules, {"legal_basis": "\u200b\u3164"})
    assert found.reasons == ("INPUT_MISSING:legal_basis",)


@pytest.mark.parametrize("text", ["-", "名", "\u200ba", " .", "\u0301"])
def test_a_text_with_anything_to_see_is_no_blank(text):
    assert not is_blank(text)


@pytest.mark.parametrize("value", [None, "", {}, [" ", {"a": None, "b": []}]])
def test_what_says_nothing(value):
    assert says_nothing(value)


@pytest.mark.parametrize("value", [False, 0, [0], {"a": [["x"]]}])
def test_what_says_something(value):
    assert not says_nothing(value)
