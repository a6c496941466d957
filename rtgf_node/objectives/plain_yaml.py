"""Values as YAML that a person likes to read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from rtgf_node.core.canonical_json import JsonValue

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*|[1-9][0-9]*[smhd]")
_PRINTS: Final = re.compile(r"[!-~][ -~]*")
_BLOCK: Final = re.compile(r"[!-~][ -~]*(\n *[!-~][ -~]*)*")
_NOT_TEXT: Final = re.compile(r"y|n|yes|no|on|off|true|false|null|nan", re.IGNORECASE)


def dump(value: JsonValue, *, head: str = "") -> str:
    """Return the text of a mapping or list that is not empty.

    Args:
      value: what to write; text without control characters but line ends.
      head: a comment to begin with, without its sign.
    """
    return "".join(f"{line}\n" for line in [*([f"# {head}"] if head else []), *_lines(value)])


def _lines(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _member(f"{_scalar(name)}:", inner)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, dict | list) and inner:
                first, *rest = _lines(inner)
                yield f"- {first}"
                yield from (f"  {line}" for line in rest)
            else:
                yield from _member("-", inner)


def _member(head: str, value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield head
        yield from (f"  {line}" for line in _lines(value))
    elif isinstance(value, str) and "\n" in value and _BLOCK.fullmatch(value):
        yield f"{head} |-"
        yield from (f"  {line}" for line in value.split("\n"))
    else:
        yield f"{head} {_scalar(value)}"


def _scalar(value: JsonValue) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and not _NOT_TEXT.fullmatch(value):
        return value
    if isinstance(value, str) and '"' in value and _PRINTS.fullmatch(value):
        return "'" + value.replace("'", "''") + "'"
    return json.dumps(value, ensure_ascii=False)
