"""Cases of the Common Expression Language, as far as they can be said in the policy language.

Here are a reader of the textual protocol buffers that the cases are written in, and one of the
expressions. An expression becomes a tree of the policy language with the kind of its value; what
has no counterpart is `Elsewhere`.
"""

from __future__ import annotations

import ast
import re
from decimal import Decimal
from typing import NamedTuple

from tests.expressions import op

LARGEST_INTEGER = 2**53 - 1
TOKENS = re.compile(
    r"""\s*(?:(?P<number>(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)(?P<unsigned>[uU])?(?!\w)
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>==|!=|<=|>=|&&|\|\||[-+*/%!<>?:.,()\[\]{}]))""",
    re.VERBOSE,
)
FIELDS = re.compile(
    r"""(?:\s|\#[^\n]*\n)*(?:(?P<name>[\w.\[\]/]+)\s*:?\s*\{
    |(?P<field>\w+)\s*:\s*(?P<value>(?:(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')\s*)+|[^\s{}]+)
    |(?P<close>\}))[,;]?(?:\s|\#[^\n]*\n)*""",
    re.VERBOSE,
)
LEVELS = (("||",), ("&&",), ("==", "!=", "<", "<=", ">", ">=", "in"), ("+", "-"), ("*", "/"))
JUNCTIONS = {"||": "OR", "&&": "AND"}
EQUALITIES = {"==": "EQUALS", "!=": "NOT_EQUALS"}
ORDERINGS = {"<": "LT", "<=": "LTE", ">": "GT", ">=": "GTE"}
SUMS = {"+": "ADD", "-": "SUB", "*": "MUL"}
SEARCHES = {"startsWith": "{}(?s:.*)", "endsWith": "(?s:.*){}", "contains": "(?s:.*){}(?s:.*)"}
CONVERSIONS = {"timestamp": "datetime", "duration": "duration"}


class Elsewhere(Exception):  # noqa: N818 - not a fault: a case that is not comparable
    """The policy language has nothing for what a case says."""


class Term(NamedTuple):
    """An expression: the kind of its value, how it is written here, and whether it is a literal."""

    kind: str
    tree: object
    literal: bool = False


def read(text):
    """Read textual protocol buffers: a list of (name, value), where a value may be such a list."""
    found, above, place = [], [], 0
    while match := FIELDS.match(text, place):
        place = match.end()
        if match["name"]:
            inner = []
            found.append((match["name"], inner))
            above.append(found)
            found = inner
        elif match["close"]:
            found = above.pop()
        else:
            found.append((match["field"], match["value"]))
    assert not text[place:].strip()
    assert not above
    return found


def string(written):
    """Return what one or more strings in quotes say."""
    return ast.literal_eval(f"({written})")


class Reader:
    """Reads one expression; operators bind as in the language."""

    def __init__(self, text):
        self.tokens, place = [], 0
        while text[place:].strip():
            match = TOKENS.match(text, place)
            if match is None:
                raise Elsewhere
            self.tokens.append(match)
            place = match.end()
        self.tokens.reverse()

    def whole(self):
        term = self.choice()
        if self.tokens:
            raise Elsewhere
        return term

    def next(self, *signs):
        """Take the next token if it is one of the signs."""
        if self.tokens and (self.tokens[-1]["sign"] or self.tokens[-1]["name"]) in signs:
            return self.tokens.pop()[0].strip()
        return None

    def need(self, *signs):
        if self.next(*signs) is None:
            raise Elsewhere

    def choice(self):
        test = self.level(0)
        if not self.next("?"):
            return test
        then = self.choice()
        self.need(":")
        other = self.choice()
        if {then.kind, other.kind} != {"boolean"}:
            raise Elsewhere
        yes, no = op("AND", test.tree, then.tree), op("NOT", test.tree)
        return Term("boolean", op("OR", yes, op("AND", no, other.tree)))

    def level(self, number):
        if number == len(LEVELS):
            return self.unary()
        term = self.level(number + 1)
        while sign := self.next(*LEVELS[number]):
            term = combined(sign, term, self.level(number + 1))
        return term

    def unary(self):
        if self.next("!"):
            return Term("boolean", op("NOT", self.unary().tree))
        if not self.next("-"):
            return self.member()
        if self.tokens and self.tokens[-1]["number"]:
            return self.literal("-")
        term = self.unary()
        if term.kind == "unsigned":
            raise Elsewhere
        zero = {"decimal": "0"} if term.kind == "decimal" else 0
        return Term(term.kind, op("SUB", zero, term.tree))

    def member(self):
        term = self.literal("")
        while self.next("."):
            name = self.tokens.pop()["name"]
            self.need("(")
            argument = self.choice()
            self.need(")")
            if {term.kind, argument.kind} != {"string"} or not argument.literal:
                raise Elsewhere
            term = Term("boolean", op("MATCHES_REGEX", term.tree, pattern(name, argument.tree)))
        if self.next("["):
            raise Elsewhere
        return term

    def literal(self, minus):
        if not self.tokens:
            raise Elsewhere
        token = self.tokens.pop()
        if token["number"]:
            return number(minus + token["number"], unsigned=token["unsigned"])
        if token["text"]:
            return Term("string", string(token["text"]), literal=True)
        match token["sign"] or token["name"]:
            case "true" | "false" as word:
                return Term("boolean", word == "true", literal=True)
            case "(":
                term = self.choice()
                self.need(")")
                return term
            case "[":
                return self.items()
            case "size" | "timestamp" | "duration" as function:
                self.need("(")
                argument = self.choice()
                self.need(")")
                return applied(function, argument)
        raise Elsewhere

    def items(self):
        held = []
        while not self.next("]"):
            held.append(self.choice())
            if not self.next(","):
                self.need("]")
                break
        kinds = {each.kind for each in held}
        if len(kinds) > 1 or "list" in kinds or not all(each.literal for each in held):
            raise Elsewhere
        return Term("list", {"list": [each.tree for each in held]}, literal=True)


