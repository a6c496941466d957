"""`Idempotency-Key`: who asks again under the same key gets the answer that was given.

A key belongs to one client (its identity, else its network), and to one question:
path, query and body. Answers that say something of the moment (a busy node, a missing right, our
own fault) are not kept, so that trying again can succeed. Kept in memory: a restart forgets them.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from rtgf_node.api.exchange import Answered, Asked
from rtgf_node.api.limits import client_network
from rtgf_node.core.clock import Clock
from rtgf_node.errors import Code, RtgfError

HEADER: Final = "Idempotency-Key"

KEPT_SECONDS: Final = 24 * 3600
"""What the contract promises."""

KEPT_BYTES: Final = 64 << 20
"""Of all kept answers; then the oldest is forgotten."""

CLIENT_BYTES: Final = 4 << 20
"""Of the answers to one client, about 4,000 verdicts; then its oldest is forgotten."""

OVERHEAD_BYTES: Final = 512
"""Beside its body, what a kept answer takes in memory."""

_KEY: Final = re.compile(r"[!-~]{1,255}")
_OF_THE_MOMENT: Final = frozenset({401, 403, 408, 413, 415, 429})


class _Kept(NamedTuple):
    """What was asked under a key, and the answer; None while it is being found."""

    question: bytes
    at: int
    answered: Answered | None
    size: int


class KeptAnswers:
    """The answers that were given under keys."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # In the order in which they were asked, so that the oldest are first.
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._keys: dict[str, OrderedDict[str, None]] = {}
        self._bytes_of: dict[str, int] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def answer(
        self, asked: Asked, answer: Callable[[Asked], Answered | Awaitable[Answered]]
    ) -> Answered | Awaitable[Answered]:
        """Return what was answered under the request's key, or what `answer` says now.

        Raises:
          RtgfError: RTGF_BAD_REQUEST if the key is none; RTGF_IDEMPOTENCY_MISMATCH if another
            question was asked under it; RTGF_CONFLICT while the same one is being answered.
        """
        key = asked.headers.get("idempotency-key")
        if key is None:
            return answer(asked)
        place = self._place(asked, key)
        question = _question(asked)
        before = self._before(place, question)
        if before is not None:
            return before
        self._put(place, _Kept(question, self._clock.now(), None, OVERHEAD_BYTES))
        try:
            answered = answer(asked)
        except BaseException:
            self._drop(place)
            raise
        if isinstance(answered, Answered):
            return self._settle(place, question, answered)
        return self._later(place, question, answered)

    async def _later(
        self, place: tuple[str, str], question: bytes, waiting: Awaitable[Answered]
    ) -> Answered:
        try:
            answered = await waiting
        except BaseException:
            self._drop(place)
            raise
        return self._settle(place, question, answered)

    @staticmethod
    def _place(asked: Asked, key: str) -> tuple[str, str]:
        if not _KEY.fullmatch(key):
            raise RtgfError(Code.RTGF_BAD_REQUEST, f"{HEADER} is 1 to 255 visible ASCII characters")
        return asked.identity or client_network(asked.address), key

    def _before(self, place: tuple[str, str], question: bytes) -> Answered | None:
        self._forget_old()
        kept = self._kept.get(place)
        if kept is None:
            return None
        if kept.question != question:
            raise RtgfError(
                Code.RTGF_IDEMPOTENCY_MISMATCH,
                f"this {HEADER} was sent with another request; take a new one for each",
            )
        if kept.answered is None:
            raise RtgfError(Code.RTGF_CONFLICT, "the same request is being answered; try again")
        headers = {**kept.answered.headers, "Idempotency-Replayed": "true"}
        return kept.answered._replace(headers=headers)

    def _settle(self, place: tuple[str, str], question: bytes, answered: Answered) -> Answered:
        held = self._drop(place)
        at = self._clock.now() if held is None else held.at
        if answered.status < 500 and answered.status not in _OF_THE_MOMENT:
            size = len(answered.body) + OVERHEAD_BYTES
            if size <= CLIENT_BYTES:
                self._put(place, _Kept(question, at, answered, size))
        return answered

    # --- bounds ---------------------------------------------------------------------------------

    def _put(self, place: tuple[str, str], kept: _Kept) -> None:
        client, key = place
        self._kept[place] = kept
        self._keys.setdefault(client, OrderedDict())[key] = None
        self._bytes_of[client] = self._bytes_of.get(client, 0) + kept.size
        self._bytes += kept.size
        while self._bytes_of[client] > CLIENT_BYTES:
            self._drop((client, next(iter(self._keys[client]))))
        while self._bytes > KEPT_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, place: tuple[str, str]) -> _Kept | None:
        kept = self._kept.pop(place, None)
        if kept is None:
            return None
        client, key = place
        del self._keys[client][key]
        self._bytes_of[client] -= kept.size
        self._bytes -= kept.size
        if not self._keys[client]:
            del self._keys[client], self._bytes_of[client]
        return kept

    def _forget_old(self) -> None:
        limit = self._clock.now() - KEPT_SECONDS
        while self._kept:
            place, kept = next(iter(self._kept.items()))
            if kept.at > limit:
                return
            self._drop(place)


def once(
    kept: KeptAnswers, answer: Callable[[Asked], Answered | Awaitable[Answered]]
) -> Callable[[Asked], Answered | Awaitable[Answered]]:
    """Have a route honour the key."""

    def answer_once(asked: Asked) -> Answered | Awaitable[Answered]:
        return kept.answer(asked, answer) if "idempotency-key" in asked.headers else answer(asked)

    return answer_once


def _question(asked: Asked) -> bytes:
    head = f"{asked.method} {asked.path}?{asked.query}\n".encode("utf-8", "surrogatepass")
    return hashlib.sha256(head + asked.body).digest()
