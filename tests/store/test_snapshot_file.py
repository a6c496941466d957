"""A state as one file: all that members share and nothing else, taken whole or not at all."""

from __future__ import annotations

import shutil
import sqlite3

import pytest

from rtgf_node.core import digests
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import Proposal
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import create_store, open_store, snapshot_file
from rtgf_node.store.raft_store import Member, RaftStore
from tests.replication import samples

ONE = Member(1, "one", "127.0.0.1:7001", "voter")


def rows(store, table: str) -> list[object]:
    return store.conn.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()


@pytest.fixture
def source(tmp_path):
    with create_store(tmp_path / "source") as store:
        client = samples.Client(StateMachine(store))
        client.accepted(samples.corridor_build())
        client.accepted(samples.revoke(samples.RMT_EU))
        client.accepted(samples.snapshot("2026-10"))
        client.accepted(samples.dataset("one"))
        for number in range(300):
            client.accepted(samples.append(f"s{number}"))
        RaftStore(store.conn).found(1, [ONE], cluster_id="c", conf_state=b"", index=1, term=1)
        yield store


@pytest.fixture
def written(source, tmp_path):
    path = tmp_path / "state"
    return path, snapshot_file.write(source.folder / "node.db", path)


def accept(document: bytes) -> None:
    pass


def check(path, of, check_head=accept):
    return snapshot_file.check(
        path, sha256=of.sha256, tree_size=of.tree_size, root=of.root, check_head=check_head
    )


def test_every_table_is_shared_or_local(source):
    tables = {
        name
        for (name,) in source.conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if not name.startswith("sqlite_")
    }
    assert tables == {*snapshot_file.REPLICATED, *snapshot_file.LOCAL}
    assert not {*snapshot_file.REPLICATED} & {*snapshot_file.LOCAL}


def test_a_file_says_what_it_is(source, written):
    path, of = written
    assert (of.tree_size, of.root) == (source.log.size, source.log.root())
    assert (of.sha256, of.size) == (snapshot_file.digest(path), path.stat().st_size)
    assert of.objects == {
        digests.sha256(b"build-1"),
        digests.sha256(b"one"),
        digests.sha256(b"records one"),
    }
    assert check(path, of) == of.objects


def test_what_is_taken_is_the_same_in_every_table_and_goes_on(source, written, tmp_path):
    path, of = written
    check(path, of)
    with create_store(tmp_path / "target") as target:
        samples.Client(StateMachine(target)).accepted(samples.append("to be forgotten"))
        RaftStore(target.conn).found(2, [], cluster_id="c")
        before = RaftStore(target.conn).state()
        snapshot_file.take(target.conn, path, before._replace(applied=5, delivered=5, compacted=5))
    with open_store(tmp_path / "target") as target:
        for table in snapshot_file.REPLICATED:
            assert rows(target, table) == rows(source, table), table
        assert RaftStore(target.conn).state().raft_id == 2
        target.log.check_all()
        proposals = [Proposal("other", 1, samples.append("next"))]
        ours = StateMachine(target).apply_batch(proposals)
        assert ours == StateMachine(source).apply_batch(proposals)
        # History is guarded again.
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            target.conn.execute("DELETE FROM leaves")
        (enforced,) = target.conn.execute("PRAGMA foreign_keys").fetchone()
        assert enforced == 1


def test_taking_fails_whole(source, written, tmp_path):
    path, _ = written
    with create_store(tmp_path / "target") as target:
        samples.Client(StateMachine(target)).accepted(samples.append("kept"))
        with sqlite3.connect(path) as spoilt:
            spoilt.execute("ALTER TABLE waivers RENAME TO gone")
        spoilt.close()
        with pytest.raises(sqlite3.OperationalError):
            snapshot_file.take(target.conn, path, RaftStore(source.conn).state())
        assert [entry for (_, _, entry) in rows(target, "leaves")] == [samples.event_bytes("kept")]
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            target.conn.execute("DELETE FROM leaves")
        assert RaftStore(target.conn).state() is None


def test_nothing_is_written_while_commands_wait(source, tmp_path):
    store = RaftStore(source.conn)
    store.put_state(store.state()._replace(delivered=2))
    with pytest.raises(RtgfError) as refused:
        snapshot_file.write(source.folder / "node.db", tmp_path / "state")
    assert refused.value.code is Code.RTGF_UNAVAILABLE


def test_a_node_alone_has_no_state_to_give(tmp_path):
    with create_store(tmp_path / "alone") as store, pytest.raises(RtgfError) as refused:
        snapshot_file.write(store.folder / "node.db", tmp_path / "state")
    assert refused.value.code is Code.RTGF_CONFLICT


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE raft_members SET address = 'x'",
        "DELETE FROM entry_times",
    ],
)
def test_other_bytes_are_refused(written, change):
    path, of = written
    with sqlite3.connect(path) as conn:
        conn.execute(change)
    conn.close()
    with pytest.raises(RtgfError) as refused:
        check(path, of)
    assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED


@pytest.mark.parametrize(
    "change",
    [
        "DROP TRIGGER leaves_are_never_changed; UPDATE leaves SET entry = x'00' WHERE idx = 3",
        "UPDATE tiles SET hashes = zeroblob(8192)",
        "DROP TRIGGER leaves_are_never_deleted; DELETE FROM leaves WHERE idx >= 300",
        "PRAGMA foreign_keys = OFF; DELETE FROM builds",
        "CREATE TABLE migrations_of_tomorrow (x); INSERT INTO migrations VALUES"
        " (99, 'node', 'm9999_tomorrow', '2030')",
    ],
)
def test_a_state_that_is_wrong_inside_is_refused_whatever_was_announced(written, change):
    path, of = written
    conn = sqlite3.connect(path, isolation_level=None)
    conn.executescript(change)
    conn.close()
    with pytest.raises(RtgfError) as refused:
        check(path, of._replace(sha256=snapshot_file.digest(path)))
    assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED


def test_what_is_no_database_is_refused(written):
    path, of = written
    path.write_bytes(b"x" * 10_000)
    with pytest.raises(RtgfError) as refused:
        check(path, of._replace(sha256=snapshot_file.digest(path)))
    assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED


def test_the_newest_head_is_shown_to_whoever_trusts_keys(source, tmp_path):
    document = b'{"tree_size":1,"root_hash":"sha256:%s"}' % source.log.root_at(1).hex().encode()
    source.conn.execute(
        "INSERT INTO heads (tree_size, root, document) VALUES (1, ?, ?)",
        (source.log.root_at(1), document),
    )
    path = tmp_path / "state"
    of = snapshot_file.write(source.folder / "node.db", path)
    seen = []
    copy = shutil.copyfile(path, tmp_path / "copy")
    check(copy, of, seen.append)
    assert seen == [snapshot_file.SignedState(document, None)]

    def refuse(_document: bytes) -> None:
        raise RtgfError(Code.RTGF_VERIFY_SIGNATURE_INVALID, "nobody we trust")

    with pytest.raises(RtgfError) as refused:
        check(path, of, refuse)
    assert refused.value.code is Code.RTGF_VERIFY_SIGNATURE_INVALID
