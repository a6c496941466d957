"""Predicates and contexts by the thousand: well typed, seeded, and full of edges.

Every expression is of the type that its place wants, so that every predicate compiles; contexts are
good ones with some members gone, null, blank, mistyped or at a bound.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests import calendar_questions

DEEP: Any = "core"
for _ in range(32):
    DEEP = [DEEP]
INPUTS = {
    "amount": "money",
    "fee": "money",
    "rate": "decimal",
    "count": "integer",
    "flag": "boolean",
    "word": "string",
    "instrument": "string",
    "since": "date",
    "moment": "datetime",
    "period": "duration",
    "codes": "list",
    "originator": "party",
    "originator.kind": "string",
    "details": "object",
    "details.inner": "object",
    "free": "any",
}
TIE = "1" + "0" * 33
"""The smallest number of 34 digits: half a unit more is a tie."""

DECIMALS = ["0", "-1", "1", "0.5", "-0.45", "2.50", "1.5", "0.00", "1000", "9" * 34, TIE]
AMOUNTS = ["0", "0.00", "0.5", "250.00", "1000.00", "1000.01", "9" * 34, "0.005", "7", TIE]
CURRENCIES = ["EUR", "EUR", "EUR", "SGD"]
DURATIONS = ["P5Y", "P60M", "P1D", "PT24H", "P10BD", "P0D", "P1W", "P7D", "P1M", "P10BD"]
DATES = ["2026-11-22", "2026-11-21", "2020-02-29", "1969-12-31", "2026-11-23"]
MOMENTS = ["2026-11-22T10:00:00Z", "2026-11-22T09:59:59Z", "2026-11-19T23:59:59Z"]
WORDS = ["cash", "a", "EU", "Zoë", "x9", "", "credit_transfer", "natural", "legal", "\u200b\u3164"]
INTEGERS = [0, 1, -1, 2, 7, 10, 3650, 2**53 - 1, -(2**53 - 1), 3037000500]
DAYS = ("valid_from", "valid_to")
SCALAR = ("string", "boolean", "integer", "decimal", "money", "duration", "date", "datetime")
ORDERED = SCALAR[2:]
ANSWERS = {
    "sanctions": {"listed": "boolean", "matches": "list"},
    "proof": {"valid": "boolean"},
    "registry": {"found": "boolean", "valid": "boolean"},
}
PATTERNS = ["[a-z]+", "a|cash", "", "[A-Z]{2}", ".*", "x[0-9]?"]
WRONG: list[Any] = [
    None,
    "",
    " ",
    1,
    True,
    1.5,
    "1",
    [],
    {},
    "x",
    [1, "a"],
    2**53,
    "\ud800",
    "y" * 4097,
    DEEP,
    [DEEP],
    {"value": 5, "currency": "EUR"},
    {"value": "-1", "currency": "EUR"},
    {"value": "1", "currency": "eur"},
    "2026-02-30",
    "P1Y2D",
    "1e3",
    b"x",
]


def op(name: str, *args: Any) -> dict[str, Any]:
    return {"op": name, "args": list(args)}


class Writer:
    """Writes well-typed expressions over the declared names."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.pick = chance.choice
        self.names = dict.fromkeys(chance.sample(sorted(INPUTS), chance.randint(2, 8)), "")
        self.variables: dict[str, list[str]] = {"any": []}
        for name in self.names:
            self._declare(name, INPUTS[name])

    def _declare(self, path: str, kind: str) -> None:
        self.variables.setdefault(kind, []).append(path)
        if kind == "money":
            self.variables.setdefault("decimal", []).append(f"{path}.value")
            self.variables.setdefault("string", []).append(f"{path}.currency")
        if kind == "party":
            self.variables.setdefault("string", []).append(f"{path}.name")
            self.variables.setdefault("date", []).append(f"{path}.date_of_birth")
        if kind in {"party", "object"}:
            self.variables["any"] += [f"{path}.other", f"{path}.deep.er"]

    def derive(self, name: str, kind: str) -> dict[str, Any]:
        row = {"name": name, "expr": self.lookup() if kind == "answer" else self.of(kind, 3)}
        if kind == "answer":
            for member, type_ in ANSWERS[row["expr"]["resolver"]].items():
                self.variables.setdefault(type_, []).append(f"{name}.{member}")
        else:
            self._declare(name, kind)
        return row

    def lookup(self) -> dict[str, Any]:
        """Ask a resolver; only of a string can something be asked in every rule."""
        known = {"registry": {"token": self.of("string", 0)}}
        if "party" in self.variables:
            party = {"var": self.pick(self.variables["party"])}
            lists = {"list": ["un-sc", "us-ofac-sdn"][: self.chance.randint(1, 2)]}
            threshold = self.of("decimal", 1)
            known["sanctions"] = {"party": party, "lists": lists, "threshold": threshold}
            if "object" in self.variables:
                receipt = {"var": self.pick(self.variables["object"])}
                text = self.of("string", 0)
                known["proof"] = {"proof": text, "receipt": receipt, "subject": party}
        resolver = self.pick(sorted(known))
        return {"op": "LOOKUP", "resolver": resolver, "args": known[resolver]}

    def of(self, kind: str, depth: int) -> Any:
        """An expression that gives a value of this type."""
        if kind == "boolean" and depth > 0 and self.chance.random() < 0.9:
            return self.boolean(depth - 1)
        if kind in _SUMS and depth > 0 and self.chance.random() < 0.5:
            return self.calculation(kind, depth - 1)
        if kind == "date" and depth > 0 and self.chance.random() < 0.4:
            return calendar_questions.day(self, depth - 1)
        if kind == "datetime" and self.chance.random() < 0.3:
            return op("NOW")
        if kind == "integer" and depth > 0 and self.chance.random() < 0.3:
            return op("LENGTH", self.of(self.pick(["string", "list"]), 0))
        held = self.variables.get(kind)
        if held and self.chance.random() < 0.75:
            return {"var": self.pick(held)}
        return self.literal(kind)

    def literal(self, kind: str) -> Any:
        if kind == "list":
            inner = self.pick(["string", "integer", "boolean"])
            return {"list": [self.literal(inner) for _ in range(self.chance.randint(0, 4))]}
        value = good(kind, self.chance)
        return value if kind in {"string", "boolean", "integer"} else {kind: value}

    def calculation(self, kind: str, depth: int) -> Any:
        first, second = self.of(kind, depth), self.of(kind, depth)
        name = self.pick(["ADD", "SUB", "MUL", "DIV", "DIV"])
        if kind == "duration" or name in {"ADD", "SUB"}:
            return op(self.pick(["ADD", "SUB"]), first, second)
        if kind == "integer":
            return op("MUL", first, second)
        if kind == "money":
            factor = self.of("decimal", depth)
            if name == "DIV":
                return op("DIV", first, factor, self.pick([0, 0, 2, 18]))
            return op("MUL", *self.pick([(first, factor), (factor, first)]))
        if name == "MUL":
            return op("MUL", first, second)
        both = self.pick(["decimal", "money", "integer"])
        return op("DIV", self.of(both, depth), self.of(both, depth), self.pick([0, 0, 1, 4, 18]))

    def boolean(self, depth: int) -> Any:
        return self.pick(_BOOLEANS)(self, depth)

    def junction(self, depth: int) -> Any:
        count = self.pick([2, 2, 2, 3, 12])
        parts = [self.of("boolean", depth if count < 5 else 0) for _ in range(count)]
        return op(self.pick(["AND", "OR"]), *parts)

    def negation(self, depth: int) -> Any:
        return op("NOT", self.of("boolean", depth))

    def equality(self, depth: int) -> Any:
        name = self.pick(["EQUALS", "NOT_EQUALS"])
        if self.variables["any"] and self.chance.random() < 0.3:
            plain = self.pick(["string", "integer", "boolean", "any"])
            other = self.variable("any") if plain == "any" else self.of(plain, 0)
            return op(
                name, *self.pick([(self.variable("any"), other), (other, self.variable("any"))])
            )
        kind = self.pick(SCALAR)
        return op(name, self.of(kind, depth), self.of(kind, depth))

    def ordering(self, depth: int) -> Any:
        kind = self.pick(ORDERED)
        name = self.pick(["GT", "GTE", "LT", "LTE"])
        return op(name, self.of(kind, depth), self.of(kind, depth))

    def quotient(self, _: int) -> Any:
        """A comparison with a half, or a quarter: the quotients in which rounding shows."""
        half, kind = self.pick([({"decimal": "2"}, "decimal"), (4, "integer"), (2, "integer")])
        found = op("DIV", self.of(kind, 0), half, self.pick([0, 0, 1]))
        return op(self.pick(["GT", "EQUALS"]), found, self.literal("decimal"))

    def membership(self, depth: int) -> Any:
        kind = self.pick(["string", "string", "integer", "boolean", "decimal", "money", "duration"])
        if (
            kind in {"string", "integer"}
            and self.variables.get("list")
            and self.chance.random() < 0.5
        ):
            return op("IN", self.of(kind, 0), self.variable("list"))
        held = {"list": [self.literal(kind) for _ in range(self.chance.randint(0, 4))]}
        plain = kind in {"string", "integer", "boolean"}
        if plain and self.variables["any"] and self.chance.random() < 0.3:
            return op("IN", self.variable("any"), held)
        return op("IN", self.of(kind, depth), held)

    def subset(self, _: int) -> Any:
        lists = self.variables.get("list")
        left = self.variable("list") if lists else {"list": []}
        right = (
            self.variable("list") if lists and self.chance.random() < 0.2 else self.literal("list")
        )
        return op("SUBSET_OF", *self.pick([(left, right), (right, left)]))

    def presence(self, depth: int) -> Any:
        paths = [path for held in self.variables.values() for path in held]
        path = self.pick(paths)
        open_ = [p for kind in ("party", "object", "any") for p in self.variables.get(kind, [])]
        if open_ and self.chance.random() < 0.6:
            names = ["name", "date_of_birth", "other", "deep", "nothing"]
            return op(
                self.pick(["HAS_KEY", "HAS_VALUE"]), {"var": self.pick(open_)}, self.pick(names)
            )
        return op("HAS_VALUE", {"var": path})

    def matching(self, _: int) -> Any:
        return op("MATCHES_REGEX", self.of("string", 0), self.pick(PATTERNS))

    def youth(self, _: int) -> Any:
        return op("AGE_LT_DAYS", self.of(self.pick(["date", "datetime"]), 0), self.of("integer", 0))

    def variable(self, kind: str) -> dict[str, Any]:
        return {"var": self.pick(self.variables[kind])}


