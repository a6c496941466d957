"""The log on disk: proofs from tiles, cheap starts, and damage that does not pass."""

from __future__ import annotations

import sqlite3

import msgspec
import pytest

from rtgf_node.core import merkle, tree_head
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.keys import SeedSigner
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store import create_store, open_store
from rtgf_node.store.database import connect_reader
from rtgf_node.store.log_store import LogStore
from rtgf_node.store.log_writer import LogWriter

ORIGIN = "log.example"
SIGNER = SeedSigner("log.example:ed25519:2026-11:001", bytes(range(32)))


def entry(number: int) -> bytes:
    return msgspec.json.encode({"event_id": f"evt:{number}", "at": "", "subject": ""})


def fill(store, start: int, count: int) -> None:
    writer = LogWriter(store.conn, store.log)
    store.conn.execute("BEGIN")
    writer.begin()
    for number in range(start, start + count):
        writer.append(entry(number))
    writer.accept()
    writer.flush()
    store.conn.execute("COMMIT")
    writer.commit()


def sign_head(store, size: int | None = None) -> None:
    size = store.log.size if size is None else size
    root = store.log.root_at(size)
    head = tree_head.sign(ORIGIN, size, root, 1_790_000_000, SIGNER)
    writer = LogWriter(store.conn, store.log)
    writer.record_head(canonical_bytes(tree_head.to_document(head)), size, root)


@pytest.mark.parametrize("spoiled", [entry(1), entry(3), b"[]"])
def test_all_of_several_entries_are_appended_or_none(tmp_path, spoiled):
    with create_store(tmp_path / "node") as made:
        fill(made, 0, 2)
        writer = LogWriter(made.conn, made.log)
        writer.begin()
        assert writer.append_new([entry(2), entry(3), spoiled]) is None
        assert (writer.size, made.conn.in_transaction) == (2, False)
        assert writer.append_new([entry(2), entry(3)]) == 2
        writer.accept()
        writer.flush()
        writer.commit()
        assert made.log.entries(0) == [entry(number) for number in range(4)]
        made.log.check_all()


@pytest.fixture(params=[1, 255, 256, 257, 700])
def store(request, tmp_path):
    with create_store(tmp_path / "node") as made:
        fill(made, 0, request.param)
        sign_head(made)
        yield made


def test_entries_come_back_as_they_were_appended(store):
    size = store.log.size
    assert [store.log.entry(index) for index in range(size)] == [entry(n) for n in range(size)]
    assert store.log.entries(size - 1, 10) == [entry(size - 1)]
    assert store.log.entries(0, 3) == [entry(n) for n in range(min(3, size))]
    assert store.log.index_of(f"evt:{size - 1}") == size - 1


def test_unknown_entries_are_not_found(store):
    for ask in (lambda: store.log.entry(store.log.size), lambda: store.log.index_of("evt:none")):
        with pytest.raises(RtgfError) as refused:
            ask()
        assert refused.value.code is Code.RTGF_TXP_PROOF_NOT_FOUND


