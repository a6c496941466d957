"""The policy language a second time: slow, plain, and written from the specification's text alone.

It takes predicates that are well formed and decides as the specification says, with nothing of the
node's code: values carry their types, every expression is walked anew, decimals are Python's own
implementation of the arithmetic (`_pydecimal`), quotients are fractions, and a trace is a document
that is written out at the end. The node's evaluator must agree with it to the byte.
"""

from __future__ import annotations

import datetime
import re
from typing import Any, NamedTuple

from tests.naive_arithmetic import align, calculate
from tests.naive_calendars import CALENDAR_OPERATORS
from tests.naive_values import (
    Amount,
    Instant,
    Refused,
    check_json,
    digest,
    is_blank,
    is_nothing,
    jcs,
    plain,
    read,
)

STAGES = ("obligation", "prohibition", "control")
TIMED = {"NOW", "AGE_LT_DAYS"}
VOCABULARIES = {"instrument", "purpose", "originator.kind", "beneficiary.kind", "risk_class"}
PARTY = dict.fromkeys(("name", "kind", "country", "account", "national_id"), "string")
PARTY.update(place_of_birth="string", date_of_birth="date")
ANSWERS = {
    "sanctions": {"listed": "boolean", "matches": "list", "dataset_digests": "list"},
    "proof": {"valid": "boolean"},
    "registry": {"found": "boolean", "valid": "boolean"},
}
CONDITIONS = {
    "instrument": ("instrument", "string"),
    "purpose": ("purpose", "string"),
    "crossborder": ("crossborder", "boolean"),
    "suspicion": ("suspicion", "boolean"),
    "originator_kind": ("originator.kind", "string"),
    "beneficiary_kind": ("beneficiary.kind", "string"),
    "amount_gt": ("amount", "money"),
    "amount_gte": ("amount", "money"),
}
# --- expressions ----------------------------------------------------------------------------------

ABSENT = object()


