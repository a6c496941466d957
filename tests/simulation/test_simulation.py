"""The simulation itself: it repeats exactly, does the harm it says, and finds mistakes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unittest import mock

import pytest

from tests.simulation.planted import MISTAKES
from tests.simulation.promises import Promises
from tests.simulation.running import simulate
from tests.simulation.trace import BrokenPromiseError

pytestmark = pytest.mark.usefixtures("raftcore")

WITHIN = 60
"""Seeds within which every mistake must be found."""
FIRST = {"forgets_its_vote": 190, "speaks_for_others": 2950}
"""Where to begin with what is rare: two elections in one term, and a voter who dies between them;
or a member that asks the wrong one to lead, who knows already who does."""


def first_broken(first: int = 0) -> str:
    """Return what the first seed says in which a promise is broken."""
    for seed in range(first, first + WITHIN):
        try:
            simulate(seed)
        except BrokenPromiseError as error:
            return str(error)
    pytest.fail(f"nothing was found in {WITHIN} seeds")


@pytest.mark.parametrize("seed", range(4))
def test_a_seed_happens_again_exactly(seed):
    lines: tuple[list[str], list[str]] = ([], [])
    one, other = (simulate(seed, show=shown.append) for shown in lines)
    assert lines[0] == lines[1]
    assert one == other


def test_a_seed_happens_again_in_another_process():
    """Whatever the order of Python's sets, and whatever ran before."""
    simulate(5)
    here = simulate(6).digest
    ask = "from tests.simulation.running import simulate; print(simulate(6).digest)"
    for seed in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", ask],
            capture_output=True,
            check=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": seed},
            text=True,
        )
        assert there.stdout.strip() == here


def test_other_seeds_are_other_lives():
    assert len({simulate(seed).digest for seed in range(7, 11)}) == 4


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found(name):
    with MISTAKES[name]():
        words = first_broken(FIRST.get(name, 0))
    assert "python -m tests.simulation" in words
    assert len(words.splitlines()) > 3


def test_a_failing_seed_fails_again_in_the_same_way():
    with MISTAKES["reads_without_a_majority"]():
        assert first_broken() == first_broken()


def test_what_clients_saw_is_enough_to_find_a_stale_read():
    """Without looking into any member: the history alone contradicts itself."""
    with (
        MISTAKES["reads_without_a_majority"](),
        mock.patch.object(Promises, "read"),
        mock.patch.object(Promises, "fresh"),
    ):
        assert "the answers to clients are those of no one log" in first_broken()


def test_all_kinds_of_harm_are_done():
    faults: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for seed in range(60):
        result = simulate(seed)
        faults += result.faults
        seen += result.seen
    assert {
        "cut in two",
        "cut one way",
        "disk error",
        "disk lost",
        "disk slow",
        "disk stalls",
        "kill",
        "kill all",
        "killed at after_apply",
        "killed at after_save",
        "killed at before_save",
        "killed at before_send",
        "lead handed over",
        "member made learner",
        "member made removed",
        "member made voter",
        "message delayed",
        "message lost",
        "message repeated",
        "object transfer broken",
        "one cut off",
    } <= set(faults)
    assert seen["state taken"] > 20
    assert seen["strong read"] > 20
    assert seen["objects fetched"] > 20
    assert seen["command answered"] > 500
