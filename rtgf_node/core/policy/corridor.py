"""Two jurisdictions' rules become one corridor's: from each, what applies to its side of it.

Direction means something. In `A-B` the originator is in A and the beneficiary in B, so A's clauses
for the originator hold, B's for the beneficiary, and from each those for both. All of these
predicates are carried on as they are, each in its own currency and by its own law; the corridor can
therefore never permit what one of the two denies. Where the two demand different amounts of one
thing, `settlement` says which prevails and cites both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

from msgspec import Struct

from rtgf_node.core import digests, identifiers, times
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy import assurance, settlement
from rtgf_node.core.policy.side import CLAUSES, Items, Side, array, joined, ranked
from rtgf_node.core.snapshot import instant
from rtgf_node.errors import Code, RtgfError

Document = dict[str, JsonValue]


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
      texts: the canonical text of the members that are most of it.
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
    texts: dict[str, bytes]


class _Sides(NamedTuple):
    """Both tokens, the originator's jurisdiction first."""

    a: Document
    b: Document


def intersect(a: Document, b: Document, *, corridor: str) -> IntersectedPolicy:
    """Return what holds in the corridor from `a`'s jurisdiction to `b`'s; see `between`."""
    return between(Side(a), Side(b), corridor=corridor)


def between(originator: Side, beneficiary: Side, *, corridor: str) -> IntersectedPolicy:
    """Return what holds in the corridor of two jurisdictions.

    Args:
      originator: the RMT of the originator's jurisdiction.
      beneficiary: the RMT of the beneficiary's.
      corridor: `A-B`, in any form that `identifiers.corridor` accepts.

    Raises:
      RtgfError: RTGF_MAP_RULE_CONFLICT when nothing could satisfy both, with both citations;
        RTGF_INPUT_INVALID when the tokens are not the two RMTs of one domain for this corridor.
    """
    place = identifiers.corridor(corridor)
    sides = _Sides(originator.token, beneficiary.token)
    _check_tokens(sides, place)
    ends = (originator.originator, beneficiary.beneficiary)
    residency = _residency(sides)
    settled = settlement.settle(*(end.statements for end in ends))
    vouched, required = assurance.demanded(sides)
    combined = digests.of_documents(_text(token, "policy_snapshot_hash") for token in sides)

    def both(part: Callable[[Side], Items]) -> list[JsonValue]:
        return joined(part(originator), part(beneficiary)).values

    lists = {member: joined(*(end.clauses[member] for end in ends)) for member in CLAUSES}
    lists["predicate_set"] = joined(
        *(end.predicates for end in ends), ranked(assurance.rules(sides))
    )
    held = {member: cast("list[Document]", found.values) for member, found in lists.items()}
    differing = [text for text, outcome in settled.items() if outcome["settled"] is True]

    return IntersectedPolicy(
        corridor=place,
        domain=_text(sides.a, "domain"),
        effective=_window(sides),
        ttl_sec=min(_number(t, "ttl_sec") for t in sides),
        policy_max_ttl=min(_number(t, "policy_max_ttl") for t in sides),
        policy_snapshot_hash=combined,
        derived_from=sorted(_text(t, "token_id") for t in sides),
        duties=held["duties"],
        prohibitions=held["prohibitions"],
        controls=held["controls"],
        predicate_set=held["predicate_set"],
        data_residency=residency,
        evidence={
            "policy_snapshot": combined,
            "datasets": both(lambda side: side.datasets),
            "inputs": both(lambda side: side.inputs),
        },
        evidence_requirements=both(lambda side: side.evidence_requirements),
        unmapped_clauses=both(lambda side: side.unmapped_clauses),
        assurance_level=vouched,
        required_assurance_level=required,
        effective_conflicts=[settled[text] for text in differing],
        parameters=[*settled.values()],
        texts={
            **{member: found.text for member, found in lists.items()},
            "effective_conflicts": array(differing),
        },
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


def _residency(sides: _Sides) -> Document | None:
    """Return the places and mechanisms that both allow; one that says nothing allows all.

    A side that states places and no mechanism lets data leave them by none.
    """
    restricting = [
        (token, residency)
        for token in sides
        if isinstance(residency := token.get("data_residency"), dict)
    ]
    found: Document = {}
    for member in ("allowed", "mechanisms"):
        stated = [
            (token, cast("list[str]", residency[member]))
            for token, residency in restricting
            if residency.get(member)
        ]
        if not stated or (member == "mechanisms" and len(stated) < len(restricting)):
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


def _text(document: Mapping[str, JsonValue], member: str) -> str:
    value = document[member]
    assert isinstance(value, str), member
    return value


def _number(document: Mapping[str, JsonValue], member: str) -> int:
    value = document[member]
    assert isinstance(value, int), member
    return value
