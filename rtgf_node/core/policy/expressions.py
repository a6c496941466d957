"""The grammar of the policy language: JSON trees in, closures out.

An expression is one of:

- a literal: a JSON string, `true`, `false` or an integer; or an object with one member,
  `{"decimal": "0.45"}`, `{"money": {"value": "1000.00", "currency": "EUR"}}`,
  `{"duration": "P5Y"}`, `{"date": "2026-01-01"}`, `{"datetime": "2026-01-01T00:00:00Z"}`,
  `{"list": [LITERAL, ...]}` with literals of one type (no lists, no datetimes);
- a variable: `{"var": "amount.currency"}`. The longest declared name that the path starts with is
  the input or derived name; the rest are members of it. Money has `value` and `currency`, a party
  and an object have whatever the context gives them, the answer of a LOOKUP what is declared;
- an operation: `{"op": NAME, "args": [EXPRESSION, ...]}`, see `operators`;
- a question: `{"op": "LOOKUP", "resolver": NAME, "args": {NAME: EXPRESSION}}`, see `lookup`. Its
  answer is an object; give it a name under `derive` to read its members.

Everything is checked when it is compiled: operators, arity, types, bounds. There are no loops, no
recursion, no user functions and no conversions, so evaluating visits every node at most once.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from rtgf_node.core import digests
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy.lookup import compile_lookup
from rtgf_node.core.policy.node import (
    MAX_DEPTH,
    MAX_NODES,
    MAX_STEPS,
    Call,
    Frame,
    Node,
    NotLiteral,
    note,
)
from rtgf_node.core.policy.operators import OPERATORS
from rtgf_node.core.policy.types import INPUT_SHAPES, Shape, Type
from rtgf_node.core.policy.values import (
    MAX_LIST_LENGTH,
    MAX_STRING_CHARS,
    READERS,
    Value,
    digest,
    to_json,
)
from rtgf_node.core.policy.variables import Declared, variable
from rtgf_node.core.shapes import pointer
from rtgf_node.errors import Code, RtgfError

_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9_:-]{0,127}"
PATH: Final = re.compile(rf"{_NAME}(?:\.{_NAME}){{0,7}}")
"""A name, or names joined by points: at most eight, as long as a name of the library may be."""

_TYPED_LITERALS: Final = ("decimal", "money", "duration", "date", "datetime")
_WALKS_LISTS: Final = frozenset({"IN", "SUBSET_OF"})


class _Spent(NamedTuple):
    nodes: int
    steps: int


class Scope:
    """What one predicate's expressions may name, and what they have used of its bounds.

    Attributes:
      names: the inputs and derived names declared so far.
      operators: the names of the operators used so far.
    """

    def __init__(self) -> None:
        self.names: dict[str, Declared] = {}
        self.operators: set[str] = set()
        self._spent = _Spent(0, 0)

    def spend(self, steps: int, place: str) -> None:
        """Count one more node that takes `steps` at worst.

        Raises:
          RtgfError: RTGF_MAP_EXPRESSION_INVALID when the predicate is over its bounds.
        """
        self._spent = _Spent(self._spent.nodes + 1, self._spent.steps + steps)
        if self._spent.nodes > MAX_NODES:
            raise refusal(f"a predicate has at most {MAX_NODES} nodes; divide it", place)
        if self._spent.steps > MAX_STEPS:
            raise refusal(f"it could take more than {MAX_STEPS} steps; shorten its lists", place)


def refusal(detail: str, place: str) -> RtgfError:
    """Return the error that an expression is not well formed at `place`, a JSON Pointer."""
    return RtgfError(Code.RTGF_MAP_EXPRESSION_INVALID, detail, pointer=place)


def compile_expression(tree: JsonValue, scope: Scope, place: str, *, depth: int = 1) -> Node:
    """Return the compiled expression of `tree`, which is at the JSON Pointer `place`.

    Raises:
      RtgfError: RTGF_MAP_EXPRESSION_INVALID, with the pointer to what is wrong.
    """
    if depth > MAX_DEPTH:
        raise refusal(f"expressions nest at most {MAX_DEPTH} deep", place)
    if type(tree) is not dict:
        scope.spend(1, place)
        return _plain_literal(tree, place)
    if "op" in tree:
        return _operation(tree, scope, place, depth)
    scope.spend(1, place)
    if tree.keys() == {"var"}:
        path = tree["var"]
        if type(path) is not str or PATH.fullmatch(path) is None:
            raise refusal("a variable is a path of names joined by points", f"{place}/var")
        found = variable(path, scope.names)
        if found is None:
            declared = ", ".join(sorted(scope.names)) or "nothing"
            raise refusal(
                f"{path!r} is not declared; the inputs and derived names are {declared}",
                f"{place}/var",
            )
        return found
    return _typed_literal(tree, place)


def _operation(tree: dict[str, JsonValue], scope: Scope, place: str, depth: int) -> Node:
    name = tree["op"]
    members = {"op", "args", "resolver"} if name == "LOOKUP" else {"op", "args"}
    for member in sorted(tree.keys() ^ members):
        what = "is missing" if member in members else "is not a member of an operation"
        raise refusal(f"{member!r} {what}", f"{place}{pointer(member)}")
    if type(name) is not str or (name != "LOOKUP" and name not in OPERATORS):
        raise refusal(f"there is no operator {str(name)[:40]!r}", f"{place}/op")
    scope.operators.add(name)
    if name == "LOOKUP":
        node = _lookup(tree, scope, place, depth)
    else:
        node = _application(name, tree["args"], scope, place, depth)
    return node if node.noted else _noted(node, f"{place} {name}")


def _application(name: str, given: JsonValue, scope: Scope, place: str, depth: int) -> Node:
    operator = OPERATORS[name]
    if type(given) is not list:
        raise refusal(f"{name}: the operands are a list", f"{place}/args")
    if not operator.minimum <= len(given) <= operator.maximum:
        wanted = str(operator.minimum)
        if operator.maximum != operator.minimum:
            wanted = f"{operator.minimum} to {operator.maximum}"
        raise refusal(f"{name} takes {wanted} operands, not {len(given)}", f"{place}/args")
    args = tuple(
        compile_expression(item, scope, f"{place}/args/{index}", depth=depth + 1)
        for index, item in enumerate(given)
    )
    scope.spend(_steps(name, args), place)
    return operator.compile(Call(name, args, place))


def _steps(name: str, args: tuple[Node, ...]) -> int:
    if name == "MATCHES_REGEX":
        return 1 + MAX_STRING_CHARS
    if name not in _WALKS_LISTS:
        return 1
    return 1 + sum(
        MAX_LIST_LENGTH if isinstance(arg.literal, NotLiteral) else len(arg.literal)
        for arg in args
        if arg.shape.type is Type.LIST
    )


def _lookup(tree: dict[str, JsonValue], scope: Scope, place: str, depth: int) -> Node:
    resolver, given = tree["resolver"], tree["args"]
    if type(resolver) is not str:
        raise refusal("LOOKUP: the resolver is a name", f"{place}/resolver")
    if type(given) is not dict:
        raise refusal("LOOKUP: the arguments are an object, by name", f"{place}/args")
    args = {
        name: compile_expression(
            given[name], scope, f"{place}/args{pointer(name)}", depth=depth + 1
        )
        for name in sorted(given)
    }
    scope.spend(1, place)
    return compile_lookup(resolver, args, place)


def _noted(node: Node, key: str) -> Node:
    """Return the node, made to note what it gives: a boolean, or the digest of the rest."""
    evaluate, type_ = node.run, node.shape.type
    true, false = note(key, "true"), note(key, "false")
    # An answer may have numbers with a fraction, such as the score of a match.
    hashed = digests.of_document if type_ is Type.OBJECT else digest

    def boolean(value: Value) -> str:
        return true if value else false

    def digested(value: Value) -> str:
        return note(key, f'"{hashed(to_json(value, type_))}"')

    told = boolean if type_ is Type.BOOLEAN else digested
    if type_ is Type.DATETIME:
        # Only NOW gives one, and many decisions are made in one second.
        told = lru_cache(maxsize=1)(digested)

    def run(frame: Frame) -> Value:
        value = evaluate(frame)
        frame.note(told(value))
        return value

    return node._replace(run=run, noted=True)


def _plain_literal(tree: JsonValue, place: str) -> Node:
    type_ = {str: Type.STRING, bool: Type.BOOLEAN, int: Type.INTEGER}.get(type(tree))
    if type_ is None:
        raise refusal(
            "a literal is a string, true, false, an integer or an object that names its type, "
            'such as {"decimal": "0.45"}',
            place,
        )
    return _literal(tree, Shape(type_), place)


def _typed_literal(tree: dict[str, JsonValue], place: str) -> Node:
    name = next(iter(tree), "")
    if len(tree) != 1 or name not in {*_TYPED_LITERALS, "list"}:
        raise refusal(
            'an expression is a literal, {"var": PATH} or {"op": NAME, "args": [...]}', place
        )
    if name != "list":
        return _literal(tree[name], INPUT_SHAPES[name], f"{place}/{name}")
    items = tree["list"]
    if type(items) is not list or len(items) > MAX_LIST_LENGTH:
        raise refusal(f"a list has at most {MAX_LIST_LENGTH} literals", f"{place}/list")
    held = [_element(item, f"{place}/list/{index}") for index, item in enumerate(items)]
    for index, node in enumerate(held):
        if node.shape.type is not held[0].shape.type:
            raise refusal("the literals of a list are of one type", f"{place}/list/{index}")
    values = [node.literal for node in held]
    element = held[0].shape.type if held else None
    return Node(Shape(Type.LIST, element=element), lambda _: values, "list", values)


def _element(item: JsonValue, place: str) -> Node:
    if type(item) is not dict:
        return _plain_literal(item, place)
    if item.keys() & {"var", "op", "list", "datetime"}:
        raise refusal("a list holds literals, and neither lists nor datetimes", place)
    return _typed_literal(item, place)


def _literal(text: JsonValue, shape: Shape, place: str) -> Node:
    try:
        value = READERS[shape.type](text)
    except ValueError as error:
        raise refusal(f"not a {shape}: {error}", place) from None
    return Node(shape, lambda _: value, shape.type.value, value)
