"""Put a token together from what was compiled: every member, sealed, not yet signed.

Nothing is decided here. What a member says comes from the snapshot, from the compiled policy, from
the build's inputs, or for an IMT from the intersection of its two RMTs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import msgspec

from rtgf_node.core import digests, identifiers, tokens
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.manifest import DatasetInput, ImtTarget, Inputs, RmtTarget
from rtgf_node.core.policy import plan
from rtgf_node.core.policy.corridor import IntersectedPolicy
from rtgf_node.core.policy.predicates import CompiledPolicy
from rtgf_node.core.snapshot import Snapshot

Document = dict[str, JsonValue]


def scope_digests(
    snapshots: Iterable[Snapshot], contents: Iterable[str], library_digest: str
) -> list[str]:
    """Return the digests of what a token's content follows from, sorted, each once."""
    return sorted(
        {*(each.policy_snapshot_hash for each in snapshots), *contents, library_digest}
    )


def rmt(
    target: RmtTarget,
    snapshot: Snapshot,
    policy: CompiledPolicy,
    lists: Sequence[DatasetInput],
    *,
    inputs: Inputs,
    build_id: str,
) -> Document:
    """Return the sealed RMT of a compiled snapshot."""
    token_id = rmt_id(target, snapshot)
    scope = scope_digests(
        [snapshot], (each.content_sha256 for each in lists), inputs.library_digest
    )
    document: Document = {
        **_frame("RMT", token_id, target, inputs=inputs, build_id=build_id),
        "rmt_id": token_id,
        "jurisdiction": snapshot.jurisdiction,
        **_window(snapshot.effective_date, snapshot.expires_at),
        "ttl_sec": snapshot.ttl_sec,
        "policy_max_ttl": snapshot.policy_max_ttl,
        "policy_snapshot_hash": snapshot.policy_snapshot_hash,
        "scope_hash": digests.of_documents(scope),
        "derived_from": [],
        "controls": _plain(policy.controls),
        "prohibitions": _plain(policy.prohibitions),
        "duties": _plain(policy.duties),
        "assurance_level": snapshot.assurance_level,
        "required_assurance_level": snapshot.assurance_level,
        "effective_conflicts": [],
        "unmapped_clauses": _plain(policy.manual_review),
        "predicate_set": _plain(policy.predicates),
        "eval_plan": plan.make(policy.predicates),
        "evidence": _evidence(snapshot.policy_snapshot_hash, lists, scope),
        "evidence_requirements": evidence_requirements(policy.predicates),
    }
    if snapshot.data_residency is not None:
        document["data_residency"] = _plain(snapshot.data_residency)
    return tokens.seal(document)


def rmt_id(target: RmtTarget, snapshot: Snapshot) -> str:
    """Return the id of the RMT of this snapshot and issue."""
    return identifiers.token_id(
        "RMT", target.jurisdiction, target.domain, f"{snapshot.version}.{target.issue}"
    )
