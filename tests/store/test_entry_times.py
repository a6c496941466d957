"""How much of the log a time had, also where the clock was set back."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgf_node.core import times
from rtgf_node.core.as_of import AsOf, Size, Time, parse, present
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store import create_store, open_store
from rtgf_node.store.log_writer import LogWriter

START = 1_790_000_000
NOW = START + 1000


def append(store, batches: list[list[int]], *, commit: bool = True) -> None:
    """Append an entry for each time, a transaction for each batch."""
    writer = LogWriter(store.conn, store.log)
    for batch in batches:
        store.conn.execute("BEGIN")
        writer.begin()
        for at in batch:
            number = writer.size
            event = {"event_id": f"evt:{number}", "at": times.to_text(START + at), "subject": ""}
            writer.append(msgspec.json.encode(event))
            writer.accept()
        writer.flush()
        store.conn.execute("COMMIT" if commit else "ROLLBACK")
        writer.commit() if commit else writer.roll_back()


def sizes(store, upto: int) -> list[int]:
    return [store.log.as_of(Time(START + at), now=NOW).tree_size for at in range(-1, upto)]


def by_hand(batches: list[list[int]], upto: int) -> list[int]:
    """The largest tree whose last entry is not later."""
    flat = [at for batch in batches for at in batch]
    return [
        max((size for size, at in enumerate(flat, start=1) if at <= asked), default=0)
        for asked in range(-1, upto)
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=6))
def test_it_is_the_largest_tree_whose_last_entry_is_not_later(tmp_path_factory, batches) -> None:
    with create_store(tmp_path_factory.mktemp("log") / "node") as store:
        append(store, batches)
        found = sizes(store, 11)
        assert found == by_hand(batches, 11)
        assert found == sorted(found)
        flat = [at for batch in batches for at in batch]
        for size, at in enumerate(flat, start=1):
            assert store.log.as_of(Size(size), now=NOW) == AsOf(size, START + at, by_size=True)


def test_a_transaction_that_is_undone_leaves_no_time(tmp_path) -> None:
    with create_store(tmp_path / "node") as store:
        append(store, [[1, 5]])
        append(store, [[0, 3]], commit=False)
        assert sizes(store, 7) == by_hand([[1, 5]], 7)


def test_a_store_from_before_has_its_times_filled_in(tmp_path) -> None:
    batches = [[1, 5, 5], [3, 4], [4, 9, 8]]
    with create_store(tmp_path / "node") as store:
        append(store, batches)
    with closing(sqlite3.connect(tmp_path / "node" / "node.db")) as conn, conn:
        conn.execute("DROP TABLE entry_times")
        conn.execute("DELETE FROM migrations WHERE name = 'm0008_entry_times'")
    with open_store(tmp_path / "node") as store:
        assert sizes(store, 11) == by_hand(batches, 11)


def test_a_time_that_is_not_over_has_everything(tmp_path) -> None:
    with create_store(tmp_path / "node") as store:
        append(store, [[1, 5]])
        assert store.log.as_of(Time(NOW), now=NOW) == present(NOW)
        assert store.log.as_of(Time(NOW + 9), now=NOW) == present(NOW + 9)
        assert store.log.as_of(Time(NOW - 1), now=NOW) == AsOf(2, NOW - 1)
        with pytest.raises(RtgfError) as refused:
            store.log.as_of(Size(3), now=NOW)
    assert refused.value.code is Code.RTGF_INPUT_INVALID


@pytest.mark.parametrize("text", ["", "0", "01", "-1", "1.0", " 1", "\uff11", "now", "2026-11-22"])
def test_what_names_no_state(text) -> None:
    with pytest.raises(RtgfError) as refused:
        parse(text)
    assert refused.value.code is Code.RTGF_INPUT_INVALID


def test_what_names_one() -> None:
    assert parse("17") == Size(17)
    assert parse(times.to_text(START)) == Time(START)
