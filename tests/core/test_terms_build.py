"""Tokens from terms, as the pure build makes them: what they take from their base."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rtgf_node.core import build, manifest, tokens
from rtgf_node.errors import Code, RtgfError
from tests import worlds
from tests.terms import CORRIDOR, PRICES, ROUTE, signed, stated

LIBRARY = worlds.library()
HASHED = "policy_snapshot_hash"


def built(*documents: dict[str, Any], **changes: Any) -> dict[str, dict[str, Any]]:
    """Return the tokens of EU, SG, their corridor and these terms, by the beginning of their id."""
    sides = {place: worlds.sealed(worlds.document(place)) for place in ("EU", "SG")}
    bodies = {made["id"]: signed(made) for made in documents}
    places = [{"type": "RMT", "jurisdiction": place} for place in sides]
    targets = [*places, {"type": "IMT", "corridor": "EU-SG"}, *map(target, documents)]
    inputs: dict[str, Any] = {
        "compiler_version": "rtgf-node/test",
        "schema_version": tokens.SCHEMA_VERSION,
        "library_digest": LIBRARY.digest,
        "catalogue_digest": manifest.catalogue_digest(LIBRARY),
        "issuer": worlds.NODE_DID,
        "kid": worlds.node().signer.kid,
        "issued_at": "2026-11-22T10:00:00Z",
        "rev_epoch": 0,
        "log_anchor": {"tree_size": 3, "root_hash": worlds.digest_of("root")},
        "transparency_log": "https://rtgf.node.example/transparency",
        "status_list_uri": "https://rtgf.node.example/status/0",
        "snapshots": [
            {"id": held["id"], HASHED: held[HASHED]} for held in map(json.loads, sides.values())
        ],
        "datasets": [],
        "targets": [
            {"domain": "payments_aml", "issue": 1, "status_idx": index, **one}
            for index, one in enumerate(targets)
        ],
        "terms": [{"id": name, HASHED: json.loads(body)[HASHED]} for name, body in bodies.items()],
        **changes,
    }
    made = build.build(
        inputs,
        snapshots={json.loads(body)["id"]: body for body in sides.values()},
        parents={},
        library=LIBRARY,
        datasets={},
        terms=bodies,
    )
    documents_of = [json.loads(made.artefacts[name]) for name in made.token_names()]
    return {one["token_id"].rpartition(":")[0]: one for one in documents_of}


def target(made: dict[str, Any]) -> dict[str, Any]:
    kind = {"terms:Corridor": "CORT", "terms:PaymentRoute": "PSRT"}.get(made["@type"], "RRMT")
    members = ("jurisdiction",) if kind == "RRMT" else ("corridor", "name")
    return {"type": kind, **{name: made[name] for name in members}}


def test_each_token_is_of_its_schema_and_rests_on_its_base():
    found = built(stated(ROUTE), stated(CORRIDOR), stated(PRICES))
    imt, cort = found["IMT:EU-SG:payments_aml"], found["CORT:EU-SG:instant"]
    psrt, rrmt = found["PSRT:EU-SG:cards"], found["RRMT:EU:payments_aml"]
    for one in (cort, psrt, rrmt):
        tokens.check(
            tokens.sign(one, [worlds.node().signer]), keys=worlds.node().keys, at=worlds.NOW
        )
    assert cort["derived_from"] == [imt["token_id"]]
    assert psrt["derived_from"] == [cort["token_id"]]
    assert cort[HASHED] == psrt[HASHED] == imt[HASHED]
    assert rrmt[HASHED] == json.loads(signed(stated(PRICES)))[HASHED]
    assert cort["evidence_requirements"] == ["pacs.008"]


def test_what_holds_for_the_base_holds_for_what_rests_on_it():
    wide = stated(
        CORRIDOR,
        effective_date="2026-01-01T00:00:00Z",
        expires_at="2030-01-01T00:00:00Z",
        ttl_sec=86_400,
        assurance_level="high",
    )
    narrow = stated(ROUTE, effective_date="2026-11-01T00:00:00Z", ttl_sec=60, assurance_level="low")
    found = built(wide, narrow)
    imt, cort = found["IMT:EU-SG:payments_aml"], found["CORT:EU-SG:instant"]
    psrt = found["PSRT:EU-SG:cards"]
    assert cort["effective"] == imt["effective"]
    assert (cort["ttl_sec"], cort["assurance_level"]) == (imt["ttl_sec"], "substantial")
    assert cort["required_assurance_level"] == "high"
    assert psrt["effective"] == {"nbf": "2026-11-01T00:00:00Z", "exp": imt["effective"]["exp"]}
    assert (psrt["ttl_sec"], psrt["assurance_level"]) == (60, "low")


def test_without_its_base_nothing_is_built():
    with pytest.raises(RtgfError) as refused:
        built(stated(ROUTE))
    assert (refused.value.code, refused.value.pointer) == (Code.RTGF_INPUT_INVALID, "/parents")


def test_other_bytes_than_the_inputs_name_are_refused():
    stale = {"id": stated(PRICES)["id"], HASHED: worlds.digest_of("other")}
    with pytest.raises(RtgfError) as refused:
        built(stated(PRICES), terms=[stale])
    assert (refused.value.code, refused.value.pointer) == (
        Code.RTGF_BUILD_HASH_MISMATCH,
        "/terms/0",
    )
