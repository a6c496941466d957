"""What changed between two statements of rules: clauses, their parameters, and other members.

A snapshot and a token state the same clauses in different members; both become the same `Rules`
here, so that a token can be held against the snapshot it should follow from, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from rtgf_node.core import canonical_json, digests
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy import conflicts, predicates
from rtgf_node.core.policy.templates import Library
from rtgf_node.core.snapshot import Scenario, Snapshot
from rtgf_node.core.terms_document import TermsDocument

Document = dict[str, JsonValue]
ClauseKey = tuple[str, str]
"""The jurisdiction and the clause's id: a corridor's token has clauses of two places."""

STATED_APART: Final = frozenset({"clauses", "scenarios", "policy_snapshot_hash", "signatures"})
"""Members of a snapshot that are not compared as they are."""

AMOUNT: Final = frozenset({"currency", "value"})
"""Members that make an object one amount."""

DECIDING: Final = ("applies_when", "inputs", "derive", "logic", "on_fail")
"""Members of a predicate by which it decides, and which its clause does not state."""

OF_EVERY_ISSUE: Final = frozenset(
    {
        *("token_id", "jti", "version", "rmt_id", "imt_id", "policy_snapshot_hash", "scope_hash"),
        *("canonical_hash", "signatures", "kid", "revocation", "build_manifest_id"),
        *("duties", "prohibitions", "controls", "predicate_set", "eval_plan", "derived_from"),
    }
)
"""Members of a token that differ with every issue, or are compared clause by clause."""


class Rules(Struct, frozen=True):
    """One statement of rules.

    Attributes:
      name: the snapshot or token.
      clauses: what each states, by jurisdiction and id.
      members: everything else that it states, as it is.
      predicates: the rules to decide by.
      scenarios: its own tests; a token has none.
      at: when it takes effect.
    """

    name: str
    clauses: dict[ClauseKey, Document]
    members: Document
    predicates: list[Document]
    scenarios: tuple[Scenario, ...]
    at: str


class Change(Struct, frozen=True):
    """One value that is another now; None where there is none."""

    place: str
    old: Any
    new: Any


class ClauseChange(Struct, frozen=True):
    """A clause that is in both and says something else."""

    clause: str
    law: str
    changes: tuple[Change, ...]


class Difference(Struct, frozen=True):
    """What changed from one statement of rules to another."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[ClauseChange, ...]
    members: tuple[Change, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not (self.added or self.removed or self.changed or self.members)


def of_snapshot(snapshot: Snapshot, library: Library) -> Rules:
    """Return the rules of a snapshot; a clause that no template serves has no predicate.

    Raises:
      RtgfError: RTGF_MAP_* of a clause that does not compile for any other reason.
    """
    every = {clause.clause_id for clause in snapshot.clauses}
    policy = predicates.compile_snapshot(snapshot, library, waived=every)
    document = cast("Document", msgspec.to_builtins(snapshot))
    references = {one.id: one.instrument for one in snapshot.normative_references}
    clauses: dict[ClauseKey, Document] = {}
    for clause in snapshot.clauses:
        stated = cast("Document", msgspec.to_builtins(clause))
        citation = cast("Document", stated["citation"])
        citation["instrument"] = references[clause.citation.ref]
        clauses[snapshot.jurisdiction, clause.clause_id] = stated
    return Rules(
        name=snapshot.id,
        clauses=clauses,
        members={name: value for name, value in document.items() if name not in STATED_APART},
        predicates=[*policy.predicates],
        scenarios=snapshot.scenarios,
        at=snapshot.effective_date,
    )


def of_terms(stated: TermsDocument) -> Rules:
    """Return a terms document as members alone: it has no clauses."""
    document = cast("Document", msgspec.to_builtins(stated))
    return Rules(
        name=stated.id,
        clauses={},
        members={name: value for name, value in document.items() if name not in STATED_APART},
        predicates=[],
        scenarios=(),
        at=stated.effective_date,
    )


def of_token(token: Mapping[str, Any]) -> Rules:
    """Return the rules of a token's document; its terms, if it is of a type that has some."""
    clauses: dict[ClauseKey, Document] = {}
    rules = {
        (str(one.get("jurisdiction")), str(one.get("clause_id"))): one
        for one in token.get("predicate_set") or ()
    }
    for kind, member in (
        ("obligation", "duties"),
        ("prohibition", "prohibitions"),
        ("control", "controls"),
    ):
        for entry in token[member]:
            key = (str(entry["jurisdiction"]), str(entry["clause_id"]))
            occasions = rules.get(key, {}).get("applies_when")
            stated = {k: v for k, v in entry.items() if k not in {"predicate_id", "jurisdiction"}}
            clauses[key] = {"kind": kind, **stated, "applies_when": occasions}
    return Rules(
        name=str(token["token_id"]),
        clauses=clauses,
        members={name: value for name, value in token.items() if name not in OF_EVERY_ISSUE},
        predicates=list(token.get("predicate_set") or ()),
        scenarios=(),
        at=str(token["effective_date"]),
    )


def compare(old: Rules, new: Rules) -> Difference:
    """Return what changed from `old` to `new`, in the order of names.

    Of a clause that says the same and is decided otherwise, by another library or an exception, the
    digests of what decides it are told.
    """
    both = sorted(old.clauses.keys() & new.clauses.keys())
    before, after = _deciding(old), _deciding(new)
    changed = [
        ClauseChange(_named(key), _law(new.clauses[key]), changes)
        for key in both
        if (
            changes := tuple(changes_in(old.clauses[key], new.clauses[key]))
            or tuple(changes_in(before.get(key), after.get(key), "rule"))
        )
    ]
    return Difference(
        added=tuple(_described(key, new) for key in sorted(new.clauses.keys() - old.clauses)),
        removed=tuple(_described(key, old) for key in sorted(old.clauses.keys() - new.clauses)),
        changed=tuple(changed),
        members=tuple(changes_in(old.members, new.members)),
    )


def _deciding(rules: Rules) -> dict[ClauseKey, JsonValue]:
    """Return of each clause the digest of what decides it."""
    return {
        (str(one["jurisdiction"]), str(one["clause_id"])): digests.of_document(
            {name: one.get(name) for name in DECIDING}
        )
        for one in rules.predicates
    }


def changes_in(old: JsonValue, new: JsonValue, place: str = "") -> Sequence[Change]:
    """Return the innermost values that differ; lists and amounts are one value each."""
    if _same(old, new):
        return []
    if isinstance(old, dict) and isinstance(new, dict) and not (old.keys() & new.keys() >= AMOUNT):
        found: list[Change] = []
        for name in sorted(old.keys() | new.keys()):
            inner = f"{place}.{name}" if place else name
            found += changes_in(old.get(name), new.get(name), inner)
        return found
    return [Change(place, old, new)]


def words(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a changed value as people read it."""
    if value is None:
        return "nothing"
    nested = isinstance(value, list) and any(isinstance(one, dict | list) for one in value)
    if nested or (isinstance(value, dict) and not value.keys() >= AMOUNT):
        return canonical_json.canonical_bytes(value).decode()
    return conflicts.words(value) if not isinstance(value, bool) else str(value).lower()


def _same(old: JsonValue, new: JsonValue) -> bool:
    return canonical_json.canonical_bytes(old) == canonical_json.canonical_bytes(new)


def _named(key: ClauseKey) -> str:
    return f"{key[0]} {key[1]}"


def _law(clause: Document) -> str:
    return conflicts.cited({"citation": clause["citation"]})


def _described(key: ClauseKey, rules: Rules) -> str:
    clause = rules.clauses[key]
    return f"{_named(key)}: {clause['kind']}, {clause['template']}, {_law(clause)}"
