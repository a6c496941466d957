"""The arithmetic agrees with the General Decimal Arithmetic test cases (speleotrove.com/decimal).

They are read where they are: beside Python's own tests, where those are installed, and in a Go
module that carries them. Comparable are the cases of numbers that the policy language can write,
whose result either needs no rounding or is rounded as it rounds.
"""

from __future__ import annotations

import sysconfig
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pytest

from rtgf_node.core.policy import money
from rtgf_node.core.policy.values import EvaluationError
from tests import go_modules
from tests.expressions import evaluate, op

MODULE = "github.com/cockroachdb/apd/v3@v3.2.3"
MODULE_SUM = "h1:4Zx+I3R35bFXMnltzmjP79i2cravE4jTRL6ps9Aux80="
OPERATORS = {"add": "ADD", "subtract": "SUB", "multiply": "MUL", "divide": "DIV"}
COMPARISONS = {"-1": "LT", "0": "EQUALS", "1": "GT"}


def of_python():
    folder = Path(sysconfig.get_path("stdlib")) / "test" / "decimaltestdata"
    if not folder.is_dir():
        pytest.skip("this Python is installed without its own tests")
    return folder


def of_module():
    return go_modules.folder_of(MODULE, MODULE_SUM) / "testdata"


def written(text):
    """A number as the policy language writes it, or None where it cannot."""
    try:
        value = Decimal(text.strip("'\""))
        if not value.is_finite() or abs(value.adjusted()) > money.DIGITS:
            return None
        plain = format(value, "f")
        return plain if money.parse_decimal(plain) == value else None
    except (InvalidOperation, ValueError):
        return None


def cases(path):
    """Each comparable case: operation, both operands, and the result as it is written."""
    precision, rounding = 9, "half_up"
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.partition("--")[0].split()
        if words[:1] == ["precision:"]:
            precision = int(words[1])
        elif words[:1] == ["rounding:"]:
            rounding = words[1]
        elif "->" in words and words.index("->") == 4:
            _, name, left, right, _, result, *flags = words
            operands = written(left), written(right)
            as_ours = precision == money.DIGITS and rounding == "half_even"
            if name == "quantize":
                as_ours = rounding == "half_even"
            exact = not {"inexact", "rounded"} & {flag.lower() for flag in flags}
            if None not in (*operands, written(result)) and (exact or as_ours):
                yield name, *operands, result.strip("'\"")


def check(name, left, right, result):
    """Tell whether a case could be held against ours; it must then agree."""
    operands = [{"decimal": left}, {"decimal": right}]
    if name == "compare":
        for answer, operator in COMPARISONS.items():
            assert evaluate(op(operator, *operands)) is (answer == result), (left, right)
        return True
    scale = -Decimal(result).as_tuple().exponent
    if name in {"divide", "quantize"} and not 0 <= scale <= money.MAX_SCALE:
        return False
    if name == "quantize":
        found = evaluate(op("DIV", operands[0], {"decimal": "1"}, scale))
    elif name == "divide":
        found = evaluate(op("DIV", *operands, scale))
    else:
        found = evaluate(op(OPERATORS[name], *operands))
    assert found == Decimal(result), (name, left, right)
    return True


@pytest.mark.parametrize("source", [of_python, of_module])
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "compare", "quantize"])
def test_published_cases_of_decimal_arithmetic(source, name):
    folder = source()
    files = [folder / f"{name}.decTest", folder / f"dq{name.capitalize()}.decTest"]
    checked = sum(
        check(*case) for path in files if path.exists() for case in cases(path) if case[0] == name
    )
    assert checked >= 60


def test_what_the_cases_say_of_dividing_by_zero_is_an_error_here():
    with pytest.raises(EvaluationError):
        evaluate(op("DIV", {"decimal": "1"}, {"decimal": "0"}, 2))
