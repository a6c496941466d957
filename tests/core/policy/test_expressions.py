"""The policy language: every operator, its types, its edges, and what does not compile."""

from __future__ import annotations

import json
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import times
from rtgf_node.core.policy import duration, money
from rtgf_node.core.policy.expressions import Scope, compile_expression
from rtgf_node.core.policy.node import MAX_DEPTH, MAX_NODES, Frame
from rtgf_node.core.policy.operators import OPERATORS
from rtgf_node.core.policy.slots import UNREAD, Slots, fill
from rtgf_node.core.policy.types import INPUT_SHAPES
from rtgf_node.core.policy.values import MAX_LIST_LENGTH, EvaluationError, check_json
from rtgf_node.core.policy.variables import Declared
from rtgf_node.errors import Code, RtgfError

AT = times.parse("2026-11-22T10:00:00Z")

INPUTS = {
    "amount": "money",
    "other": "money",
    "rate": "decimal",
    "count": "integer",
    "flag": "boolean",
    "word": "string",
    "since": "date",
    "moment": "datetime",
    "period": "duration",
    "codes": "list",
    "originator": "party",
    "details": "object",
    "free": "any",
}


def op(name, *args):
    return {"op": name, "args": list(args)}


def var(path):
    return {"var": path}


def eur(value):
    return {"money": {"value": value, "currency": "EUR"}}


def compiled(tree, derive=()):
    slots, scope = Slots(), Scope()
    for name, kind in INPUTS.items():
        shape = INPUT_SHAPES[kind]
        scope.names[name] = Declared(shape, slots.input(name, shape.type), certain=False)
    for name, expr in derive:
        node = compile_expression(expr, scope, f"/{name}")
        scope.names[name] = Declared(node.shape, slots.derived(), certain=True, derive=node.run)
    return compile_expression(tree, scope, ""), slots


def evaluate(tree, context=None, *, at=AT, resolvers=None, derive=()):
    node, slots = compiled(tree, derive)
    values = [UNREAD if place is None else fill(place, context or {})[0] for place in slots.places]
    for value in values:
        if isinstance(value, EvaluationError):
            raise value
    return node.run(Frame(at, resolvers or {}, values))


def reason(tree, context=None, **more):
    with pytest.raises(EvaluationError) as caught:
        evaluate(tree, context, **more)
    return caught.value.reason


def refused(tree):
    with pytest.raises(RtgfError) as caught:
        compiled(tree)
    assert caught.value.code is Code.RTGF_MAP_EXPRESSION_INVALID
    return caught.value


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
    for text in ("xDE12", "DE12x", "DE12\n", "\nDE12", ""):
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


# --- logic ----------------------------------------------------------------------------------------


def test_logic():
    assert evaluate(op("AND", True, True, True)) is True
    assert evaluate(op("AND", True, False)) is False
    assert evaluate(op("OR", False, True)) is True
    assert evaluate(op("OR", False, False)) is False
    assert evaluate(op("NOT", False)) is True
    for name in ("AND", "OR"):
        refused(op(name, True))
        refused(op(name, True, 1))
        refused(op(name, True, var("free")))
    refused(op("NOT", "true"))


def test_a_guard_stands_before_what_it_guards():
    """An operand is reached only as long as those to its left leave the answer open."""
    guarded = op(
        "AND", op("EQUALS", var("amount.currency"), "EUR"), op("GT", var("amount"), eur("5"))
    )
    assert evaluate(guarded, {"amount": {"value": "9", "currency": "SGD"}}) is False
    assert evaluate(guarded, {"amount": {"value": "9", "currency": "EUR"}}) is True
    assert evaluate(op("OR", True, var("flag"))) is True


def test_an_error_that_is_reached_is_never_hidden():
    missing = var("flag")
    for tree in (
        op("AND", missing, False),
        op("AND", True, missing),
        op("OR", missing, True),
        op("OR", False, missing),
        op("NOT", missing),
    ):
        assert reason(tree) == "INPUT_MISSING:flag"


