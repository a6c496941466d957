"""Comparisons, logic and sums agree with the conformance cases of CEL (cel.dev/expr).

Each case has an expression and either its value or that it fails. Comparable are those of whole
numbers, decimals, booleans, strings, times and durations, lists of literals, and of what is
sought in a text; `matches`, `contains`, `startsWith` and `endsWith` become patterns. Not comparable
are:

- values of two types in one operation, `null`, maps, bytes, messages, macros and conversions: here
  they are no rule, and nothing is converted;
- the order of strings and of booleans, and lists that are equal: here no operators do that;
- times that are summed, parts of seconds, and durations of over 3,000 years;
- integers of over 53 bits, unsigned sums, remainders, and quotients that are not whole, which here
  are decimals;
- doubles beyond what is written out exactly: here numbers are decimal, and never infinite;
- what only holds because an operand that cannot be evaluated stands left of one that decides: CEL
  then takes the other, here the order counts. Two cases say so, and are errors here.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from rtgf_node.core.policy.values import EvaluationError
from rtgf_node.errors import RtgfError
from tests import cel_cases, go_modules
from tests.expressions import evaluate

MODULE = "cel.dev/expr@v0.25.3"
MODULE_SUM = "h1:A2jO8jwOugrrovveCWfj0KEZOfqiLgAcwjpHPhzIGw0="
FILES = {
    "comparisons": 59,
    "fp_math": 22,
    "integer_math": 30,
    "lists": 8,
    "logic": 21,
    "string": 36,
    "timestamps": 22,
}
"""The files with comparable cases, and how many are in each."""

IN_ORDER = {"AND short_circuit_error_right", "OR short_circuit_error_right"}
ERROR = "error"


def cases(file):
    """Each comparable case of a file: its name, the expression here, and what is to come out."""
    folder = go_modules.folder_of(MODULE, MODULE_SUM) / "tests" / "simple" / "testdata"
    written = cel_cases.read((folder / f"{file}.textproto").read_text(encoding="utf-8"))
    for section in (fields for name, fields in written if name == "section"):
        for test in (dict(fields) for name, fields in section if name == "test"):
            name = f"{cel_cases.string(dict(section)['name'])} {cel_cases.string(test['name'])}"
            unchecked = "disable_check" in test and "value" in test
            if unchecked or test.keys() & {"bindings", "type_env", "container"}:
                continue
            try:
                term = cel_cases.Reader(cel_cases.string(test["expr"])).whole()
            except cel_cases.Elsewhere:
                continue
            if not term.literal:
                yield name, term.tree, expected(test)


def expected(test):
    if "eval_error" in test:
        return ERROR
    ((kind, written),) = test["value"]
    match kind:
        case "bool_value":
            return written == "true"
        case "int64_value" | "double_value":
            return Decimal(written)
    raise AssertionError(kind)


def outcome(tree):
    try:
        return evaluate(tree)
    except (EvaluationError, RtgfError):
        return ERROR


@pytest.mark.parametrize("file", sorted(FILES))
def test_published_cases_of_comparison_and_logic(file):
    count = 0
    for name, tree, value in cases(file):
        count += 1
        found = outcome(tree)
        wanted = ERROR if name in IN_ORDER else value
        assert found == wanted, (name, tree)
        assert isinstance(found, bool) is isinstance(wanted, bool)
    assert count == FILES[file]
