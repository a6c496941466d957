"""Which of many writes are broken."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from tests.faults.breaking import TORN, How

EVERY = "RTGF_TEST_EVERY_FAULT"
"""Set in the environment, each write is broken in each way, which takes a quarter of an hour.

Else one of each label: the first before it took effect, the last after."""

SAMPLED = 6
"""Other writes that are broken in each way, by a seed, when not all are."""

SEED = 20261123


class Case(NamedTuple):
    """The write with this label that comes as number `turn` of them, from 1 on."""

    label: str
    turn: int


def cases(steps: Sequence[str], how: How) -> list[Case]:
    """Choose among the writes of a run without a fault."""
    turns: Counter[str] = Counter()
    able = []
    for label in steps:
        turns[label] += 1
        if how not in TORN or label.startswith("write "):
            able.append(Case(label, turns[label]))
    if os.environ.get(EVERY):
        return able
    chosen = {
        case for case in able if case.turn == (turns[case.label] if how.endswith("after") else 1)
    }
    others = random.Random(SEED).sample(able, min(SAMPLED, len(able)))
    return sorted(chosen | set(others))
