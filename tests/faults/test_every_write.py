"""Every write on the way of a change into the log is broken in its turn.

The work is always the same, so that its writes can be counted: some hundred statements, writes and
syncs of SQLite and of the guard. One after the other fails before it took effect or after, is done
half, or is the last thing that the process does. What must hold then is that nobody can tell: the
next start has every entry that was acknowledged, and asking again for all of it gives the very
tree, root by root, that would have been without a fault.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults import log_work, sqlite_files
from tests.faults.breaker import Answer
from tests.faults.breaking import HOW, TORN, How
from tests.faults.choosing import cases
from tests.faults.log_work import BEFORE, TABLES

REFUSED_AGAIN = {(8, "RTGF_CONFLICT"), (10, "RTGF_CONFLICT")}
"""A token that is withdrawn, and a checkpoint that was cosigned from the size before."""


class Unbroken(NamedTuple):
    """The work without a fault: where it begins, its writes, what it comes to."""

    template: Path
    steps: tuple[str, ...]
    told: Answer
    rows: dict[str, int]
    roots: list[str]


@pytest.fixture(scope="module")
def unbroken(breaker, tmp_path_factory) -> Unbroken:
    template, done = tmp_path_factory.mktemp("log") / "template", tmp_path_factory.mktemp("done")
    made = breaker.run("log prepare", template)
    assert made.status == 0, made.complaint
    shutil.copytree(template, done, dirs_exist_ok=True)
    told = breaker.run("log do", done, how="error_before")
    assert told.status == 0, told.complaint
    roots = log_work.roots(done)
    again = breaker.run("log again", done)
    assert again.status == 0, again.complaint
    return Unbroken(template, told.steps, told, rows_in(again), roots)


def rows_in(answer: Answer) -> dict[str, int]:
    return next(report.rows for report in answer.reports if report.note == "opened")


def acknowledged(answer: Answer) -> dict[int, tuple[int, ...]]:
    return {
        report.number: report.indexes
        for report in answer.reports
        if report.number >= 0 and report.refused is None
    }


def check_told(answer: Answer, unbroken: Unbroken, label: str, how: How) -> None:
    """What was told by the process that was broken."""
    killed = answer.broken and (how.startswith("kill") or how == "torn")
    assert answer.status in ((-9,) if killed else (0, 1)), answer.complaint
    expected = acknowledged(unbroken.told)
    for number, indexes in acknowledged(answer).items():
        assert indexes == expected[number]
    failed = [place for place, one in enumerate(answer.reports) if one.note == "failed"]
    if failed:
        # A disk that lied once is not trusted: nothing more is taken, whoever asks.
        after = answer.reports[failed[0] :]
        assert not [one for one in after if one.number >= 0 and one.refused is None]
    elif answer.broken and label.startswith(("sql ", "write node.db-wal")) and not killed:
        # What a change needs was not written: it must have stopped, at the latest here.
        assert answer.status == 1


def check_again(again: Answer, told: Answer, unbroken: Unbroken) -> None:
    """The next start, and what came of asking for everything once more."""
    assert again.status == 0, again.complaint
    opened, done = (
        next(report for report in again.reports if report.note == note)
        for note in ("opened", "done")
    )
    size = opened.head[0]
    for number, indexes in acknowledged(told).items():
        assert all(index < size for index in indexes), "an acknowledged entry is lost"
        if number in TABLES:
            assert opened.rows[TABLES[number]] > 0, f"change {number} is lost"
    if any(one.note.startswith("sha256:") for one in told.reports):
        assert opened.rows["objects"] == 1
    for answer in (told, again):
        for report in answer.reports:
            if report.head is not None:
                assert unbroken.roots[report.head[0]] == report.head[1], "two roots for one size"
    assert done.head == (len(unbroken.roots) - 1, unbroken.roots[-1])
    once = {table: count for table, count in unbroken.rows.items() if table != "refusals"}
    assert {table: done.rows[table] for table in once} == once
    for report in again.reports:
        if report.refused is not None:
            assert (report.number, report.refused) in REFUSED_AGAIN
            assert opened.rows[TABLES[report.number]] > 0


def test_the_work_writes_all_there_is_to_write(unbroken):
    kinds = Counter(unbroken.steps)
    assert len(unbroken.steps) > 500
    assert {
        "open lock",
        "sql BEGIN IMMEDIATE",
        "sql INSERT INTO leaves",
        "sql INSERT INTO tiles",
        "sql INSERT INTO heads",
        "sql INSERT INTO command_log",
        "sql COMMIT",
        "open .head.json.new",
        "write .head.json.new",
        "fsync .head.json.new",
        "replace .head.json.new",
        "fsync guard",
    } <= kinds.keys()
    assert {f"sql INSERT INTO {table}" for table in TABLES.values()} - kinds.keys() <= {
        "sql INSERT INTO quarantine"  # replaced, not inserted
    }
    if not sqlite_files.library():
        pytest.skip("this Python shows nothing of its SQLite: its own writes are not broken")
    assert kinds["write node.db-wal"] > 100
    assert {"sync node.db-wal", "write node.db", "sync node.db", "delete node.db-wal"} <= set(kinds)
    assert len(unbroken.roots) > BEFORE + 25


@pytest.mark.parametrize("how", [*HOW, *TORN])
def test_whatever_breaks_nothing_acknowledged_is_lost_and_no_size_has_two_roots(
    breaker, unbroken, quick_path, how
):
    """RTGF-CT-60."""
    broken = 0
    for case in cases(unbroken.steps, how):
        folder = quick_path / "log"
        shutil.copytree(unbroken.template, folder)
        told = breaker.run("log do", folder, how=how, label=case.label, turn=case.turn)
        # How often SQLite moves its log into its file depends on who reads meanwhile.
        assert told.broken or "node.db" in case.label, case
        try:
            check_told(told, unbroken, case.label, how)
            check_again(breaker.run("log again", folder), told, unbroken)
        except AssertionError as error:
            raise AssertionError(f"{how}: {case}") from error
        broken += told.broken
        shutil.rmtree(folder)
    print(f"{broken} of {len(unbroken.steps)} writes broken: {how}")  # noqa: T201  shown by -rA
    assert broken >= (8 if how in TORN else 45)
