"""Builds of a few rules by three authorities, and what a build that was stopped leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rtgf_node.wire import BuildAnswer, Document
from tests.authorities import pinned
from tests.nodes import RATES, TestNode
from tests.observing import counted, events, refusals
from tests.worlds import authority, clause, document, sealed

PLACES = ("EU", "SG", "UK")

MANY = (
    clause(),
    clause(
        "review",
        kind="control",
        template="amount_threshold_review",
        params={
            "threshold": {"value": "1000.00", "currency": "EUR"},
            "comparison": "gt",
            "control": "ENHANCED_REVIEW",
        },
        control_id="ENHANCED_REVIEW",
        citation={"ref": "law-1", "article": "6", "paragraph": "(b)"},
    ),
    clause(
        "cash",
        kind="prohibition",
        template="prohibited_instrument",
        params={"instruments": ["cash"]},
        citation={"ref": "law-1", "article": "7"},
    ),
)


def small_node(folder: Path) -> TestNode:
    """Make a node that pins three authorities and holds no snapshot yet."""
    pins = pinned(folder / "pinned", *(authority(place) for place in PLACES), own=True)
    return TestNode(folder / "node", settings=RATES + pins)


def retain(years: int, **changes: Any) -> dict[str, Any]:
    """Return a clause that asks to keep records so long."""
    return clause(params={"minimum_period": f"P{years}Y"}, **changes)


def body_of(place: str, *, years: int = 5, **changes: Any) -> bytes:
    """Return a signed snapshot with that one clause, unless `changes` say otherwise."""
    return sealed(document(place, **{"clauses": [retain(years)], **changes}))


def rmt(place: str, version: str = "2026-10.1") -> str:
    """Return the id of a place's RMT."""
    return f"RMT:{place}:payments_aml:{version}"


def imt(corridor: str, version: str = "2026-10.1") -> str:
    """Return the id of a corridor's IMT."""
    return f"IMT:{corridor}:payments_aml:{version}"


def served(node: TestNode) -> set[str]:
    """Return the ids of every token in the catalogue."""
    entries = node.ask("GET", "/catalog?limit=1000").json()["tokens"]
    return {entry["uri"].removeprefix("urn:rtgf:token:") for entry in entries}


def codes_of(causes: list[Document]) -> list[str]:
    """Return the codes inside a failure, outermost first, along the first cause of each."""
    found = []
    while causes:
        found.append(causes[0]["code"])
        causes = causes[0].get("causes", [])
    return found


def assert_stopped(node: TestNode, build: BuildAnswer, code: str, *inner: str) -> None:
    """Nothing of a failed build is left but its record."""
    assert (build.state, build.code, build.issued) == ("failed", code, [])
    found = codes_of(build.causes)
    assert found[: len(inner)] == list(inner), build.causes
    assert build.build_id not in {event["subject"] for event in events(node, "build")}
    assert (code, build.build_id) in [row[:2] for row in refusals(node)]
    assert counted(node, f'rtgf_build_failures_total{{code="{code}"}}') >= 1