_SUMS = ("integer", "decimal", "money", "duration")
_BOOLEANS: list[Callable[[Writer, int], Any]] = [
    Writer.junction,
    Writer.junction,
    Writer.negation,
    Writer.equality,
    Writer.equality,
    Writer.ordering,
    Writer.ordering,
    Writer.quotient,
    Writer.membership,
    Writer.subset,
    Writer.presence,
    Writer.presence,
    Writer.matching,
    Writer.youth,
    calendar_questions.opening,
    calendar_questions.business,
]


def good(kind: str, chance: random.Random) -> Any:
    """A value of a type, as JSON has it."""
    pick = chance.choice
    match kind:
        case "money":
            return {"value": pick(AMOUNTS), "currency": pick(CURRENCIES)}
        case "list":
            held = pick([WORDS, INTEGERS, [True, False]])
            return [pick(held) for _ in range(chance.randint(0, 4))]
        case "party":
            return {
                "name": pick(["Nobody Unusual", "Listed", "Zoë", " ", "\u202e"]),
                "kind": pick(["natural", "legal"] * 5 + ["Natural"]),
                "date_of_birth": pick([*DATES, "1980-13-01", None]),
                **good("object", chance),
            }
        case "object":
            found = {"other": pick([1, "a", True, None, [], [1], {"er": 1}, "cash", 1.5, ""])}
            found["deep"] = pick([{"er": pick([1, "a", False, None, {}])}, {}, 5, None])
            found["nothing"] = pick([None, "\u2060", [""], {"er": [None]}, [0]])
            found["inner"] = pick([{}, {"other": 1}, {"other": "a", "deep": {"er": "a"}}])
            return found
        case "any":
            return pick([good("string", chance), good("object", chance), 1, False, []])
    known: dict[str, list[Any]] = {
        "string": WORDS,
        "boolean": [True, False],
        "integer": INTEGERS,
        "decimal": DECIMALS,
        "duration": DURATIONS,
        "date": DATES,
        "datetime": MOMENTS,
    }
    return pick(known[kind])


