"""The operators of the policy language, but for the arithmetic, the calendars and LOOKUP.

Each has one compiling function, which checks the operands' types and returns a closure. AND and OR
go from left to right and stop as soon as the answer is certain, so that a guard can stand before
what it guards: `AND` of a currency test and a comparison in that currency. An error in an operand
that was reached is always an error of the whole; it is never taken for true or false.

What every operation gives is noted for the trace. A decision costs as much as it has calls, so the
commonest operators note in the closure that works the answer out, and need none around it.
"""

from __future__ import annotations

import datetime
import operator
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import re2  # type: ignore[import-untyped]  # it ships no types

from rtgf_node.core.policy import arithmetic, calendars
from rtgf_node.core.policy.blanks import is_blank, says_nothing
from rtgf_node.core.policy.node import MAX_NODES, Call, Frame, Node, NotLiteral, Run
from rtgf_node.core.policy.types import (
    BOOLEAN,
    DATETIME,
    INTEGER,
    ORDERED,
    PLAIN,
    SCALAR,
    Type,
)
from rtgf_node.core.policy.values import (
    CURRENCY_MISMATCH,
    MISSING,
    OUT_OF_RANGE,
    READERS,
    TYPE_MISMATCH,
    EvaluationError,
    Value,
)

MAX_PATTERN_CHARS: Final = 512
"""Characters of one regular expression: identifiers and account numbers need far fewer."""

MAX_PATTERN_BYTES: Final = 1 << 20
"""Bytes of memory that RE2 may use for one pattern; matching stays linear in the text."""

SECONDS_A_DAY: Final = 86_400
"""Seconds of a UTC day; leap seconds have no place in POSIX time."""

_EPOCH_DAY: Final = datetime.date(1970, 1, 1).toordinal()
_PLAIN_CLASSES: Final = (str, bool, int)
_CLASS_OF: Final = {Type.STRING: str, Type.BOOLEAN: bool, Type.INTEGER: int}


class Operator(NamedTuple):
    """An operator: how many operands it takes, and how it is compiled."""

    minimum: int
    maximum: int
    compile: Callable[[Call], Node]


def _comparer(
    type_: Type, compare: Callable[[Value, Value], bool], label: str
) -> Callable[[Value, Value], bool]:
    """Return what compares two values of a type; where they cannot be compared, it raises."""

    def amounts(a: Value, b: Value) -> bool:
        if a.currency != b.currency:
            raise EvaluationError(CURRENCY_MISMATCH, label)
        return compare(a.value, b.value)

    def durations(a: Value, b: Value) -> bool:
        if a.unit is not b.unit:
            raise EvaluationError(TYPE_MISMATCH, label)
        return compare(a.length, b.length)

    def undeclared(a: Value, b: Value) -> bool:
        if type(a) is not type(b) or type(a) not in _PLAIN_CLASSES:
            raise EvaluationError(TYPE_MISMATCH, label)
        return compare(a, b)

    return {Type.MONEY: amounts, Type.DURATION: durations, Type.ANY: undeclared}.get(type_, compare)


def _comparison(call: Call, type_: Type, compare: Callable[[Value, Value], bool]) -> Node:
    left, right = call.args[0].run, call.args[1].run
    compare, constant = _comparer(type_, compare, call.label), call.args[1].literal
    notes = call.notes

    def run(frame: Frame) -> bool:
        value = compare(left(frame), right(frame))
        frame.note(notes[value])
        return value

    def run_with_literal(frame: Frame) -> bool:
        value = compare(left(frame), constant)
        frame.note(notes[value])
        return value

    chosen = run if isinstance(constant, NotLiteral) else run_with_literal
    return Node(BOOLEAN, chosen, call.label, noted=True)


def _equality(compare: Callable[[Value, Value], bool]) -> Callable[[Call], Node]:
    def compile_(call: Call) -> Node:
        kinds = {call.expect(index, *SCALAR, Type.ANY) for index in (0, 1)}
        if Type.ANY in kinds and kinds <= PLAIN | {Type.ANY}:
            return _comparison(call, Type.ANY, compare)
        if len(kinds) != 1:
            shapes = [str(arg.shape) for arg in call.args]
            call.refuse(f"{' and '.join(shapes)} are never equal; compare values of one type")
        return _comparison(call, kinds.pop(), compare)

    return compile_


def _ordering(compare: Callable[[Value, Value], bool]) -> Callable[[Call], Node]:
    def compile_(call: Call) -> Node:
        kind = call.expect(0, *sorted(ORDERED, key=lambda type_: type_.value))
        call.expect(1, kind)
        return _comparison(call, kind, compare)

    return compile_


