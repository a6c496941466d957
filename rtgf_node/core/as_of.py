"""An earlier state of the log: named by a time or by a tree size, the log says which one it is."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from rtgf_node.core import times
from rtgf_node.core.merkle import MAX_TREE_SIZE
from rtgf_node.errors import Code, RtgfError

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,15}")


class Time(NamedTuple):
    """The state at an instant."""

    at: int


class Size(NamedTuple):
    """The state when the log had so many entries."""

    entries: int


class AsOf(NamedTuple):
    """A state of the log.

    Attributes:
      tree_size: the first so many entries are in it; nothing else has happened yet.
      at: the instant at which windows of time are judged.
      by_size: whether it was named by its size.
      settled: whether every answer from it is final.
    """

    tree_size: int
    at: int
    by_size: bool = False
    settled: bool = False


def present(now: int) -> AsOf:
    """Return the state with everything in it, judged at `now`."""
    return AsOf(MAX_TREE_SIZE, now)


def parse(text: str) -> Time | Size:
    """Return what a text names: a time like `2026-11-22T10:00:00Z`, or a tree size like `4711`.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it is neither, or names a log of no entries.
    """
    if _SIZE.fullmatch(text) is None:
        try:
            return Time(times.parse(text))
        except RtgfError as error:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID, f"{error.detail}, or a tree size in decimal digits"
            ) from error
    if text == "0":
        raise RtgfError(Code.RTGF_INPUT_INVALID, "a log of no entries has no state; from 1 on")
    return Size(int(text))