def test_proofs_hold_for_first_and_last_entry(store):
    size, root = store.log.size, store.log.root()
    assert root == merkle.root_hash(merkle.leaf_hash(entry(n)) for n in range(size))
    for index in {0, size // 2, size - 1}:
        merkle.verify_inclusion(
            leaf_hash=merkle.leaf_hash(entry(index)),
            index=index,
            tree_size=size,
            proof=store.log.inclusion_proof(index, size),
            root=root,
        )


def test_tiles_hold_the_nodes_of_their_level(store):
    size = store.log.size
    leaves = [merkle.leaf_hash(entry(n)) for n in range(size)]
    for index in range((size + 255) // 256):
        part = leaves[index * 256 : (index + 1) * 256]
        assert store.log.tile(0, index, len(part)) == b"".join(part)
    for index in range(size // 256):
        subtree = merkle.root_hash(leaves[index * 256 : (index + 1) * 256])
        assert store.log.tile(1, 0, index + 1)[index * 32 :] == subtree


@pytest.mark.parametrize(
    "address", [(0, 3, 1), (0, 0, 0), (0, 0, 257), (-1, 0, 1), (0, -1, 1), (1, 0, 3), (9, 0, 1)]
)
def test_tile_beyond_the_log_is_not_found(store, address):
    with pytest.raises(RtgfError) as refused:
        store.log.tile(*address)
    assert refused.value.code is Code.RTGF_TXP_PROOF_NOT_FOUND


def test_reopened_log_is_the_same_and_goes_on(store):
    size, folder = store.log.size, store.folder
    store.close()
    with open_store(folder) as again:
        assert again.log.size == size
        fill(again, size, 300)
        assert again.log.root() == merkle.root_hash(
            merkle.leaf_hash(entry(n)) for n in range(size + 300)
        )
        sign_head(again)
        again.log.check_all()
        assert [head.tree_size for head in again.log.heads(9)] == [size + 300, size]
        assert again.log.head_at(size + 1).tree_size == size + 300
        assert again.log.head_at(size + 301) is None


def database_steps_to_start(path) -> int:
    """Hundreds of SQLite's own instructions that a start and its check take."""
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    reader = connect_reader(path)
    try:
        reader.set_progress_handler(count, 100)
        LogStore(reader).check()
    finally:
        reader.close()
    return steps


def test_starting_costs_the_same_for_a_long_log(tmp_path):
    with create_store(tmp_path) as store:
        fill(store, 0, 511)
        sign_head(store)
        short = database_steps_to_start(tmp_path / "node.db")
        fill(store, 511, 66_047 - 511)
        sign_head(store)
        long = database_steps_to_start(tmp_path / "node.db")
        tiles = store.reader.execute("SELECT level, count(*) FROM tiles GROUP BY level").fetchall()
    assert tiles == [(0, 257), (1, 2), (2, 1)]
    assert long < 2 * short


def damage(store, *statements: str) -> None:
    """What someone with the file could do, once past the triggers."""
    folder = store.folder
    store.close()
    connection = sqlite3.connect(folder / "node.db", isolation_level=None)
    connection.execute("DROP TRIGGER leaves_are_never_changed")
    connection.execute("DROP TRIGGER leaves_are_never_deleted")
    for statement in statements:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "statements",
    [
        [
            "UPDATE leaves SET entry = CAST(entry || x'20' AS BLOB) "
            "WHERE idx = (SELECT max(idx) FROM leaves)"
        ],
        ["DELETE FROM leaves WHERE idx = (SELECT max(idx) FROM leaves)"],
        ["UPDATE heads SET root = zeroblob(32)"],
        ["UPDATE heads SET document = CAST(replace(document, 'sha256:', 'sha256:0') AS BLOB)"],
        ["UPDATE heads SET document = x'7b'"],
        ["UPDATE heads SET tree_size = tree_size + 1"],
    ],
)
def test_damaged_edge_or_head_stops_the_start(store, statements):
    damage(store, *statements)
    with pytest.raises(RtgfError) as refused:
        open_store(store.folder)
    assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED


@pytest.mark.parametrize("store", [257, 700], indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE level = 1",
        "UPDATE tiles SET hashes = CAST(substr(hashes, 1, 32) || zeroblob(8160) AS BLOB) "
        "WHERE level = 0 AND idx = (SELECT max(idx) FROM tiles WHERE level = 0)",
        "DELETE FROM tiles WHERE level = 1",
        "DELETE FROM tiles WHERE level = 0",
        "UPDATE tiles SET hashes = substr(hashes, 1, length(hashes) - 32)",
    ],
)
def test_damaged_tile_stops_the_start(store, statement):
    damage(store, statement)
    with pytest.raises(RtgfError) as refused:
        open_store(store.folder)
    assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED


@pytest.mark.parametrize("store", [700], indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE leaves SET entry = CAST(entry || x'20' AS BLOB) WHERE idx = 3",
        "DELETE FROM leaves WHERE idx = 3",
    ],
)
def test_an_old_entry_that_was_changed_is_found_by_the_full_check(store, statement):
    damage(store, statement)
    with open_store(store.folder) as again, pytest.raises(RtgfError, match="entry 3") as refused:
        again.log.check_all()
    assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED


def test_log_that_was_rolled_back_behind_its_head_stops_the_start(tmp_path):
    with create_store(tmp_path) as store:
        fill(store, 0, 300)
        fill(store, 300, 300)
        sign_head(store)
        damage(
            store,
            "DELETE FROM leaves WHERE idx >= 300",
            "DELETE FROM tiles WHERE level = 0 AND idx = 1",
            "UPDATE tiles SET hashes = substr(hashes, 1, 32) WHERE level = 1",
        )
    with pytest.raises(RtgfError, match="600 entries was signed and only 300") as refused:
        open_store(tmp_path)
    assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED
