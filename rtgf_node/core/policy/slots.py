"""Slots: each place in a context is read, checked and digested once in a decision, not once a rule.

A slot is a path and a type. The rules of one plan share their slots; a slot is filled when the
first rule that needs it is evaluated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from rtgf_node.core.policy.blanks import is_blank
from rtgf_node.core.policy.types import Type
from rtgf_node.core.policy.values import (
    MISSING,
    TYPE_MISMATCH,
    EvaluationError,
    Value,
    digest,
    reader_of,
)


class Unread:
    """What stands in a slot that no rule has needed yet."""


UNREAD: Final = Unread()

# What a trace says of an input that has no digest.
ABSENT: Final = "missing"
MISMATCHED: Final = "mismatch"


class Place(NamedTuple):
    """Where an input is in a context, how it is read, and how a trace begins to name it."""

    path: str
    steps: tuple[str, ...]
    reader: Callable[[object], Value]
    member: str


class Slots:
    """Gives every place its index; inputs and derived names share one row of slots."""

    def __init__(self) -> None:
        self.places: list[Place | None] = []
        self._known: dict[tuple[str, Type], int] = {}

    def input(self, path: str, type_: Type) -> int:
        """Return the slot of the input `path`, read as `type_`."""
        key = (path, type_)
        if key not in self._known:
            self._known[key] = len(self.places)
            steps, reader = tuple(path.split(".")), reader_of(path, type_)
            self.places.append(Place(path, steps, reader, f'"{path}":"'))
        return self._known[key]

    def place(self, slot: int) -> Place:
        """Return what the slot of an input reads."""
        found = self.places[slot]
        assert found is not None  # `slot` came from `input`
        return found

    def derived(self) -> int:
        """Return a new slot for a derived value."""
        self.places.append(None)
        return len(self.places) - 1


def fill(place: Place, context: Value) -> tuple[Value, str]:
    """Return what a context has at a place, and the member of a trace that names its digest.

    What is not there is MISSING. What is there but is not of the type is an EvaluationError, given
    back and not raised: every rule that needs it reports it. The digest is taken over the canonical
    JSON as it stands in the context.
    """
    found = context
    for step in place.steps:
        if type(found) is not dict:
            return EvaluationError(TYPE_MISMATCH, place.path), f'{place.member}{MISMATCHED}"'
        found = found.get(step)
        if found is None:
            return MISSING, f'{place.member}{ABSENT}"'
    if isinstance(found, str) and is_blank(found):
        return MISSING, f'{place.member}{ABSENT}"'
    try:
        value = place.reader(found)
    except ValueError:
        return EvaluationError(TYPE_MISMATCH, place.path), f'{place.member}{MISMATCHED}"'
    return value, f'{place.member}{digest(found)}"'
