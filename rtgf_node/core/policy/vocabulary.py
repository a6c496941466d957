"""Words that a rule asks for must be words that its inputs can have.

A context has words in one way of writing. A prohibition of `Cash` would therefore prohibit nothing:
`cash` is another word, and `Cash` never gets as far as the rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy.types import Type
from rtgf_node.core.policy.values import reader_of
from rtgf_node.core.shapes import pointer
from rtgf_node.errors import Code, RtgfError


def check(predicate: Mapping[str, Any], *, place: tuple[str | int, ...]) -> None:
    """Pass if every word that the predicate looks for among its inputs can stand there.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SCHEMA_INVALID with a pointer to the clause's parameters.
    """
    texts = {row["name"] for row in predicate["inputs"] if row["type"] == Type.STRING.value}
    for path, word in _sought(predicate["logic"]):
        if path not in texts:
            continue
        try:
            reader_of(path, Type.STRING)(word)
        except ValueError as error:
            raise RtgfError(
                Code.RTGF_POL_MATRIX_SCHEMA_INVALID,
                f"clause {predicate['clause_id']}: {path} is never {word!r}; write {error}",
                pointer=pointer(*place),
            ) from None


def _sought(tree: JsonValue) -> Iterator[tuple[str, str]]:
    """Yield each place that is searched, with each word that it is searched for."""
    if isinstance(tree, list):
        for item in tree:
            yield from _sought(item)
    elif isinstance(tree, dict):
        match tree:
            case {"op": "IN", "args": [{"var": str(path)}, {"list": list(words)}]}:
                yield from ((path, word) for word in words if isinstance(word, str))
            case _:
                yield from _sought(list(tree.values()))
