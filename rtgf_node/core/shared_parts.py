"""Tokens read so that what they have in common is in memory once.

The tokens of a matrix are made of the rules of its jurisdictions, each repeated in every corridor
that it is an end of: read one by one they take six times as much.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from rtgf_node.core import tokens
from rtgf_node.core.tokens import Token

SHARED: Final = ("predicate_set", "controls", "prohibitions", "duties", "eval_plan", "evidence")
"""The members that most of a token is; of a list, each entry by itself."""

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class SharedParts:
    """The parts that were read so far. What is read is not to be changed, as tokens never are."""

    def __init__(self) -> None:
        self._parts: dict[bytes, Any] = {}

    def read(self, body: bytes) -> Token:
        """Return the token in `body`, as `tokens.parse` does."""
        token = tokens.parse(body)
        return msgspec.structs.replace(
            token, **{name: self._member(getattr(token, name)) for name in SHARED}
        )

    def _member(self, value: Any) -> Any:  # noqa: ANN401 - any member of a token
        if isinstance(value, list):
            return [self._part(entry) for entry in value]
        if isinstance(value, dict):
            return {name: self._member(entry) for name, entry in value.items()}
        return self._part(value)

    def _part(self, value: Any) -> Any:  # noqa: ANN401 - any part of a token
        if value is None or isinstance(value, bool | int):
            return value
        return self._parts.setdefault(_encode(value), value)