# --- arithmetic -----------------------------------------------------------------------------------


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


# --- lookups --------------------------------------------------------------------------------------

SCREEN = {
    "op": "LOOKUP",
    "resolver": "sanctions",
    "args": {
        "party": var("originator"),
        "lists": {"list": ["un-sc"]},
        "threshold": {"decimal": "0.92"},
    },
}
PARTY = {"originator": {"name": "N"}}


def screen(resolver):
    return {
        "context": PARTY,
        "resolvers": {"sanctions": resolver} if resolver else {},
        "derive": [("screening", SCREEN)],
    }


def test_a_lookup_hands_json_over_and_reads_the_declared_answer():
    asked = []

    def sanctions(arguments):
        asked.append(arguments)
        return {"listed": True, "matches": [{"score": 0.97}], "dataset_digests": ["sha256:a"]}

    assert evaluate(var("screening.listed"), **screen(sanctions)) is True
    assert asked == [{"party": {"name": "N"}, "lists": ["un-sc"], "threshold": "0.92"}]


def test_a_derived_value_is_worked_out_once_and_only_if_it_is_read():
    asked = []

    def sanctions(arguments):
        asked.append(arguments)
        return {"listed": False, "matches": [], "dataset_digests": []}

    twice = op("OR", var("screening.listed"), op("NOT", var("screening.listed")))
    assert evaluate(twice, **screen(sanctions)) is True
    assert len(asked) == 1
    assert evaluate(op("OR", True, var("screening.listed")), **screen(sanctions)) is True
    assert len(asked) == 1


def raising(error):
    def resolver(_):
        raise error

    return resolver


@pytest.mark.parametrize(
    "resolver",
    [
        None,
        raising(TimeoutError()),
        raising(KeyError("x")),
        raising(RtgfError(Code.RTGF_INTERNAL, "x")),
        raising(EvaluationError("INPUT_MISSING", "x")),
        lambda _: None,
        lambda _: {"listed": "yes", "matches": [], "dataset_digests": []},
        lambda _: {"listed": 0, "matches": [], "dataset_digests": []},
        lambda _: {"matches": [], "dataset_digests": []},
        lambda _: {"listed": False, "matches": {}, "dataset_digests": []},
        lambda _: {"listed": False, "matches": [float("nan")], "dataset_digests": []},
        lambda _: {"listed": False, "matches": [object()], "dataset_digests": []},
        lambda _: {"listed": False, "matches": [0] * (MAX_LIST_LENGTH + 1), "dataset_digests": []},
    ],
)
def test_a_resolver_that_fails_in_any_way_is_one_error(resolver):
    assert reason(var("screening.listed"), **screen(resolver)) == "RESOLVER_ERROR:sanctions"


def test_a_lookup_takes_its_own_arguments_from_a_known_resolver():
    unknown = refused({**SCREEN, "resolver": "oracle"})
    assert unknown.pointer == "/resolver"
    without = {name: arg for name, arg in SCREEN["args"].items() if name != "lists"}
    assert refused({**SCREEN, "args": without}).pointer == "/args/lists"
    more = {**SCREEN["args"], "note": "x"}
    assert refused({**SCREEN, "args": more}).pointer == "/args/note"
    wrong = {**SCREEN["args"], "threshold": "0.92"}
    assert refused({**SCREEN, "args": wrong}).pointer == "/args/threshold"
    refused({**SCREEN, "args": []})
    with pytest.raises(RtgfError):
        compiled(var("screening.nope"), [("screening", SCREEN)])


# --- grammar and bounds ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_every_operator_states_its_arity(name):
    operator = OPERATORS[name]
    assert refused(op(name, *[True] * (operator.maximum + 1)))
    if operator.minimum:
        assert refused(op(name)).pointer == "/args"
    assert refused({"op": name}).pointer == "/args"
    assert refused({"op": name, "args": {}}).pointer == "/args"
    assert refused({"op": name, "args": [], "note": 1}).pointer == "/note"


