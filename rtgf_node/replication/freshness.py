"""Reads that see all that was committed before they were asked, and how old what is here may be.

Both rest on the core's ReadIndex: a majority says that the leader still leads, and up to where one
must have applied. Each question has a context of its own, never used twice: one that is repeated
could be answered with an older one's index.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import trio

from rtgf_node.errors import Code, RtgfError

FRESH_SECONDS: Final = 0.25
"""How often a node asks whether it is up to date."""
READ_SECONDS: Final = 2.0
"""How long an answer is waited for: a leader is elected within."""
KEPT_SECONDS: Final = 60.0
"""How long an answer is kept that cannot be used yet, because commands wait to be applied."""
MAX_WAITING_READS: Final = 4096
"""Askers that may wait; all who ask between two rounds of the core share one question."""


class _Question:
    """One question to the core, and everybody who waits for its answer."""

    def __init__(self, asked_at: float) -> None:
        self.asked_at = asked_at
        self.index: int | None = None
        self.askers: list[trio.Event] = []


class Reads:
    """The questions that are open, and the newest that was answered."""

    def __init__(self, identity: bytes) -> None:
        """Begin; `identity` is unique for this start of this node."""
        self._identity = identity
        self._asked = 0
        self._open: dict[bytes, _Question] = {}
        self._wanted: list[trio.Event] = []
        self._next_at = -math.inf
        self._fresh_at = -math.inf

    async def barrier(self, wake: Callable[[], None]) -> None:
        """Return when all that was committed before this call is applied here.

        Raises:
          RtgfError: RTGF_UNAVAILABLE if nobody confirms it in time, RTGF_OVERLOADED if too many
            wait.
        """
        waiting = len(self._wanted) + sum(len(one.askers) for one in self._open.values())
        if waiting >= MAX_WAITING_READS:
            raise RtgfError(Code.RTGF_OVERLOADED, f"{waiting} reads wait already; try again")
        asker = trio.Event()
        self._wanted.append(asker)
        wake()
        with trio.move_on_after(READ_SECONDS):
            await asker.wait()
            return
        self._forget(asker)
        raise RtgfError(
            Code.RTGF_UNAVAILABLE,
            f"no majority confirmed within {READ_SECONDS:g} s that this is the newest state",
        )

    def ask(self, now: float, read_index: Callable[[bytes], None]) -> None:
        """Put the questions that are due to the core."""
        if not self._wanted and now < self._next_at:
            return
        self._next_at = now + FRESH_SECONDS
        self._asked += 1
        question = self._open[self._identity + b"/%d" % self._asked] = _Question(now)
        question.askers, self._wanted = self._wanted, []
        read_index(self._identity + b"/%d" % self._asked)

    def confirm(self, context: bytes, index: int) -> None:
        """Note an answer of the core."""
        question = self._open.get(context)
        if question is not None:
            question.index = index

    def settle(self, applied: int, now: float) -> None:
        """Let those go on whose index is applied, and forget what was never answered.

        Whoever asked before a question that is answered may go on with it: the answer to their own
        may be lost.
        """
        usable = (
            context
            for context, question in reversed(self._open.items())
            if question.index is not None and question.index <= applied
        )
        newest = next(usable, None)
        for context, question in list(self._open.items()):
            if newest is not None:
                for asker in question.askers:
                    asker.set()
                del self._open[context]
                if context == newest:
                    self._fresh_at = question.asked_at
                    newest = None
            elif now - question.asked_at > (
                READ_SECONDS if question.index is None else KEPT_SECONDS
            ):
                del self._open[context]

    def age(self, now: float) -> float:
        """Return for how long what is here may have missed something; infinite before the first."""
        return now - self._fresh_at

    def _forget(self, asker: trio.Event) -> None:
        if asker in self._wanted:
            self._wanted.remove(asker)
        for question in self._open.values():
            if asker in question.askers:
                question.askers.remove(asker)
