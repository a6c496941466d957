"""The policy language for tests: short ways to write expressions, and to evaluate one."""

from __future__ import annotations

import pytest

from rtgf_node.core import times
from rtgf_node.core.policy.expressions import Scope, compile_expression
from rtgf_node.core.policy.node import Frame
from rtgf_node.core.policy.slots import UNREAD, Slots, fill
from rtgf_node.core.policy.types import INPUT_SHAPES
from rtgf_node.core.policy.values import EvaluationError
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