class Rule:
    """One predicate on one context."""

    def __init__(self, document: dict[str, Any], at: int, resolvers: Any, inputs: Any) -> None:
        self.at, self.resolvers, self.inputs = at, resolvers, inputs
        self.kinds = {row["name"]: row["type"] for row in document["inputs"]}
        self.derivations = {
            row["name"]: (i, row["expr"]) for i, row in enumerate(document["derive"])
        }
        self.derived: dict[str, Any] = {}
        self.results: dict[str, Any] = {}

    def evaluate(self, tree: Any, place: str) -> Any:
        if not isinstance(tree, dict):
            return tree
        if "var" in tree:
            value = self.variable(tree["var"])
            if value is ABSENT:
                raise Refused(f"INPUT_MISSING:{tree['var']}")
            return value
        if "op" not in tree:
            ((kind, written),) = tree.items()
            return (
                [self.evaluate(e, "") for e in written] if kind == "list" else read(written, kind)
            )
        name = tree["op"]
        value = self.lookup(tree, place) if name == "LOOKUP" else self.operation(tree, place)
        self.results[f"{place} {name}"] = value if isinstance(value, bool) else digest(plain(value))
        return value

    def variable(self, path: str) -> Any:
        names = path.split(".")
        declared = self.kinds.keys() | self.derivations.keys()
        count = max(n for n in range(1, len(names) + 1) if ".".join(names[:n]) in declared)
        base, members = ".".join(names[:count]), names[count:]
        if base in self.derivations:
            if base not in self.derived:
                index, tree = self.derivations[base]
                self.derived[base] = self.evaluate(tree, f"/derive/{index}/expr")
            value, kind = self.derived[base], "derived"
            if isinstance(value, dict) and self.derivations[base][1].get("op") == "LOOKUP":
                kind = self.derivations[base][1]["resolver"]
        else:
            value, kind = self.inputs[base], self.kinds[base]
        if not members or value is ABSENT:
            return value
        if isinstance(value, Amount):
            return getattr(value, members[0])
        for member in members:
            if not isinstance(value, dict):
                raise Refused(f"TYPE_MISMATCH:{path}")
            value = value.get(member)
            if value is None:
                return ABSENT
        known = PARTY if kind == "party" else ANSWERS.get(kind, {})
        try:
            return read(value, known.get(members[0], "any") if len(members) == 1 else "any")
        except ValueError:
            raise Refused(f"TYPE_MISMATCH:{path}") from None

    def label(self, tree: Any) -> str | None:
        """What a reason names an operation by: the first variable in it, else the operator."""
        if not isinstance(tree, dict) or not tree.keys() & {"var", "op"}:
            return None
        if "var" in tree:
            return tree["var"]
        given = tree["args"]
        args = [given[name] for name in sorted(given)] if tree["op"] == "LOOKUP" else given
        labels = [label for label in map(self.label, args) if label]
        return labels[0] if labels else tree.get("resolver", tree["op"])

    def lookup(self, tree: Any, place: str) -> Any:
        name, given = tree["resolver"], tree["args"]
        arguments = {n: plain(self.evaluate(given[n], f"{place}/args/{n}")) for n in sorted(given)}
        try:
            answer = self.resolvers[name](arguments)
            check_json(answer, floats=True)
            for member, kind in ANSWERS[name].items():
                if kind == "boolean" and not isinstance(answer[member], bool):
                    raise ValueError
                if kind == "list" and not isinstance(answer[member], list):
                    raise ValueError
        except Exception:  # noqa: BLE001 - however it fails
            raise Refused(f"RESOLVER_ERROR:{name}") from None
        return answer

    def operation(self, tree: Any, place: str) -> Any:
        name, args = tree["op"], tree["args"]
        label = self.label(tree)

        def value(index: int) -> Any:
            return self.evaluate(args[index], f"{place}/args/{index}")

        match name:
            case "AND":
                return all(value(index) for index in range(len(args)))
            case "OR":
                return any(value(index) for index in range(len(args)))
            case "NOT":
                return not value(0)
            case "NOW":
                return Instant(self.at)
            case "HAS_KEY" | "HAS_VALUE":
                return self.has(name, args, label)
            case "LENGTH":
                held = value(0)
                if not isinstance(held, str | list):
                    raise Refused(f"TYPE_MISMATCH:{label}")
                return len(held)
            case "MATCHES_REGEX":
                return re.fullmatch(args[1], value(0)) is not None
            case "AGE_LT_DAYS":
                since = value(0)
                day = datetime.date(1970, 1, 1) + datetime.timedelta(days=self.at // 86400)
                if isinstance(since, Instant):
                    since = datetime.datetime.fromtimestamp(since.seconds, datetime.UTC).date()
                if since > day:
                    raise Refused(f"VALUE_OUT_OF_RANGE:{label}")
                return (day - since).days < value(1)
        if name in CALENDAR_OPERATORS:
            return CALENDAR_OPERATORS[name](label, *(value(index) for index in range(len(args))))
        left, right = value(0), value(1)
        match name:
            case "EQUALS":
                return align(left, right, label)[0] == align(left, right, label)[1]
            case "NOT_EQUALS":
                return align(left, right, label)[0] != align(left, right, label)[1]
            case "GT" | "GTE" | "LT" | "LTE":
                a, b = align(left, right, label)
                return (a == b and name[-1] == "E") or (a > b if name[0] == "G" else a < b)
            case "IN":
                pairs = [align(left, each, label) for each in right]
                return any(a == b for a, b in pairs)
            case "SUBSET_OF":
                if len({type(v) for v in left + right}) > 1 or not all(
                    isinstance(v, str | int) for v in left + right
                ):
                    raise Refused(f"TYPE_MISMATCH:{label}")
                return all(v in right for v in left)
        return calculate(name, left, right, args[2] if name == "DIV" else 0, label)

    def has(self, name: str, args: Any, label: Any) -> bool:
        value = self.variable(args[0]["var"])
        if len(args) == 2 and value is not ABSENT:
            if not isinstance(value, dict):
                raise Refused(f"TYPE_MISMATCH:{label}")
            value = value.get(args[1], ABSENT)
        if name == "HAS_KEY":
            return value is not ABSENT
        if value is ABSENT or is_nothing(value):
            return False
        if len(args) == 2 and self.kinds.get(args[0]["var"]) == "party":
            try:
                read(value, PARTY.get(args[1], "any"))
            except ValueError:
                raise Refused(f"TYPE_MISMATCH:{label}.{args[1]}") from None
        return True


# --- deciding -------------------------------------------------------------------------------------


class Answer(NamedTuple):
    decision: str
    reasons: tuple[str, ...]
    controls: tuple[str, ...]
    error: bool
    trace: str


def find(context: Any, path: str, kind: str) -> tuple[Any, str]:
    """Return what a context has at a path, ABSENT or a reason, and what a trace says of it."""
    found = context
    for step in path.split("."):
        if not isinstance(found, dict):
            return Refused(f"TYPE_MISMATCH:{path}"), "mismatch"
        found = found.get(step)
        if found is None:
            return ABSENT, "missing"
    if isinstance(found, str) and is_blank(found):
        return ABSENT, "missing"
    try:
        value = read(found, kind)
        word = kind == "string" and path in VOCABULARIES
        if word and not re.fullmatch("[a-z0-9][a-z0-9_]*", found):
            raise ValueError
    except ValueError:
        return Refused(f"TYPE_MISMATCH:{path}"), "mismatch"
    return value, digest(found)


def holds(name: str, stated: Any, value: Any) -> bool:
    if CONDITIONS[name][1] == "money":
        a, b = align(value, read(stated, "money"), f"amount_equivalents.{stated['currency']}")
        return a > b or (a == b and name == "amount_gte")
    return value in (stated if isinstance(stated, list) else [stated])


def decide(predicates: Any, plan: Any, context: Any, *, at: int, resolvers: Any) -> Answer:
    reasons: list[str] = []
    controls: list[str] = []
    steps = []
    outcomes = []
    if not isinstance(context, dict):
        reasons.append("TYPE_MISMATCH:context")
        outcomes.append("error")
        context = {}
    seen: dict[tuple[str, str], tuple[Any, str]] = {}
    order = [(STAGES.index(p["kind"]), p["clause_id"], p["id"], p) for p in predicates]
    for _, _, _, one in sorted(order, key=lambda row: row[:3]):
        outcome, applies, said, results = _step(one, context, seen, at, resolvers)
        reasons += said
        outcomes.append(outcome)
        if outcome == "controls":
            controls += one["on_fail"]["controls"]
        reads = {CONDITIONS[c][0]: CONDITIONS[c][1] for c in one["applies_when"] or {}}
        for c in reads.keys() & {"amount"} and one["applies_when"].values():
            reads |= {f"amount_equivalents.{c['currency']}": "money"} if type(c) is dict else {}
        reads |= {row["name"]: row["type"] for row in one["inputs"]}
        steps.append(
            {
                "predicate": one["id"],
                "clause": one["clause_id"],
                "stage": one["kind"],
                "inputs": {n: seen[n, k][1] for n, k in reads.items() if (n, k) in seen},
                "applies": applies,
                "operators": results,
                "outcome": outcome,
                "reasons": said,
                "citation": {n: v for n, v in one["citation"].items() if v is not None},
            }
        )
    reasons, controls = list(dict.fromkeys(reasons)), list(dict.fromkeys(controls))
    denied, error = "deny" in outcomes, "error" in outcomes
    decision = "PERMIT_WITH_CONTROLS" if controls else "PERMIT"
    decision = "DENY" if denied or error else decision
    document = {
        "eval_plan_id": plan["eval_plan_id"],
        "eval_plan_hash": plan["hash"],
        "steps": steps,
        "decision": decision,
        "reasons": reasons,
        "controls": controls,
        "error": error and not denied,
    }
    days = any({"valid_from", "valid_to"} & one.keys() for one in predicates)
    if days or any(TIMED & set(row["ops"]) for row in plan["sequence"]):
        document["at"] = plain(Instant(at))
    return Answer(decision, tuple(reasons), tuple(controls), error and not denied, jcs(document))


def _step(one: Any, context: Any, seen: Any, at: int, resolvers: Any) -> tuple[Any, ...]:
    """Return the outcome of one predicate, whether it applies, its reasons, and the results."""

    def value_at(path: str, kind: str) -> Any:
        if (path, kind) not in seen:
            seen[path, kind] = find(context, path, kind)
        return seen[path, kind][0]

    def given(path: str, kind: str) -> Any:
        value = value_at(path, kind)
        if value is ABSENT:
            raise Refused(f"INPUT_MISSING:{path}")
        if isinstance(value, Refused):
            raise value
        return value

    if not one.get("valid_from", "") <= plain(Instant(at))[:10] <= one.get("valid_to", "9"):
        return "not_applicable", False, [], {}
    problems, applies = [], True
    for name in sorted(one["applies_when"] or {}):
        path, kind = CONDITIONS[name]
        stated = one["applies_when"][name]
        try:
            value = given(path, kind)
            if kind == "money" and value.currency != stated["currency"]:
                value = given(f"amount_equivalents.{stated['currency']}", kind)
            applies = holds(name, stated, value) and applies
        except Refused as refused:
            problems.append(str(refused))
    if problems:
        return "error", None, problems, {}
    if not applies:
        return "not_applicable", False, [], {}
    inputs = {}
    for row in one["inputs"]:
        value = inputs[row["name"]] = value_at(row["name"], row["type"])
        if value is ABSENT and row["required"]:
            problems.append(f"INPUT_MISSING:{row['name']}")
        elif isinstance(value, Refused):
            problems.append(str(value))
    if problems:
        return "error", True, problems, {}
    rule = Rule(one, at, resolvers, inputs)
    try:
        if rule.evaluate(one["logic"], "/logic"):
            return "satisfied", True, [], rule.results
    except Refused as refused:
        return "error", True, [str(refused)], rule.results
    consequence = "deny" if one["on_fail"]["decision"] == "DENY" else "controls"
    return consequence, True, [one["on_fail"]["reason"]], rule.results
