"""What clients asked and were answered, and what the members hold: what must agree in the end."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from rtgf_node.core import merkle
from rtgf_node.replication.commands import RecordDataset
from tests.cluster.member import command_of
from tests.simulation import linearizability
from tests.simulation.linearizability import Operation

Number = tuple[str, int]


def leaves_of(do: str, client: str, seq: int, count: int) -> list[str]:
    """Return the leaf hashes of what a client asks to append."""
    command = command_of(do, client, seq, count)
    events = (command.event,) if isinstance(command, RecordDataset) else command.events  # type: ignore[union-attr]
    return [merkle.leaf_hash(one).hex() for one in events]


class Ledger:
    """Compares answers with what is held.

    Attributes:
      violations: the promises that were broken, in words.
      answered: how many commands were answered; `reads`, how many reads.
    """

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.commands = 0
        self.reads = 0
        self._asked: dict[str, Number] = {}
        self._numbers: set[Number] = set()
        self._leaves: dict[Number, tuple[int, ...]] = {}
        self._seen_roots: dict[int, str] = {}
        self._leaders: dict[int, str] = {}
        self._sizes: list[tuple[float, int]] = [(-math.inf, 0)]
        self._history: list[Operation] = []
        self._begin = linearizability.EMPTY_LOG
        self._frontier = merkle.Frontier()
        self._held: list[str] = []
        self._owners: list[Number | None] = []

    @property
    def settled(self) -> int:
        """How many entries were looked at already."""
        return self._frontier.size

    def broken(self, promise: str) -> None:
        """Note a promise that was not kept."""
        self.violations.append(promise)

    # --- while it goes on -----------------------------------------------------------------------

    def ask(self, do: str, client: str, seq: int, count: int) -> list[str]:
        """Note what is asked, and return the leaf hashes."""
        leaves = leaves_of(do, client, seq, count)
        self._numbers.add((client, seq))
        self._asked.update(dict.fromkeys(leaves, (client, seq)))
        return leaves

    def answer(
        self, number: Number, leaves: Sequence[str], answer: Any, call: float, ret: float
    ) -> None:
        """Note an answer to a command."""
        indexes = tuple(answer["leaves"])
        if len(indexes) != len(leaves) or indexes != tuple(range(indexes[0], indexes[-1] + 1)):
            self.broken(f"{number} is answered with the leaves {indexes}")
            return
        if self._leaves.setdefault(number, indexes) != indexes:
            self.broken(f"{number} was at {self._leaves[number]}, and is now at {indexes}")
        self.commands += 1
        size = max(self._sizes[-1][1], indexes[-1] + 1)
        self._sizes.append((ret, size))
        argument = (leaves[-1], len(leaves))
        self._history.append(Operation(call, ret, "append", argument, indexes[0]))

    def read(self, name: str, answer: Any, call: float, ret: float) -> None:
        """Note an answer to a read with a guarantee."""
        self.reads += 1
        self.root(name, answer)
        seen = (answer["size"], answer["newest"])
        self._history.append(Operation(call, ret, "read", None, seen))

    def look(self, name: str, answer: Any, call: float) -> None:
        """Note how a member sees itself."""
        self.root(name, answer)
        if answer["role"] == "leader":
            other = self._leaders.setdefault(answer["term"], name)
            if other != name:
                self.broken(f"{other} and {name} both lead in term {answer['term']}")
        if answer["stale"] < 1e8:
            # It says that it has what was committed so long ago, and it looked after `call`.
            place = bisect_right(self._sizes, (call - answer["stale"] - 0.002, math.inf))
            least = self._sizes[place - 1][1]
            if answer["size"] < least:
                self.broken(
                    f"{name} says it is {answer['stale']} s old, and has {answer['size']} leaves "
                    f"of {least}"
                )

    def root(self, name: str, answer: Any) -> None:
        """Note the root of a log of some size."""
        known = self._seen_roots.setdefault(answer["size"], answer["root"])
        if known != answer["root"]:
            self.broken(f"{name} has another root of {answer['size']} leaves")

    # --- when all is quiet ----------------------------------------------------------------------

    def settle(self, entries: Sequence[str], commands: int) -> None:
        """Compare everything with the entries that were added, and with the count of commands."""
        first = self._frontier.size
        self._check_root()
        for place, leaf in enumerate(entries, first):
            owner = self._asked.pop(leaf, None)
            if owner is None:
                self.broken(f"leaf {place} was never asked for, or is there twice")
            self._frontier.append(bytes.fromhex(leaf))
            self._held.append(leaf)
            self._owners.append(owner)
            self._check_root()
        for number, indexes in self._leaves.items():
            there = {self._owners[one] for one in indexes if one < len(self._owners)}
            if there != {number} or indexes[-1] >= len(self._held):
                self.broken(f"{number} was answered with {indexes}; {there} is there")
        self._leaves.clear()
        if self._sizes[-1][1] > len(self._held):
            self.broken(f"{self._sizes[-1][1]} leaves were answered, {len(self._held)} are there")
        if commands != len(self._numbers):
            self.broken(f"{len(self._numbers)} commands were asked for, {commands} were applied")
        late = [size for size in self._seen_roots if size > len(self._held)]
        if late:
            self.broken(f"a member showed {late[0]} leaves, {len(self._held)} are there")
        self._check_order()

    def _check_root(self) -> None:
        size = self._frontier.size
        root = self._frontier.root().hex()
        if self._seen_roots.setdefault(size, root) != root:
            self.broken(f"the root that was seen of {size} leaves is of others")

    def _check_order(self) -> None:
        history, self._history = self._history, []
        try:
            fits = linearizability.is_linearizable(
                history, linearizability.append_only, self._begin, seconds=120
            )
        except linearizability.TimeIsUpError as error:
            self.broken(f"the history could not be judged: {error}")
            return
        if not fits:
            self.broken(f"no order explains the {len(history)} answers since the last look")
        self._begin = (len(self._held), self._held[-1] if self._held else None)
