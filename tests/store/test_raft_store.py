"""What a member must never forget: written whole, read back checked."""

from __future__ import annotations

import pytest

from rtgf_node.errors import Code, RtgfError
from rtgf_node.store import create_store
from rtgf_node.store.raft_store import EntryRow, Member, RaftStore, Start

ONE = Member(1, "one", "127.0.0.1:7001", "voter")


@pytest.fixture
def conn(tmp_path):
    with create_store(tmp_path / "node") as store:
        yield store.conn


@pytest.fixture
def store(conn):
    made = RaftStore(conn)
    made.found(1, [ONE], cluster_id="c", conf_state=b"c", index=1, term=1)
    return made


def entries(*numbers: int, term: int = 1) -> list[EntryRow]:
    return [EntryRow(term, number, 0, b"%d" % number) for number in numbers]


def test_a_node_in_no_cluster_has_no_state(conn):
    assert RaftStore(conn).state() is None
    assert RaftStore(conn).members() == []


def test_a_node_is_founded_once(store):
    with pytest.raises(RtgfError) as refused:
        store.found(2, [], cluster_id="d")
    assert refused.value.code is Code.RTGF_EXISTS
    assert store.state().raft_id == 1
    store.leave()
    store.found(2, [], cluster_id="d")
    assert store.state() == (2, b"", b"", 0, 0, 0, 0)


def test_new_entries_replace_those_from_their_place_on(store):
    store.append(entries(2, 3, 4))
    store.append(entries(3, term=2))
    assert store.entries(1) == [*entries(2), *entries(3, term=2)]


def test_the_log_is_forgotten_up_to_what_was_compacted(store):
    store.append(entries(2, 3, 4))
    store.put_state(store.state()._replace(compacted=3, delivered=4, applied=4))
    assert store.entries(3) == entries(4)


def test_who_takes_a_state_forgets_the_log(store):
    store.append(entries(2, 3, 4))
    state = store.state()._replace(compacted=9, compacted_term=2, delivered=9, applied=9)
    store.restart_at(state, entries(10))
    assert store.state() == state
    assert store.entries(9) == entries(10)


def test_a_hole_in_the_log_is_damage(store, conn):
    store.append(entries(2, 3, 4))
    conn.execute("DELETE FROM raft_log WHERE idx = 3")
    with pytest.raises(RtgfError) as refused:
        store.entries(1)
    assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED


@pytest.mark.parametrize("column", ["term", "kind", "data", "crc"])
def test_an_entry_that_was_altered_is_damage(store, conn, column):
    store.append(entries(2))
    conn.execute(
        f"UPDATE raft_log SET {column} = CASE typeof({column}) WHEN 'blob' THEN x'00' ELSE 7 END"
    )
    with pytest.raises(RtgfError) as refused:
        store.entries(1)
    assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED


@pytest.mark.parametrize(
    "column", ["raft_id", "hard_state", "conf_state", "compacted", "delivered", "applied", "crc"]
)
def test_a_vote_that_was_altered_is_damage(store, conn, column):
    conn.execute(
        f"UPDATE raft_state SET {column} = CASE typeof({column}) WHEN 'blob' THEN x'00' ELSE 7 END"
    )
    with pytest.raises(RtgfError) as refused:
        store.state()
    assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED


def test_members_stay_known_after_they_are_removed(store):
    two = Member(2, "two", "127.0.0.1:7002", "learner")
    store.put_members([two], 5)
    store.put_members([Member(2, "two", "127.0.0.1:7002", "removed")], 8)
    assert [one.role for one in store.members()] == ["voter", "removed"]
    assert store.members_changed_at() == 8


@pytest.mark.parametrize("table", ["raft_starts", "raft_met"])
@pytest.mark.parametrize("column", ["number", "nonce", "crc"])
def test_a_start_that_was_altered_is_damage(store, conn, table, column):
    """Else a flipped bit here could stop a member there."""
    store.put_start(Start(1, b"a"), kept=10)
    store.put_met(2, Start(3, b"b"))
    assert (store.starts(), store.met()) == ([Start(1, b"a")], {2: Start(3, b"b")})
    conn.execute(
        f"UPDATE {table} SET {column} = CASE typeof({column}) WHEN 'blob' THEN x'00' ELSE 7 END"
    )
    with pytest.raises(RtgfError) as refused:
        (store.starts(), store.met())
    assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED


def test_who_leaves_a_cluster_takes_nothing_of_it_along(store):
    store.put_start(Start(1, b"a"), kept=10)
    store.put_met(2, Start(3, b"b"))
    assert store.cluster_id() == "c"
    store.leave()
    assert (store.cluster_id(), store.starts(), store.met()) == ("", [], {})
    store.found(1, [ONE], cluster_id="d")
    assert store.cluster_id() == "d"
