"""Every write of a file beside the log is broken in its turn: exports, decisions, keys and others.

After each fault a process looks that what it finds is whole and that nothing which was told is
lost, and then does the work to its end.
"""

from __future__ import annotations

import shutil

import pytest

from tests.faults.breaking import HOW, TORN
from tests.faults.choosing import cases
from tests.faults.file_work import PIECES


@pytest.mark.parametrize("piece", list(PIECES))
def test_what_a_fault_left_is_whole_and_the_next_one_goes_on(breaker, quick_path, piece):
    """RTGF-CT-60."""
    template, folder = quick_path / "template", quick_path / "folder"
    made = breaker.run(f"{piece} prepare", template)
    assert made.status == 0, made.complaint
    shutil.copytree(template, folder)
    unbroken = breaker.run(f"{piece} do", folder, how="error_before")
    assert unbroken.status == 0, unbroken.complaint
    broken = 0
    for how in (*HOW, *TORN):
        for case in cases(unbroken.steps, how):
            shutil.rmtree(folder)
            shutil.copytree(template, folder)
            told = breaker.run(f"{piece} do", folder, how=how, label=case.label, turn=case.turn)
            assert told.broken or "decisions" in piece, (how, case)
            killed = told.broken and (how.startswith("kill") or how == "torn")
            assert told.status in ((-9,) if killed else (0, 1)), (how, case, told.complaint)
            notes = tuple(report.note for report in told.reports)
            again = breaker.run(f"{piece} again", folder, told=notes)
            assert again.status == 0, f"{how}: {case}: {told.complaint}{again.complaint}"
            broken += told.broken
    print(f"{broken} faults in {len(unbroken.steps)} writes: {piece}")  # noqa: T201  shown by -rA
    assert broken >= 4 * len(set(unbroken.steps))
