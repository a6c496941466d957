"""Decisions on disk: what is found when the file is opened again."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from rtgf_node.core import decision
from rtgf_node.core.decision import Interval
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.decision_store import DATABASE, DecisionReader, DecisionStore, set_aside
from tests.core.test_decision import draft

EDIT = "UPDATE entries SET body = CAST(replace(body, 'true', 'null') AS BLOB) WHERE seq = {}"


@pytest.fixture
def path(tmp_path):
    return tmp_path / DATABASE


def fill(path, *counts: int, newest: Interval | None = None) -> list[Interval]:
    """Add intervals of so many entries, each in two transactions; the last stays open."""
    sealed = []
    with closing(DecisionStore.open(path, newest)) as store:
        for count in counts[:-1]:
            store.append([draft(number) for number in range(count // 2)])
            store.append([draft(number) for number in range(count // 2, count)])
            interval = store.seal()
            assert interval is not None
            sealed.append(interval)
        if counts[-1]:
            store.append([draft(number) for number in range(counts[-1])])
    return sealed


def tamper(path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as conn:
        for (trigger,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            conn.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            conn.execute(statement)
        conn.commit()


def damage(path, newest: Interval | None) -> str:
    with pytest.raises(RtgfError) as refused:
        DecisionStore.open(path, newest)
    assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED
    return refused.value.detail


def test_a_chain_goes_on_where_it_stopped(path):
    first, second = fill(path, 4, 6, 3)
    with closing(DecisionStore.open(path, second)) as store:
        assert (store.seq, store.open_count) == (13, 3)
        store.append([draft(99)])
        assert store.seal() == Interval(
            11, 14, 4, *(lambda i: (i.root, i.head))(_interval(path, 11, 14))
        )
    # Roots that the log did not get are made again, over all that follows the one it has.
    with closing(DecisionStore.open(path, first)) as store:
        assert store.open_count == 10
    with closing(DecisionStore.open(path, None)) as store:
        assert store.open_count == 14


def _interval(path, first: int, last: int) -> Interval:
    bodies = DecisionReader(path).page(first - 1, last - first + 1)
    hashes = [decision.digest_bytes(body) for body in bodies]
    return Interval(
        first, last, len(hashes), decision.root_of(hashes), f"sha256:{hashes[-1].hex()}"
    )


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        ((EDIT.format(8),), "decision 8"),
        ((EDIT.format(12),), "decision 12"),
        (("DELETE FROM entries WHERE seq = 8",), "decision 8 is missing"),
        (("DELETE FROM entries WHERE seq = 12",), "decision 12 is missing"),
        (("DELETE FROM entries WHERE seq = 5",), "decision 5 is missing"),
        (("DELETE FROM entries WHERE seq > 9",), "old copy"),
        (("DELETE FROM entries",), "old copy"),
    ],
)
def test_what_was_altered_since_the_last_root_began_is_found(path, statements, says):
    _, second = fill(path, 4, 6, 3)
    tamper(path, *statements)
    assert says in damage(path, second)


def test_a_rewritten_but_consistent_end_contradicts_the_root(path):
    """Who recomputes every hash still cannot have the root that was logged."""
    _, second = fill(path, 4, 6, 3)
    path.unlink()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    with closing(DecisionStore.open(path, None)) as store:
        store.append([draft(number, valid=False) for number in range(13)])
    assert "altered" in damage(path, second)


def test_an_older_entry_that_was_altered_is_found_when_it_is_to_be_proved(path):
    first, second = fill(path, 4, 6, 3)
    reader = DecisionReader(path)
    assert len(reader.path_in(first, 3)) == 2
    tamper(
        path, "UPDATE entries SET body = CAST(replace(body, 'true', 'null') AS BLOB) WHERE seq = 2"
    )
    with closing(DecisionStore.open(path, second)):
        pass
    with pytest.raises(RtgfError) as refused:
        reader.path_in(first, 3)
    assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED
    entries = [decision.read_entry(body) for body in reader.page(0, 100)]
    with pytest.raises(RtgfError, match="decision 3"):
        decision.check_links(entries)


def test_this_program_cannot_change_an_entry(path):
    fill(path, 3)
    with closing(sqlite3.connect(path)) as conn:
        for statement in ("UPDATE entries SET request_id = 'x'", "DELETE FROM entries"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                conn.execute(statement)


def test_a_file_that_is_no_database_is_damaged(path):
    path.write_bytes(b"no database at all" * 100)
    assert "cannot be read" in damage(path, None)


def test_begun_anew_it_counts_on_from_the_last_root(path):
    (first,) = fill(path, 4, 0)
    tamper(path, "DELETE FROM entries WHERE seq = 4")
    damage(path, first)
    kept = set_aside(path, at=1)
    assert path.with_name(kept).exists()
    anew = decision.begin_anew(first.last_seq, "a disk failed")
    fill(path, 2, newest=anew)
    with closing(DecisionStore.open(path, anew)) as store:
        assert (store.seq, store.open_count) == (6, 2)
        following = store.seal()
    entries = [decision.read_entry(body) for body in DecisionReader(path).page(0, 10)]
    assert [entry.seq for entry in entries] == [5, 6]
    assert entries[0].prev == decision.GENESIS
    with closing(DecisionStore.open(path, following)) as store:
        assert (store.seq, store.open_count) == (6, 0)


def test_a_full_disk_takes_nothing_and_later_goes_on(path):
    with closing(DecisionStore.open(path, None)) as store:
        store.append([draft(0)])
        (pages,) = store._conn.execute("PRAGMA page_count").fetchone()
        store._conn.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            store.append([draft(number) for number in range(200)])
        assert store.seq == 1
        store._conn.execute("PRAGMA max_page_count = 1000000")
        store.append([draft(1)])
        assert (store.seq, store.open_count) == (2, 2)
    entries = [decision.read_entry(body) for body in DecisionReader(path).page(0, 1000)]
    decision.check_links(entries)
    assert [entry.request_id for entry in entries] == ["r-0", "r-1"]


def test_a_commit_that_failed_after_it_took_effect_is_gone_on_from(path, monkeypatch):
    with closing(DecisionStore.open(path, None)) as store:
        with monkeypatch.context() as patched:
            patched.setattr(store, "_transaction", lambda: _commits_and_fails(store._conn))
            with pytest.raises(sqlite3.OperationalError):
                store.append([draft(0)])
        store.append([draft(0), draft(1)])
    entries = [decision.read_entry(body) for body in DecisionReader(path).page(0, 10)]
    decision.check_links(entries)
    assert [entry.request_id for entry in entries] == ["r-0", "r-0", "r-1"]


class _commits_and_fails:  # noqa: N801
    def __init__(self, conn):
        self.conn = conn

    def __enter__(self):
        self.conn.execute("BEGIN")

    def __exit__(self, *_):
        self.conn.execute("COMMIT")
        raise sqlite3.OperationalError("disk I/O error")


def test_reading_without_a_file_finds_nothing(path):
    reader = DecisionReader(path)
    assert (reader.page(0, 10), reader.newest_seq()) == ([], 0)
    with pytest.raises(RtgfError) as refused:
        reader.entry(1)
    assert refused.value.code is Code.RTGF_NOT_FOUND
    assert not path.exists()
