"""The newest IMT of every corridor, in memory, for whoever looks at all corridors at once.

Sixty jurisdictions in four domains have 14,160 corridors. Tokens are only ever added, so that it
takes a look at those that were issued since the last one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple


class StandingCorridor(NamedTuple):
    """The newest IMT of a corridor and domain: until when it holds, and the RMTs it rests on."""

    token_id: str
    exp: int
    rests_on: frozenset[str]


class StandingCorridors:
    """What the register has of corridors, through one connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._held: dict[tuple[str, str], StandingCorridor] = {}
        self._last_leaf = -1

    def newest(self) -> Mapping[tuple[str, str], StandingCorridor]:
        """Return the newest IMT by corridor and domain."""
        # The plus keeps SQLite to the index by entry, which has nothing but what is new.
        rows = self._conn.execute(
            "SELECT place, name, token_id, exp, leaf_index, parent_id FROM tokens"
            " JOIN token_parents USING (token_id)"
            " WHERE leaf_index > ? AND +type = 'IMT' ORDER BY leaf_index",
            (self._last_leaf,),
        )
        for place, name, token_id, exp, leaf_index, parent_id in rows:
            self._last_leaf = leaf_index
            held = self._held.get((place, name))
            known = held.rests_on if held is not None and held.token_id == token_id else frozenset()
            self._held[place, name] = StandingCorridor(token_id, exp, known | {parent_id})
        return self._held
