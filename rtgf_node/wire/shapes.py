"""What every body that goes over HTTP is; see `wire`."""

from __future__ import annotations

from typing import Any

import msgspec

Document = dict[str, Any]
"""A JSON object whose members are another page's business (a token, a context, an event)."""


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A request body. Unknown members are refused with their path."""


class Answer(msgspec.Struct, frozen=True):
    """An answer body."""
