"""Plots out of block characters: a line of bars, or several rows of them with a limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tui.tones import ACCENT, BAD, DIM, WARN, Spans, Tone

FAR: Final = 4
"""A limit that is so many times what there is, or more, is not drawn; the title says it."""

EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
Values = Sequence[float | None]


def bar_line(values: Values, width: int, *, top: float | None = None) -> str:
    """Return the newest values as one line of bars, the newest last; a gap where one is missing."""
    return "".join(_rows(_squeezed(values, width), 1, top)[0])


def plot(
    values: Values,
    width: int,
    height: int,
    *,
    words: Callable[[float | None], str],
    limit: float | None = None,
    tone: Tone = ACCENT,
) -> list[Spans]:
    """Return rows of bars with their scale at the left; a limit is a line that says so.

    Args:
      values: the oldest first.
      width: of all of it, scale and bars.
      height: rows.
      words: how a value is said at the scale.
      limit: where to draw the line; the scale then reaches at least so far.
      tone: of the bars below the limit.
    """
    known = [value for value in values if value is not None]
    most = max([*known, 0.0])
    # A limit that is far off would press all that there is to see into the last row.
    far = limit is not None and 0 < most < limit / FAR
    top = max(most, 0.0 if limit is None or far else limit)
    scale = max(len(words(top)), len(words(0.0))) + 1
    room = max(1, width - scale)
    points = _squeezed(values, room)
    rows = _rows(points, height, top)
    at = None
    if limit is not None and top > 0 and not far:
        at = height - 1 - min(height - 1, int(limit / top * height - 1e-9))
    lines: list[Spans] = []
    for number, row in enumerate(rows):
        label = words(top) if number == 0 else words(0.0) if number == height - 1 else ""
        if at is not None and number == at and limit is not None:
            lines.append(_with_limit(label.rjust(scale - 1), row, f" limit {words(limit)} "))
            continue
        over = at is not None and number < at
        lines.append(((label.rjust(scale - 1) + " ", DIM), ("".join(row), BAD if over else tone)))
    return lines


def plotted(
    values: Values, words: Callable[[float | None], str], limit: float | None = None
) -> Callable[[int, int], list[Spans]]:
    """Return what draws a plot of these values for the room that there is."""
    return lambda width, height: plot(values, width, height, words=words, limit=limit)


def _with_limit(label: str, row: list[str], said: str) -> Spans:
    bars = ["┄" if cell == " " else cell for cell in row]
    start = 1 if len(said) + 2 < len(bars) else len(bars)
    bars[start : start + len(said)] = list(said) if start < len(bars) else []
    return ((label + " ", DIM), ("".join(bars), WARN))


def _squeezed(values: Values, width: int) -> list[float | None]:
    """Return at most `width` points: the newest, each the largest of those that fell together."""
    if len(values) <= width:
        return [None] * (width - len(values)) + list(values)
    step = -(-len(values) // width)
    groups = [values[max(0, end - step) : end] for end in range(len(values), 0, -step)]
    points = [max((one for one in group if one is not None), default=None) for group in groups]
    points.reverse()
    return [None] * (width - len(points)) + points


def _rows(points: list[float | None], height: int, top: float | None) -> list[list[str]]:
    known = [point for point in points if point is not None]
    most = max([*known, 0.0]) if top is None else top
    rows = [[" "] * len(points) for _ in range(height)]
    for column, point in enumerate(points):
        if point is None:
            continue
        # What is there is seen: the least value has one eighth.
        eighths = max(1, round(point / most * height * 8)) if most > 0 else 1
        for row in range(height):
            rows[height - 1 - row][column] = EIGHTHS[max(0, min(8, eighths - 8 * row))]
    return rows
