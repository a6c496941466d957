"""What every command is."""

from __future__ import annotations

import msgspec


class StateChange(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """A change of state; its tag is the name of its class."""
