"""Every operator of the policy language but the arithmetic: its types and its edges."""

from __future__ import annotations

import pytest

from rtgf_node.core import times
from tests.expressions import eur, evaluate, op, reason, refused, var

# --- equality and order ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ("a", "a", True),
        ("a", "A", False),
        (1, 1, True),
        (True, False, False),
        ({"decimal": "1.0"}, {"decimal": "1.00"}, True),
        (eur("1"), eur("1.00"), True),
        ({"duration": "P1Y"}, {"duration": "P12M"}, True),
        ({"duration": "P1W"}, {"duration": "P7D"}, True),
        ({"duration": "P1D"}, {"duration": "PT24H"}, True),
        ({"date": "2026-01-01"}, {"date": "2026-01-01"}, True),
        ({"datetime": "2026-01-01T00:00:00Z"}, {"datetime": "2026-01-01T00:00:01Z"}, False),
    ],
)
def test_equal_is_equal_in_value_and_type(left, right, equal):
    assert evaluate(op("EQUALS", left, right)) is equal
    assert evaluate(op("NOT_EQUALS", left, right)) is not equal


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("1", 1),
        (True, 1),
        (1, {"decimal": "1"}),
        ("1.00", {"decimal": "1.00"}),
        ({"date": "2026-01-01"}, {"datetime": "2026-01-01T00:00:00Z"}),
        (var("codes"), var("codes")),
        (var("originator"), var("originator")),
        (var("free"), {"decimal": "1"}),
    ],
)
def test_values_of_two_types_are_never_compared(left, right):
    assert "EQUALS" in refused(op("EQUALS", left, right)).detail


def test_an_undeclared_value_is_checked_when_it_is_read():
    tree = op("EQUALS", var("free"), 1)
    assert evaluate(tree, {"free": 1}) is True
    assert reason(tree, {"free": "1"}) == "TYPE_MISMATCH:free"
    assert reason(tree, {"free": True}) == "TYPE_MISMATCH:free"
    assert reason(op("EQUALS", var("free"), var("free")), {"free": []}) == "TYPE_MISMATCH:free"


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (1, 2),
        ({"decimal": "0.1"}, {"decimal": "0.11"}),
        (eur("999.99"), eur("1000.00")),
        ({"duration": "P11M"}, {"duration": "P1Y"}),
        ({"duration": "PT23H"}, {"duration": "P1D"}),
        ({"duration": "P3BD"}, {"duration": "P10BD"}),
        ({"date": "2025-12-31"}, {"date": "2026-01-01"}),
        ({"datetime": "2026-01-01T00:00:00Z"}, op("NOW")),
    ],
)
def test_order(small, large):
    assert evaluate(op("LT", small, large)) is True
    assert evaluate(op("LTE", small, large)) is True
    assert evaluate(op("GT", small, large)) is False
    assert evaluate(op("GTE", small, large)) is False
    assert evaluate(op("GT", large, small)) is True
    assert evaluate(op("GTE", large, large)) is True
    assert evaluate(op("GT", large, large)) is False
    assert evaluate(op("LTE", large, large)) is True


@pytest.mark.parametrize("name", ["GT", "GTE", "LT", "LTE"])
def test_strings_and_booleans_have_no_order(name):
    refused(op(name, "a", "b"))
    refused(op(name, True, False))
    refused(op(name, var("free"), 1))
    refused(op(name, 1, {"decimal": "1"}))


@pytest.mark.parametrize("name", ["EQUALS", "GT", "LTE", "ADD", "SUB"])
def test_currencies_are_never_mixed(name):
    context = {"amount": {"value": "1", "currency": "SGD"}}
    assert reason(op(name, var("amount"), eur("1")), context) == "CURRENCY_MISMATCH:amount"


