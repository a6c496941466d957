"""The grammar of the policy language: what compiles, what does not, guards, lookups, bounds."""

from __future__ import annotations

import pytest

from rtgf_node.core.policy.expressions import Scope, compile_expression
from rtgf_node.core.policy.node import MAX_DEPTH, MAX_NODES
from rtgf_node.core.policy.operators import OPERATORS
from rtgf_node.core.policy.slots import Slots
from rtgf_node.core.policy.types import INPUT_SHAPES
from rtgf_node.core.policy.values import MAX_LIST_LENGTH, EvaluationError
from rtgf_node.core.policy.variables import Declared
from rtgf_node.errors import Code, RtgfError
from tests.expressions import compiled, eur, evaluate, op, reason, refused, var

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
