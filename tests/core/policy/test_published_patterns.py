"""MATCHES_REGEX agrees with the cases of RE2 (github.com/google/re2, as Go's library carries them).

For each pattern and each text the files say where RE2 finds a match in four ways: of the whole text
and of any part of it, each leftmost-first and leftmost-longest. MATCHES_REGEX is the first of them:
whether there is a match of the whole. What is captured, and the other three, have no counterpart.
Not comparable are the cases of single bytes (`\\C`), which no text of JSON has. What RE2 refuses is
not in the files; Go's own tests name some.
"""

from __future__ import annotations

import ast
import bz2
import re

import pytest

from tests import go_modules
from tests.expressions import evaluate, op, refused, var

EVERY = 211
"""Of the exhaustive file one pattern in so many is taken: all of them would take minutes. It is
prime, so that no kind of pattern falls into step with it."""

SINGLE_BYTE = re.compile(r"(?<!\\)(?:\\\\)*\\x")
"""How Go writes a byte that is not part of UTF-8."""


def text_of(line):
    """Return the text that Go writes in quotes, or None where it is not Unicode."""
    if r"\\C" in line or SINGLE_BYTE.search(line):
        return None
    return ast.literal_eval(line.replace("\r", "\\r"))


def cases(lines, every):
    """Each comparable case: pattern, text, and whether the whole of it matches."""
    texts, waiting, pattern, seen = [], [], None, 0
    into = None
    for line in lines:
        if line in {"strings", "regexps"}:
            into = line
            if line == "strings":
                texts = []
        elif line.startswith('"') and into == "strings":
            texts.append(text_of(line))
        elif line.startswith('"'):
            seen += 1
            pattern = text_of(line) if seen % every == 0 else None
            waiting = list(texts)
        elif line[:1] in set("-0123456789") and waiting:
            text = waiting.pop(0)
            if pattern is not None and text is not None:
                yield pattern, text, not line.startswith("-")


def differing(found):
    """Return how many cases were held against ours, and those that came out otherwise."""
    count, differ = 0, []
    for pattern, text, whole in found:
        count += 1
        if evaluate(op("MATCHES_REGEX", text, pattern)) is not whole:
            differ.append((pattern, text, whole))
    return count, differ


def test_published_searches_of_re2():
    path = go_modules.of_library("regexp/testdata/re2-search.txt")
    lines = path.read_text(encoding="utf-8").split("\n")
    count, differ = differing(cases(lines, 1))
    assert differ == []
    assert count >= 1_800


def test_a_sample_of_the_exhaustive_cases_of_re2():
    path = go_modules.of_library("regexp/testdata/re2-exhaustive.txt.bz2")
    with bz2.open(path, "rt", encoding="utf-8", newline="\n") as file:
        count, differ = differing(cases((line.rstrip("\n") for line in file), EVERY))
    assert differ == []
    assert count >= 24_000


@pytest.mark.parametrize(
    "pattern", ["*", "+", "?", "(abc", "abc)", "x[a-z", "[z-a]", "abc\\", r"\x"]
)
def test_what_re2_refuses_is_no_rule(pattern):
    assert "not an RE2 pattern" in refused(op("MATCHES_REGEX", var("word"), pattern)).detail
