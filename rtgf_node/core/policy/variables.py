"""Variables: how an expression reads an input, a derived name, or a member of one.

What is not there is missing, and reading it is an error; only HAS_KEY and HAS_VALUE may ask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import NamedTuple

from rtgf_node.core.policy.node import Frame, Node, Run
from rtgf_node.core.policy.slots import UNREAD
from rtgf_node.core.policy.types import Shape, Type
from rtgf_node.core.policy.values import (
    INPUT_MISSING,
    MISSING,
    READERS,
    TYPE_MISMATCH,
    EvaluationError,
    Value,
)


class Declared(NamedTuple):
    """A name that expressions may use.

    Attributes:
      shape: its type.
      slot: where its value is in a frame.
      certain: whether it always has a value where it is read; an optional input may have none.
      derive: of a derived name, what works its value out. That happens when it is first read, so
        that what no expression needs, such as the screening of a second party, is not done.
    """

    shape: Shape
    slot: int
    certain: bool
    derive: Run | None = None


def variable(path: str, names: Mapping[str, Declared]) -> Node | None:
    """Return the node that reads `path`, or None when no declared name leads there."""
    name, members = path, list[str]()
    while name not in names:
        name, point, member = name.rpartition(".")
        if not point:
            return None
        members.insert(0, member)
    declared = names[name]
    shape = declared.shape
    for member in members:
        inner = shape.member(member)
        if inner is None:
            return None
        shape = inner
    probe = _probe(path, declared, members, shape)
    return Node(shape, _demand(path, declared, members, probe), path, probe=probe)


def _base(declared: Declared) -> Run:
    slot, derive = declared.slot, declared.derive
    if derive is None:
        return lambda frame: frame.slots[slot]

    def derived(frame: Frame) -> Value:
        value = frame.slots[slot]
        if value is UNREAD:
            value = frame.slots[slot] = derive(frame)
        return value

    return derived


def _probe(path: str, declared: Declared, members: list[str], shape: Shape) -> Run:
    base, slot = _base(declared), declared.slot
    if not members:
        return base
    given = declared.derive is None
    if declared.shape.type is Type.MONEY:
        part: Callable[[Value], Value] = attrgetter(members[0])

        def amount_part(frame: Frame) -> Value:
            value = frame.slots[slot] if given else base(frame)
            return value if value is MISSING else part(value)

        return amount_part
    reader = READERS[shape.type]

    def walk(frame: Frame) -> Value:
        value = frame.slots[slot] if given else base(frame)
        for member in members:
            if value is MISSING:
                return MISSING
            if type(value) is not dict:
                raise EvaluationError(TYPE_MISMATCH, path)
            value = value.get(member)
            if value is None:
                return MISSING
        try:
            return reader(value)
        except ValueError:
            raise EvaluationError(TYPE_MISMATCH, path) from None

    return walk


def _demand(path: str, declared: Declared, members: list[str], probe: Run) -> Run:
    if declared.certain and (not members or declared.shape.type is Type.MONEY):
        return probe

    def run(frame: Frame) -> Value:
        value = probe(frame)
        if value is MISSING:
            raise EvaluationError(INPUT_MISSING, path)
        return value

    return run
