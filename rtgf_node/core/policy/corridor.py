"""Two jurisdictions' rules become one corridor's: from each, what applies to its side of it.

Direction means something. In `A-B` the originator is in A and the beneficiary in B, so A's clauses
for the originator hold, B's for the beneficiary, and from each those for both. All of these
predicates are carried on as they are, each in its own currency and by its own law; the corridor can
therefore never permit what one of the two denies. Where the two demand different amounts of one
thing, `settlement` says which prevails and cites both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar, cast

from msgspec import Struct

from rtgf_node.core import canonical_json, digests, identifiers, times
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy import assurance, settlement
from rtgf_node.core.policy.plan import STAGES
from rtgf_node.core.snapshot import instant
from rtgf_node.errors import Code, RtgfError

Document = dict[str, JsonValue]
T = TypeVar("T", bound=JsonValue)


class IntersectedPolicy(Struct, frozen=True, kw_only=True):
    """What an IMT says, but for its plan, its evidence of issue and its name.

    Attributes:
      effective: the overlap of both windows.
      duties, prohibitions, controls: what each clause of each side demands, without duplicates.
      predicate_set: in the order of the plan.
      data_residency: what both allow; None where neither restricts anything.
      policy_snapshot_hash: one digest of both snapshots' hashes.
      assurance_level: the lower one, which is what the corridor can vouch for.
      required_assurance_level: the higher one, which is what it demands; where it is above the
        other, a predicate of the set demands it of the context.
      effective_conflicts: the differences that a rule of the merge registry settled.
      parameters: the same for every merged parameter, also where both sides agree.
    """

    corridor: str
    domain: str
    effective: dict[str, str]
    ttl_sec: int
    policy_max_ttl: int
    policy_snapshot_hash: str
    derived_from: list[str]
    duties: list[Document]
    prohibitions: list[Document]
    controls: list[Document]
    predicate_set: list[Document]
    data_residency: Document | None
    evidence: Document
    evidence_requirements: list[JsonValue]
    unmapped_clauses: list[JsonValue]
    assurance_level: str
    required_assurance_level: str
    effective_conflicts: list[Document]
    parameters: list[Document]


class _Sides(NamedTuple):
    """Both tokens, the originator's jurisdiction first."""

    a: Document
    b: Document


def applies(item: Mapping[str, JsonValue], side: str) -> bool:
    """Return whether a clause or predicate is for `side`, the originator or the beneficiary."""
    return item["applies_to"] in {side, "both"}


def intersect(a: Document, b: Document, *, corridor: str) -> IntersectedPolicy:
    """Return what holds in the corridor from `a`'s jurisdiction to `b`'s.

    Args:
      a: the RMT of the originator's jurisdiction, as a document.
      b: the RMT of the beneficiary's.
      corridor: `A-B`, in any form that `identifiers.corridor` accepts.

    Raises:
      RtgfError: RTGF_MAP_RULE_CONFLICT when nothing could satisfy both, with both citations;
        RTGF_INPUT_INVALID when the tokens are not the two RMTs of one domain for this corridor.
    """
    place = identifiers.corridor(corridor)
    sides = _Sides(a, b)
    _check_tokens(sides, place)
    predicates = (
        [p for p in _list(a, "predicate_set") if applies(p, "originator")],
        [p for p in _list(b, "predicate_set") if applies(p, "beneficiary")],
    )
    residency = _residency(sides)
    settled = settlement.settle(*predicates)
    vouched, required = assurance.demanded(sides)
    hashes = [_text(a, "policy_snapshot_hash"), _text(b, "policy_snapshot_hash")]
    combined = digests.of_documents(hashes)
    return IntersectedPolicy(
        corridor=place,
        domain=_text(a, "domain"),
        effective=_window(sides),
        ttl_sec=min(_number(t, "ttl_sec") for t in sides),
        policy_max_ttl=min(_number(t, "policy_max_ttl") for t in sides),
        policy_snapshot_hash=combined,
        derived_from=sorted(_text(t, "token_id") for t in sides),
        duties=_clauses(sides, "duties"),
        prohibitions=_clauses(sides, "prohibitions"),
        controls=_clauses(sides, "controls"),
        predicate_set=sorted(
            distinct([*predicates[0], *predicates[1], *assurance.rules(sides)]),
            key=lambda p: (STAGES.index(_text(p, "kind")), _text(p, "clause_id"), _text(p, "id")),
        ),
        data_residency=residency,
        evidence=_evidence(sides, combined),
        evidence_requirements=distinct(_either(sides, "evidence_requirements")),
        unmapped_clauses=distinct(_either(sides, "unmapped_clauses")),
        assurance_level=vouched,
        required_assurance_level=required,
        effective_conflicts=[p for p in settled if p["settled"] is True],
        parameters=settled,
    )


