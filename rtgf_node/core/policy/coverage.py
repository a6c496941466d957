"""Which clause of which law became which predicate, and which did not: a report for people."""

from __future__ import annotations

from msgspec import Struct

from rtgf_node.core.policy.predicates import CompiledPolicy
from rtgf_node.core.snapshot import Snapshot


class Row(Struct, frozen=True):
    """One clause in the report.

    Attributes:
      law: instrument and place in it, as one cites it.
      outcome: the predicate's id, or why there is none.
    """

    clause_id: str
    kind: str
    law: str
    template: str
    mapped: bool
    outcome: str


class Report(Struct, frozen=True):
    """The report on one snapshot, clauses in the order of the plan."""

    snapshot_id: str
    mapped: int
    waived: int
    rows: tuple[Row, ...]

    def text(self) -> str:
        """Return the report as lines of text."""
        lines = [f"{self.snapshot_id}: {self.mapped} clauses mapped, {self.waived} waived"]
        lines += [
            f"{'mapped' if row.mapped else 'WAIVED'}  {row.clause_id}  {row.law}  ->  {row.outcome}"
            for row in self.rows
        ]
        return "\n".join(lines) + "\n"


def report(snapshot: Snapshot, compiled: CompiledPolicy) -> Report:
    """Return which clauses of `snapshot` became which predicates of `compiled`."""
    clauses = {clause.clause_id: clause for clause in snapshot.clauses}
    reasons = {str(row["clause_id"]): str(row["reason"]) for row in compiled.manual_review}
    rows = []
    for entry in compiled.policy_token_map:
        clause = clauses[str(entry["clause_id"])]
        citation = entry["citation"]
        assert isinstance(citation, dict)
        places = [citation.get(part) for part in ("instrument", "article", "paragraph")]
        predicate = entry["predicate_id"]
        rows.append(
            Row(
                clause_id=clause.clause_id,
                kind=clause.kind,
                law=", ".join(str(place) for place in places if place),
                template=clause.template,
                mapped=predicate is not None,
                outcome=str(predicate) if predicate is not None else reasons[clause.clause_id],
            )
        )
    return Report(
        snapshot_id=snapshot.id,
        mapped=sum(row.mapped for row in rows),
        waived=sum(not row.mapped for row in rows),
        rows=tuple(rows),
    )