@pytest.mark.parametrize("name", ["EQUALS", "NOT_EQUALS", "GT", "LT", "ADD", "SUB"])
@pytest.mark.parametrize("text", ["P30D", "P1BD", "PT1S"])
def test_durations_of_two_classes_are_never_compared(name, text):
    tree = op(name, {"duration": "P1M"}, var("period"))
    assert reason(tree, {"period": text}) == "TYPE_MISMATCH:period"


# --- lists ----------------------------------------------------------------------------------------


def test_in_a_list():
    tree = op("IN", var("word"), {"list": ["a", "b"]})
    assert evaluate(tree, {"word": "a"}) is True
    assert evaluate(tree, {"word": "c"}) is False
    assert evaluate(op("IN", 1, {"list": []})) is False
    assert evaluate(op("IN", eur("1"), {"list": [eur("2"), eur("1.0")]})) is True
    assert evaluate(op("IN", {"decimal": "1.0"}, {"list": [{"decimal": "1"}]})) is True
    assert evaluate(op("IN", {"date": "2026-01-01"}, {"list": [{"date": "2026-01-01"}]})) is True
    assert evaluate(op("IN", var("word"), var("codes")), {"word": "x", "codes": ["x"]}) is True


def test_in_does_not_convert():
    refused(op("IN", "1", {"list": [1]}))
    refused(op("IN", {"decimal": "1"}, var("codes")))
    tree = op("IN", var("word"), var("codes"))
    assert reason(tree, {"word": "1", "codes": ["1", 1]}) == "TYPE_MISMATCH:word"
    assert reason(op("IN", 1, var("codes")), {"codes": [True]}) == "TYPE_MISMATCH:codes"
    mixed = op("IN", eur("1"), {"list": [eur("1"), {"money": {"value": "1", "currency": "SGD"}}]})
    assert reason(mixed).startswith("CURRENCY_MISMATCH:")


def test_an_undeclared_value_in_a_list():
    tree = op("IN", var("free"), {"list": ["a"]})
    assert evaluate(tree, {"free": "a"}) is True
    assert reason(tree, {"free": 1}) == "TYPE_MISMATCH:free"


def test_subset():
    tree = op("SUBSET_OF", {"list": ["a"]}, var("codes"))
    assert evaluate(tree, {"codes": ["b", "a"]}) is True
    assert evaluate(tree, {"codes": ["b"]}) is False
    assert evaluate(op("SUBSET_OF", {"list": []}, var("codes")), {"codes": []}) is True
    assert reason(tree, {"codes": ["a", 1]}) == "TYPE_MISMATCH:codes"
    assert reason(tree, {"codes": [["a"]]}) == "TYPE_MISMATCH:codes"
    refused(op("SUBSET_OF", {"list": ["a"]}, {"list": [1]}))
    refused(op("SUBSET_OF", {"list": [eur("1")]}, var("codes")))
    refused(op("SUBSET_OF", "a", var("codes")))


def test_length():
    assert evaluate(op("LENGTH", "añb")) == 3
    assert evaluate(op("LENGTH", var("codes")), {"codes": [1, 2]}) == 2
    assert evaluate(op("LENGTH", {"list": []})) == 0
    assert reason(op("LENGTH", var("free")), {"free": 5}) == "TYPE_MISMATCH:free"
    refused(op("LENGTH", 5))


# --- regular expressions --------------------------------------------------------------------------


def test_patterns_are_anchored():
    tree = op("MATCHES_REGEX", var("word"), "[A-Z]{2}[0-9]+")
    assert evaluate(tree, {"word": "DE12"}) is True
    for text in ("xDE12", "DE12x", "DE12\n", "\nDE12", "-"):
        assert evaluate(tree, {"word": text}) is False


def test_a_pattern_that_explodes_elsewhere_is_linear_here():
    tree = op("MATCHES_REGEX", var("word"), "(a+)+$")
    assert evaluate(tree, {"word": "a" * 4000 + "b"}) is False


