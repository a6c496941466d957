"""The newest IMT of every corridor, caught up with what was issued since the last look."""

from __future__ import annotations

import sqlite3

import pytest

from rtgf_node.store.standing_corridors import StandingCorridors

TABLES = """
CREATE TABLE tokens (
  token_id TEXT PRIMARY KEY, type TEXT, place TEXT, name TEXT, exp INTEGER, leaf_index INTEGER);
CREATE TABLE token_parents (
  token_id TEXT, parent_id TEXT, PRIMARY KEY (token_id, parent_id)) WITHOUT ROWID;
"""


@pytest.fixture
def register():
    conn = sqlite3.connect(":memory:")
    conn.executescript(TABLES)
    yield conn
    conn.close()


def issue(register, leaf, place, *parents, kind="IMT", exp=100):
    token_id = f"{kind}:{place}:aml:{leaf}"
    register.execute(
        "INSERT INTO tokens VALUES (?, ?, ?, 'aml', ?, ?)", (token_id, kind, place, exp, leaf)
    )
    register.executemany(
        "INSERT INTO token_parents VALUES (?, ?)", [(token_id, parent) for parent in parents]
    )
    return token_id


def test_the_newest_of_each_corridor_with_what_it_rests_on(register):
    corridors = StandingCorridors(register)
    assert corridors.newest() == {}
    eu, sg = (issue(register, leaf, place, kind="RMT") for leaf, place in enumerate(("EU", "SG")))
    first = issue(register, 2, "EU-SG", eu, sg)
    back = issue(register, 3, "SG-EU", eu, sg)
    issue(register, 4, "EU-SG", first, kind="CORT")
    assert corridors.newest() == {
        ("EU-SG", "aml"): (first, 100, {eu, sg}),
        ("SG-EU", "aml"): (back, 100, {eu, sg}),
    }
    newer = issue(register, 5, "SG", kind="RMT")
    second = issue(register, 6, "EU-SG", eu, newer, exp=200)
    found = corridors.newest()
    assert found["EU-SG", "aml"] == (second, 200, {eu, newer})
    assert found["SG-EU", "aml"] == (back, 100, {eu, sg})
    assert corridors.newest() == found == StandingCorridors(register).newest()
