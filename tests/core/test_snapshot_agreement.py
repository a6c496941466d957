"""What no schema can say of a snapshot or of terms is said at the door all the same."""

from __future__ import annotations

from typing import Any

import pytest

from rtgf_node.core import snapshot, terms_document
from rtgf_node.errors import Code, RtgfError
from tests import terms, worlds

AGES = ("P1M1D", "P1D1Y", "P1BD1D", "PT1S1H")
LINE_FEEDS: dict[str, tuple[dict[str, Any], str]] = {
    "version": ({"version": "2026-10\n"}, "/version"),
    "clause": ({"clauses": [worlds.clause("retain\n")]}, "/clauses/0/clause_id"),
    "reference": (
        {"normative_references": [worlds.reference(), worlds.reference("law-2\n")]},
        "/normative_references/1/id",
    ),
    "dataset": ({"evidence_sources": [worlds.source("un-sc\n")]}, "/evidence_sources/0/dataset"),
}
UNSEEN = ("\x1b[2J", "a\x00b", "a\tb", "line\nline", "\x9b", "\u202egnp.exe", "\u2066a")
IN_TERMS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (terms.PRICES, {"version": "2026-10\n"}, "/version"),
    (terms.PRICES, {"terms": {"currency": "EUR\n"}}, "/terms/currency"),
    (terms.PRICES, {"terms": {"tax": {"\x1b": 1}}}, "/terms/tax"),
    (terms.ROUTE, {"terms": {"scheme": "a\x07"}}, "/terms/scheme"),
    (
        terms.CORRIDOR,
        {"terms": {"splits": [{"party": "a", "pct": "1\n"}]}},
        "/terms/splits/0/pct",
    ),
]


def feed(max_age: str) -> dict[str, Any]:
    return {**worlds.source(), "feed": {"max_age": max_age, "min_records": 1}}


def refused(**changes: Any) -> RtgfError:
    with pytest.raises(RtgfError) as refusal:
        snapshot.read(worlds.sealed(worlds.document(**changes)))
    assert refusal.value.code is Code.RTGF_POL_MATRIX_SCHEMA_INVALID
    return refusal.value


@pytest.mark.parametrize(("changes", "place"), LINE_FEEDS.values(), ids=LINE_FEEDS)
def test_a_name_that_ends_in_a_line_feed_is_refused(changes, place):
    assert refused(**changes).pointer == place


@pytest.mark.parametrize("text", UNSEEN)
def test_a_text_that_would_be_shown_otherwise_than_it_is_written_is_refused(text):
    """What a regulator signs is printed to terminals: it may neither command nor deceive them."""
    law = worlds.reference(instrument=f"Act {text}")
    place = "/normative_references/0/instrument"
    assert refused(normative_references=[law]).pointer == place
    assert refused(clauses=[worlds.clause(holder=text)]).pointer == "/clauses/0/holder"
    scenario = worlds.scenario("a", "PERMIT", context={"record_retention": "P5Y", "note": text})
    snapshot.read(worlds.sealed(worlds.document(scenarios=[scenario])))
    assert refused(scenarios=[{**scenario, "name": text}]).pointer == "/scenarios/0/name"


def test_law_in_other_scripts_is_taken_as_it_is():
    for title in ("資恐防制法", "قانون مكافحة غسل الأموال", "Νόμος 4557/2018", "Loi n° 1691"):
        snapshot.read(
            worlds.sealed(worlds.document(normative_references=[worlds.reference(title=title)]))
        )


@pytest.mark.parametrize("age", AGES)
def test_an_age_of_no_definite_length_is_refused(age):
    """No list would ever be young enough for the rules, and every decision would be a denial."""
    assert refused(evidence_sources=[feed(age)]).pointer == "/evidence_sources/0/feed/max_age"
    snapshot.read(worlds.sealed(worlds.document(evidence_sources=[feed("P2D")])))


@pytest.mark.parametrize(("kind", "changes", "place"), IN_TERMS)
def test_terms_with_a_line_feed_are_refused(kind, changes, place):
    made = terms.stated(kind, **changes)
    data = snapshot.seal(made, worlds.authority("EU").signers)
    with pytest.raises(RtgfError) as refusal:
        terms_document.read(data, max_ttl_sec=snapshot.ANY_TTL)
    assert refusal.value.code is Code.RTGF_POL_MATRIX_SCHEMA_INVALID
    assert refusal.value.pointer == place
