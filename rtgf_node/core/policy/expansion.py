"""A template's trees become a clause's expressions by filling in its parameters, and nothing else.

What may stand in a template's tree, beside the expression language itself:

- `{"param": NAME}`: the value as a literal. As an operator, a comparison (`GT` or `GTE`).
- `{"param": NAME, "as": "currency"}`: the currency of an amount, as a string.
- `{"param": NAME, "as": "at_or_above"}`: the list of levels that suffice for a rank.
- `{"param": NAME, "as": "weekend"}`, or `"holidays"`, `"from"`, `"to"`: that part of a calendar.
- `{"if_param": NAME, "then": TREE, "else": TREE}`: by whether the clause gives the parameter.
- `{"if_contains": NAME, "item": TEXT, "then": TREE, "else": TREE}`: by what a list names.
- `{"fragment": NAME}`: a tree that the template defines once under `fragments`.
- `{"each_group_of": NAME, "in": PARTY}`: every group has at least one field with a value.
- `{NAME}` or `{NAME.currency}` inside the text of a variable, an input or a reason.

The language itself has no loops and no conditions; they end here, when the clause is compiled, and
what comes out is bounded by the parameters' own limits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy.parameters import ParameterSpec, literal
from rtgf_node.errors import Code, RtgfError

# A fragment may use another one; deeper nesting than this is a fragment that uses itself.
MAX_EXPANSION_DEPTH = 48

_SLOT = re.compile(r"\{([a-z_]+)(\.currency)?\}")


class Expansion:
    """The parameters of one clause, ready to be filled into its template's trees."""

    def __init__(
        self,
        params: Mapping[str, JsonValue],
        specs: Mapping[str, ParameterSpec],
        fragments: Mapping[str, JsonValue],
    ) -> None:
        self._params = params
        self._specs = specs
        self._fragments = fragments

    def tree(self, tree: JsonValue, depth: int = 0) -> JsonValue:
        """Return `tree` with every placeholder filled in.

        Raises:
          RtgfError: RTGF_MAP_EXPRESSION_INVALID when the template's tree does not make sense.
        """
        if depth > MAX_EXPANSION_DEPTH:
            raise _broken("fragments are nested too deeply")
        if isinstance(tree, list):
            return [self.tree(item, depth + 1) for item in tree]
        if not isinstance(tree, dict):
            return tree
        if "param" in tree:
            return self._parameter(_text(tree["param"]), tree.get("as"))
        if "if_param" in tree:
            given = self.given(_text(tree["if_param"]))
            return self.tree(tree["then"] if given else tree["else"], depth + 1)
        if "if_contains" in tree:
            held = self._params.get(_text(tree["if_contains"]))
            found = isinstance(held, list) and tree["item"] in held
            return self.tree(tree["then"] if found else tree["else"], depth + 1)
        if "fragment" in tree:
            name = _text(tree["fragment"])
            if name not in self._fragments:
                raise _broken(f"the template defines no fragment {name!r}")
            return self.tree(self._fragments[name], depth + 1)
        if "each_group_of" in tree:
            return self._groups(_text(tree["each_group_of"]), self.text(_text(tree["in"])))
        if "var" in tree:
            return {"var": self.text(_text(tree["var"]))}
        filled = {name: self._member(name, tree[name], depth) for name in sorted(tree)}
        return _without_true(filled) if filled.get("op") == "AND" else filled

    def rows(self, rows: Sequence[dict[str, Any]]) -> list[JsonValue]:
        """Return a list of inputs or derivations filled in; a condition may stand for several."""
        found: list[JsonValue] = []
        for row in rows:
            filled = self.tree(row)
            for item in filled if isinstance(filled, list) else [filled]:
                assert isinstance(item, dict)
                found.append({**item, "name": self.text(_text(item["name"]))})
        return found

    def text(self, text: str) -> str:
        """Return `text` with every `{NAME}` replaced by that parameter's value."""

        def fill(slot: re.Match[str]) -> str:
            value = self._params.get(slot[1])
            if slot[2] and isinstance(value, dict):
                value = value["currency"]
            if not isinstance(value, str):
                raise _broken(f"{slot[0]} does not name a parameter that is a word")
            return value

        return _SLOT.sub(fill, text)

    def given(self, name: str) -> bool:
        """Return whether the clause gives the parameter `name`.

        Raises:
          RtgfError: RTGF_MAP_EXPRESSION_INVALID when the template declares no such parameter.
        """
        if name not in self._specs:
            raise _broken(f"the template declares no parameter {name!r}")
        return name in self._params

    def _member(self, name: str, value: JsonValue, depth: int) -> JsonValue:
        if name == "op" and isinstance(value, dict):
            return str(self.tree(value, depth + 1)).upper()
        return self.tree(value, depth + 1)

    def _parameter(self, name: str, form: JsonValue) -> JsonValue:
        if not self.given(name):
            raise _broken(f"the clause does not give the parameter {name!r}")
        value, spec = self._params[name], self._specs[name]
        match form:
            case None:
                return literal(value, spec)
            case "currency" if isinstance(value, dict):
                return value["currency"]
            case "at_or_above" if spec.type == "rank":
                return {"list": list(spec.choices[spec.choices.index(_text(value)) :])}
            case "weekend" | "holidays" | "from" | "to" if spec.type == "calendar":
                return _calendar_part(value, form)
            case _:
                raise _broken(f"the parameter {name!r} has no form {form!r}")

    def _groups(self, name: str, party: str) -> JsonValue:
        groups = self._params.get(name)
        if not isinstance(groups, list):
            raise _broken(f"{name!r} is not a parameter of field groups")
        return all_of(
            [
                any_of([has_value(party, str(field)) for field in cast("list[JsonValue]", group)])
                for group in groups
            ]
        )


def _calendar_part(calendar: JsonValue, part: str) -> JsonValue:
    """Return a part of a calendar as a literal."""
    assert isinstance(calendar, dict)
    held = calendar[part]
    if not isinstance(held, list):
        return {"date": held}
    days: list[JsonValue] = [{"date": day} for day in held] if part == "holidays" else held
    return {"list": days}


def _without_true(conjunction: dict[str, JsonValue]) -> JsonValue:
    """Drop the parts that a condition has left empty; nobody should read them in a trace."""
    parts = conjunction["args"]
    left = [part for part in parts if part is not True] if isinstance(parts, list) else []
    return all_of(left) if left else True


def all_of(trees: list[JsonValue]) -> JsonValue:
    """Return the expression that holds when every one of `trees` does."""
    return trees[0] if len(trees) == 1 else {"op": "AND", "args": trees}


def any_of(trees: list[JsonValue]) -> JsonValue:
    """Return the expression that holds when at least one of `trees` does."""
    return trees[0] if len(trees) == 1 else {"op": "OR", "args": trees}


def has_value(party: str, field: str) -> JsonValue:
    """Return the expression that holds when a party's `field` is there and not empty."""
    return {"op": "HAS_VALUE", "args": [{"var": party}, field]}


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise _broken(f"{value!r} should be a name")
    return value


def _broken(detail: str) -> RtgfError:
    return RtgfError(Code.RTGF_MAP_EXPRESSION_INVALID, f"the template is not well formed: {detail}")
