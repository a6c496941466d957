"""How two jurisdictions' values of one parameter become one: the merge registry.

Each parameter of each template is one row of `PARAMETERS`, and each row names a kind of `KINDS`.
Adding a duty is adding its template and its rows here. A parameter without a row is a conflict as
soon as two jurisdictions give it unequal values: nothing is merged by guessing.

Some values cannot be compared at all: amounts in two currencies, a calendar period and a number of
business days. A rule therefore answers with one value for each class of comparable values, and
both go on to apply, each in its own terms.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias, cast

from rtgf_node.core import canonical_json
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy import duration

MERGES_KEPT: Final = 4096
"""Merged values that are remembered: laws of 60 jurisdictions state few different ones."""

Combine: TypeAlias = Callable[[Sequence[JsonValue], tuple[str, ...]], list[JsonValue]]


class Row(NamedTuple):
    """One parameter of one template: its type, its kind, and for a rank the order of levels."""

    type: str
    kind: str
    order: tuple[str, ...] = ()


class Kind(NamedTuple):
    """A way to merge.

    Attributes:
      rule: what happens, in words an officer can read.
      combine: values (and a rank's order) to the values that hold together, one for each class of
        comparable values. An empty set means that nothing satisfies all of them.
    """

    rule: str
    combine: Combine


class Merged(NamedTuple):
    """What became of one parameter: the values that hold, each with its text and its class."""

    values: tuple[JsonValue, ...]
    texts: tuple[bytes, ...]
    classes: tuple[str, ...]
    rule: str

    @classmethod
    def of(cls, kind: str, values: Sequence[JsonValue], rule: str) -> Merged:
        """Return these values of a kind."""
        texts = tuple(map(canonical_json.canonical_bytes, values))
        return cls(tuple(values), texts, tuple(class_of(kind, value) for value in values), rule)


def _each_class(
    values: Iterable[JsonValue],
    measure: Callable[[JsonValue], tuple[str, JsonValue | Decimal | tuple[Decimal, int]]],
    stricter: Callable[..., JsonValue],
) -> list[JsonValue]:
    """Return the strictest value of each class, classes in the order of their names."""
    classes: dict[str, list[JsonValue]] = {}
    for value in sorted(values, key=canonical_json.canonical_bytes):
        classes.setdefault(measure(value)[0], []).append(value)
    return [
        stricter(classes[name], key=lambda value: measure(value)[1]) for name in sorted(classes)
    ]


def _duration(value: JsonValue) -> tuple[str, JsonValue]:
    """Measure a duration: calendar, exact and business time are three units (see `duration`)."""
    parsed = duration.parse(value)
    return parsed.unit.value, parsed.length


def _threshold(value: JsonValue) -> tuple[str, tuple[Decimal, int]]:
    """Measure a threshold: by amount, and `gte` before `gt` because it catches the amount too."""
    money = cast("dict[str, JsonValue]", value)
    return str(money["currency"]), (
        Decimal(str(money["value"])),
        0 if money.get("comparison") == "gte" else 1,
    )


def _longest(values: Sequence[JsonValue], _: tuple[str, ...]) -> list[JsonValue]:
    return _each_class(values, _duration, max)


def _soonest(values: Sequence[JsonValue], _: tuple[str, ...]) -> list[JsonValue]:
    return _each_class(values, _duration, min)


def _smallest_money(values: Sequence[JsonValue], _: tuple[str, ...]) -> list[JsonValue]:
    return _each_class(values, _threshold, min)


def _smallest_number(values: Sequence[JsonValue], _: tuple[str, ...]) -> list[JsonValue]:
    return _each_class(values, lambda value: ("", Decimal(str(value))), min)


def _highest(values: Sequence[JsonValue], order: tuple[str, ...]) -> list[JsonValue]:
    return _each_class(values, lambda value: ("", order.index(str(value))), max)


def _any(values: Sequence[JsonValue], _: tuple[str, ...]) -> list[JsonValue]:
    return [any(value is True for value in values)]


def _members(value: JsonValue) -> dict[bytes, JsonValue]:
    return {canonical_json.canonical_bytes(item): item for item in cast("list[JsonValue]", value)}


def _union(values: Sequence[JsonValue], _: tuple[str, ...]) -> list[JsonValue]:
    found: dict[bytes, JsonValue] = {}
    for value in values:
        found |= _members(value)
    return [[found[key] for key in sorted(found)]]


def _intersection(values: Sequence[JsonValue], _: tuple[str, ...]) -> list[JsonValue]:
    sets = [_members(value) for value in values]
    held = set(sets[0]).intersection(*sets[1:])
    return [[sets[0][key] for key in sorted(held)]]


def _apart(values: Sequence[JsonValue], _: tuple[str, ...]) -> list[JsonValue]:
    return _each_class(values, lambda value: (str(value), 0), min)


KINDS: Mapping[str, Kind] = {
    "minimum_duration": Kind("the longer period", _longest),
    "deadline": Kind("the earlier deadline", _soonest),
    "maximum_threshold": Kind("the smaller amount of one currency", _smallest_money),
    "sensitivity": Kind("the lower match score, which finds more", _smallest_number),
    "allowed_set": Kind("what both allow", _intersection),
    "required_set": Kind("what either requires", _union),
    "flag": Kind("required where either requires it", _any),
    "rank": Kind("the higher level", _highest),
    # What a rule is about: rules about different things stand side by side and are never merged.
    "scope": Kind("each its own", _apart),
    # Words for people, which no decision depends on.
    "label": Kind("each its own", _apart),
}

_LEVELS = ("simplified", "standard", "enhanced")
_THRESHOLD = Row("money", "maximum_threshold")
# A comparison belongs to its threshold and is merged as part of it.
_COMPARISON = Row("comparison", "maximum_threshold")
_GROUPS = Row("field_groups", "required_set")

PARAMETERS: Mapping[str, Row] = {
    "sanctions_screening.lists": Row("datasets", "required_set"),
    "sanctions_screening.parties": Row("list", "required_set"),
    "sanctions_screening.threshold": Row("decimal", "sensitivity"),
    "amount_threshold_review.threshold": _THRESHOLD,
    "amount_threshold_review.comparison": _COMPARISON,
    "amount_threshold_review.control": Row("control", "scope"),
    "travel_rule_information.threshold": _THRESHOLD,
    "travel_rule_information.comparison": _COMPARISON,
    "travel_rule_information.originator_always": _GROUPS,
    "travel_rule_information.beneficiary_always": _GROUPS,
    "travel_rule_information.originator_above": _GROUPS,
    "travel_rule_information.beneficiary_above": _GROUPS,
    "due_diligence.party": Row("choice", "scope"),
    "due_diligence.level": Row("rank", "rank", _LEVELS),
    "due_diligence.threshold": _THRESHOLD,
    "due_diligence.comparison": _COMPARISON,
    "record_retention.minimum_period": Row("duration", "minimum_duration"),
    "record_retention.records": Row("string", "label"),
    "reporting_deadline.event": Row("string", "scope"),
    "reporting_deadline.maximum_delay": Row("duration", "deadline"),
    "prohibited_instrument.instruments": Row("list", "required_set"),
    "prohibited_instrument.threshold": _THRESHOLD,
    "prohibited_instrument.comparison": _COMPARISON,
    "currency_amount_cap.threshold": _THRESHOLD,
    "currency_amount_cap.comparison": _COMPARISON,
    "currency_amount_cap.currencies": Row("list", "allowed_set"),
    "transfer_mechanism.allowed": Row("list", "allowed_set"),
    "transfer_safeguard.mechanisms": Row("list", "required_set"),
    "transfer_safeguard.control": Row("control", "scope"),
    "data_residency.allowed": Row("jurisdictions", "allowed_set"),
    "data_residency.prohibited": Row("jurisdictions", "required_set"),
    "data_residency.mechanisms": Row("list", "allowed_set"),
    "required_control.control": Row("control", "scope"),
    "legal_basis.allowed": Row("list", "allowed_set"),
    "licence_required.licences": Row("list", "allowed_set"),
    "licence_required.party": Row("choice", "scope"),
    "prohibited_party_kind.kinds": Row("list", "required_set"),
    "prohibited_party_kind.party": Row("choice", "scope"),
    "risk_class_ban.classes": Row("list", "required_set"),
    "human_oversight.level": Row("rank", "rank", ("none", "on_the_loop", "in_the_loop")),
    "transparency_notice.notice": Row("string", "scope"),
    "proof_requirement.proof": Row("string", "scope"),
    "proof_requirement.subject": Row("choice", "scope"),
    "reporting_deadline.calendar": Row("calendar", "scope"),
    "cut_off_window.opens": Row("time", "scope"),
    "cut_off_window.closes": Row("time", "scope"),
    "cut_off_window.utc_offset": Row("utc_offset", "scope"),
    "cut_off_window.calendar": Row("calendar", "scope"),
}


def row(template: str, parameter: str) -> Row | None:
    """Return the registry's row for a template's parameter, or None when it has none."""
    return PARAMETERS.get(f"{template}.{parameter}")


def comparable(params: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a clause's parameters with its comparison folded into its threshold."""
    values = {name: value for name, value in params.items() if name != "comparison"}
    threshold = values.get("threshold")
    if isinstance(threshold, dict) and "comparison" in params:
        values["threshold"] = {**threshold, "comparison": params["comparison"]}
    return values


def merge(template: str, parameter: str, values: Iterable[JsonValue]) -> Merged | None:
    """Return what holds when all `values` of a parameter must hold, or None when nothing can.

    Nothing can when sets of allowed things have none in common, or when values differ for which
    the registry has no rule.
    """
    return merge_texts(template, parameter, frozenset(map(canonical_json.canonical_bytes, values)))


@lru_cache(maxsize=MERGES_KEPT)
def merge_texts(template: str, parameter: str, texts: frozenset[bytes]) -> Merged | None:
    """Return the same of values by their canonical texts."""
    values = [canonical_json.parse(text) for text in sorted(texts)]
    found = row(template, parameter)
    if found is None:
        if len(values) > 1:
            return None
        return Merged.of("", values, "both say the same")
    kind = KINDS[found.kind]
    result = kind.combine(values, found.order)
    if found.kind == "allowed_set" and result == [[]]:
        return None
    return Merged.of(found.kind, result, kind.rule)


def class_of(kind: str, value: JsonValue) -> str:
    """Return the name of the class of values that `value` can be compared with."""
    match kind:
        case "minimum_duration" | "deadline":
            return _duration(value)[0]
        case "maximum_threshold":
            return _threshold(value)[0]
        case "scope" | "label":
            return str(value)
        case _:
            return ""


def meaning(kind: str, value: JsonValue) -> Hashable:
    """Return what values of a kind that say the same have in common, however they are written."""
    match kind:
        case "minimum_duration" | "deadline":
            return duration.parse(value)
        case "maximum_threshold":
            return _threshold(value)
        case "sensitivity":
            return Decimal(str(value))
        case "allowed_set" | "required_set":
            return frozenset(_members(value))
        case _:
            return canonical_json.canonical_bytes(value)
