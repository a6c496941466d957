"""The checker of histories finds what is wrong, and only that."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.linearizability import (
    EMPTY_LOG,
    UNKNOWN,
    Operation,
    TimeIsUpError,
    append_only,
    is_linearizable,
)


def append(call, ret, value, index=UNKNOWN):
    return Operation(call, ret, "append", (value, 1), index)


def read(call, ret, size, newest):
    return Operation(call, ret, "read", None, (size, newest))


def fits(*history):
    return is_linearizable(history, append_only, EMPTY_LOG)


GOOD = {
    "nothing": [],
    "one after the other": [append(0, 1, "a", 0), read(2, 3, 1, "a"), append(4, 5, "b", 1)],
    "a read beside a write sees the old": [append(0, 9, "a", 0), read(1, 2, 0, None)],
    "a read beside a write sees the new": [append(0, 9, "a", 0), read(1, 2, 1, "a")],
    "writes beside each other in either order": [append(0, 9, "a", 1), append(1, 8, "b", 0)],
    "what was never answered was done": [append(0, math.inf, "a"), read(5, 6, 1, "a")],
    "what was never answered was not done": [append(0, math.inf, "a"), read(5, 6, 0, None)],
    "what was never answered was done late": [
        append(0, math.inf, "a"),
        read(5, 6, 0, None),
        read(7, 8, 1, "a"),
    ],
    "an answer at the instant of a question": [append(0, 1, "a", 0), read(1, 2, 0, None)],
    "several leaves at once": [
        Operation(0, 1, "append", ("c", 3), 0),
        read(2, 3, 3, "c"),
        append(4, 5, "d", 3),
    ],
}

BAD = {
    "stale read": [append(0, 1, "a", 0), read(2, 3, 0, None)],
    "reads that go back": [
        append(0, 9, "a", 0),
        read(1, 2, 1, "a"),
        read(3, 4, 0, None),
    ],
    "lost write": [append(0, 1, "a", 0), append(2, 3, "b", 1), read(4, 5, 1, "b")],
    "lost write, its place given again": [append(0, 1, "a", 0), append(2, 3, "b", 0)],
    "write applied twice": [append(0, 1, "a", 0), read(2, 3, 2, "a")],
    "write applied twice, between others": [
        append(0, 1, "a", 0),
        append(2, 3, "b", 1),
        append(4, 5, "c", 3),
    ],
    "reordered": [append(0, 1, "a", 1), append(2, 3, "b", 0)],
    "a read from the future": [read(0, 1, 1, "a"), append(2, 3, "a", 0)],
    "what was never asked": [read(0, 1, 1, "z")],
    "what was never answered was done and undone": [
        append(0, math.inf, "a"),
        read(5, 6, 1, "a"),
        read(7, 8, 0, None),
    ],
    "what was never answered was done before it was asked": [
        read(0, 1, 1, "a"),
        append(2, math.inf, "a"),
    ],
}


@pytest.mark.parametrize("name", GOOD)
def test_a_history_of_one_log_is_one(name):
    assert fits(*GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_a_history_of_no_log_is_none(name):
    assert not fits(*BAD[name])


def lived(seed, count, clients):
    """Make a history from one log: every operation is done at some instant while it lasts."""
    chance = random.Random(seed)
    free = [0.0] * clients
    spans = []
    for _ in range(count):
        client = min(range(clients), key=free.__getitem__)
        call = free[client] + chance.random()
        free[client] = ret = call + chance.expovariate(1)
        spans.append((call + (ret - call) * chance.random(), call, ret))
    size, newest, history = 0, None, []
    for _, call, ret in sorted(spans):
        if chance.random() < 0.5:
            history.append(read(call, ret, size, newest))
        else:
            newest = len(history)
            known = chance.random() > 0.02
            at, index = (ret, size) if known else (math.inf, UNKNOWN)
            history.append(append(call, at, newest, index))
            size += 1
    return history


@pytest.mark.parametrize("seed", range(20))
def test_long_histories_are_decided(seed):
    history = lived(seed, 300, 5)
    assert fits(*history)
    place, one = next((i, one) for i, one in enumerate(history) if i > 150 and one.kind == "read")
    history[place] = one._replace(result=(one.result[0] - 1, one.result[1]))
    assert not fits(*history)


def by_trying_all(history):
    """Say the same by trying every order of every choice of what was done."""
    known = [one for one in history if one.ret != math.inf]
    unknown = [one for one in history if one.ret == math.inf]
    for count in range(len(unknown) + 1):
        for done in itertools.combinations(unknown, count):
            for order in itertools.permutations([*known, *done]):
                if any(
                    later.ret < earlier.call
                    for place, earlier in enumerate(order)
                    for later in order[place + 1 :]
                ):
                    continue
                state = EMPTY_LOG
                for one in order:
                    state = append_only(state, one)
                    if state is None:
                        break
                else:
                    return True
    return False


@st.composite
def operations(draw):
    call, value, index = (
        draw(st.integers(0, 6)),
        draw(st.sampled_from("ab")),
        draw(st.integers(0, 2)),
    )
    ret = call + draw(st.sampled_from([1, 2, 4]))
    if draw(st.booleans()):
        return read(call, ret, index, value if index else None)
    known = draw(st.booleans())
    return append(call, ret if known else math.inf, value, index if known else UNKNOWN)


@given(st.lists(operations(), max_size=5))
def test_it_says_what_trying_every_order_says(history):
    assert fits(*history) == by_trying_all(history)


def test_what_takes_too_long_is_given_up():
    many = [append(0, math.inf, value) for value in range(40)]
    with pytest.raises(TimeIsUpError, match="41 operations"):
        is_linearizable([*many, read(1, 2, 41, 0)], append_only, EMPTY_LOG, seconds=0.2)
