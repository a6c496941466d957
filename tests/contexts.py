"""Payments to decide on, and the illustrative policies to decide them by.

Contexts are read from `config/policies/examples`, so that tests, the demo and the README all speak
of the same payments. `decide` needs no lists: a resolver answers that `LISTED` is on every list.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rtgf_node.core import digests, identifiers, times
from rtgf_node.core.policy import corridor, decide, plan, predicates
from rtgf_node.core.policy.corridor import IntersectedPolicy
from rtgf_node.core.policy.decide import Decision
from rtgf_node.core.snapshot import Snapshot
from tests import worlds

POLICIES = Path(__file__).resolve().parents[1] / "config" / "policies"
NOW = worlds.NOW
LISTED = worlds.LISTED
_LIBRARY = worlds.library()


def example(name: str, **changes: Any) -> dict[str, Any]:
    """The context in `config/policies/examples/<name>.json`, with members replaced."""
    context = json.loads((POLICIES / "examples" / f"{name}.json").read_bytes())
    return {**context, **copy.deepcopy(changes)}


def payment_eu_sg(**changes: Any) -> dict[str, Any]:
    """A lawful payment of EUR 250.00 from the EU to Singapore, with members replaced."""
    return example("payment-eu-sg", **changes)


def to_listed(context: Mapping[str, Any]) -> dict[str, Any]:
    """The same payment to a listed person."""
    return {**context, "beneficiary": {**context["beneficiary"], "name": LISTED}}


def policy_names() -> list[str]:
    return sorted(path.stem for path in POLICIES.glob("*.json"))


def policy_document(name: str) -> dict[str, Any]:
    """An illustrative snapshot, unsigned, such as `eu-payments_aml`."""
    return dict(json.loads((POLICIES / f"{name}.json").read_bytes()))


def as_snapshot(document: dict[str, Any]) -> Snapshot:
    """The document as a snapshot whose signatures nobody asks for."""
    unsigned = {"policy_snapshot_hash": digests.of_document(document), "signatures": []}
    return msgspec.convert({**document, **unsigned}, Snapshot, strict=True)


def rmt(document: dict[str, Any]) -> dict[str, Any]:
    """What an RMT of this snapshot says, as far as intersecting and deciding read it."""
    held = as_snapshot(document)
    compiled = predicates.compile_snapshot(held, _LIBRARY)
    made: dict[str, Any] = {
        "type": "RMT",
        "token_id": identifiers.token_id("RMT", held.jurisdiction, held.domain, "2026-10.1"),
        "jurisdiction": held.jurisdiction,
        "domain": held.domain,
        "effective": {"nbf": held.effective_date, "exp": held.expires_at},
        "ttl_sec": held.ttl_sec,
        "policy_max_ttl": held.policy_max_ttl,
        "policy_snapshot_hash": held.policy_snapshot_hash,
        "duties": compiled.duties,
        "prohibitions": compiled.prohibitions,
        "controls": compiled.controls,
        "predicate_set": list(compiled.predicates),
        "assurance_level": held.assurance_level,
        "evidence": {
            "policy_snapshot": held.policy_snapshot_hash,
            "datasets": [
                {
                    "provider": source.provider,
                    "dataset": source.dataset,
                    "version": "1",
                    "content_sha256": digests.sha256(source.dataset.encode()),
                }
                for source in held.evidence_sources
            ],
            "inputs": [held.policy_snapshot_hash],
        },
    }
    if held.data_residency is not None:
        made["data_residency"] = msgspec.to_builtins(held.data_residency)
    return made


@functools.cache
def _illustrative(name: str) -> str:
    return json.dumps(rmt(policy_document(name)))


def illustrative_rmt(jurisdiction: str, domain: str = "payments_aml") -> dict[str, Any]:
    """The RMT of an illustrative policy; the caller may change it."""
    return dict(json.loads(_illustrative(f"{jurisdiction.lower()}-{domain}")))


def illustrative_corridor(name: str, domain: str = "payments_aml") -> IntersectedPolicy:
    """What the illustrative policies of a corridor's two sides say together."""
    a, _, b = name.partition("-")
    sides = [illustrative_rmt(each, domain) for each in (a, b)]
    return corridor.intersect(sides[0], sides[1], corridor=name)


def sanctions(arguments: Mapping[str, Any]) -> Any:
    """A resolver that finds `LISTED` on any list."""
    listed = arguments["party"].get("name") == LISTED
    return {"listed": listed, "matches": [], "dataset_digests": []}


def proof(arguments: Mapping[str, Any]) -> Any:
    """A resolver that believes only the receipt `good`."""
    return {"valid": arguments["receipt"].get("receipt") == "good"}


RESOLVERS: Any = {"sanctions": sanctions, "proof": proof}


def decide_on(
    predicate_set: Sequence[Mapping[str, Any]], context: Mapping[str, Any], *, at: int | str = NOW
) -> Decision:
    """The decision of these predicates alone."""
    rules = list(predicate_set)
    prepared = decide.prepare(rules, plan.make(rules))
    moment = times.parse(at) if isinstance(at, str) else at
    return decide.run(prepared, dict(context), at=moment, resolvers=RESOLVERS)
