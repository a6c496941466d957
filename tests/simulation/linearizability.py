"""Whether a history of questions and answers could have come from one log that does one at a time.

Wing & Gong (1993) as Lowe (2017) made it fast: operations are tried in every order that agrees with
who was answered before whom asked, and a pair of (what is done, the state) is tried only once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

State = TypeVar("State", bound=Hashable)

UNKNOWN = object()
"""The result of an operation that was never answered."""


class Operation(NamedTuple):
    """One question of a client.

    Attributes:
      call, ret: when it was asked and answered, in any time that never stands still; `math.inf` if
        it was never answered: then it may have been done at any time after, or never.
      kind: for the model.
      argument: for the model.
      result: what was answered, UNKNOWN if nothing was.
    """

    call: float
    ret: float
    kind: str
    argument: Any = None
    result: Any = UNKNOWN


Step: TypeAlias = Callable[[State, Operation], State | None]
"""Gives the state after an operation, None if it could not have had its result."""


class TimeIsUpError(Exception):
    """Neither order nor contradiction was found in time."""


def append_only(state: tuple[int, object], operation: Operation) -> tuple[int, object] | None:
    """Model a log: `append` (value, count) answers the first index, `read` (size, newest value)."""
    size = state[0]
    if operation.kind == "append":
        value, count = operation.argument
        if operation.result is not UNKNOWN and operation.result != size:
            return None
        return size + count, value
    if operation.kind == "read":
        return state if operation.result in (UNKNOWN, state) else None
    raise ValueError(operation.kind)


EMPTY_LOG: tuple[int, object] = (0, None)


def is_linearizable(
    history: Sequence[Operation], step: Step[State], initial: State, *, seconds: float = 20.0
) -> bool:
    """Say whether some order explains every answer.

    Raises:
      TimeIsUpError: it could not be decided within `seconds`.
    """
    deadline = time.monotonic() + seconds
    # Both ends of every operation in the order of time; an answer comes before a question of the
    # same instant only if the times say so: at equal times they overlap.
    ends = sorted(
        (at, is_return, number)
        for number, one in enumerate(history)
        for at, is_return in ((one.call, False), (one.ret, True))
    )
    events = _Events([(number, is_return) for _, is_return, number in ends])
    left = sum(one.ret != math.inf for one in history)
    state, done = initial, 0
    tried: set[tuple[int, State]] = set()
    taken: list[tuple[int, State, int]] = []
    place = events.first()
    turns = 0
    while left:
        turns += 1
        if turns % 4096 == 0 and time.monotonic() > deadline:
            raise TimeIsUpError(f"{len(history)} operations were not decided in {seconds:g} s")
        number, is_return = events.at(place)
        if not is_return:
            after = step(state, history[number])
            then = done | 1 << number
            if after is not None and (then, after) not in tried:
                tried.add((then, after))
                taken.append((place, state, done))
                state, done = after, then
                left -= history[number].ret != math.inf
                events.take(place)
                place = events.first()
            else:
                place = events.after(place)
            continue
        # Whoever is answered here must have been done before: something earlier was chosen wrongly.
        if not taken:
            return False
        place, state, done = taken.pop()
        left += history[events.at(place)[0]].ret != math.inf
        events.put_back(place)
        place = events.after(place)
    return True


class _Events:
    """A doubly linked list, from which the two ends of an operation are taken and put back."""

    def __init__(self, events: Sequence[tuple[int, bool]]) -> None:
        self._events = events
        count = len(events)
        # Place 0 is the head; the events are 1 to `count`.
        self._next = [*range(1, count + 1), 0]
        self._before = [count, *range(count)]
        self._returns = {number: at for at, (number, back) in enumerate(events, 1) if back}

    def first(self) -> int:
        return self._next[0]

    def after(self, place: int) -> int:
        return self._next[place]

    def at(self, place: int) -> tuple[int, bool]:
        return self._events[place - 1]

    def take(self, place: int) -> None:
        for one in (place, self._returns[self.at(place)[0]]):
            self._next[self._before[one]] = self._next[one]
            self._before[self._next[one]] = self._before[one]

    def put_back(self, place: int) -> None:
        for one in (self._returns[self.at(place)[0]], place):
            self._next[self._before[one]] = one
            self._before[self._next[one]] = one
