"""SIGKILL right after an answer: what is left of the decision log.

One folder is used by one process after another, each killed after a seeded random number of
answers. The chain must be whole every time, and agree with the roots that the log holds.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from rtgf_node.core import decision
from rtgf_node.store import open_store
from rtgf_node.store.decision_store import DATABASE, DecisionReader, DecisionStore
from tests.ops.deciding import CHAIN

ROUNDS = {"durable": 36, "batched": 12}
# A batched answer waits for no disk: enough of them that some processes live to log a root.
MAX_ANSWERS = {"durable": 300, "batched": 3000}
BATCH_MAX = 100
SEED = 20261123
DECIDER = Path(__file__).with_name("decider.py")
ROOT = Path(__file__).parents[2]


def start(folder: Path, seed: int, mode: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(DECIDER), str(folder), str(seed), mode, str(BATCH_MAX)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )


def answered_until_killed(process: subprocess.Popen[bytes], count: int) -> list[str]:
    with process:
        process.stdin.write(b"go\n")
        process.stdin.flush()
        lines = [process.stdout.readline() for _ in range(count)]
        process.kill()
        lines += process.stdout.readlines()
        complaint = process.stderr.read()
    assert process.returncode == -9, complaint.decode()
    return [line.decode().strip() for line in lines]


def kept_in(folder: Path) -> list[str]:
    """Return the request ids of the whole chain, which must be sound and agree with the log."""
    with open_store(folder) as store:
        newest = store.decision_roots.newest(CHAIN)
    DecisionStore.open(folder / DATABASE, newest.interval() if newest else None).close()
    reader, entries = DecisionReader(folder / DATABASE), []
    while page := reader.page(len(entries), 1000):
        entries += [decision.read_entry(body) for body in page]
    decision.check_links(entries)
    return [entry.request_id for entry in entries]


def lost_of(answered: list[str], kept: set[str]) -> list[str]:
    """Return what was answered and is not there: of each asker only its last ones."""
    lost = []
    gone: set[str] = set()
    for request_id in answered:
        asker = request_id.rpartition("-")[0]
        if request_id not in kept:
            gone.add(asker)
            lost.append(request_id)
        else:
            assert asker not in gone, request_id
    return lost


@pytest.mark.parametrize("mode", list(ROUNDS))
def test_killed_right_after_an_answer(tmp_path, mode):
    """Durable: every answer is there. Batched: the buffer's worth of last ones may be missing."""
    chance = random.Random(SEED)
    answered = kept_before = 0
    waiting = start(tmp_path, 0, mode)
    try:
        for number in range(ROUNDS[mode]):
            process, waiting = waiting, start(tmp_path, number + 1, mode)
            given = answered_until_killed(process, chance.randrange(1, MAX_ANSWERS[mode]))
            answered += len(given)
            kept = kept_in(tmp_path)
            assert len(kept) == len(set(kept)) >= kept_before
            kept_before = len(kept)
            lost = lost_of(given, set(kept))
            assert len(lost) <= (BATCH_MAX if mode == "batched" else 0), lost[:5]
    finally:
        waiting.kill()
        waiting.communicate()
    assert answered > ROUNDS[mode] * 30
    with open_store(tmp_path) as store:
        assert store.decision_roots.newest(CHAIN) is not None
