"""`rtgf audit` against real nodes: an honest one, and ones whose store somebody edited."""

from __future__ import annotations

import json
import shutil
import sqlite3
from typing import Any

import pytest

from rtgf_node.core.canonical_json import canonical_bytes, parse
from rtgf_node.errors import RtgfError
from rtgf_node.store.tree import TILE_WIDTH
from tests.nodes import TestNode

SG, EU = "RMT:SG:payments_aml:2026-10.1", "RMT:EU:payments_aml:2026-10.1"
DAMAGED_EXIT = 74


def audit(node: TestNode, *more: Any, exit_code: int) -> dict[str, Any]:
    """Run it with the settings of the node's folder and return its report."""
    done = node.cli("audit", "--json", *more)
    assert done.returncode == exit_code, (done.stdout[-2000:], done.stderr[-2000:])
    return json.loads(done.stdout)


def altered(body: bytes, **changes: Any) -> bytes:
    document = parse(body)
    assert isinstance(document, dict)
    return canonical_bytes({**document, **changes})


def test_an_honest_node_has_no_findings(published, tmp_path):
    """RTGF-CT-60, RTGF-CT-63: from the pinned root key alone, and again from what it remembered."""
    state = tmp_path / "state.json"
    report = audit(published, "--state", state, exit_code=0)
    assert report["findings"] == []
    tokens = published.ask("GET", "/catalog?limit=1000").json()["tokens"]
    assert report["tokens"] == report["proofs"] == len(tokens)
    assert report["extends"] is None
    again = audit(published, "--state", state, exit_code=0)
    assert again["extends"] == report["tree_size"]


def test_another_root_key_trusts_nothing(published):
    report = audit(published, "--root-key", "A" * 43, exit_code=DAMAGED_EXIT)
    assert report["findings"]


def test_a_store_that_was_edited_is_found_out(make_node):
    """A token, a snapshot, a revocation: each finding names what was touched."""
    node = make_node(published=True, running=False)
    revoked, forgiven = "IMT:EU-UK:payments_aml:2026-10.1", "IMT:EU-US:payments_aml:2026-10.1"
    hidden, swapped = "IMT:SG-EU:payments_aml:2026-10.1", "IMT:EU-SG:payments_aml:2026-10.1"
    with node.running():
        node.revoke(revoked, reason="key_compromise")
        node.revoke(forgiven)
        # A head covers both before it stops.
        assert audit(node, exit_code=0)["revEpoch"] == 2

    def edit(conn: sqlite3.Connection) -> None:
        for table, column, key in (("tokens", "token_id", SG), ("tokens", "token_id", swapped)):
            (body,) = conn.execute(
                f"SELECT body FROM {table} WHERE {column} = ?", (key,)
            ).fetchone()
            changed = altered(body, controls=[]) if key == SG else body + b" "
            conn.execute(f"UPDATE {table} SET body = ? WHERE {column} = ?", (changed, key))
        conn.execute("DELETE FROM token_parents WHERE token_id = ?", (hidden,))
        conn.execute("DELETE FROM tokens WHERE token_id = ?", (hidden,))
        snapshot = "snapshot:eu:payments_aml:2026-10"
        (body,) = conn.execute(
            "SELECT body FROM snapshots WHERE snapshot_id = ?", (snapshot,)
        ).fetchone()
        conn.execute(
            "UPDATE snapshots SET body = ? WHERE snapshot_id = ?",
            (altered(body, clauses=[]), snapshot),
        )
        conn.execute("UPDATE revocations SET reason = 'superseded' WHERE rev_epoch = 1")
        conn.execute("DELETE FROM revocations WHERE rev_epoch = 2")

    node.tamper(edit)
    with node.running():
        report = audit(node, exit_code=DAMAGED_EXIT)
        said = node.cli("audit")
    found = {(finding["check"], finding["subject"]) for finding in report["findings"]}
    assert found >= {
        ("token", SG),
        ("token", swapped),
        ("token", hidden),
        ("snapshot", "snapshot:eu:payments_aml:2026-10"),
        ("revocations", revoked),
        ("revocations", forgiven),
        ("revocations", "revEpoch"),
    }
    assert said.returncode == DAMAGED_EXIT
    assert "FINDINGS" in said.stdout
    assert SG in said.stdout


def edit_leaf(conn: sqlite3.Connection, index: int) -> None:
    (entry,) = conn.execute("SELECT entry FROM leaves WHERE idx = ?", (index,)).fetchone()
    conn.execute(
        "UPDATE leaves SET entry = ? WHERE idx = ?", (altered(entry, actor="nobody"), index)
    )


def test_an_old_entry_that_was_edited_is_found_out(make_node):
    """RTGF-CT-61: one of a finished tile, which a start does not read."""
    node = make_node(published=True, running=False)
    with node.running():
        while node.ask("GET", "/roots/latest").json()["tree_size"] <= TILE_WIDTH:
            for act in ("revoke", "reinstate"):
                assert node.revoke(EU, reason="corridor_suspended", act=act).status == 200
    node.tamper(lambda conn: edit_leaf(conn, 8))
    with node.running():
        report = audit(node, exit_code=DAMAGED_EXIT)
    assert {"log", "event"} & {finding["check"] for finding in report["findings"]}, report


def test_a_recent_entry_that_was_edited_stops_the_start(make_node):
    """RTGF-CT-61: before anything is answered."""
    node = make_node(published=True, running=False)

    def edit(conn: sqlite3.Connection) -> None:
        (last,) = conn.execute("SELECT max(idx) FROM leaves").fetchone()
        edit_leaf(conn, last)

    node.tamper(edit)
    with pytest.raises(RtgfError) as ended, node.running():
        raise AssertionError("it must not start")
    assert "RTGF_TXP_STORE_DAMAGED" in ended.value.detail
    done = node.cli("serve")
    assert done.returncode == DAMAGED_EXIT
    assert "RTGF_TXP_STORE_DAMAGED" in done.stderr


def test_a_head_that_was_replaced_stops_the_start(make_node):
    node = make_node(published=True, running=False)

    def edit(conn: sqlite3.Connection) -> None:
        seq, document = conn.execute("SELECT max(seq), document FROM heads").fetchone()
        changed = altered(document, issued_at="2026-01-01T00:00:00Z")
        conn.execute("UPDATE heads SET document = ? WHERE seq = ?", (changed, seq))

    node.tamper(edit)
    done = node.cli("serve")
    assert done.returncode == DAMAGED_EXIT
    assert "RTGF_TXP_ROOT_SIGNATURE_INVALID" in done.stderr


def test_a_node_that_was_put_back_in_time_is_found_out(make_node, tmp_path):
    """RTGF-CT-63: only who remembers can tell, and the audit remembers."""
    node = make_node(published=True, running=False)
    state = tmp_path / "state.json"
    shutil.copy(node.database, tmp_path / "earlier.db")
    with node.running():
        node.revoke(EU)
        audit(node, "--state", state, exit_code=0)
    remembered = state.read_bytes()
    shutil.copy(tmp_path / "earlier.db", node.database)
    for suffix in ("-wal", "-shm"):
        node.database.with_name(node.database.name + suffix).unlink(missing_ok=True)
    with node.running():
        report = audit(node, "--state", state, exit_code=23)
    assert report["findings"]
    # What was seen is not forgotten for what is shown now.
    assert state.read_bytes() == remembered
