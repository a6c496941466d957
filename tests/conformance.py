"""Which tests prove what the contract asks for: `python -m tests.conformance` prints it.

A test proves an id by naming it in its docstring, or in that of its class or module. What is asked
for, and why an id has no test yet, stands in `conformance.toml`.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

TESTS: Final = Path(__file__).resolve().parent
PREFIX: Final = "RTGF-"
NAMED = re.compile(r"\bRTGF-((?:CT-[0-9]{2})|(?:REQ-[0-9]{3}))\b")


class Asked(NamedTuple):
    """One id: what it asks for, why it is open, if it is, and the tests that name it."""

    id: str
    what: str
    open: str | None
    tests: tuple[str, ...]

    @property
    def forgotten(self) -> bool:
        """No test names it, and nobody says why."""
        return not self.tests and self.open is None


def conformance(folder: Path = TESTS) -> list[Asked]:
    """Return every id in order, those last that a test names and nothing asks for."""
    told = tomllib.loads((folder / "conformance.toml").read_text())
    tests: dict[str, list[str]] = {}
    for test, ids in naming(folder):
        for one in ids:
            tests.setdefault(one, []).append(test)
    asked = [
        Asked(one, entry["what"], entry.get("open"), tuple(tests.pop(one, ())))
        for one, entry in told.items()
    ]
    return asked + [Asked(one, "nothing asks for this", None, ()) for one in sorted(tests)]


def naming(folder: Path) -> Iterator[tuple[str, set[str]]]:
    """Yield each test that names ids, as `path::test`, with the ids."""
    for path in sorted(folder.rglob("test_*.py")):
        module = ast.parse(path.read_text())
        place = path.relative_to(folder.parent).as_posix()
        yield from _naming(module, place, set())


def _naming(
    inside: ast.Module | ast.ClassDef, place: str, held: set[str]
) -> Iterator[tuple[str, set[str]]]:
    held = held | ids_in(inside)
    for node in inside.body:
        if isinstance(node, ast.ClassDef):
            yield from _naming(node, f"{place}::{node.name}", held)
        elif (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test_")
            and (named := held | ids_in(node))
        ):
            yield f"{place}::{node.name}", named


def ids_in(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Return the ids in a docstring."""
    return set(NAMED.findall(ast.get_docstring(node) or ""))


def proof(one: Asked) -> str:
    """Return where an id is proved, or why it is not, as a cell of the table in the docs."""
    files = dict.fromkeys(test.partition("::")[0] for test in one.tests)
    proved = ", ".join(f"`{file}`" for file in files)
    return "; ".join(filter(None, (proved, f"**open**: {one.open}" if one.open else "")))


def text(asked: list[Asked]) -> str:
    """Return all of it as lines for people."""
    lines: list[str] = []
    for one in asked:
        lines.append(f"{PREFIX}{one.id}  {one.what}")
        lines += [f"    {test}" for test in one.tests]
        if one.open is not None:
            lines.append(f"    OPEN: {one.open}")
        if one.forgotten:
            lines.append("    NO TEST NAMES IT, and tests/conformance.toml does not say why")
    proved = sum(one.open is None and not one.forgotten for one in asked)
    left = [one.id for one in asked if one.open is not None]
    forgotten = [one.id for one in asked if one.forgotten]
    lines.append(f"\n{len(asked)} ids; {proved} have tests; {len(left)} open: {', '.join(left)}")
    if forgotten:
        lines.append(f"forgotten: {', '.join(forgotten)}")
    return "\n".join(lines)


def main(folder: Path = TESTS) -> int:
    """Print it; 1 if anything is forgotten."""
    asked = conformance(folder)
    sys.stdout.write(text(asked) + "\n")
    return int(any(one.forgotten for one in asked))


if __name__ == "__main__":
    sys.exit(main())
