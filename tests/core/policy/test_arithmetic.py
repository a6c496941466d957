"""Arithmetic is exact, of one type and one currency, and has an end."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core.policy import money
from tests.expressions import eur, evaluate, op, reason, refused, var


def test_arithmetic_is_exact_and_typed():
    assert evaluate(op("ADD", {"decimal": "0.1"}, {"decimal": "0.2"})) == Decimal("0.3")
    assert evaluate(op("SUB", 3, 5)) == -2
    tenth = {"decimal": "0.1"}
    for tree in (op("MUL", eur("19.99"), tenth), op("MUL", tenth, eur("19.99"))):
        assert evaluate(tree) == (Decimal("1.999"), "EUR")
    total = evaluate(op("ADD", eur("1.10"), eur("2.20")))
    assert total == (Decimal("3.30"), "EUR")
    assert evaluate(op("ADD", {"duration": "P1Y"}, {"duration": "P1M"})).length == 13
    assert evaluate(op("MUL", 6, 7)) == 42
    for tree in (
        op("ADD", 1, {"decimal": "1"}),
        op("ADD", "a", "b"),
        op("MUL", eur("1"), eur("1")),
        op("MUL", eur("1"), 2),
        op("SUB", {"date": "2026-01-02"}, {"date": "2026-01-01"}),
    ):
        refused(tree)


def test_decimals_have_34_digits_and_round_half_to_even():
    longest = "9" * 34
    assert evaluate(op("ADD", {"decimal": longest}, {"decimal": "0.5"})) == Decimal(10) ** 34
    even = "1" * 33 + "2"
    assert evaluate(op("ADD", {"decimal": even}, {"decimal": "0.5"})) == Decimal(even)
    refused(op("ADD", {"decimal": "1" * 35}, {"decimal": "1"}))


def test_the_threads_own_decimal_context_has_no_say():
    with localcontext() as context:
        context.prec = 3
        assert evaluate(op("ADD", {"decimal": "1000.01"}, {"decimal": "1"})) == Decimal("1001.01")
        assert evaluate(op("GT", {"decimal": "1000.01"}, {"decimal": "1000"})) is True


@pytest.mark.parametrize(
    ("left", "right", "scale", "quotient"),
    [
        ("1", "3", 2, "0.33"),
        ("2", "3", 2, "0.67"),
        ("0.125", "1", 2, "0.12"),
        ("0.375", "1", 2, "0.38"),
        ("-1", "8", 2, "-0.12"),
        ("1", "-8", 2, "-0.12"),
        ("5", "2", 0, "2"),
        ("7", "2", 0, "4"),
    ],
)
def test_a_quotient_has_its_stated_scale(left, right, scale, quotient):
    found = evaluate(op("DIV", {"decimal": left}, {"decimal": right}, scale))
    assert str(found) == quotient


def test_division_of_amounts_and_integers():
    share = evaluate(op("DIV", eur("10.00"), {"decimal": "3"}, 2))
    assert share == (Decimal("3.33"), "EUR")
    assert evaluate(op("DIV", eur("1"), eur("4"), 2)) == Decimal("0.25")
    assert evaluate(op("DIV", 1, 4, 2)) == Decimal("0.25")
    context = {"amount": {"value": "1", "currency": "SGD"}}
    assert reason(op("DIV", eur("1"), var("amount"), 2), context) == "CURRENCY_MISMATCH:amount"


def test_what_leaves_the_range_is_an_error():
    zero = {"rate": "0"}
    assert reason(op("DIV", {"decimal": "1"}, var("rate"), 2), zero) == "VALUE_OUT_OF_RANGE:rate"
    assert reason(op("DIV", {"decimal": "0"}, var("rate"), 2), zero) == "VALUE_OUT_OF_RANGE:rate"
    tiny = op("DIV", {"decimal": "9" * 34}, {"decimal": "0.1"}, 2)
    assert reason(tiny) == "VALUE_OUT_OF_RANGE:DIV"
    largest = 2**53 - 1
    assert reason(op("ADD", largest, 1)) == "VALUE_OUT_OF_RANGE:ADD"
    assert reason(op("MUL", -largest, 2)) == "VALUE_OUT_OF_RANGE:MUL"
    shorter = op("SUB", {"duration": "P1M"}, {"duration": "P2M"})
    assert reason(shorter) == "VALUE_OUT_OF_RANGE:SUB"


def test_a_division_states_its_scale():
    one = {"decimal": "1"}
    refused(op("DIV", one, one))
    refused(op("DIV", one, one, -1))
    refused(op("DIV", one, one, 19))
    refused(op("DIV", one, one, True))
    refused(op("DIV", one, one, var("count")))


@given(
    st.decimals(min_value=-(10**9), max_value=10**9, places=6),
    st.decimals(min_value="0.000001", max_value=10**6, places=6),
    st.integers(0, 12),
)
def test_a_quotient_is_the_nearest_one(dividend, divisor, scale):
    quotient = money.divide(dividend, divisor, scale)
    left, right = dividend.as_integer_ratio(), divisor.as_integer_ratio()
    top, bottom = left[0] * right[1] * 10**scale, left[1] * right[0]
    shifted = quotient.scaleb(scale)
    assert shifted == shifted.to_integral_value()
    assert 2 * abs(int(shifted) * bottom - top) <= bottom