def _in(call: Call) -> Node:
    kind = call.expect(0, *SCALAR, Type.ANY)
    call.expect(1, Type.LIST)
    item, held = call.args[0].run, call.args[1]
    element, label = held.shape.element, call.label
    if element not in {kind, Type.ANY, None} and not (kind is Type.ANY and element in PLAIN):
        call.refuse(f"{call.args[0].shape} is never in a {held.shape}")
    if element is Type.ANY and kind not in PLAIN | {Type.ANY}:
        call.refuse(f"a list from the context holds plain values, not {kind.value}", 1)
    equal = _comparer(kind, operator.eq, label)

    def among_compared(frame: Frame) -> bool:
        value = item(frame)
        # Every element is compared: one that cannot be is an error even after a match.
        return any([equal(value, other) for other in held.run(frame)])  # noqa: C419

    def among(frame: Frame) -> bool:
        value = item(frame)
        others = held.run(frame)
        class_ = type(value)
        if not all(type(other) is class_ for other in others):
            raise EvaluationError(TYPE_MISMATCH, label)
        return value in others

    if equal is not operator.eq:
        return Node(BOOLEAN, among_compared, call.label)
    if element is Type.ANY:
        return Node(BOOLEAN, among, call.label)
    literals: list[Value] = call.literal(1, list, "a list")
    known = frozenset(literals)
    return Node(BOOLEAN, lambda frame: item(frame) in known, call.label)


def _subset_of(call: Call) -> Node:
    label = call.label
    for index in (0, 1):
        call.expect(index, Type.LIST)
        if call.args[index].shape.element not in {*PLAIN, Type.ANY, None}:
            call.refuse("the elements must be strings, integers or booleans", index)
    elements = {arg.shape.element for arg in call.args} - {Type.ANY, None}
    if len(elements) > 1:
        call.refuse("the two lists hold values of different types")
    left, right = call.args[0].run, call.args[1].run

    def run(frame: Frame) -> bool:
        part, whole = left(frame), right(frame)
        classes = {type(value) for value in part} | {type(value) for value in whole}
        if len(classes) > 1 or not classes <= set(_PLAIN_CLASSES):
            raise EvaluationError(TYPE_MISMATCH, label)
        return set(part) <= set(whole)

    return Node(BOOLEAN, run, call.label)


def _length(call: Call) -> Node:
    kind = call.expect(0, Type.STRING, Type.LIST, Type.ANY)
    value_of, label = call.args[0].run, call.label

    def checked(frame: Frame) -> int:
        value = value_of(frame)
        if type(value) is not str and type(value) is not list:
            raise EvaluationError(TYPE_MISMATCH, label)
        return len(value)

    return Node(INTEGER, checked if kind is Type.ANY else lambda f: len(value_of(f)), label)


def _matches_regex(call: Call) -> Node:
    call.expect(0, Type.STRING)
    text: str = call.literal(1, str, "a regular expression")
    if len(text) > MAX_PATTERN_CHARS:
        call.refuse(f"a pattern has at most {MAX_PATTERN_CHARS} characters", 1)
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_PATTERN_BYTES
    try:
        match = re2.compile(text, options).fullmatch
    except re2.error as error:
        reason = error.args[0] if error.args else b""
        words = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        call.refuse(f"not an RE2 pattern: {words}", 1)
    value_of = call.args[0].run
    return Node(BOOLEAN, lambda frame: match(value_of(frame)) is not None, call.label)


def _junction(*, decisive: bool) -> Callable[[Call], Node]:
    def compile_(call: Call) -> Node:
        for index in range(len(call.args)):
            call.expect(index, Type.BOOLEAN)
        runs, notes = [arg.run for arg in call.args], call.notes

        def run(frame: Frame) -> bool:
            for operand in runs:
                answer: bool = operand(frame)
                if answer is decisive:
                    frame.note(notes[decisive])
                    return decisive
            frame.note(notes[not decisive])
            return not decisive

        return Node(BOOLEAN, run, call.label, noted=True)

    return compile_


def _not(call: Call) -> Node:
    call.expect(0, Type.BOOLEAN)
    operand, notes = call.args[0].run, call.notes

    def run(frame: Frame) -> bool:
        value = not operand(frame)
        frame.note(notes[value])
        return value

    return Node(BOOLEAN, run, call.label, noted=True)


