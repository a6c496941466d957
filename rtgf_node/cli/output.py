"""What the commands print: results on stdout, everything else on stderr.

With `--json` the result is one JSON document, made from the same value as the text, so that the two
never disagree; the text leaves out digests that nobody compares by eye. On a terminal, long lines
are broken between words.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from rtgf_node.cli import layout
from rtgf_node.errors import RtgfError

AsJson = Annotated[
    bool, Parameter(name="--json", negative="", help="Print the result as one JSON document.")
]


def result(value: Any, text: str, *, as_json: bool) -> None:  # noqa: ANN401 - anything that is JSON
    """Print the result of a command: `value` as JSON, or `text`."""
    if as_json:
        text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    else:
        text = layout.fitted(text, layout.width_of(sys.stdout))
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()


def say(text: str = "") -> None:
    """Tell the person who watches something that is no result."""
    sys.stderr.write(layout.fitted(text, layout.width_of(sys.stderr)) + "\n")
    sys.stderr.flush()


def failure(error: RtgfError, *, as_json: bool) -> int:
    """Tell why the command failed and return its exit code."""
    if as_json:
        document = {"code": error.code.name, "detail": error.detail, "pointer": error.pointer}
        sys.stderr.write(msgspec.json.encode(document).decode() + "\n")
        sys.stderr.flush()
    else:
        say(f"rtgf: {error}")
        _say_causes(error, indent="  ")
    return error.code.value.exit_code


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], *, none: str = "") -> str:
    """Return the rows in aligned columns that fit the terminal; `none` if there are no rows."""
    if none and not rows:
        return none
    return layout.table(headers, rows, width=layout.width_of(sys.stdout))


def milliseconds(value: float | None) -> str:
    """Return milliseconds as they stand in a table; `-` while they are not known."""
    return "-" if value is None else f"{value:.2f} ms"


def groups_of_four(text: str) -> str:
    """Return a fingerprint as people compare it: in groups of four."""
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def _say_causes(error: RtgfError, *, indent: str) -> None:
    for cause in error.causes:
        say(f"{indent}because {cause}")
        _say_causes(cause, indent=indent + "  ")
