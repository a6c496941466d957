"""Which clause of which law became which predicate in which tokens, and which did not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from rtgf_node.core.policy import conflicts, predicates
from rtgf_node.core.policy.plan import STAGES
from rtgf_node.core.policy.templates import Library
from rtgf_node.core.snapshot import Clause, Snapshot


class Row(Struct, frozen=True):
    """One clause in the report.

    Attributes:
      law: instrument and place in it, as one cites it.
      template: what the clause asks to be mapped by.
      state: mapped; waived by an approver; or unmapped, which halts a build.
      predicate_id: the predicate that it became, or that it relaxes; None unless it is mapped.
      control_id: the control that it makes due.
      reason: why it is not mapped.
      tokens: the tokens that carry its predicate, or that state it as unmapped.
    """

    clause_id: str
    kind: str
    law: str
    template: str
    state: Literal["mapped", "waived", "unmapped"]
    predicate_id: str | None
    control_id: str | None
    reason: str | None
    tokens: tuple[str, ...]


class Report(Struct, frozen=True):
    """The report on one snapshot, clauses in the order of the plan."""

    snapshot_id: str
    policy_snapshot_hash: str
    status: str
    mapped: int
    waived: int
    unmapped: int
    rows: tuple[Row, ...]


def report(
    snapshot: Snapshot,
    library: Library,
    *,
    waived: Collection[str] = (),
    tokens: Iterable[Mapping[str, Any]] = (),
) -> Report:
    """Return what became of each clause of `snapshot`.

    Args:
      snapshot: the snapshot; a clause that does not compile is reported, not refused.
      library: the templates and the control catalogue.
      waived: the clauses that an approver lets pass unmapped.
      tokens: documents of tokens that may carry its predicates.
    """
    held = list(tokens)
    reasons = {
        str(each["clause_id"]): str(each["reason"]) for each in predicates.review(snapshot, library)
    }
    fit = tuple(clause for clause in snapshot.clauses if clause.clause_id not in reasons)
    policy = predicates.compile_snapshot(msgspec.structs.replace(snapshot, clauses=fit), library)
    mapped = {str(entry["clause_id"]): entry for entry in policy.policy_token_map}
    rows = tuple(
        _row(clause, snapshot, mapped.get(clause.clause_id), reasons, waived, held)
        for clause in sorted(snapshot.clauses, key=lambda c: (STAGES.index(c.kind), c.clause_id))
    )
    states = [row.state for row in rows]
    return Report(
        snapshot_id=snapshot.id,
        policy_snapshot_hash=snapshot.policy_snapshot_hash,
        status=snapshot.status,
        mapped=states.count("mapped"),
        waived=states.count("waived"),
        unmapped=states.count("unmapped"),
        rows=rows,
    )


def text(report: Report) -> str:
    """Return a report as lines of text."""
    counts = f"{report.mapped} mapped, {report.waived} waived, {report.unmapped} unmapped"
    lines = [f"{report.snapshot_id} ({report.status}): {counts}"]
    for row in report.rows:
        outcome = row.predicate_id if row.state == "mapped" else row.reason
        lines.append(f"{row.state:<8}  {row.clause_id}  {row.law}  ->  {outcome}")
        lines += [f"          in {token}" for token in row.tokens]
    return "\n".join(lines) + "\n"


def _row(
    clause: Clause,
    snapshot: Snapshot,
    entry: Mapping[str, Any] | None,
    reasons: Mapping[str, str],
    waived: Collection[str],
    tokens: Iterable[Mapping[str, Any]],
) -> Row:
    state: Literal["mapped", "waived", "unmapped"] = "mapped"
    if entry is None:
        state = "waived" if clause.clause_id in waived else "unmapped"
    predicate = None if entry is None else str(entry["predicate_id"])
    instruments = {one.id: one.instrument for one in snapshot.normative_references}
    citation = msgspec.to_builtins(clause.citation)
    instrument = instruments.get(clause.citation.ref, clause.citation.ref)
    return Row(
        clause_id=clause.clause_id,
        kind=clause.kind,
        law=conflicts.cited({"citation": {**citation, "instrument": instrument}}),
        template=clause.template,
        state=state,
        predicate_id=predicate,
        control_id=clause.control_id or clause.params.get("control"),
        reason=reasons.get(clause.clause_id),
        tokens=tuple(
            sorted(
                str(token["token_id"])
                for token in tokens
                if _carries(token, predicate, clause.clause_id, snapshot)
            )
        ),
    )


def _carries(
    token: Mapping[str, Any], predicate: str | None, clause_id: str, snapshot: Snapshot
) -> bool:
    if predicate is not None:
        # An intersection gives predicates ids of its own; which clause they are of remains.
        return any(
            one.get("id") == predicate
            or (one.get("clause_id"), one.get("jurisdiction"), one.get("domain"))
            == (clause_id, snapshot.jurisdiction, snapshot.domain)
            for one in token.get("predicate_set") or ()
        )
    return any(one.get("clause_id") == clause_id for one in token.get("unmapped_clauses") or ())
