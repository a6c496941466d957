"""Two clauses of one snapshot that cannot both hold are an error of the authority, found here.

Clauses are compared when they are of one template, on the same occasions, about the same thing and
party. Then two amounts of one currency that differ, two sets of allowed things with none in common,
or two values for which the merge registry has no rule, cannot be what the authority means, unless
it says that one is the exception of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from rtgf_node.core import canonical_json
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy import merge
from rtgf_node.errors import Code, RtgfError


def scope_of(predicate: dict[str, JsonValue]) -> tuple[str, bytes]:
    """Return what a predicate is about: its template, occasions, and parameters of kind `scope`."""
    template = str(predicate["template"])
    params = cast("dict[str, JsonValue]", predicate["params"])
    about: dict[str, JsonValue] = {
        name: value for name, value in params.items() if _kind(template, name) == "scope"
    }
    occasions = predicate["applies_when"]
    return template, canonical_json.canonical_bytes([occasions, about])


def _kind(template: str, parameter: str) -> str | None:
    row = merge.row(template, parameter)
    return None if row is None else row.kind


def check(clauses: Sequence[tuple[dict[str, JsonValue], str | None]]) -> None:
    """Pass when all clauses can hold together.

    Args:
      clauses: each clause's predicate, and the clause it is an exception of.

    Raises:
      RtgfError: RTGF_MAP_RULE_CONFLICT, naming both clauses, what they say and where.
    """
    scopes: dict[tuple[str, bytes], list[tuple[dict[str, JsonValue], str | None]]] = {}
    for predicate, relaxed in clauses:
        scopes.setdefault(scope_of(predicate), []).append((predicate, relaxed))
    for scope in sorted(scopes):
        members = sorted(scopes[scope], key=lambda member: str(member[0]["clause_id"]))
        for index, (a, a_relaxes) in enumerate(members):
            for b, b_relaxes in members[index + 1 :]:
                excepted = b_relaxes == a["clause_id"] or a_relaxes == b["clause_id"]
                if not excepted and _same_party(a, b):
                    _check_pair(a, b)


def _same_party(a: dict[str, JsonValue], b: dict[str, JsonValue]) -> bool:
    return a["applies_to"] == b["applies_to"] or "both" in {a["applies_to"], b["applies_to"]}


def _check_pair(a: dict[str, JsonValue], b: dict[str, JsonValue]) -> None:
    template = str(a["template"])
    of_a = merge.comparable(cast("dict[str, JsonValue]", a["params"]))
    of_b = merge.comparable(cast("dict[str, JsonValue]", b["params"]))
    for name in sorted(of_a.keys() & of_b.keys()):
        kind = _kind(template, name)
        merged = merge.merge(template, name, [of_a[name], of_b[name]])
        contradict = merged is None or (
            kind == "maximum_threshold"
            and of_a[name] != of_b[name]
            and merge.class_of(kind, of_a[name]) == merge.class_of(kind, of_b[name])
        )
        if contradict:
            raise RtgfError(
                Code.RTGF_MAP_RULE_CONFLICT,
                f"clauses {a['clause_id']} ({cited(a)}) and {b['clause_id']} ({cited(b)}) cannot"
                f" both hold: {template}.{name} is {words(of_a[name])} in one and"
                f" {words(of_b[name])} in the other; make one the exception_of the other, or give"
                " them different occasions",
            )


def cited(predicate: dict[str, JsonValue]) -> str:
    """Return where in the law a predicate comes from, in words."""
    citation = cast("dict[str, str]", predicate["citation"])
    parts = [citation["instrument"], citation["article"], citation.get("paragraph", "")]
    return ", ".join(part for part in parts if part)


def words(value: JsonValue) -> str:
    """Return a parameter's value as people write it."""
    if isinstance(value, dict) and "currency" in value:
        sign = {"gt": "above ", "gte": "from "}.get(str(value.get("comparison")), "")
        return f"{sign}{value['currency']} {value['value']}"
    if isinstance(value, list):
        return "{" + ", ".join(str(item) for item in value) + "}"
    return str(value)