@pytest.mark.parametrize(
    ("tree", "pointer"),
    [
        (op("EVAL", "1"), "/op"),
        (op("equals", 1, 1), "/op"),
        ({"op": 5, "args": []}, "/op"),
        ({"op": ["AND"], "args": []}, "/op"),
        (op("AND", True, op("NOPE")), "/args/1/op"),
        (op("NOT", op("EQUALS", 1)), "/args/0/args"),
        (1.5, ""),
        (None, ""),
        ([True], ""),
        ({}, ""),
        (2**53, ""),
        ({"var": 5}, "/var"),
        ({"var": ""}, "/var"),
        ({"var": "a..b"}, "/var"),
        ({"var": "nobody"}, "/var"),
        ({"var": "amount.cents"}, "/var"),
        ({"var": "word.length"}, "/var"),
        ({"var": "flag", "default": True}, ""),
        ({"decimal": 0.45}, "/decimal"),
        ({"decimal": "1e3"}, "/decimal"),
        ({"decimal": "+1"}, "/decimal"),
        ({"decimal": "01"}, "/decimal"),
        ({"decimal": "NaN"}, "/decimal"),
        ({"decimal": "\u0661"}, "/decimal"),
        ({"money": {"value": 1, "currency": "EUR"}}, "/money"),
        ({"money": {"value": "-1", "currency": "EUR"}}, "/money"),
        ({"money": {"value": "1", "currency": "eur"}}, "/money"),
        ({"money": {"value": "1", "currency": "EUR", "x": 1}}, "/money"),
        ({"duration": "P"}, "/duration"),
        ({"date": "2026-02-30"}, "/date"),
        ({"date": "20260101"}, "/date"),
        ({"datetime": "2026-01-01"}, "/datetime"),
        ({"list": "abc"}, "/list"),
        ({"list": ["a", 1]}, "/list/1"),
        ({"list": [{"list": []}]}, "/list/0"),
        ({"list": [{"var": "word"}]}, "/list/0"),
        ({"list": [{"decimal": 1}]}, "/list/0/decimal"),
        ({"list": ["a"] * (MAX_LIST_LENGTH + 1)}, "/list"),
    ],
)
def test_what_is_not_in_the_grammar_does_not_compile(tree, pointer):
    assert (refused(tree).pointer or "") == pointer


def nested(depth):
    tree = True
    for _ in range(depth - 1):
        tree = op("NOT", tree)
    return tree


def test_depth_is_bounded():
    assert evaluate(nested(MAX_DEPTH)) in {True, False}
    assert "deep" in refused(nested(MAX_DEPTH + 1)).detail
    assert "deep" in refused(nested(400)).detail


def test_nodes_are_bounded():
    assert evaluate(op("AND", *[True] * (MAX_NODES - 1))) is True
    assert "nodes" in refused(op("AND", *[True] * MAX_NODES)).detail


def test_steps_are_bounded():
    walk = op("SUBSET_OF", var("codes"), var("codes"))
    assert evaluate(op("AND", *[walk] * 40), {"codes": []}) is True
    assert "steps" in refused(op("AND", *[walk] * 60)).detail


def test_the_longest_declared_name_wins():
    slots, scope = Slots(), Scope()
    for name, kind in (("a", "object"), ("a.b", "integer")):
        shape = INPUT_SHAPES[kind]
        scope.names[name] = Declared(shape, slots.input(name, shape.type), certain=False)
    assert str(compile_expression(var("a.b"), scope, "").shape) == "integer"
    assert str(compile_expression(var("a.c"), scope, "").shape) == "any"


# --- values ---------------------------------------------------------------------------------------


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
    try:
        assert evaluate(var("codes"), {"codes": value}) == value
    except EvaluationError as error:
        assert error.reason in {"TYPE_MISMATCH:codes", "INPUT_MISSING:codes"}


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
