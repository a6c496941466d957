"""A synthetic full matrix: 60 jurisdictions in 4 domains, by the illustrative rules.

Every jurisdiction has the rules of one of those under `config/policies`, so that neighbours differ
as real ones do: 240 RMTs, and an IMT for each of the 14,160 ordered pairs. Its own scenarios come
with each snapshot, but those about a corridor, which speak of the two that they were written for.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rtgf_node.building import worker as build_worker
from rtgf_node.cli.demo_world import POLICIES, SMALL, SMALL_LISTS
from rtgf_node.core import snapshot, tokens
from rtgf_node.core.lists import record, record_file
from rtgf_node.core.lists.readers import READERS
from tests import worlds

_CODES = """
EU SG UK US AU KR MY
AE AR AT BE BG BR CA CH CL CN CO CY CZ DE DK EE EG ES FI FR GR HK HR HU ID IE IL IN
IS IT JP KE LT LU LV MA MT MX NG NL NO NZ PE PH PL PT QA RO SA SE TH TR ZA
"""
PLACES: tuple[str, ...] = tuple(_CODES.split())
"""The jurisdictions; those whose rules are at hand come first."""

RULES: Mapping[str, str] = {
    "payments_aml": "payments_aml",
    "data_protection": "data_protection",
    "trade_payments": "payments_aml",
    "customer_data": "data_protection",
}
"""The domains, and whose rules each has."""


def documents(places: Iterable[str] = PLACES) -> list[dict[str, Any]]:
    """Return the unsigned snapshots of these jurisdictions in every domain."""
    models = {
        name: [json.loads(path.read_bytes()) for path in sorted(POLICIES.glob(f"*-{name}.json"))]
        for name in set(RULES.values())
    }
    return [
        document(place, domain, models[rules][index % len(models[rules])])
        for index, place in enumerate(places)
        for domain, rules in RULES.items()
    ]


def document(place: str, domain: str, model: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the rules of `model` as this jurisdiction's."""
    made = copy.deepcopy(model)
    made["scenarios"] = [one for one in made.get("scenarios", []) if "corridor" not in one]
    made |= {"jurisdiction": place, "domain": domain, "issuer": worlds.authority(place).did}
    made |= changes
    made["id"] = f"snapshot:{place}:{domain}:{made['version']}".lower()
    return made


def seal(made: dict[str, Any]) -> bytes:
    """Return it, signed by its authority as often as it asks."""
    keys = made.get("signature_threshold", 1)
    return snapshot.seal(made, worlds.authority(made["jurisdiction"], keys=keys).signers)


def targets(pairs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return every RMT and IMT of these jurisdictions and domains as a build's targets."""
    named = sorted(pairs)
    listed = [{"type": "RMT", "jurisdiction": place, "domain": domain} for place, domain in named]
    listed += [
        {"type": "IMT", "corridor": f"{a}-{b}", "domain": domain}
        for (a, domain), (b, other) in itertools.permutations(named, 2)
        if domain == other
    ]
    return [{**one, "issue": 1, "status_idx": index} for index, one in enumerate(listed)]


def datasets(folder: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the lists as inputs of a build, and the paths of their records by content digest."""
    inputs, paths = [], {}
    for listed in SMALL:
        reader = READERS[listed.reader]
        parts = {part: (SMALL_LISTS / file).read_bytes() for part, file in listed.files.items()}
        held = reader.read(parts if reader.parts else parts[""]).records
        content = record.content_digest(held, reader.id, reader.version)
        path = folder / listed.name
        path.write_bytes(record_file.write(held, reader=reader.id, version=reader.version))
        given = worlds.dataset_input(content, name=listed.name)
        inputs.append({**given, "provider": listed.provider})
        paths[content] = str(path)
    return inputs, paths


def change(
    folder: Path, artefacts: Mapping[str, bytes], places: Iterable[str] = PLACES
) -> tuple[bytes, int]:
    """Return the request of what one new snapshot makes due, in a matrix that gave `artefacts`."""
    place, domain = "SG", "payments_aml"
    made = [one for one in documents(places) if one["domain"] == domain]
    held = {}
    for one in made:
        new = (
            document(place, domain, one, version="2026-11") if one["jurisdiction"] == place else one
        )
        held[new["id"]] = seal(new)
    used, paths = datasets(folder)
    asked = [
        one
        for one in targets((each["jurisdiction"], domain) for each in made)
        if place in (one.get("jurisdiction") or one["corridor"]).split("-")
    ]
    rmts = [json.loads(body) for name, body in artefacts.items() if name.startswith("tokens/rmt/")]
    parents = {
        rmt["token_id"]: (rmt["canonical_hash"], tokens.sign(rmt, worlds.node().signers))
        for rmt in rmts
        if rmt["domain"] == domain and rmt["jurisdiction"] != place
    }
    inputs = {
        **worlds.build_inputs(held, [], datasets=used),
        "targets": asked,
        "parents": [
            {"token_id": token_id, "canonical_hash": parents[token_id][0]}
            for token_id in sorted(parents)
        ],
    }
    encoded = build_worker.encode_request(
        inputs,
        snapshots=held,
        parents={token_id: body for token_id, (_, body) in parents.items()},
        library=worlds.library_files(),
        datasets=paths,
    )
    return encoded, len(asked)


def request(folder: Path, places: Iterable[str] = PLACES) -> tuple[bytes, int]:
    """Return the build request of the matrix, and how many tokens it asks for."""
    held = {made["id"]: seal(made) for made in documents(places)}
    used, paths = datasets(folder)
    asked = targets((one.jurisdiction, one.domain) for one in map(snapshot.parse, held.values()))
    inputs = {**worlds.build_inputs(held, [], datasets=used), "targets": asked}
    encoded = build_worker.encode_request(
        inputs, snapshots=held, parents={}, library=worlds.library_files(), datasets=paths
    )
    return encoded, len(asked)
