"""How many connections there are: of each client, and in all.

Where several processes listen, each tells the others what changed with it (`changes`) and counts
what they have with its own (`hear`): between two such words a client may have more than its share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeAlias

from rtgf_node.api.limits import client_network
from rtgf_node.settings import HttpConfig

Counts: TypeAlias = list[tuple[str, int]]
"""Clients, and how many connections each has."""


class Room:
    """The connections of one process, and what it has heard of those of others.

    Args:
      config: the limits.
      is_shared: whether other processes have connections too, so that `changes` are kept for them.
    """

    def __init__(self, config: HttpConfig, *, is_shared: bool = False) -> None:
        self._most = config.max_connections
        self._most_of_one = config.max_connections_per_address
        self._is_shared = is_shared
        self._here: Counter[str] = Counter()
        self._everywhere: Counter[str] = Counter()
        self._total = 0
        self._changed: set[str] = set()
        self._of_others: dict[int, dict[str, int]] = {}

    def enter(self, address: str) -> bool:
        """Count a connection from this address, and return whether there is room for it."""
        client = client_network(address)
        self._count_here(client, 1)
        return self._everywhere[client] <= self._most_of_one and self._total <= self._most

    def leave(self, address: str) -> None:
        """Count it no more, whether or not there was room for it."""
        self._count_here(client_network(address), -1)

    def changes(self) -> Counts:
        """Return what those clients have here who had more, or fewer, when this was asked last."""
        changed, self._changed = self._changed, set()
        return [(client, self._here[client]) for client in changed]

    def hear(self, process: int, changes: Iterable[tuple[str, int]]) -> None:
        """Take note of what these clients have at another process."""
        held = self._of_others.setdefault(process, {})
        for client, count in changes:
            self._count(client, count - held.pop(client, 0))
            if count:
                held[client] = count

    def _count_here(self, client: str, number: int) -> None:
        _add(self._here, client, number)
        self._count(client, number)
        if self._is_shared:
            self._changed.add(client)

    def _count(self, client: str, number: int) -> None:
        _add(self._everywhere, client, number)
        self._total += number


def _add(counts: Counter[str], client: str, number: int) -> None:
    counts[client] += number
    if not counts[client]:
        del counts[client]
