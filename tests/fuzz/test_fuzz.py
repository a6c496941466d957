"""No bytes that a stranger sends crash a reader, keep it busy, or fill the memory.

The same damaged documents are given every time. `RTGF_TEST_FUZZ=50` gives fifty times as many.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rtgf_node.core.policy.values import EvaluationError
from tests.fuzz.regressions import REGRESSIONS
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = 250 * int(os.environ.get("RTGF_TEST_FUZZ", "1"))
"""Inputs of one target."""

PIECES = 4
"""Processes that share the targets; the test runner may run them side by side."""

PLANTED = """
import sys
from tests.fuzz import __main__ as fuzz
from tests.fuzz.targets import TARGETS, Target
def planted(data):
    {what}
TARGETS["planted"] = Target(planted, lambda: [b"seed"])
sys.exit(fuzz.main())
"""


def fuzzed(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=EXAMPLES * 8,
    )


@pytest.mark.parametrize("piece", range(PIECES))
def test_no_reader_is_broken_by_damaged_documents(tmp_path, piece):
    """A refusal or an answer, within bounds of time and memory."""
    keep, names = tmp_path / "input", list(TARGETS)[piece::PIECES]
    found = fuzzed("-m", "tests.fuzz", "--keep", str(keep), str(EXAMPLES), *names)
    assert found.returncode == 0, (
        f"{found.stderr[-6_000:]}\nthe last input was {keep.read_bytes()[:2_000]!r}"
    )
    assert found.stdout.split() == names


@pytest.mark.parametrize("name", TARGETS)
def test_what_fuzzing_starts_from_is_accepted(name):
    """Otherwise it would only ever reach the first check."""
    for data in TARGETS[name].seeds():
        try:
            TARGETS[name].run(data)
        except EvaluationError:
            continue


@pytest.mark.parametrize(("name", "data"), REGRESSIONS)
def test_what_was_found_once_breaks_nothing_again(name, data):
    try:
        TARGETS[name].run(data)
    except TARGETS[name].refusals:
        return


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("data[1_000_000]", "IndexError"),
        ("bytes(1 << 30)", "MemoryError"),
        ("while True: pass", "in planted"),
        ("sum(range(10**12))", "in planted"),
    ],
)
def test_a_crash_a_hang_and_a_blow_up_are_found(tmp_path, what, told):
    keep = tmp_path / "input"
    script = PLANTED.format(what=what)
    found = fuzzed("-c", script, "--keep", str(keep), "5", "planted")
    assert found.returncode != 0
    assert told in found.stderr
    assert keep.exists()
