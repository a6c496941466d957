"""Where in the text of a document a value stands, for people who have to find it.

A refusal names a place by its JSON Pointer (RFC 6901); an editor wants a line and a column. `spans`
reads a text that was parsed before, once from its beginning to its end, and remembers no more than
the places that were asked for.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Collection
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]|[^\s\[\]{},:"]+')


class Span(NamedTuple):
    """The characters of a value in a text, and where the name of the member begins that it is."""

    start: int
    end: int
    name: int | None


class Position(NamedTuple):
    """A place as editors count it: both from 1, columns in characters."""

    line: int
    column: int


class _Frame:
    """An open array or object: where it began, and at which member or element it is."""

    __slots__ = ("index", "is_object", "key", "name", "pointer", "span_name", "start")

    def __init__(self, start: int, pointer: str, span_name: int | None, *, is_object: bool) -> None:
        self.start = start
        self.pointer = pointer
        self.span_name = span_name
        self.is_object = is_object
        self.index = 0
        self.key = ""
        self.name: int | None = None

    def inner(self) -> str:
        """Return the pointer of the value that comes next."""
        if not self.is_object:
            return f"{self.pointer}/{self.index}"
        return f"{self.pointer}/{self.key.replace('~', '~0').replace('/', '~1')}"


def spans(text: str, pointers: Collection[str]) -> dict[str, Span]:
    """Return where the values that `pointers` name stand in `text`, which is valid JSON.

    A pointer that leads nowhere is left out. Of a member that is given twice the last is found.
    """
    wanted = frozenset(pointers)
    found: dict[str, Span] = {}
    open_: list[_Frame] = []
    for match in _TOKEN.finditer(text):
        mark = match[0]
        frame = open_[-1] if open_ else None
        if mark in {",", ":"}:
            if mark == "," and frame is not None:
                frame.index += 1
                frame.name = None
        elif mark in {"]", "}"}:
            assert frame is not None  # valid JSON closes what it opened
            open_.pop()
            if frame.pointer in wanted:
                found[frame.pointer] = Span(frame.start, match.end(), frame.span_name)
        elif frame is not None and frame.is_object and frame.name is None:
            frame.key, frame.name = json.loads(mark), match.start()
        else:
            pointer = frame.inner() if frame is not None else ""
            name = frame.name if frame is not None else None
            if mark in {"[", "{"}:
                open_.append(_Frame(match.start(), pointer, name, is_object=mark == "{"))
            elif pointer in wanted:
                found[pointer] = Span(match.start(), match.end(), name)
    return found


def positions(text: str, pointers: Collection[str]) -> dict[str, Position]:
    """Return line and column of each pointer: of the member's name, else of the value.

    A place that is not there, such as that of a missing member, has the position of what it is
    missing from. A `line:column`, by which a refusal of syntax says its place, is that place.
    """
    around = {pointer: _around(pointer) for pointer in pointers}
    found = spans(text, {one for chain in around.values() for one in chain})
    begins = [0, *(match.end() for match in re.finditer("\n", text))]

    def position(offset: int) -> Position:
        line = bisect_right(begins, offset)
        return Position(line, offset - begins[line - 1] + 1)

    told: dict[str, Position] = {}
    for pointer, chain in around.items():
        stated = re.fullmatch(r"([0-9]+):([0-9]+)", pointer)
        if stated is not None:
            told[pointer] = Position(int(stated[1]), int(stated[2]))
            continue
        span = next((found[one] for one in chain if one in found), Span(0, 0, None))
        told[pointer] = position(span.start if span.name is None else span.name)
    return told


def _around(pointer: str) -> list[str]:
    """Return the pointer and those of everything around it, the innermost first."""
    chain = [pointer]
    while pointer:
        pointer = pointer.rpartition("/")[0]
        chain.append(pointer)
    return chain
