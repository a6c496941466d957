"""How text and tables fit the terminal they are shown on. Nothing is cut: ids can be copied whole.

Where output goes to a file or a program there is no width, and every record is one line.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Sequence
from typing import TextIO

PAGE = 80
"""Columns that there always are: for what is laid out before it is known where it is shown."""
GAP = "  "
WORDS = re.compile(r"""(?:--[\w-]+ )?(?:"[^"]*"|'[^']*'|[^\s-]\S*)|\S+""")
"""Of a command: quoted text, and an option with its value, is one."""
NARROWEST = 24
"""Columns below which a last column of words is not worth wrapping."""


def width_of(stream: TextIO) -> int | None:
    """Return the columns of the terminal that `stream` is; None where lines may have any length."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None if stream.isatty() else None
    except (OSError, ValueError):
        return None


def fitted(text: str, width: int | None) -> str:
    """Return `text` with lines that are too long broken between words, and set in."""
    if width is None:
        return text
    return "\n".join(_broken(line, width) for line in text.split("\n"))


def table(
    headers: Sequence[str], rows: Sequence[Sequence[object]], *, width: int | None = None
) -> str:
    """Return the rows in aligned columns under their headers.

    Too wide, the words of the last column are wrapped; if that does not do, the columns that have
    no room stand below their row, each with its name.
    """
    cells = [list(headers), *([_cell(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
    if width is None or sum(widths) + len(GAP) * (len(widths) - 1) <= width:
        return "\n".join(_line(row, widths) for row in cells)
    room = width - sum(widths[:-1]) - len(GAP) * (len(widths) - 1)
    longest = max((len(word) for row in cells for word in row[-1].split()), default=0)
    if room >= max(NARROWEST, longest):
        return "\n".join(_wrapped(row, widths, width) for row in cells)
    return "\n".join(_stacked(cells, widths, width))


def command(line: str, width: int) -> str:
    """Return a command on lines that fit, with backslashes, so that it can be pasted as it is."""
    indent = line[: len(line) - len(line.lstrip(" "))]
    lines = [""]
    for word in WORDS.findall(line):
        if lines[-1] and len(lines[-1]) + len(" ") + len(word) + len(" \\") > width:
            lines.append(f"{indent}    {word}")
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else indent + word
    return " \\\n".join(lines)


def hung(first: str, text: str, width: int) -> str:
    """Return `first` and the words of `text` behind it, its further lines below its first word."""
    return textwrap.fill(
        text,
        width,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _stacked(cells: list[list[str]], widths: list[int], width: int) -> list[str]:
    fit = 1
    while sum(widths[: fit + 1]) + len(GAP) * fit <= width:
        fit += 1
    lines = [_line(cells[0][:fit], widths)]
    for row in cells[1:]:
        lines.append(_line(row[:fit], widths))
        below = "    "
        for name, cell in zip(cells[0][fit:], row[fit:], strict=True):
            if cell == "-":
                continue
            said = f"{name}  {cell}"
            if below.strip() and len(below) + len(GAP) + len(said) > width:
                lines.append(below)
                below = "    "
            below += (GAP if below.strip() else "") + said
        if below.strip():
            lines.append(below)
    return lines


def _wrapped(row: list[str], widths: list[int], width: int) -> str:
    first = "".join(cell.ljust(wide) + GAP for cell, wide in zip(row[:-1], widths, strict=False))
    return hung(first, row[-1], width)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(cell.ljust(wide) for cell, wide in zip(row, widths, strict=False)).rstrip()


def _broken(line: str, width: int) -> str:
    # A digest behind its label is whole on the line more often if the gap between them may shrink.
    gap = re.search(r"(?<=\S) {3,}(?=\S)", line)
    if gap and width < len(line) <= width + len(gap[0]) - len(GAP):
        line = line[: gap.start()] + " " * (len(gap[0]) - len(line) + width) + line[gap.end() :]
    if len(line) <= width:
        return line
    indent = line[: len(line) - len(line.lstrip(" "))]
    return textwrap.fill(
        line,
        width,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _cell(value: object) -> str:
    return "-" if value is None or value == "" else str(value)
