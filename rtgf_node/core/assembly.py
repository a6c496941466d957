"""Put a token together from what was compiled: every member, sealed, not yet signed.

Nothing is decided here. What a member says comes from the snapshot, from the compiled policy, from
the build's inputs, or for an IMT from the intersection of its two RMTs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec

from rtgf_node.core import digests, identifiers, snapshot
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.manifest import DatasetInput, ImtTarget, Inputs, RmtTarget, Target
from rtgf_node.core.policy import plan
from rtgf_node.core.policy.corridor import IntersectedPolicy
from rtgf_node.core.policy.predicates import CompiledPolicy
from rtgf_node.core.sealing import Sealed, sealed
from rtgf_node.core.snapshot import Snapshot

Document = dict[str, JsonValue]


def scope_digests(
    snapshots: Iterable[Snapshot], contents: Iterable[str], library_digest: str
) -> list[str]:
    """Return the digests of what a token's content follows from, sorted, each once."""
    return sorted({*(each.policy_snapshot_hash for each in snapshots), *contents, library_digest})


def rmt(
    target: RmtTarget,
    held: Snapshot,
    policy: CompiledPolicy,
    lists: Sequence[DatasetInput],
    *,
    inputs: Inputs,
    build_id: str,
) -> Sealed:
    """Return the sealed RMT of a compiled held."""
    token_id = rmt_id(target, held)
    scope = scope_digests([held], (each.content_sha256 for each in lists), inputs.library_digest)
    document: Document = {
        **frame("RMT", token_id, target, inputs=inputs, build_id=build_id),
        "rmt_id": token_id,
        "jurisdiction": held.jurisdiction,
        **window(held.effective_date, held.expires_at),
        "ttl_sec": held.ttl_sec,
        "policy_max_ttl": held.policy_max_ttl,
        "policy_snapshot_hash": held.policy_snapshot_hash,
        "scope_hash": digests.of_documents(scope),
        "derived_from": [],
        "controls": _plain(policy.controls),
        "prohibitions": _plain(policy.prohibitions),
        "duties": _plain(policy.duties),
        "assurance_level": held.assurance_level,
        "required_assurance_level": held.assurance_level,
        "effective_conflicts": [],
        "unmapped_clauses": _plain(policy.manual_review),
        "predicate_set": _plain([*policy.predicates]),
        "eval_plan": plan.make(policy.predicates),
        "evidence": _evidence(held.policy_snapshot_hash, lists, scope),
        "evidence_requirements": evidence_requirements(policy.predicates),
    }
    if held.data_residency is not None:
        document["data_residency"] = _plain(held.data_residency)
    return sealed(document)


def rmt_id(target: RmtTarget, held: Snapshot) -> str:
    """Return the id of the RMT of this snapshot and issue."""
    return identifiers.token_id(
        "RMT", target.jurisdiction, target.domain, f"{held.version}.{target.issue}"
    )


def imt(
    target: ImtTarget,
    a: Document,
    b: Document,
    merged: IntersectedPolicy,
    *,
    inputs: Inputs,
    build_id: str,
) -> Sealed:
    """Return the sealed IMT of two RMTs whose rules were intersected."""
    versions = [identifiers.split_token_id(str(each["token_id"])).version for each in (a, b)]
    # Versions are dates, so that the later one says as of when the corridor's rules are.
    newest = max(versions, key=snapshot.version_numbers)
    token_id = identifiers.token_id(
        "IMT", target.corridor, target.domain, f"{newest}.{target.issue}"
    )
    scope = sorted({digest for each in (a, b) for digest in _scope_of(each)})
    eval_plan = plan.written(merged.predicate_set, parts=[each["eval_plan"] for each in (a, b)])
    document: Document = {
        **frame("IMT", token_id, target, inputs=inputs, build_id=build_id),
        "imt_id": token_id,
        "corridor": merged.corridor,
        **window(merged.effective["nbf"], merged.effective["exp"]),
        "ttl_sec": merged.ttl_sec,
        "policy_max_ttl": merged.policy_max_ttl,
        "policy_snapshot_hash": merged.policy_snapshot_hash,
        "scope_hash": digests.of_documents(scope),
        "derived_from": cast("JsonValue", merged.derived_from),
        "controls": cast("JsonValue", merged.controls),
        "prohibitions": cast("JsonValue", merged.prohibitions),
        "duties": cast("JsonValue", merged.duties),
        "assurance_level": merged.assurance_level,
        "required_assurance_level": merged.required_assurance_level,
        "effective_conflicts": cast("JsonValue", merged.effective_conflicts),
        "unmapped_clauses": cast("JsonValue", merged.unmapped_clauses),
        "predicate_set": cast("JsonValue", merged.predicate_set),
        "eval_plan": eval_plan.document,
        "evidence": {
            **merged.evidence,
            "policy_snapshot": merged.policy_snapshot_hash,
            "inputs": cast("JsonValue", scope),
        },
        "evidence_requirements": cast("JsonValue", merged.evidence_requirements),
    }
    if merged.data_residency is not None:
        document["data_residency"] = cast("JsonValue", merged.data_residency)
    return sealed(document, {**merged.texts, "eval_plan": eval_plan.text})


def evidence_requirements(predicates: Iterable[Mapping[str, JsonValue]]) -> JsonValue:
    """Return the proofs that a caller must bring: what the predicates ask the resolver `proof`."""
    required: set[str] = set()
    for predicate in predicates:
        for step in cast("list[dict[str, Any]]", predicate["derive"]):
            if step["expr"].get("resolver") == "proof":
                required.add(str(step["expr"]["args"]["proof"]))
    return _plain(sorted(required))


def frame(kind: str, token_id: str, target: Target, *, inputs: Inputs, build_id: str) -> Document:
    """Return the members that say which token this is, and of which build."""
    return {
        "type": kind,
        "token_id": token_id,
        "jti": identifiers.jti(build_id, token_id),
        "version": token_id.rpartition(":")[2],
        "schema_version": inputs.schema_version,
        "issuer": inputs.issuer,
        "domain": target.domain,
        "revocation": {
            "revEpoch": inputs.rev_epoch,
            "status_list": {"uri": inputs.status_list_uri, "idx": target.status_idx},
            "transparency_log": inputs.transparency_log,
            "anchor": _plain(inputs.log_anchor),
        },
        "build_manifest_id": build_id,
        "compiler_version": inputs.compiler_version,
        "kid": inputs.kid,
    }


def window(nbf: str, exp: str) -> Document:
    """Return the members that say from when to when a token holds."""
    return {
        "effective": {"nbf": nbf, "exp": exp},
        "effective_date": nbf,
        "expires_at": exp,
    }


def _evidence(
    policy_snapshot: str, lists: Sequence[DatasetInput], scope: Sequence[str]
) -> Document:
    return {
        "policy_snapshot": policy_snapshot,
        "datasets": _plain(sorted(lists, key=lambda each: (each.provider, each.dataset))),
        "inputs": _plain(scope),
    }


def _scope_of(token: Document) -> list[str]:
    evidence = token["evidence"]
    assert isinstance(evidence, dict)
    return cast("list[str]", evidence["inputs"])


def _plain(value: object) -> JsonValue:
    return cast("JsonValue", msgspec.to_builtins(value))
