"""Cedar's policies and requests, as far as they can be said in the policy language.

An entity is known by its type and id, and `in` by the list of all that an entity is within, itself
included: both are worked out here and stand in the context. What a condition says is translated
operator by operator; one that says anything else is `Elsewhere`.
"""

from __future__ import annotations

import json
import re
from itertools import count

from tests.expressions import op, var

SCOPES = ("principal", "action", "resource")
ORDERINGS = {"<": "LT", "<=": "LTE", ">": "GT", ">=": "GTE"}
EQUALITIES = {"==": "EQUALS", "!=": "NOT_EQUALS"}
JUNCTIONS = {"&&": "AND", "||": "OR"}
LARGEST_INTEGER = 2**53 - 1
LONGEST_PATTERN = 512


class Elsewhere(Exception):  # noqa: N818 - not a fault: a case that is not comparable
    """The policy language has nothing for what a policy says."""


def name_of(entity):
    entity = entity.get("__entity", entity)
    return json.dumps([entity["type"], entity["id"]], ensure_ascii=False)


class Hierarchy:
    """What every entity of a case is within."""

    def __init__(self, entities):
        self.parents = {name_of(e["uid"]): list(map(name_of, e["parents"])) for e in entities}

    def within(self, entity):
        found, waiting = [], [entity]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.append(one)
                waiting += self.parents.get(one, [])
        return sorted(found)


class Translation:
    """One policy as an expression, with what it reads of a request.

    `literals` are the entities that are named by the policy and asked what they are within.
    """

    def __init__(self, policy):
        self.literals = {}
        self._numbers = count()
        parts = [self._scope(name, policy[name]) for name in SCOPES]
        for condition in policy["conditions"]:
            body = self._boolean(condition["body"])
            parts.append(body if condition["kind"] == "when" else op("NOT", body))
        self.logic = op("AND", *parts)

    @property
    def inputs(self):
        names = [(name, "string") for name in SCOPES]
        names += [(f"{name}_type", "string") for name in SCOPES]
        names += [(f"{name}_within", "list") for name in (*SCOPES, *self.literals.values())]
        return [{"name": name, "type": kind, "required": True} for name, kind in names]

    def context(self, request, hierarchy):
        found = {}
        for name in SCOPES:
            entity = name_of(request[name])
            found[name], found[f"{name}_type"] = entity, request[name]["type"]
            found[f"{name}_within"] = hierarchy.within(entity)
        for entity, name in self.literals.items():
            found[f"{name}_within"] = hierarchy.within(entity)
        return found

    def _scope(self, name, constraint):
        match constraint["op"]:
            case "All":
                return True
            case "==":
                return op("EQUALS", var(name), name_of(constraint["entity"]))
            case "is" if "in" not in constraint:
                return op("EQUALS", var(f"{name}_type"), constraint["entity_type"])
            case "is":
                inner = {"op": "in", **constraint["in"]}
                typed = {"op": "is", "entity_type": constraint["entity_type"]}
                return op("AND", self._scope(name, typed), self._scope(name, inner))
            case "in":
                held = (
                    constraint["entities"] if "entities" in constraint else [constraint["entity"]]
                )
                return either([op("IN", name_of(e), var(f"{name}_within")) for e in held])
        raise Elsewhere

    def _boolean(self, body):
        ((kind, said),) = body.items()
        match kind:
            case "Value" if isinstance(said, bool):
                return said
            case "&&" | "||":
                return op(JUNCTIONS[kind], *(self._boolean(said[side]) for side in SIDES))
            case "!":
                return op("NOT", self._boolean(said["arg"]))
            case "if-then-else":
                test, then, other = (self._boolean(said[name]) for name in ("if", "then", "else"))
                return op("OR", op("AND", test, then), op("AND", op("NOT", test), other))
            case "==" | "!=":
                operands = [self._scalar(said[side]) for side in SIDES]
                if len({type(each) for each in operands}) == 1:
                    return op(EQUALITIES[kind], *operands)
            case "<" | "<=" | ">" | ">=":
                operands = [self._scalar(said[side]) for side in SIDES]
                if {type(each) for each in operands} == {int}:
                    return op(ORDERINGS[kind], *operands)
            case "in":
                left = self._entity(said["left"])
                return either([op("IN", name, left) for name in self._names(said["right"])])
            case "like":
                text, pattern = self._scalar(said["left"]), regex(said["pattern"])
                if isinstance(text, str) and len(pattern) <= LONGEST_PATTERN:
                    return op("MATCHES_REGEX", text, pattern)
            case "contains":
                held, item = self._set(said["left"]), self._scalar(said["right"])
                if {type(each) for each in held} <= {type(item)}:
                    return op("IN", item, {"list": held})
            case "containsAll" | "containsAny":
                held, asked = self._set(said["left"]), self._set(said["right"])
                if len({type(each) for each in held + asked}) > 1:
                    raise Elsewhere
                if kind == "containsAll":
                    return op("SUBSET_OF", {"list": asked}, {"list": held})
                return either([op("IN", item, {"list": held}) for item in asked])
        raise Elsewhere

    def _scalar(self, body):
        value = body.get("Value")
        if isinstance(value, dict) and "__entity" in value:
            return name_of(value)
        if isinstance(value, str | bool):
            return value
        if isinstance(value, int) and abs(value) <= LARGEST_INTEGER:
            return value
        raise Elsewhere

    def _set(self, body):
        if set(body) == {"Set"}:
            return [self._scalar(item) for item in body["Set"]]
        if isinstance(body.get("Value"), list):
            return [self._scalar({"Value": item}) for item in body["Value"]]
        raise Elsewhere

    def _entity(self, body):
        if body.get("Var") in SCOPES:
            return var(f"{body['Var']}_within")
        name = self._name(body)
        if name not in self.literals:
            self.literals[name] = f"named_{next(self._numbers)}"
        return var(f"{self.literals[name]}_within")

    def _names(self, body):
        bodies = body["Set"] if set(body) == {"Set"} else [body]
        return [var(b["Var"]) if b.get("Var") in SCOPES else self._name(b) for b in bodies]

    def _name(self, body):
        value = body.get("Value")
        if isinstance(value, dict) and "__entity" in value:
            return name_of(value)
        raise Elsewhere


SIDES = ("left", "right")


def either(parts):
    """Return what is true where one of the parts is."""
    return op("OR", *parts) if len(parts) > 1 else parts[0] if parts else False


def regex(pattern):
    """Return what `like` matches as a regular expression."""
    written = ["(?s)"]
    for part in pattern:
        if part == "Wildcard":
            written.append(".*")
        else:
            written.append(re.sub(r"\W", lambda m: rf"\x{{{ord(m[0]):x}}}", part["Literal"]))
    return "".join(written)
