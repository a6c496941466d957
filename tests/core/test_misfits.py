"""Every misfit of a document is told, and only what the door would refuse."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import location
from rtgf_node.core.misfits import misfits, nearest
from rtgf_node.core.shapes import fit
from rtgf_node.core.snapshot import Snapshot
from rtgf_node.errors import Code, RtgfError
from tests import worlds

GOOD = {**worlds.document(scenarios=[worlds.scenario("one", "PERMIT")]), "signatures": []}
GOOD["policy_snapshot_hash"] = worlds.digest_of("any")


def places(value: object, *steps: object):
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*steps, step)
            yield from places(inner, *steps, step)


@given(st.lists(st.sampled_from(sorted(places(GOOD), key=str)), max_size=4), st.data())
def test_something_is_told_exactly_when_the_door_refuses(chosen, data):
    made = copy.deepcopy(GOOD)
    for steps in chosen:
        *way, last = steps
        inner = made
        try:
            for step in way:
                inner = inner[step]
            inner[last] = data.draw(st.sampled_from([None, 7, "x", [], {}, {"more": 1}, True]))
        except (KeyError, IndexError, TypeError):
            continue
    try:
        fit(made, Snapshot, code=Code.RTGF_INPUT_INVALID)
    except RtgfError:
        assert list(misfits(made, Snapshot))
    else:
        assert not list(misfits(made, Snapshot))


def test_each_misfit_has_its_own_place():
    made = copy.deepcopy(GOOD)
    made["clauses"] = [
        worlds.clause(kind="obligaton"),
        worlds.clause(citation={"ref": "law-1"}),
        worlds.clause(note="of mine"),
    ]
    made["ttl_sec"] = 0
    found = {one.pointer: one.nearest for one in misfits(made, Snapshot)}
    assert found == {
        "/clauses/0/kind": "obligation",
        "/clauses/1/citation/article": None,
        "/clauses/2/note": None,
        "/ttl_sec": None,
    }


@pytest.mark.parametrize(
    ("name", "expected"), [("jurisdictoin", "jurisdiction"), ("zzz", None), (7, None)]
)
def test_the_nearest_name_is_one_that_is_like_it(name, expected):
    assert nearest(name, ["jurisdiction", "domain"]) == expected


def test_a_misfit_is_found_in_the_text():
    assert location.positions('{\n "ttl_sec": 0}', {"/ttl_sec"})["/ttl_sec"] == (2, 2)
