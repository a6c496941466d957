"""Where two jurisdictions ask for different amounts of one thing: which prevails, and by which law.

Parameters meet only when their rules are of one template, on the same occasions and about the same
thing. The merge registry then says what holds. Nothing is settled in silence: every difference is
written down with both values and both citations, for an approver to accept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from rtgf_node.core.canonical_json import JsonValue, canonical_bytes
from rtgf_node.core.policy import conflicts, merge
from rtgf_node.core.policy.exceptions import EXCEPTIONS
from rtgf_node.core.policy.scope import validity
from rtgf_node.errors import Code, RtgfError

Document = dict[str, JsonValue]

# Kinds whose values stand side by side; there is nothing to settle between two of them.
_SIDE_BY_SIDE = frozenset({"scope", "label"})
# Kinds that make one set of many.
_SETS = frozenset({"allowed_set", "required_set"})


class _Stated(NamedTuple):
    """One parameter as one predicate states it."""

    value: JsonValue
    predicate: Document


def settle(of_a: Sequence[Document], of_b: Sequence[Document]) -> list[Document]:
    """Return what became of each parameter that both sides state, in a fixed order.

    Each is `{template, parameter, kind, rule, applies_when, a, b, result, settled}`, where `a` and
    `b` are `{value, clause_id, jurisdiction, citation}` of the clause that is strictest on its
    side, `result` are the values that hold, and `settled` tells whether the two differed.
    Amounts in two currencies never meet: each is carried on, and neither is in `settled`.

    Args:
      of_a: the predicates of the originator's jurisdiction that apply in this corridor.
      of_b: those of the beneficiary's.

    Raises:
      RtgfError: RTGF_MAP_RULE_CONFLICT when no value satisfies both, with both citations.
    """
    found: dict[bytes, Document] = {}
    spans = [validity(predicate) for predicate in (*of_a, *of_b)]
    # What holds changes when a rule begins or has ended; rules that never hold together never meet.
    for moment in sorted({second for begins, ends in spans for second in (begins, ends + 1)}):
        stated_a, stated_b = (_by_parameter(_in_force(side, moment)) for side in (of_a, of_b))
        for key in sorted(stated_a.keys() & stated_b.keys()):
            for outcome in _outcomes(key[0], key[1], stated_a[key], stated_b[key]):
                found.setdefault(canonical_bytes(outcome), outcome)
    return sorted(found.values(), key=lambda each: (each["template"], each["parameter"]))


def _in_force(predicates: Sequence[Document], moment: float) -> list[Document]:
    spans = ((predicate, *validity(predicate)) for predicate in predicates)
    return [predicate for predicate, begins, ends in spans if begins <= moment <= ends]


def _by_parameter(
    predicates: Sequence[Document],
) -> dict[tuple[str, str, bytes], list[_Stated]]:
    found: dict[tuple[str, str, bytes], list[_Stated]] = {}
    for predicate in sorted(predicates, key=lambda p: (str(p["clause_id"]), str(p["id"]))):
        params = cast("Document", predicate["params"])
        template, about = conflicts.scope_of(predicate)
        for name, value in merge.comparable(params).items():
            if name == EXCEPTIONS:
                continue
            found.setdefault((template, name, about), []).append(_Stated(value, predicate))
    return found


def _outcomes(
    template: str, name: str, a: Sequence[_Stated], b: Sequence[_Stated]
) -> list[Document]:
    row = merge.row(template, name)
    kind = "unregistered" if row is None else row.kind
    if kind in _SIDE_BY_SIDE:
        return []
    merged = merge.merge(template, name, [stated.value for stated in (*a, *b)])
    if merged is None:
        if any(EXCEPTIONS in cast("Document", s.predicate["params"]) for s in (*a, *b)):
            # With exceptions the parameters are not the whole rule; both are decided as they are.
            return []
        first, second = _at_odds(template, name, a, b)
        raise RtgfError(
            Code.RTGF_MAP_RULE_CONFLICT,
            f"nothing satisfies both: {template}.{name} is {_told(first)} and {_told(second)}",
        )
    found: list[Document] = []
    for result in merged.values:
        mine, yours = _own(template, name, kind, a, result), _own(template, name, kind, b, result)
        if mine is None or yours is None:
            continue  # Only one side speaks in this currency or unit: nothing meets.
        found.append(
            {
                "template": template,
                "parameter": name,
                "kind": kind,
                "rule": merged.rule,
                "applies_when": a[0].predicate["applies_when"],
                "a": _cited(mine),
                "b": _cited(yours),
                "result": result,
                "settled": canonical_bytes(mine.value) != canonical_bytes(yours.value),
            }
        )
    return found


def _own(
    template: str, name: str, kind: str, stated: Sequence[_Stated], result: JsonValue
) -> _Stated | None:
    """Return what one side says by itself in the class of `result`, with its strictest clause."""
    own = [s for s in stated if merge.class_of(kind, s.value) == merge.class_of(kind, result)]
    if not own:
        return None
    merged = merge.merge(template, name, [s.value for s in own])
    assert merged is not None  # `settle` has merged these with more, and found a value.
    value = merged.values[0]
    if kind in _SETS:
        return _Stated(value, own[0].predicate)
    return next(s for s in own if canonical_bytes(s.value) == canonical_bytes(value))


def _at_odds(
    template: str, name: str, a: Sequence[_Stated], b: Sequence[_Stated]
) -> tuple[_Stated, _Stated]:
    """Return a pair that is at odds, to cite; of three that only clash together, two of them."""
    pairs = [(first, second) for first in a for second in b]
    return next(
        (pair for pair in pairs if merge.merge(template, name, [s.value for s in pair]) is None),
        pairs[0],
    )


def _cited(stated: _Stated) -> Document:
    return {
        "value": stated.value,
        "clause_id": stated.predicate["clause_id"],
        "jurisdiction": stated.predicate["jurisdiction"],
        "citation": stated.predicate["citation"],
    }


def _told(stated: _Stated) -> str:
    return (
        f"{conflicts.words(stated.value)} in {stated.predicate['jurisdiction']}"
        f" ({conflicts.cited(stated.predicate)}, clause {stated.predicate['clause_id']})"
    )


def residency_source(token: Mapping[str, JsonValue]) -> str:
    """Return whence a token's data residency comes: the law its data clauses cite, or its name."""
    sources = {
        conflicts.cited(predicate)
        for predicate in cast("list[Document]", token.get("predicate_set") or [])
        if predicate["template"] in {"data_residency", "transfer_mechanism"}
        and not str(predicate["clause_id"]).startswith("@")  # the member itself, which is no law
    }
    return f"{token['jurisdiction']} ({'; '.join(sorted(sources)) or token['token_id']})"
