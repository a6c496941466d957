"""Expressions in words, for people who decide about people and do not read JSON.

Only what the rule itself says is put into words: its thresholds, lists and relations. A variable is
named, never its value, so the words say nothing about anyone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy import money
from rtgf_node.core.policy.duration import Duration, Unit
from rtgf_node.core.policy.duration import parse as parse_duration
from rtgf_node.core.policy.node import MAX_DEPTH

MAX_LIST_WORDS: Final = 12
"""Elements of a list that are named; of a longer one, the rest is counted."""

_RELATIONS: Final[Mapping[str, tuple[str, str]]] = {
    "EQUALS": ("is", "is not"),
    "NOT_EQUALS": ("is not", "is"),
    "GT": ("is more than", "is not more than"),
    "GTE": ("is at least", "is less than"),
    "LT": ("is less than", "is at least"),
    "LTE": ("is at most", "is more than"),
    "IN": ("is one of", "is none of"),
    "SUBSET_OF": ("has nothing besides", "has something besides"),
    "MATCHES_REGEX": ("has the form", "does not have the form"),
}
_ARITHMETIC: Final = {"ADD": "plus", "SUB": "minus", "MUL": "times", "DIV": "divided by"}
_PERIODS: Final = (
    (Unit.MONTHS, 12, "year"),
    (Unit.MONTHS, 1, "month"),
    (Unit.SECONDS, 86_400, "day"),
    (Unit.SECONDS, 3_600, "hour"),
    (Unit.SECONDS, 60, "minute"),
    (Unit.SECONDS, 1, "second"),
    (Unit.BUSINESS_DAYS, 1, "business day"),
)


class Wording:
    """Puts the expressions of one predicate into words.

    Args:
      derived: the predicate's derived names, each with its expression.
    """

    def __init__(self, derived: Mapping[str, JsonValue]) -> None:
        self._derived = derived

    def statement(self, tree: JsonValue, *, negated: bool = False, depth: int = 0) -> str:
        """Return what a boolean expression says, or its opposite."""
        if isinstance(tree, bool):
            return "nothing more is asked" if tree is not negated else "it can never be so"
        if not isinstance(tree, dict) or depth > MAX_DEPTH:
            return "its condition holds"
        name, args = tree.get("op"), _items(tree.get("args"))
        if name == "NOT" and args:
            return self.statement(args[0], negated=not negated, depth=depth + 1)
        converted = _in_either_currency(tree)
        if converted is not None:
            said = self.statement(converted, negated=negated, depth=depth + 1)
            return f"{said} (or its equivalent in that currency)"
        if name in {"AND", "OR"}:
            return self._junction(str(name), args, negated=negated, depth=depth)
        if isinstance(tree.get("var"), str):
            return self._flag(str(tree["var"]), negated=negated)
        if name in {"HAS_VALUE", "HAS_KEY"} and args:
            path = ".".join([_path(args[0]), *(str(arg) for arg in args[1:])])
            return f"{_named(path)} {'is not given' if negated else 'is given'}"
        words = [self.value(arg, depth=depth + 1) for arg in args]
        if name == "AGE_LT_DAYS" and len(words) == 2:
            relation = "is at least" if negated else "is less than"
            return f"{words[0]} {relation} {words[1]} days ago"
        if name == "WITHIN_HOURS" and len(words) == 4:
            relation = "is not" if negated else "is"
            return f"{words[0]} {relation} from {words[2]} to {words[3]} (UTC{words[1]})"
        if name == "IS_BUSINESS_DAY" and words:
            return f"{words[0]} {'is not' if negated else 'is'} a business day"
        if isinstance(name, str) and name in _RELATIONS and len(words) == 2:
            if name == "IN" and _is_single(args[1]):
                name = "EQUALS"
            return f"{words[0]} {_RELATIONS[name][negated]} {words[1]}"
        return "its condition holds"

    def value(self, tree: JsonValue, *, depth: int = 0) -> str:
        """Return what an expression stands for: a literal as it is, a variable by its name."""
        if isinstance(tree, bool):
            return "true" if tree else "false"
        if isinstance(tree, str):
            return tree.replace("_", " ")
        if not isinstance(tree, dict) or depth > MAX_DEPTH:
            return str(tree) if isinstance(tree, int) else "a value"
        if isinstance(tree.get("var"), str):
            return _named(str(tree["var"]))
        args = _items(tree.get("args"))
        match tree.get("op"):
            case "NOW":
                return "the time of the decision"
            case "LENGTH" if args:
                return f"the length of {self.value(args[0], depth=depth + 1)}"
            case "LOCAL_DATE" if len(args) == 2:
                said = self.value(args[0], depth=depth + 1)
                return f"the day of {said.removeprefix('the time of ')} (UTC{args[1]})"
            case "ADD_BUSINESS_DAYS" if len(args) >= 2:
                words = [self.value(arg, depth=depth + 1) for arg in args[:2]]
                return f"{words[1]} after {words[0]}"
            case str(name) if name in _ARITHMETIC and len(args) >= 2:
                words = [self.value(arg, depth=depth + 1) for arg in args[:2]]
                return f"{words[0]} {_ARITHMETIC[name]} {words[1]}"
            case str():
                return "a value that is worked out"
            case _:
                return literal(tree)

    def _junction(self, name: str, args: list[JsonValue], *, negated: bool, depth: int) -> str:
        # An operand that is simply true asks for nothing, so nobody needs to hear of it.
        neutral = name == "AND"
        parts = [arg for arg in args if arg is not neutral]
        word = " and " if (name == "AND") is not negated else " or "
        said = [self.statement(part, negated=negated, depth=depth + 1) for part in parts]
        if len(said) > 1:
            said = [
                f"({text})" if _is_junction(part) else text
                for part, text in zip(parts, said, strict=True)
            ]
        return word.join(said) if said else self.statement(neutral, negated=negated)

    def _flag(self, path: str, *, negated: bool) -> str:
        name, _, member = path.partition(".")
        question = self._derived.get(name)
        if isinstance(question, dict) and question.get("op") == "LOOKUP":
            return self._answer(question, member, negated=negated)
        return f"{_named(path)} {'does not hold' if negated else 'holds'}"

    def _answer(self, question: dict[str, JsonValue], member: str, *, negated: bool) -> str:
        args = question.get("args")
        given = args if isinstance(args, dict) else {}
        is_not = " not" if negated else ""
        if question.get("resolver") == "sanctions" and member == "listed":
            party = self.value(given.get("party"))
            lists, score = self.value(given.get("lists")), self.value(given.get("threshold"))
            return f"{party} is{is_not} found on the lists {lists} (from a score of {score})"
        if question.get("resolver") == "proof" and member == "valid":
            about = self.value(given.get("subject"))
            return f"the proof {self.value(given.get('proof'))} about {about} is{is_not} valid"
        return f"the {question.get('resolver')} check says that it is{is_not} {member}"


def literal(tree: Mapping[str, JsonValue]) -> str:
    """Return a typed literal in words: `EUR 1,000.00`, `5 years`, `a, b or c`."""
    for name, value in tree.items():
        match name:
            case "money" if isinstance(value, dict):
                amount = money.parse(value)
                return f"{amount.currency} {_grouped(amount.value)}"
            case "duration":
                return period(parse_duration(value))
            case "list" if isinstance(value, list):
                return _either([_element(item) for item in value])
            case _:
                return str(value)
    return "a value"


def period(duration: Duration) -> str:
    """Return a duration in the largest units in which it is whole: `5 years`, `18 months`."""
    for unit, length, name in _PERIODS:
        if duration.unit is unit and duration.length % length == 0:
            count = duration.length // length
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "a period"


def _element(item: JsonValue) -> str:
    return literal(item) if isinstance(item, dict) else str(item)


def _either(words: Sequence[str]) -> str:
    if len(words) > MAX_LIST_WORDS:
        more = len(words) - MAX_LIST_WORDS
        return f"{', '.join(words[:MAX_LIST_WORDS])} and {more} more"
    if len(words) > 1:
        return f"{', '.join(words[:-1])} or {words[-1]}"
    return words[0] if words else "nothing"


def _grouped(value: Decimal) -> str:
    return f"{value:,f}"


def _named(path: str) -> str:
    return f"the {path.replace('.', ' ').replace('_', ' ')}"


def _path(tree: JsonValue) -> str:
    return str(tree.get("var")) if isinstance(tree, dict) else "value"


def _items(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _in_either_currency(tree: JsonValue) -> JsonValue:
    """Return the comparison that a rule makes on an amount or on its equivalent, or None.

    The templates state it once for each of the two; said twice it would only confuse.
    """
    match tree:
        case {
            "op": "OR",
            "args": [
                {
                    "op": "AND",
                    "args": [
                        {"op": "EQUALS", "args": [{"var": str(currency)}, _]},
                        {"op": relation, "args": [{"var": str(amount)}, limit]} as comparison,
                    ],
                },
                {
                    "op": "AND",
                    "args": [
                        {"op": "NOT_EQUALS", "args": [{"var": other_currency}, _]},
                        {"op": other_relation, "args": [{"var": _}, other_limit]},
                    ],
                },
            ],
        } if (
            currency == other_currency == f"{amount}.currency"
            and relation == other_relation
            and limit == other_limit
        ):
            return comparison
        case _:
            return None


def _is_single(tree: JsonValue) -> bool:
    return isinstance(tree, dict) and len(_items(tree.get("list"))) == 1


def _is_junction(tree: JsonValue) -> bool:
    while isinstance(tree, dict) and tree.get("op") == "NOT":
        tree = (_items(tree.get("args")) or [None])[0]
    if _in_either_currency(tree) is not None:
        return False
    return isinstance(tree, dict) and tree.get("op") in {"AND", "OR"}