def _member(call: Call) -> Run:
    """Return what gives the member that a probing operator names, MISSING where there is none."""
    held = call.args[0]
    if held.probe is None:
        call.refuse("the operand must be a variable", 0)
    if len(call.args) == 1:
        return held.probe
    name: str = call.literal(1, str, "the name of a member")
    call.expect(0, Type.PARTY, Type.OBJECT, Type.ANY)
    probe, label = held.probe, call.label

    def run(frame: Frame) -> Value:
        value = probe(frame)
        if value is MISSING:
            return MISSING
        if type(value) is not dict:
            raise EvaluationError(TYPE_MISMATCH, label)
        return value.get(name, MISSING)

    return run


def _has_key(call: Call) -> Node:
    member = _member(call)
    return Node(BOOLEAN, lambda frame: member(frame) is not MISSING, call.label)


def _has_value(call: Call) -> Node:
    member, notes, label = _member(call), call.notes, call.label
    type_ = Type.ANY
    if len(call.args) == 2:
        name: str = call.literal(1, str, "the name of a member")
        declared = call.args[0].shape.member(name)
        type_, label = declared.type if declared else Type.ANY, f"{label}.{name}"
    # The whole that a member is of was held to be JSON: of a text, nothing more is to be checked.
    read, texts = READERS[type_], type_ in {Type.ANY, Type.STRING}

    def run(frame: Frame) -> bool:
        value = member(frame)
        if texts and type(value) is str:
            says = not is_blank(value)
        else:
            says = value is not MISSING and not says_nothing(value)
            if says and type_ is not Type.ANY:
                try:
                    read(value)
                except ValueError:
                    raise EvaluationError(TYPE_MISMATCH, label) from None
        frame.note(notes[says])
        return says

    return Node(BOOLEAN, run, call.label, noted=True)


def _now(call: Call) -> Node:
    return Node(DATETIME, lambda frame: frame.at, call.label)


def _day_of_date(date: datetime.date) -> int:
    return date.toordinal() - _EPOCH_DAY


def _day_of_instant(instant: int) -> int:
    return instant // SECONDS_A_DAY


def _age_lt_days(call: Call) -> Node:
    kind = call.expect(0, Type.DATE, Type.DATETIME)
    call.expect(1, Type.INTEGER)
    since, limit, label = call.args[0].run, call.args[1].run, call.label

    day_of = _day_of_date if kind is Type.DATE else _day_of_instant

    def run(frame: Frame) -> bool:
        day = day_of(since(frame))
        age = frame.at // SECONDS_A_DAY - day
        if age < 0:
            # What has not happened yet has no age. Any answer would suit one rule and harm another.
            raise EvaluationError(OUT_OF_RANGE, label)
        within: bool = age < limit(frame)
        return within

    return Node(BOOLEAN, run, call.label)


OPERATORS: Final[Mapping[str, Operator]] = {
    "EQUALS": Operator(2, 2, _equality(operator.eq)),
    "NOT_EQUALS": Operator(2, 2, _equality(operator.ne)),
    "GT": Operator(2, 2, _ordering(operator.gt)),
    "GTE": Operator(2, 2, _ordering(operator.ge)),
    "LT": Operator(2, 2, _ordering(operator.lt)),
    "LTE": Operator(2, 2, _ordering(operator.le)),
    "IN": Operator(2, 2, _in),
    "MATCHES_REGEX": Operator(2, 2, _matches_regex),
    "AND": Operator(2, MAX_NODES, _junction(decisive=False)),
    "OR": Operator(2, MAX_NODES, _junction(decisive=True)),
    "NOT": Operator(1, 1, _not),
    "ADD": Operator(2, 2, arithmetic.add),
    "SUB": Operator(2, 2, arithmetic.subtract),
    "MUL": Operator(2, 2, arithmetic.multiply),
    "DIV": Operator(3, 3, arithmetic.divide),
    "HAS_KEY": Operator(2, 2, _has_key),
    "HAS_VALUE": Operator(1, 2, _has_value),
    "LENGTH": Operator(1, 1, _length),
    "SUBSET_OF": Operator(2, 2, _subset_of),
    "NOW": Operator(0, 0, _now),
    "AGE_LT_DAYS": Operator(2, 2, _age_lt_days),
    "LOCAL_DATE": Operator(2, 2, calendars.local_date),
    "WITHIN_HOURS": Operator(4, 4, calendars.within_hours),
    "IS_BUSINESS_DAY": Operator(5, 5, calendars.is_business_day),
    "ADD_BUSINESS_DAYS": Operator(6, 6, calendars.add_business_days),
}
"""Every operator but LOOKUP, which has named operands and is compiled by `lookup`."""
