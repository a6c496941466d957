"""The operator's own keys: a TOML file that names bindings and gives them other keys."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from textual.binding import Binding

from rtgf_node.errors import Code, RtgfError


class _File(msgspec.Struct, forbid_unknown_fields=True):
    keys: dict[str, str] = msgspec.field(default_factory=dict)


def load(path: Path, known: Collection[str]) -> Mapping[str, str]:
    """Return the keys of a file by the names of their bindings.

    Args:
      path: of the file: `[keys]`, then lines such as `"go.log" = "l"`.
      known: the names of the bindings there are.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if it cannot be read, or names a binding there is not.
    """
    try:
        told = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise RtgfError(Code.RTGF_CONFIG_INVALID, f"{path}: {error}") from error
    for name in told.keys:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise RtgfError(Code.RTGF_CONFIG_INVALID, f"{path}: there is no binding {name!r}{hint}")
    taken: dict[str, str] = {}
    for name, key in told.keys.items():
        for one in key.split(","):
            if one in taken:
                raise RtgfError(
                    Code.RTGF_CONFIG_INVALID, f"{path}: {one!r} is both {taken[one]} and {name}"
                )
            taken[one] = name
    return told.keys


def named(kinds: Iterable[type]) -> set[str]:
    """Return the names of all bindings of these kinds of widgets."""
    return {
        one.id
        for kind in kinds
        for one in vars(kind).get("BINDINGS", ())
        if isinstance(one, Binding) and one.id is not None
    }


def bindings_of(of: object) -> list[Binding]:
    """Return the bindings of a node of the tree and its kinds, its own first."""
    found: list[Binding] = []
    for kind in type(of).__mro__:
        if kind.__module__.startswith("tui."):
            found += [one for one in vars(kind).get("BINDINGS", ()) if isinstance(one, Binding)]
    return found


_SPOKEN: Final = {
    "question_mark": "?",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "slash": "/",
    "f1": "F1",
    "f5": "F5",
}


def spoken(key: str) -> str:
    """Return a key as it stands on a keyboard."""
    return ",".join(_SPOKEN.get(one, one.replace("ctrl+", "^")) for one in key.split(","))
