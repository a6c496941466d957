"""Cosigning is a compare and swap; what was cosigned, and what was found, is never lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgf_node.core import merkle
from rtgf_node.errors import Code
from rtgf_node.replication.commands import (
    CosignatureRow,
    CosignCheckpoint,
    RecordCosignatures,
    RecordFinding,
    RestoreCosigned,
    SeeHead,
    SettleFindings,
    SignedHead,
)
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import Store, create_store, open_store
from tests.replication import samples

LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(10)]


def cosign(old: int, new: int, *, leaves: list[bytes] = LEAVES) -> CosignCheckpoint:
    return CosignCheckpoint(
        origin="south.example/log",
        old_size=old,
        tree_size=new,
        root=merkle.root_hash(leaves[:new]),
        proof=tuple(merkle.consistency_proof(leaves[:new], old)) if old <= new else (),
        at=samples.AT,
        note=f"{new} {len(leaves)}".encode(),
    )


def finding(root: bytes = b"r" * 32, *, halts: bool = True) -> RecordFinding:
    return RecordFinding(
        origin="south.example/log",
        tree_size=3,
        root=root,
        peer="south",
        evidence=f"sha256:{'0' * 64}",
        detail="two roots",
        halts=halts,
        at=samples.AT,
        event=samples.event_bytes(root.hex()),
    )


@pytest.fixture
def store(tmp_path: Path):
    with create_store(tmp_path / "data") as store:
        yield store


@pytest.fixture
def client(store: Store) -> samples.Client:
    return samples.Client(StateMachine(store))


def restored(size: int, *events: bytes) -> RestoreCosigned:
    made = cosign(0, size)
    return RestoreCosigned(
        made.origin, made.tree_size, made.root, made.at, f"{size} again".encode(), events
    )


def test_what_was_cosigned_is_taken_up_again_only_if_it_is_newer(store, client):
    client.accepted(cosign(0, 5))
    client.accepted(restored(3))
    client.accepted(restored(5))
    assert store.witness.cosigned("south.example/log").note == b"5 10"
    incident = samples.event_bytes("old store")
    assert client.accepted(restored(7, incident)).leaf_indexes == (0,)
    assert store.log.entry(0) == incident
    held = store.witness.cosigned("south.example/log")
    assert (held.tree_size, held.note) == (7, b"7 again")
    assert store.witness.has_cosigned(held)
    client.accepted(cosign(7, 9))
    assert store.witness.has_cosigned(held)
    other = msgspec.structs.replace(held, root=bytes(32))
    assert not store.witness.has_cosigned(other)


def test_of_two_that_start_from_the_same_size_one_is_cosigned(store, client):
    client.accepted(cosign(0, 3))
    first, second = client.apply(cosign(3, 7), cosign(3, 5))
    assert not isinstance(first.outcome, Exception)
    assert second.outcome.code is Code.RTGF_CONFLICT
    assert store.witness.cosigned("south.example/log").tree_size == 7


def test_the_same_checkpoint_again_changes_nothing(store, client):
    client.accepted(cosign(0, 3))
    client.accepted(cosign(3, 3))
    rows = store.reader.execute("SELECT tree_size, note FROM cosigned").fetchall()
    assert rows == [(3, b"3 10")]


def test_a_fork_is_refused_whatever_it_starts_from(client):
    forked = [*LEAVES[:2], merkle.leaf_hash(b"x"), *LEAVES[3:]]
    client.accepted(cosign(0, 4))
    assert client.refused(cosign(4, 8, leaves=forked)).code is Code.RTGF_TXP_PROOF_INVALID
    assert client.refused(cosign(4, 4, leaves=forked)).code is Code.RTGF_CONFLICT
    assert client.refused(cosign(0, 8, leaves=forked)).code is Code.RTGF_CONFLICT


@settings(max_examples=25)
@given(steps=st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), max_size=12))
def test_the_cosigned_size_never_falls_in_any_order_of_requests(tmp_path_factory, steps):
    with create_store(tmp_path_factory.mktemp("cas") / "data") as store:
        client, held = samples.Client(StateMachine(store)), 0
        for old, new in steps:
            client.apply(cosign(old, new))
            row = store.witness.cosigned("south.example/log")
            expected = new if old == held and new >= held else held
            assert (0 if row is None else row.tree_size) == expected
            held = expected


def test_what_was_cosigned_cannot_be_changed_or_deleted(store, client):
    client.accepted(cosign(0, 3))
    for statement in ("UPDATE cosigned SET tree_size = 1", "DELETE FROM cosigned"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            store.conn.execute(statement)


def head(store: Store) -> SignedHead:
    size, root = store.log.size, store.log.root()
    document = {"tree_size": size, "root_hash": f"sha256:{root.hex()}"}
    return SignedHead(msgspec.json.encode(document), size, root)


def test_cosignatures_are_kept_with_their_head_and_the_newest_of_each_witness_counts(
    tmp_path, store, client
):
    client.accepted(samples.append("a"))
    signed = head(store)
    client.accepted(signed)
    for at in (5, 7, 6):
        row = CosignatureRow("w1", at, f"line {at}\n")
        client.accepted(RecordCosignatures(1, signed.root, (row,)))
    client.accepted(RecordCosignatures(1, signed.root, (CosignatureRow("w2", 1, "l\n"),)))
    assert [row.at for row in store.witness.cosignatures(1)] == [7, 1]
    assert store.witness.newest_agreed(["w1", "w2"], 2) == 1
    assert store.witness.newest_agreed(["w1", "w3"], 2) is None
    assert (store.witness.newest_size("w1"), store.witness.newest_size("w3")) == (1, 0)
    store.close()
    with open_store(tmp_path / "data") as again:
        assert [row.line for row in again.witness.cosignatures(1)] == ["line 7\n", "l\n"]


def test_a_cosignature_of_no_head_of_ours_is_refused(store, client):
    client.accepted(samples.append("a"))
    client.accepted(head(store))
    row = (CosignatureRow("w1", 5, "l\n"),)
    for size, root in ((1, bytes(32)), (2, store.log.root())):
        refused = client.refused(RecordCosignatures(size, root, row))
        assert refused.code is Code.RTGF_CONFLICT


def test_heads_of_others_only_grow(store, client):
    for size in (3, 5, 4):
        client.accepted(SeeHead("south.example/log", size, bytes([size]) * 32, 1, b"note"))
    assert store.gossip.seen("south.example/log").tree_size == 5


def test_a_finding_is_one_incident_until_somebody_settles_it(store, client):
    first = client.accepted(finding())
    again = client.accepted(finding())
    assert first.leaf_indexes == again.leaf_indexes
    client.accepted(finding(b"s" * 32, halts=False))
    assert [row.halts for row in store.gossip.open_findings()] == [True, False]
    assert store.log.size == 2
    client.accepted(SettleFindings(samples.AT + 1, samples.event_bytes("settled")))
    assert store.gossip.open_findings() == []
    assert store.gossip.finding("south.example/log", 3, b"r" * 32).settled_at == samples.AT + 1
    client.accepted(finding())
    assert (store.gossip.open_findings(), store.log.size) == ([], 3)
