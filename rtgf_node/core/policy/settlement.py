"""Where two jurisdictions ask for different amounts of one thing: which prevails, and by which law.

Parameters meet only when their rules are of one template, on the same occasions and about the same
thing. The merge registry then says what holds. Nothing is settled in silence: every difference is
written down with both values and both citations, for an approver to accept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import NamedTuple, TypeAlias, cast

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
_UNREGISTERED = "unregistered"


class Stated(NamedTuple):
    """One parameter as one predicate states it, from when to when."""

    value: JsonValue
    text: bytes
    group: str
    predicate: Document
    begins: float
    ends: float


Key: TypeAlias = tuple[str, str, bytes]
"""What a parameter is of: template, name, and what the rule is about."""

Statements: TypeAlias = Mapping[Key, Sequence[Stated]]
"""What the rules of one side state, in the order of their clauses."""


def read(predicates: Iterable[Document]) -> Statements:
    """Return what these predicates state that another side may settle with them."""
    found: dict[Key, list[Stated]] = {}
    for predicate in sorted(predicates, key=lambda p: (str(p["clause_id"]), str(p["id"]))):
        template, about = conflicts.scope_of(predicate)
        begins, ends = validity(predicate)
        for name, value in merge.comparable(cast("Document", predicate["params"])).items():
            kind = _kind(template, name)
            if name != EXCEPTIONS and kind not in _SIDE_BY_SIDE:
                stated = Stated(
                    value,
                    canonical_bytes(value),
                    merge.class_of(kind, value),
                    predicate,
                    begins,
                    ends,
                )
                found.setdefault((template, name, about), []).append(stated)
    return found


def settle(of_a: Statements, of_b: Statements) -> dict[bytes, Document]:
    """Return what became of each parameter that both sides state, by its canonical text, in order.

    Each is `{template, parameter, kind, rule, applies_when, a, b, result, settled}`, where `a` and
    `b` are `{value, clause_id, jurisdiction, citation}` of the clause that is strictest on its
    side, `result` are the values that hold, and `settled` tells whether the two differed.
    Amounts in two currencies never meet: each is carried on, and neither is in `settled`.

    Args:
      of_a: what the rules of the originator's jurisdiction state that apply in this corridor.
      of_b: the same of the beneficiary's.

    Raises:
      RtgfError: RTGF_MAP_RULE_CONFLICT when no value satisfies both, with both citations.
    """
    # What holds changes when a rule begins or has ended; rules that never hold together never meet.
    meetings = [
        (moment, key)
        for key in of_a.keys() & of_b.keys()
        for moment in _moments((*of_a[key], *of_b[key]))
    ]
    found: dict[bytes, Document] = {}
    for moment, key in sorted(meetings):
        a, b = (
            [each for each in side[key] if each.begins <= moment <= each.ends]
            for side in (of_a, of_b)
        )
        if a and b:
            for outcome in _outcomes(key[0], key[1], a, b):
                found.setdefault(canonical_bytes(outcome), outcome)
    in_order = sorted(found, key=lambda text: _about(found[text]))
    return {text: found[text] for text in in_order}


def _about(outcome: Document) -> tuple[str, str]:
    return str(outcome["template"]), str(outcome["parameter"])


def _moments(stated: Iterable[Stated]) -> set[float]:
    cuts = {cut for each in stated for cut in (each.begins, each.ends + 1)}
    return cuts - {inf}


def _kind(template: str, name: str) -> str:
    row = merge.row(template, name)
    return _UNREGISTERED if row is None else row.kind


def _outcomes(
    template: str, name: str, a: Sequence[Stated], b: Sequence[Stated]
) -> Iterator[Document]:
    merged = _merged(template, name, (*a, *b))
    if merged is None:
        if any(EXCEPTIONS in cast("Document", s.predicate["params"]) for s in (*a, *b)):
            # With exceptions the parameters are not the whole rule; both are decided as they are.
            return
        first, second = _at_odds(template, name, a, b)
        raise RtgfError(
            Code.RTGF_MAP_RULE_CONFLICT,
            f"nothing satisfies both: {template}.{name} is {_told(first)} and {_told(second)}",
        )
    kind = _kind(template, name)
    for result, group in zip(merged.values, merged.classes, strict=True):
        mine, yours = _own(template, name, kind, a, group), _own(template, name, kind, b, group)
        if mine is None or yours is None:
            continue  # Only one side speaks in this currency or unit: nothing meets.
        yield {
            "template": template,
            "parameter": name,
            "kind": kind,
            "rule": merged.rule,
            "applies_when": a[0].predicate["applies_when"],
            "a": _cited(mine),
            "b": _cited(yours),
            "result": result,
            "settled": merge.meaning(kind, mine.value) != merge.meaning(kind, yours.value),
        }


def _merged(template: str, name: str, stated: Iterable[Stated]) -> merge.Merged | None:
    return merge.merge_texts(template, name, frozenset(each.text for each in stated))


def _own(
    template: str, name: str, kind: str, stated: Sequence[Stated], group: str
) -> Stated | None:
    """Return what one side says by itself in one class of values, with its strictest clause."""
    own = [each for each in stated if each.group == group]
    if not own:
        return None
    merged = _merged(template, name, own)
    assert merged is not None  # `settle` has merged these with more, and found a value.
    if kind in _SETS:
        return own[0]._replace(value=merged.values[0], text=merged.texts[0])
    return next(each for each in own if each.text == merged.texts[0])


def _at_odds(
    template: str, name: str, a: Sequence[Stated], b: Sequence[Stated]
) -> tuple[Stated, Stated]:
    """Return a pair that is at odds, to cite; of three that only clash together, two of them."""
    pairs = [(first, second) for first in a for second in b]
    return next((pair for pair in pairs if _merged(template, name, pair) is None), pairs[0])


def _cited(stated: Stated) -> Document:
    return {
        "value": stated.value,
        "clause_id": stated.predicate["clause_id"],
        "jurisdiction": stated.predicate["jurisdiction"],
        "citation": stated.predicate["citation"],
    }


def _told(stated: Stated) -> str:
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