@pytest.mark.parametrize(
    "pattern", ["(a", "(?=a)", "(a)\\1", "((a{1,1000}){1,1000})", "a" * 513, "[[:nope:]]"]
)
def test_a_pattern_that_is_not_re2_does_not_compile(pattern):
    assert refused(op("MATCHES_REGEX", var("word"), pattern)).pointer == "/args/1"


def test_a_pattern_is_never_computed():
    refused(op("MATCHES_REGEX", "a", var("word")))
    refused(op("MATCHES_REGEX", 1, "a"))


# --- presence -------------------------------------------------------------------------------------


def test_presence():
    party = {"originator": {"name": "N", "address": "  ", "lei": None, "wallets": []}}
    for field, has_key, has_value in (
        ("name", True, True),
        ("address", True, False),
        ("lei", True, False),
        ("wallets", True, False),
        ("account", False, False),
    ):
        assert evaluate(op("HAS_KEY", var("originator"), field), party) is has_key
        assert evaluate(op("HAS_VALUE", var("originator"), field), party) is has_value
        assert evaluate(op("HAS_VALUE", var(f"originator.{field}")), party) is has_value


def test_false_and_zero_are_values():
    assert evaluate(op("HAS_VALUE", var("flag")), {"flag": False}) is True
    assert evaluate(op("HAS_VALUE", var("count")), {"count": 0}) is True
    assert evaluate(op("HAS_VALUE", var("details"), "n"), {"details": {"n": 0}}) is True


def test_presence_asks_only_variables_and_never_swallows_a_mismatch():
    refused(op("HAS_VALUE", "a"))
    refused(op("HAS_VALUE", op("NOW")))
    refused(op("HAS_KEY", var("originator")))
    refused(op("HAS_KEY", var("word"), "a"))
    refused(op("HAS_KEY", var("details"), var("word")))
    assert evaluate(op("HAS_VALUE", var("details.a.b"))) is False
    tree = op("HAS_VALUE", var("details.a.b"))
    assert reason(tree, {"details": {"a": "text"}}) == "TYPE_MISMATCH:details.a.b"
    birth = op("HAS_VALUE", var("originator.date_of_birth"))
    assert reason(birth, {"originator": {"date_of_birth": "soon"}}) == (
        "TYPE_MISMATCH:originator.date_of_birth"
    )


# --- time -----------------------------------------------------------------------------------------


def test_now_is_the_time_handed_in():
    assert evaluate(op("NOW"), at=5) == 5
    tree = op("GT", var("moment"), op("NOW"))
    assert evaluate(tree, {"moment": "2026-11-22T10:00:00Z"}) is False
    assert evaluate(tree, {"moment": "2026-11-22T10:00:01Z"}) is True


@pytest.mark.parametrize(
    ("at", "limit", "within"),
    [
        ("2026-11-22T00:00:00Z", 1, True),
        ("2026-11-22T23:59:59Z", 1, True),
        ("2026-11-23T00:00:00Z", 1, False),
        ("2026-12-22T00:00:00Z", 31, True),
        ("2026-12-22T00:00:00Z", 30, False),
        ("2026-11-22T12:00:00Z", 0, False),
    ],
)
def test_age_is_counted_in_whole_utc_days(at, limit, within):
    moment = times.parse(at)
    on_day = op("AGE_LT_DAYS", {"date": "2026-11-22"}, limit)
    at_noon = op("AGE_LT_DAYS", {"datetime": "2026-11-22T12:00:00Z"}, limit)
    assert evaluate(on_day, at=moment) is within
    assert evaluate(at_noon, at=moment) is within


def test_what_lies_in_the_future_has_no_age():
    tree = op("AGE_LT_DAYS", var("since"), 10)
    assert reason(tree, {"since": "2026-11-23"}) == "VALUE_OUT_OF_RANGE:since"
    refused(op("AGE_LT_DAYS", "2026-11-22", 1))
    refused(op("AGE_LT_DAYS", var("since"), {"decimal": "1"}))
