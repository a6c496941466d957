"""A data folder is made once, opened by one process, and never made by mistake."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import pytest

from rtgf_node.errors import Code, RtgfError
from rtgf_node.store import create_store, open_store
from rtgf_node.store.database import FolderLock


def refusal(call, *arguments) -> Code:
    with pytest.raises(RtgfError) as refused:
        call(*arguments)
    return refused.value.code


def test_new_store_is_empty_and_opens_again(tmp_path):
    with create_store(tmp_path / "node") as store:
        assert store.log.size == 0
        assert store.log.latest_head() is None
        assert store.revocation.rev_epoch() == 0
        assert store.registry.count() == 0
    with open_store(tmp_path / "node") as store:
        store.log.check_all()


def test_opening_makes_nothing(tmp_path):
    assert refusal(open_store, tmp_path / "mistyped") is Code.RTGF_NOT_FOUND
    assert not (tmp_path / "mistyped").exists()


def test_what_this_user_may_not_write_is_named_before_anything_is_done(tmp_path, monkeypatch):
    create_store(tmp_path).close()
    may = {"node.db": False}
    monkeypatch.setattr(os, "access", lambda path, mode: may.get(path.name, True))
    with pytest.raises(RtgfError, match=r"node\.db cannot be written") as caught:
        open_store(tmp_path)
    assert caught.value.code is Code.RTGF_CONFIG_INVALID


def test_creating_over_a_store_is_refused(tmp_path):
    create_store(tmp_path).close()
    assert refusal(create_store, tmp_path) is Code.RTGF_EXISTS
    open_store(tmp_path).close()


def test_what_a_crashed_creation_left_is_no_store(tmp_path):
    (tmp_path / "node.db.new").write_bytes(b"half")
    (tmp_path / "node.db.new-wal").write_bytes(b"half")
    assert refusal(open_store, tmp_path) is Code.RTGF_NOT_FOUND
    create_store(tmp_path).close()


def test_second_process_is_refused_while_the_first_is_open(tmp_path):
    program = (
        "import sys; from pathlib import Path; from rtgf_node.store import open_store\n"
        "from rtgf_node.errors import RtgfError\n"
        "try: open_store(Path(sys.argv[1])).close()\n"
        "except RtgfError as error: print(error.code.name, error.detail)\n"
        "else: print('opened')"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with create_store(tmp_path):
        assert refusal(open_store, tmp_path) is Code.RTGF_CONFLICT
        second = subprocess.run(command, capture_output=True, text=True, check=True)
        assert second.stdout.startswith("RTGF_CONFLICT process ")
    after = subprocess.run(command, capture_output=True, text=True, check=True)
    assert after.stdout == "opened\n"


def test_a_lock_whose_holder_cannot_be_written_down_is_given_back(tmp_path, monkeypatch):
    def full(descriptor, data):
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="no space"):
            FolderLock(tmp_path / "lock")
    FolderLock(tmp_path / "lock").release()


def test_commits_are_synchronous_and_readers_cannot_write(tmp_path):
    with create_store(tmp_path) as store:
        assert store.conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store.conn.execute("PRAGMA synchronous").fetchone() == (2,)
        assert store.conn.execute("PRAGMA foreign_keys").fetchone() == (1,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            store.reader.execute("DELETE FROM tokens")


def test_every_table_is_strict(tmp_path):
    with create_store(tmp_path) as store:
        tables = store.reader.execute("SELECT name, strict FROM pragma_table_list").fetchall()
    ours = {name for name, _ in tables} - {"sqlite_schema", "sqlite_temp_schema"}
    assert {"leaves", "tiles", "heads", "tokens", "revocations", "migrations"} <= ours
    loose = {name for name, strict in tables if not strict and name in ours}
    assert loose <= {"migrations", "sqlite_sequence"}


def test_leaves_and_revocations_cannot_be_rewritten(tmp_path):
    with create_store(tmp_path) as store:
        store.conn.execute("INSERT INTO leaves VALUES (0, 'evt', x'00')")
        for statement in ("UPDATE leaves SET entry = x'01'", "DELETE FROM leaves"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                store.conn.execute(statement)


def test_database_of_a_newer_program_is_refused(tmp_path):
    with create_store(tmp_path) as store:
        store.conn.execute(
            "INSERT INTO migrations (migration_set, name, applied_at) VALUES ('node', 'm9999', '')"
        )
    with pytest.raises(RtgfError, match="m9999") as refused:
        open_store(tmp_path)
    assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED


def test_garbage_in_place_of_the_database_is_refused_and_left_alone(tmp_path):
    create_store(tmp_path).close()
    (tmp_path / "node.db").write_bytes(b"not a database" * 1000)
    assert refusal(open_store, tmp_path) is Code.RTGF_TXP_STORE_DAMAGED
    assert (tmp_path / "node.db").read_bytes().startswith(b"not a database")
    # The lock was given back with the refusal.
    assert refusal(open_store, tmp_path) is Code.RTGF_TXP_STORE_DAMAGED
