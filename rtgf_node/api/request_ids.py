"""Ids for requests that bring none: UUIDs (RFC 9562 §5.8), made many at a time.

Those that are made together begin alike, so that what is filed by them changes few pages; the rest
of each is 74 random bits, so nobody has the same one and nobody guesses it.
"""

from __future__ import annotations

import secrets
from typing import Final

AT_A_TIME: Final = 256
"""Ids, 10 bytes of randomness each."""

_VARIANT: Final = {f"{digit:x}": "89ab"[digit % 4] for digit in range(16)}
_ready: list[str] = []


def new() -> str:
    """Return an id that nobody has and nobody can guess."""
    if not _ready:
        start = secrets.token_hex(6)
        drawn = secrets.token_hex(10 * AT_A_TIME)
        _ready.extend(_written(start, drawn[at : at + 20]) for at in range(0, len(drawn), 20))
    return _ready.pop()


def _written(start: str, drawn: str) -> str:
    third, fourth = drawn[:3], drawn[4:7]
    return f"{start[:8]}-{start[8:]}-8{third}-{_VARIANT[drawn[3]]}{fourth}-{drawn[7:19]}"