def occasions(chance: random.Random) -> dict[str, Any] | None:
    """What a clause states under `applies_when`."""
    if chance.random() < 0.6:
        return None
    every = {
        "instrument": chance.choice(["cash", ["cash", "credit_transfer"]]),
        "crossborder": True,
        "originator_kind": ["natural"],
        chance.choice(["amount_gt", "amount_gte"]): good("money", chance),
    }
    return {name: every[name] for name in chance.sample(sorted(every), chance.randint(1, 2))}


def predicate(number: int, chance: random.Random) -> dict[str, Any]:
    """A predicate that compiles."""
    writer = Writer(chance)
    inputs = [
        {"name": name, "type": INPUTS[name], "required": chance.random() < 0.3}
        for name in writer.names
    ]
    kinds = [chance.choice(SCALAR) for _ in range(chance.randint(0, 2))]
    if chance.random() < (0.6 if "party" in writer.variables else 0.1):
        kinds.append("answer")
    derive = [writer.derive(f"made_{index}", kind) for index, kind in enumerate(kinds)]
    denies = chance.random() < 0.5
    return {
        "id": f"pred.eu.test.{number:012x}",
        "domain": "test",
        "clause_id": f"c.{chance.randint(1, 9)}",
        "jurisdiction": "EU",
        "kind": chance.choice(["obligation", "prohibition", "control"]),
        "template": "test",
        "applies_to": "both",
        "applies_when": occasions(chance),
        "inputs": inputs,
        "derive": derive,
        "logic": writer.of("boolean", chance.randint(1, 4)),
        "on_fail": {
            "decision": "DENY" if denies else "PERMIT_WITH_CONTROLS",
            "reason": f"FAILED_{number % 3}",
            "controls": [] if denies else [f"CONTROL_{number % 3}", "REVIEW"],
        },
        "citation": {
            "ref": "law",
            "article": "Art. 1 „ä”",
            "paragraph": chance.choice([None, "2"]),
        },
        "params": {},
        **{name: chance.choice(DATES) for name in DAYS if chance.random() < 0.1},
    }


def context(chance: random.Random) -> Any:
    """A context: mostly good, with some members gone or wrong."""
    if chance.random() < 0.005:
        return chance.choice(WRONG)
    found = {name: good(kind, chance) for name, kind in INPUTS.items() if "." not in name}
    found["crossborder"] = chance.choice([True] * 6 + [False, False, None, "yes"])
    found["amount_equivalents"] = {
        currency: good("money", chance) for currency in chance.sample(["EUR", "SGD"], 1)
    }
    found["instrument"] = chance.choice(["cash", "credit_transfer"] * 5 + ["Cash"])
    for name in list(found):
        luck = chance.random()
        if luck < 0.02:
            del found[name]
        elif luck < 0.05:
            found[name] = chance.choice(WRONG)
    return found