def _check_tokens(sides: _Sides, place: str) -> None:
    for token, jurisdiction in zip(sides, place.split("-"), strict=True):
        if token.get("type") != "RMT" or token.get("jurisdiction") != jurisdiction:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID,
                f"the corridor {place} needs the RMT of {jurisdiction}, not"
                f" {token.get('type')} of {token.get('jurisdiction')}",
            )
    if sides.a.get("domain") != sides.b.get("domain"):
        raise RtgfError(
            Code.RTGF_INPUT_INVALID,
            f"one RMT is for {sides.a.get('domain')}, the other for {sides.b.get('domain')}",
        )


def _window(sides: _Sides) -> dict[str, str]:
    windows = [cast("dict[str, str]", token["effective"]) for token in sides]
    begins = max(instant(window["nbf"]) for window in windows)
    ends = min(instant(window["exp"]) for window in windows)
    if ends <= begins:
        told = " and ".join(
            f"{token['token_id']} ({window['nbf']} to {window['exp']})"
            for token, window in zip(sides, windows, strict=True)
        )
        raise RtgfError(Code.RTGF_MAP_RULE_CONFLICT, f"the two are never in force together: {told}")
    return {"nbf": times.to_text(begins), "exp": times.to_text(ends)}


def _clauses(sides: _Sides, member: str) -> list[Document]:
    held = [c for c in _list(sides.a, member) if applies(c, "originator")]
    held += [c for c in _list(sides.b, member) if applies(c, "beneficiary")]
    return sorted(distinct(held), key=lambda c: (_text(c, "clause_id"), _text(c, "jurisdiction")))


def _residency(sides: _Sides) -> Document | None:
    """Return the places and mechanisms that both allow; one that says nothing allows all."""
    found: Document = {}
    for member in ("allowed", "mechanisms"):
        stated = [
            (token, cast("list[str]", residency[member]))
            for token in sides
            if isinstance(residency := token.get("data_residency"), dict) and residency.get(member)
        ]
        if not stated:
            continue
        common = set(stated[0][1]).intersection(*(names for _, names in stated))
        if not common:
            told = " and ".join(
                f"{settlement.residency_source(token)}: {', '.join(sorted(names))}"
                for token, names in stated
            )
            raise RtgfError(
                Code.RTGF_MAP_RULE_CONFLICT,
                f"data_residency.{member} of the two have nothing in common: {told}",
            )
        found[member] = cast("list[JsonValue]", sorted(common))
    return found or None


def _evidence(sides: _Sides, combined: str) -> Document:
    held = [cast("Document", token["evidence"]) for token in sides]
    return {
        "policy_snapshot": combined,
        "datasets": cast(
            "JsonValue",
            sorted(
                distinct([d for evidence in held for d in _list(evidence, "datasets")]),
                key=lambda d: [_text(d, name) for name in ("provider", "dataset", "version")],
            ),
        ),
        "inputs": distinct([i for e in held for i in cast("list[JsonValue]", e["inputs"])]),
    }


def _either(sides: _Sides, member: str) -> list[JsonValue]:
    return [item for token in sides for item in cast("list[JsonValue]", token.get(member, []))]


def distinct(items: Iterable[T]) -> list[T]:
    """Return each item once, ordered by canonical bytes: duplicates by digest are merged."""
    found = {canonical_json.canonical_bytes(item): item for item in items}
    return [found[key] for key in sorted(found)]


def _list(document: Mapping[str, JsonValue], member: str) -> Sequence[Document]:
    return cast("list[Document]", document.get(member) or [])


def _text(document: Mapping[str, JsonValue], member: str) -> str:
    value = document[member]
    assert isinstance(value, str), member
    return value


def _number(document: Mapping[str, JsonValue], member: str) -> int:
    value = document[member]
    assert isinstance(value, int), member
    return value
