"""What is committed and not applied here yet, because objects that it names are still on their way.

The core goes on meanwhile: it votes and takes entries in without waiting for bytes of lists.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from rtgf_node.replication.commands import Proposal
from rtgf_node.replication.named_objects import named
from rtgf_node.replication.raft_entries import EMPTY, Body, Mark, decode
from rtgf_node.replication.raftcore.core import Entry

MAX_BATCH_COMMANDS: Final = 4096
"""Commands in one transaction: a node that catches up still answers and votes between two."""


class Committed(msgspec.Struct, frozen=True):
    """An entry that is to be applied, and the objects that must be here before."""

    index: int
    term: int
    body: Body
    objects: frozenset[str]


class Batch(msgspec.Struct, frozen=True):
    """Entries that are applied in one transaction.

    Attributes:
      index: of the last one, 0 if there are none.
      term: of the last one.
      proposals: their commands, in order.
      marks: what leaders said of their logs.
    """

    index: int
    term: int
    proposals: Sequence[Proposal]
    marks: Sequence[Mark]


class ApplyQueue:
    """Committed entries in order, the first of them perhaps not applicable yet."""

    def __init__(self, has: Callable[[str], bool]) -> None:
        """Begin empty; `has` says whether an object is here."""
        self._has = has
        self._waiting: deque[Committed] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def extend(self, entries: Iterable[Entry]) -> None:
        """Add what the core handed out.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if an entry is not understood.
        """
        for entry in entries:
            # Changes of members take effect when they are handed out; here they only count.
            body = decode(entry.data) if entry.kind == 0 else EMPTY
            objects = frozenset(
                digest for proposal in body.proposals for digest in named(proposal.command)
            )
            self._waiting.append(Committed(entry.index, entry.term, body, objects))

    def take(self) -> Batch:
        """Take the entries that can be applied now, up to a batch."""
        index = term = 0
        proposals: list[Proposal] = []
        marks: list[Mark] = []
        while self._waiting and len(proposals) < MAX_BATCH_COMMANDS and not self.missing():
            entry = self._waiting.popleft()
            index, term = entry.index, entry.term
            proposals += entry.body.proposals
            if entry.body.mark is not None:
                marks.append(entry.body.mark)
        return Batch(index, term, proposals, marks)

    def missing(self) -> frozenset[str]:
        """Return the objects that the first entry waits for."""
        if not self._waiting or not self._waiting[0].objects:
            return frozenset()
        objects = self._waiting[0].objects
        return frozenset(digest for digest in objects if not self._has(digest))

    def clear(self) -> None:
        """Forget everything, because it is to be read again."""
        self._waiting.clear()
