"""What stands in a context is read by its declared type, or refused; never converted."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core.policy import duration
from rtgf_node.core.policy.values import MAX_LIST_LENGTH, check_json
from tests.expressions import eur, evaluate, op, reason, var


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("amount", {"value": 250, "currency": "EUR"}),
        ("amount", {"value": 250.0, "currency": "EUR"}),
        ("amount", {"value": "250"}),
        ("amount", {"value": "-1", "currency": "EUR"}),
        ("amount", {"value": "1 ", "currency": "EUR"}),
        ("amount", {"value": "1", "currency": "EURO"}),
        ("amount", {"value": "1" * 40, "currency": "EUR"}),
        ("amount", "250"),
        ("rate", 0.5),
        ("rate", 1),
        ("rate", "1e2"),
        ("count", "1"),
        ("count", True),
        ("count", 1.0),
        ("count", 2**53),
        ("flag", "true"),
        ("flag", 1),
        ("word", 5),
        ("word", "x" * 4097),
        ("word", "\ud800"),
        ("since", "22.11.2026"),
        ("since", "2026-W01-1"),
        ("moment", "2026-11-22T10:00:00+01:00"),
        ("moment", 5),
        ("period", "5 years"),
        ("period", "P1Y2D"),
        ("period", 5),
        ("codes", "abc"),
        ("codes", ["a"] * (MAX_LIST_LENGTH + 1)),
        ("codes", [1.5]),
        ("originator", "N"),
        ("originator", {"n": {1: 2}}),
        ("originator", {"name": float("inf")}),
        ("details", []),
        ("free", 1.5),
        ("free", object()),
    ],
)
def test_a_value_of_another_type_is_refused_and_not_converted(name, value):
    assert reason(var(name), {name: value}) == f"TYPE_MISMATCH:{name}"


def test_a_list_that_contains_itself_is_only_looked_at_so_far():
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="too deep"):
        check_json(loop)


@given(st.recursive(st.none() | st.booleans() | st.text() | st.integers(), st.lists, max_leaves=20))
def test_whatever_stands_in_a_list_is_read_or_refused(value):
    if value is None or (isinstance(value, str) and not value.strip()):
        assert reason(var("codes"), {"codes": value}) == "INPUT_MISSING:codes"
    elif type(value) is not list:
        assert reason(var("codes"), {"codes": value}) == "TYPE_MISMATCH:codes"
    elif is_acceptable(value):
        assert evaluate(var("codes"), {"codes": value}) == value
    else:
        assert reason(var("codes"), {"codes": value}) == "TYPE_MISMATCH:codes"


def is_acceptable(value):
    if type(value) is list:
        return all(is_acceptable(item) for item in value)
    return type(value) is not int or abs(value) < 2**53


@given(st.integers(0, 999_999), st.sampled_from(["Y", "M", "W", "D", "BD"]))
def test_a_duration_equals_its_own_text(count, unit):
    length = duration.parse(f"P{count}{unit}")
    assert duration.parse(duration.to_text(length)) == length


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1", "1Y", "P-1Y", "P1.5Y", "P1Y\n", "P1M1BD", "P1D2W", "PT1D", "P1H"]
)
def test_what_is_not_a_duration(text):
    with pytest.raises(ValueError, match="duration"):
        duration.parse(text)


def test_expressions_are_plain_json():
    tree = op("AND", op("GT", var("amount"), eur("5")), op("NOT", var("flag")))
    again = json.loads(json.dumps(tree))
    context = {"amount": {"value": "6", "currency": "EUR"}, "flag": False}
    assert evaluate(again, context) is evaluate(tree, context) is True


@pytest.mark.parametrize("blank", ["", "  ", "\t"])
def test_a_blank_is_no_answer(blank):
    """Else an empty `instrument` would be one that no rule prohibits."""
    assert reason(var("word"), {"word": blank}) == "INPUT_MISSING:word"