def number(text, *, unsigned):
    if re.fullmatch(r"-?\d+", text):
        if abs(int(text)) > LARGEST_INTEGER:
            raise Elsewhere
        return Term("unsigned" if unsigned else "integer", int(text), literal=True)
    plain = format(Decimal(text), "f")
    if len(plain) > 34:
        raise Elsewhere
    return Term("decimal", {"decimal": plain}, literal=True)


def applied(function, argument):
    if function == "size" and argument.kind in {"string", "list"}:
        return Term("integer", op("LENGTH", argument.tree))
    if function == "size" or not (argument.kind == "string" and argument.literal):
        raise Elsewhere
    text = argument.tree
    if function == "duration":
        seconds = re.fullmatch(r"(\d{1,11})s", text)
        if seconds is None:
            raise Elsewhere
        text = f"PT{seconds[1]}S"
    elif not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text):
        raise Elsewhere
    kind = CONVERSIONS[function]
    return Term(kind, {kind: text}, literal=True)


def pattern(function, text):
    if function == "matches":
        return f"(?s:.*)(?:{text})(?s:.*)"
    if function not in SEARCHES:
        raise Elsewhere
    return SEARCHES[function].format(re.sub(r"\W", lambda m: rf"\x{{{ord(m[0]):x}}}", text))


def combined(sign, left, right):
    """Return two terms with an operator between them, if its meaning is the same in both."""
    if sign in JUNCTIONS:
        return Term("boolean", op(JUNCTIONS[sign], left.tree, right.tree))
    if sign == "in" and right.kind == "list":
        return Term("boolean", op("IN", left.tree, right.tree))
    if sign == "/":
        return quotient(left, right)
    if "quotient" in {left.kind, right.kind}:
        left, right = as_decimal(left), as_decimal(right)
    kinds = {left.kind, right.kind}
    if sign in EQUALITIES and len(kinds) == 1 and "list" not in kinds:
        return Term("boolean", op(EQUALITIES[sign], left.tree, right.tree))
    if sign in ORDERINGS and len(kinds) == 1 and not kinds & {"string", "boolean", "list"}:
        return Term("boolean", op(ORDERINGS[sign], left.tree, right.tree))
    if sign in SUMS and len(kinds) == 1 and kinds <= {"integer", "decimal", "duration"}:
        return Term(left.kind, op(SUMS[sign], left.tree, right.tree))
    raise Elsewhere


def quotient(left, right):
    """Return a quotient of whole numbers that is whole itself, or one by nothing."""
    if {left.kind, right.kind} != {"integer"} or not (left.literal and right.literal):
        raise Elsewhere
    if right.tree and left.tree % right.tree:
        raise Elsewhere
    return Term("quotient", op("DIV", left.tree, right.tree, 0))


def as_decimal(term):
    if term.kind == "quotient":
        return Term("decimal", term.tree)
    if term.kind == "integer" and term.literal:
        return Term("decimal", {"decimal": str(term.tree)}, literal=True)
    raise Elsewhere
