"""An exception relaxes the clause it names, on its own occasions and on its own terms.

Under deny-overrides a rule that only stood beside the other could never permit anything. So the
exception becomes part of the other's predicate: that rule is fulfilled by its own logic, or, where
the exception applies, by the exception's. The predicate keeps its id and citation, and names its
exceptions, because what its parameters say is then no longer the whole rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy import scope
from rtgf_node.errors import Code, RtgfError

# The parameter under which a relaxed predicate names its exceptions; no template declares it.
EXCEPTIONS = "exceptions"


def home(clause_id: str, relaxes: Mapping[str, str]) -> str:
    """Return the clause in whose predicate `clause_id` ends up; itself if it is no exception.

    Raises:
      RtgfError: RTGF_MAP_RULE_CONFLICT when exceptions lead in a circle.
    """
    seen = [clause_id]
    while clause_id in relaxes:
        clause_id = relaxes[clause_id]
        if clause_id in seen:
            raise RtgfError(
                Code.RTGF_MAP_RULE_CONFLICT,
                f"clauses {', '.join(sorted(seen))} are exceptions of each other in a circle",
            )
        seen.append(clause_id)
    return clause_id


def fold(
    predicates: Mapping[str, dict[str, JsonValue]], relaxes: Mapping[str, str]
) -> dict[str, dict[str, JsonValue]]:
    """Return the predicates by clause, each exception folded into the one it relaxes.

    Args:
      predicates: the predicate documents by clause id, in the order of the plan.
      relaxes: the clause that each exception is one of.

    Raises:
      RtgfError: RTGF_MAP_RULE_CONFLICT when exceptions lead in a circle, or one has other parties
        than the clause it relaxes, relaxes a clause that does not compile, or names a control that
        the clause it relaxes does not: nobody would be asked for it.
    """
    folded = dict(predicates)
    # The farthest from its home goes first, so that an exception carries its own exceptions along.
    for clause_id in sorted(relaxes, key=lambda i: (-_distance(i, relaxes), i)):
        target = relaxes[clause_id]
        if target not in folded:
            raise RtgfError(
                Code.RTGF_MAP_RULE_CONFLICT,
                f"clause {clause_id} is an exception of {target}, which has no predicate",
            )
        folded[target] = _relax(folded[target], folded.pop(clause_id))
    return folded


def _distance(clause_id: str, relaxes: Mapping[str, str]) -> int:
    home(clause_id, relaxes)
    steps = 0
    while clause_id in relaxes:
        clause_id, steps = relaxes[clause_id], steps + 1
    return steps


def _relax(rule: dict[str, JsonValue], exception: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if exception["applies_to"] not in {rule["applies_to"], "both"}:
        raise RtgfError(
            Code.RTGF_MAP_RULE_CONFLICT,
            f"clause {exception['clause_id']} is an exception for the {exception['applies_to']},"
            f" but {rule['clause_id']} applies to {rule['applies_to']}; give them the same party",
        )
    unasked = _controls(exception) - _controls(rule)
    if unasked:
        raise RtgfError(
            Code.RTGF_MAP_RULE_CONFLICT,
            f"clause {exception['clause_id']} is an exception of {rule['clause_id']}, which would"
            f" never ask for {', '.join(sorted(unasked))}; make the control its own clause",
        )
    # A derived name begins with a letter; the digits keep two exceptions' names apart.
    prefix = f"x{str(exception['id']).rpartition('.')[2]}_"
    derived = cast("list[dict[str, JsonValue]]", exception["derive"])
    names = {str(row["name"]) for row in derived}
    held = cast("list[dict[str, JsonValue]]", rule["inputs"])
    wanted = cast("list[dict[str, JsonValue]]", exception["inputs"])
    terms = _renamed(exception["logic"], names, prefix)
    occasions = exception["applies_when"]
    if isinstance(occasions, dict):
        test, read = scope.expression(occasions)
        terms = {"op": "AND", "args": [test, terms]}
        wanted = [*wanted, *read]
    inputs = {str(row["name"]): row for row in [*reversed(wanted), *reversed(held)]}
    known = {str(row["name"]) for row in held}
    params = cast("dict[str, JsonValue]", rule["params"])
    named = cast("list[JsonValue]", params.get(EXCEPTIONS, []))
    return {
        **rule,
        # What only the exception reads is not required: it is read where the rule itself fails.
        "inputs": [
            row if name in known else {**row, "required": False}
            for name, row in sorted(inputs.items())
        ],
        "derive": [
            *cast("list[JsonValue]", rule["derive"]),
            *({**row, "name": prefix + str(row["name"])} for row in derived),
        ],
        "logic": {"op": "OR", "args": [rule["logic"], terms]},
        "params": {**params, EXCEPTIONS: sorted([*named, exception["clause_id"]], key=str)},
    }


def _controls(predicate: Mapping[str, JsonValue]) -> set[str]:
    return set(cast("dict[str, list[str]]", predicate["on_fail"])["controls"])


def _renamed(tree: JsonValue, names: set[str], prefix: str) -> JsonValue:
    if isinstance(tree, list):
        return [_renamed(item, names, prefix) for item in tree]
    if not isinstance(tree, dict):
        return tree
    variable = tree.get("var")
    if isinstance(variable, str) and variable.partition(".")[0] in names:
        return {"var": prefix + variable}
    return {name: _renamed(value, names, prefix) for name, value in tree.items()}
