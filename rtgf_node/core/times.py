"""Instants: whole seconds since 1970 inside, RFC 3339 in UTC with `Z` in everything written."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from rtgf_node.errors import Code, RtgfError

SKEW_SECONDS: Final = 120
"""Seconds. How far two honest clocks may differ when a time window is checked."""

REMEMBERED: Final = 4096
"""Texts of which the instant is kept: the windows of tokens are the same few, again and again."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FORM: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z")
_ONE_SECOND: Final = timedelta(seconds=1)


def to_text(epoch: int) -> str:
    """Return an instant as `YYYY-MM-DDTHH:MM:SSZ` (RFC 3339 §5.6).

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it lies outside the years 1 to 9999.
    """
    try:
        moment = _EPOCH + timedelta(seconds=epoch)
    except OverflowError:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, "the instant lies outside the years 1 to 9999"
        ) from None
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


@lru_cache(maxsize=REMEMBERED)
def parse(text: str) -> int:
    """Return the instant of a text in exactly the form that `to_text` writes.

    Offsets, fractions, lower case and leap seconds are refused: one instant has one text.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if the text has another form or names no instant.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise _invalid(text)
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise _invalid(text) from None
    return (moment - _EPOCH) // _ONE_SECOND


def _invalid(text: str) -> RtgfError:
    return RtgfError(
        Code.RTGF_INPUT_INVALID,
        f"{text[:40]!r} is not a time; write RFC 3339 in UTC with whole seconds, "
        "like 2026-11-22T10:00:00Z",
    )
