"""Two clauses of one snapshot that cannot both hold are an error of the authority, found here.

Clauses are compared when they are of one template, on the same occasions, about the same thing and
party. Then two amounts of one currency that differ, two sets of allowed things with none in common,
or two values for which the merge registry has no rule, cannot be what the authority means, unless
it says that one is the exception of the other, or that one ends before the other begins.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple, cast

from rtgf_node.core import canonical_json
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy import merge, money
from rtgf_node.core.policy.scope import validity
from rtgf_node.errors import Code, RtgfError


def scope_of(predicate: dict[str, JsonValue]) -> tuple[str, bytes]:
    """Return what a predicate is about: its template, occasions, and parameters of kind `scope`."""
    template = str(predicate["template"])
    params = cast("dict[str, JsonValue]", predicate["params"])
    about: dict[str, JsonValue] = {
        name: value for name, value in params.items() if _kind(template, name) == "scope"
    }
    occasions = _occasions(cast("dict[str, JsonValue] | None", predicate["applies_when"]))
    return template, canonical_json.canonical_bytes([occasions, about])


def _occasions(stated: dict[str, JsonValue] | None) -> JsonValue:
    """Return what `applies_when` says, in one way of writing it."""
    if stated is None:
        return None
    return {name: [*sorted(set(map(_choice, _listed(value))))] for name, value in stated.items()}


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else [value]


def _choice(value: JsonValue) -> str:
    if isinstance(value, dict):
        amount = money.parse(value)
        return f"{amount.currency} {money.decimal_text(amount.value.normalize(money.ARITHMETIC))}"
    return canonical_json.canonical_bytes(value).decode()


def _kind(template: str, parameter: str) -> str | None:
    row = merge.row(template, parameter)
    return None if row is None else row.kind


class Stated(NamedTuple):
    """A clause's predicate, and the clause that it relaxes."""

    predicate: dict[str, JsonValue]
    relaxes: str | None = None


def check(clauses: Sequence[Stated]) -> None:
    """Pass when all clauses can hold together; those that are never in force together can.

    The work grows with the clauses and not with their pairs, so that no rule book is too large.

    Raises:
      RtgfError: RTGF_MAP_RULE_CONFLICT, naming both clauses, what they say and where.
    """
    scopes: dict[tuple[str, bytes], list[Stated]] = {}
    for stated in clauses:
        scopes.setdefault(scope_of(stated.predicate), []).append(stated)
    for scope in sorted(scopes):
        members = sorted(scopes[scope], key=lambda stated: str(stated.predicate["clause_id"]))
        if len(members) > 1:
            _check_scope(scope[0], members)


def _check_scope(template: str, members: Sequence[Stated]) -> None:
    """Refuse the first pair of one scope that cannot both hold.

    A set of clauses is an integer with a bit for each, so that one operation compares a clause with
    all others.
    """
    predicates = [stated.predicate for stated in members]
    values = [
        merge.comparable(cast("dict[str, JsonValue]", predicate["params"]))
        for predicate in predicates
    ]
    names = sorted({name for stated in values for name in stated})
    contrary = {name: _contrary(template, name, values) for name in names}
    contrary = {name: found for name, found in contrary.items() if any(found)}
    if not contrary:
        return
    meeting = _meeting(members)
    for index, others in enumerate(meeting):
        later = others >> (index + 1) << (index + 1)
        against = {name: found[index] & later for name, found in contrary.items()}
        if not any(against.values()):
            continue
        other = min(map(_lowest, filter(None, against.values())))
        name = next(name for name in sorted(against) if against[name] >> other & 1)
        a, b = predicates[index], predicates[other]
        raise RtgfError(
            Code.RTGF_MAP_RULE_CONFLICT,
            f"clauses {a['clause_id']} ({cited(a)}) and {b['clause_id']} ({cited(b)}) cannot"
            f" both hold: {template}.{name} is {words(values[index][name])} in one and"
            f" {words(values[other][name])} in the other; make one the exception_of the other, or"
            " give them different occasions",
        )


def _lowest(clauses: int) -> int:
    return (clauses & -clauses).bit_length() - 1


def _contrary(template: str, name: str, values: Sequence[dict[str, JsonValue]]) -> list[int]:
    """Return for each clause those whose value of this parameter contradicts its own."""
    kind = _kind(template, name)
    if kind not in {None, "allowed_set", "maximum_threshold"}:
        return [0] * len(values)  # whatever the values are, the stricter one fulfils both
    stated = {index: each[name] for index, each in enumerate(values) if name in each}
    alike: dict[object, int] = {}
    comparable: dict[str, int] = {}
    of: dict[int, list[object]] = {}
    for index, value in stated.items():
        is_set = kind == "allowed_set"
        parts = cast("list[JsonValue]", value) if is_set else [value]
        of[index] = [merge.meaning("" if is_set else kind or "", part) for part in parts]
        group = merge.class_of(kind, value) if kind is not None else ""
        comparable[group] = comparable.get(group, 0) | 1 << index
        for part in of[index]:
            alike[part] = alike.get(part, 0) | 1 << index
    found = [0] * len(values)
    for index, value in stated.items():
        agreeing = 0
        for part in of[index]:
            agreeing |= alike[part]
        group = merge.class_of(kind, value) if kind is not None else ""
        found[index] = comparable[group] & ~agreeing
    return found


def _meeting(members: Sequence[Stated]) -> list[int]:
    """Return for each clause those that hold when it does, for its party, with no exception."""
    windows = [validity(stated.predicate) for stated in members]
    begun = _Ordered([begins for begins, _ in windows])
    ended = _Ordered([ends for _, ends in windows])
    everyone = (1 << len(members)) - 1
    parties: dict[str, int] = {}
    named: dict[str, int] = {}
    relaxing: dict[str, int] = {}
    for index, stated in enumerate(members):
        for held, key in (
            (parties, str(stated.predicate["applies_to"])),
            (named, str(stated.predicate["clause_id"])),
            (relaxing, stated.relaxes),
        ):
            if key is not None:
                held[key] = held.get(key, 0) | 1 << index
    found = []
    for stated, (begins, ends) in zip(members, windows, strict=True):
        party = str(stated.predicate["applies_to"])
        same = everyone if party == "both" else parties[party] | parties.get("both", 0)
        excepted = relaxing.get(str(stated.predicate["clause_id"]), 0)
        excepted |= named.get(stated.relaxes, 0) if stated.relaxes is not None else 0
        together = begun.up_to(ends) & everyone & ~ended.before(begins)
        found.append(same & together & ~excepted)
    return found


class _Ordered:
    """Clauses by a time of theirs."""

    def __init__(self, times: Sequence[float]) -> None:
        order = sorted(range(len(times)), key=times.__getitem__)
        self._times = [times[index] for index in order]
        self._sets = [0]
        for index in order:
            self._sets.append(self._sets[-1] | 1 << index)

    def up_to(self, time: float) -> int:
        """Return those whose time is not after this one."""
        return self._sets[bisect_right(self._times, time)]

    def before(self, time: float) -> int:
        """Return those whose time is before this one."""
        return self._sets[bisect_left(self._times, time)]


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
