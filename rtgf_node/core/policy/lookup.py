"""LOOKUP: the one operator that asks something outside the rule, through a resolver handed in.

A resolver is code of the node, or of whoever verifies offline, and it may fail in any way: the
data it needs is stale, a register is unreachable, its answer is not what it declares. All of that
is one thing to a decision: it cannot be made, and the answer is DENY.
"""

from __future__ import annotations

from collections.abc import Mapping

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy.node import Frame, Node, NotLiteral
from rtgf_node.core.policy.types import LOOKUPS, Shape, Type
from rtgf_node.core.policy.values import (
    MAX_LIST_LENGTH,
    READERS,
    RESOLVER_ERROR,
    EvaluationError,
    check_json,
    to_json,
)
from rtgf_node.core.shapes import pointer
from rtgf_node.errors import Code, RtgfError


def compile_lookup(resolver: str, args: Mapping[str, Node], place: str) -> Node:
    """Return the node that asks `resolver` and holds its answer to what it declares.

    Raises:
      RtgfError: RTGF_MAP_EXPRESSION_INVALID if the language knows no such resolver, or the
        arguments are not the ones it takes.
    """
    known = LOOKUPS.get(resolver)
    if known is None:
        names = ", ".join(sorted(LOOKUPS))
        raise _refusal(f"there is no resolver {resolver!r}; there are {names}", f"{place}/resolver")
    for name in sorted(known.arguments.keys() ^ args.keys()):
        what = "is missing" if name in known.arguments else "is not an argument of this resolver"
        raise _refusal(f"{name!r} {what}", f"{place}/args{pointer(name)}")
    for name, wanted in known.arguments.items():
        found = args[name].shape
        if not _fits(found, wanted):
            raise _refusal(
                f"the argument is {found}, it should be {wanted}", f"{place}/args{pointer(name)}"
            )
    answer = known.answer
    operands = [(name, args[name].run, args[name].shape.type) for name in sorted(args)]

    def run(frame: Frame) -> dict[str, JsonValue]:
        arguments = {name: to_json(value_of(frame), type_) for name, value_of, type_ in operands}
        try:
            found = frame.resolvers[resolver](arguments)
            return _checked(found, answer)
        except Exception:  # noqa: BLE001 - whatever a resolver fails with, the answer is DENY
            raise EvaluationError(RESOLVER_ERROR, resolver) from None

    labels = [arg.label for arg in args.values() if isinstance(arg.literal, NotLiteral)]
    return Node(answer, run, labels[0] if labels else resolver)


def _fits(found: Shape, wanted: Shape) -> bool:
    if wanted.type is Type.LIST:
        return found.type is Type.LIST and found.element in {Type.STRING, Type.ANY}
    if wanted.type is Type.OBJECT:
        return found.type in {Type.OBJECT, Type.PARTY}
    return found.type is wanted.type


def _checked(found: JsonValue, declared: Shape) -> dict[str, JsonValue]:
    """Return an answer that has every declared member, of its declared type.

    Raises:
      ValueError, KeyError: it does not.
    """
    check_json(found, floats=True)
    if type(found) is not dict:
        raise ValueError("an answer is an object")
    for name, shape in (declared.fields or {}).items():
        value = found[name]
        if shape.type is Type.LIST:
            if type(value) is not list or len(value) > MAX_LIST_LENGTH:
                raise ValueError(f"{name} should be a list")
        else:
            READERS[shape.type](value)
    return found


def _refusal(detail: str, place: str) -> RtgfError:
    return RtgfError(Code.RTGF_MAP_EXPRESSION_INVALID, f"LOOKUP: {detail}", pointer=place)
