"""`Idempotency-Key`: who asks again under the same key gets the answer that was given.

A key belongs to one client (its identity, else its network), and to one question:
path, query and body. Answers that say something of the moment (a busy node, a missing right, our
own fault) are not kept, so that trying again can succeed.

An answer is on disk before it is given, so a restart forgets none. That an act begins is there
before it does: where the node was killed over it, nobody knows whether it was done, and it is not
done again under the same key. Whoever asked may go meanwhile: what was begun goes on without them.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import msgspec
import structlog
import trio

from rtgf_node.api.exchange import Answered, Asked
from rtgf_node.api.limits import client_network
from rtgf_node.core.clock import Clock
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.answer_store import AnswerStore, KeptRow

log = structlog.get_logger(__name__)

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

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Answered).decode


class _Kept(NamedTuple):
    """What was asked under a key, and the answer; None while it is being found."""

    question: bytes
    at: int
    answered: Answered | None
    size: int


class _Work:
    """An answer that is being found, for whoever waits for it."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.answered: Answered | None = None
        self.error: Exception = RtgfError(Code.RTGF_UNAVAILABLE, "the node is stopping")


class KeptAnswers:
    """The answers that were given under keys: in memory, and as they change, in the file.

    Args:
      clock: tells their age.
      file: where they survive a restart.
      limit_seconds: for an answer to be found, whether or not somebody still waits for it.

    Raises:
      RtgfError: RTGF_TXP_STORE_DAMAGED if what is kept cannot be read.
    """

    def __init__(self, clock: Clock, file: AnswerStore, *, limit_seconds: float) -> None:
        self._clock = clock
        self._file = file
        self._limit_seconds = limit_seconds
        # In the order in which they were asked, so that the oldest are first.
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._keys: dict[str, OrderedDict[str, None]] = {}
        self._bytes_of: dict[str, int] = {}
        self._bytes = 0
        self._in_hand: set[tuple[str, str]] = set()
        self._workplace: trio.Nursery | None = None
        self._unsaved: dict[tuple[str, str], _Kept | None] = {}
        self._saving = trio.Lock()
        self._load()

    def __len__(self) -> int:
        return len(self._kept)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Let answers be found until cancelled; then what is not found is given up."""
        try:
            async with trio.open_nursery() as self._workplace:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._workplace = None
            self._file.close()

    async def answer(
        self,
        asked: Asked,
        answer: Callable[[Asked], Answered | Awaitable[Answered]],
        *,
        acts: bool,
    ) -> Answered:
        """Return what was answered under the request's key, or what `answer` says now.

        Args:
          asked: the request, with its key.
          answer: finds the answer.
          acts: whether finding it changes what must not be changed twice.

        Raises:
          RtgfError: RTGF_BAD_REQUEST if the key is none; RTGF_IDEMPOTENCY_MISMATCH if another
            question was asked under it; RTGF_CONFLICT while the same one is being answered, or if
            nobody knows how it ended; RTGF_UNAVAILABLE if it cannot be noted that an act begins.
        """
        place = self._place(asked)
        question = _question(asked)
        before = self._before(place, question)
        if before is not None:
            return before
        if self._workplace is None:
            raise RtgfError(Code.RTGF_UNAVAILABLE, "the node is starting or stopping; try again")
        begun, work = _Kept(question, self._clock.now(), None, OVERHEAD_BYTES), _Work()
        self._in_hand.add(place)
        self._put(place, begun, is_saved=not acts)
        self._workplace.start_soon(self._find, place, begun, asked, answer, acts, work)
        await work.done.wait()
        if work.answered is None:
            raise work.error
        return work.answered

    async def _find(
        self,
        place: tuple[str, str],
        begun: _Kept,
        asked: Asked,
        answer: Callable[[Asked], Answered | Awaitable[Answered]],
        acts: bool,
        work: _Work,
    ) -> None:
        """Find the answer and keep it. Raises nothing but a cancellation."""
        try:
            if acts:
                await self._note()
            with trio.fail_after(self._limit_seconds):
                found = answer(asked)
                answered = found if isinstance(found, Answered) else await found
            self._settle(place, begun, answered)
            with trio.CancelScope(shield=True):
                await self._save()
            work.answered = answered
        except trio.TooSlowError:
            work.error = RtgfError(
                Code.RTGF_UNAVAILABLE, f"there is no answer after {self._limit_seconds:g} s"
            )
            self._give_up(place, acts=acts)
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            work.error = error
            self._drop(place)
        except BaseException:
            self._give_up(place, acts=acts)
            raise
        finally:
            self._in_hand.discard(place)
            work.done.set()

    def _give_up(self, place: tuple[str, str], *, acts: bool) -> None:
        """Leave the key free; that of an act that was cut short stays taken."""
        if not acts:
            self._drop(place)

    @staticmethod
    def _place(asked: Asked) -> tuple[str, str]:
        key = asked.headers["idempotency-key"]
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
        if place in self._in_hand:
            raise RtgfError(Code.RTGF_CONFLICT, "the same request is being answered; try again")
        if kept.answered is None:
            raise RtgfError(
                Code.RTGF_CONFLICT,
                "this was cut short, so it may or may not have been done: look whether it was, and "
                f"if not, send it under another {HEADER}",
            )
        headers = {**kept.answered.headers, "Idempotency-Replayed": "true"}
        return kept.answered._replace(headers=headers)

    def _settle(self, place: tuple[str, str], begun: _Kept, answered: Answered) -> None:
        self._drop(place)
        if answered.status < 500 and answered.status not in _OF_THE_MOMENT:
            size = len(answered.body) + OVERHEAD_BYTES
            if size <= CLIENT_BYTES:
                self._put(place, begun._replace(answered=answered, size=size))

    # --- bounds ---------------------------------------------------------------------------------

    def _put(self, place: tuple[str, str], kept: _Kept, *, is_saved: bool = False) -> None:
        client, key = place
        self._kept[place] = kept
        self._keys.setdefault(client, OrderedDict())[key] = None
        self._bytes_of[client] = self._bytes_of.get(client, 0) + kept.size
        self._bytes += kept.size
        if not is_saved:
            self._unsaved[place] = kept
        while self._bytes_of[client] > CLIENT_BYTES:
            self._drop((client, next(iter(self._keys[client]))))
        while self._bytes > KEPT_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, place: tuple[str, str]) -> None:
        kept = self._kept.pop(place, None)
        if kept is None:
            return
        client, key = place
        del self._keys[client][key]
        self._bytes_of[client] -= kept.size
        self._bytes -= kept.size
        self._unsaved[place] = None
        if not self._keys[client]:
            del self._keys[client], self._bytes_of[client]

    def _forget_old(self) -> None:
        limit = self._clock.now() - KEPT_SECONDS
        while self._kept:
            place, kept = next(iter(self._kept.items()))
            if kept.at > limit:
                return
            self._drop(place)

    # --- the file -------------------------------------------------------------------------------

    def _load(self) -> None:
        try:
            for row in self._file.rows():
                answered = None if row.answer is None else _decode(row.answer)
                size = OVERHEAD_BYTES + (0 if answered is None else len(answered.body))
                kept = _Kept(row.question, row.at, answered, size)
                self._put((row.client, row.key), kept, is_saved=True)
        except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
            raise RtgfError(
                Code.RTGF_TXP_STORE_DAMAGED,
                f"what is kept under idempotency keys cannot be read ({error}); move the file "
                "away, and no more than that is forgotten",
            ) from error

    async def _note(self) -> None:
        """Save, or refuse to begin.

        Raises:
          RtgfError: RTGF_UNAVAILABLE.
        """
        if not await self._save():
            raise RtgfError(Code.RTGF_UNAVAILABLE, "the disk takes nothing; nothing was done")

    async def _save(self) -> bool:
        """Return when all changes are on disk, or that they are not; those of many share a sync."""
        async with self._saving:
            changes, self._unsaved = self._unsaved, {}
            if not changes:
                return True  # whoever saved before has taken them along
            try:
                await trio.to_thread.run_sync(self._file.write, _rows(changes), list(changes))
            except sqlite3.Error as error:
                log.error("kept_answers_not_written", detail=str(error))
                self._unsaved = {**changes, **self._unsaved}
                return False
        return True


def _rows(changes: dict[tuple[str, str], _Kept | None]) -> list[KeptRow]:
    return [
        KeptRow(client, key, kept.question, kept.at, _packed(kept.answered))
        for (client, key), kept in changes.items()
        if kept is not None
    ]


def _packed(answered: Answered | None) -> bytes | None:
    return None if answered is None else _encode(answered)


def once(
    kept: KeptAnswers, answer: Callable[[Asked], Answered | Awaitable[Answered]]
) -> Callable[[Asked], Answered | Awaitable[Answered]]:
    """Have a route that changes nothing honour the key."""

    def answer_once(asked: Asked) -> Answered | Awaitable[Answered]:
        if "idempotency-key" not in asked.headers:
            return answer(asked)
        return kept.answer(asked, answer, acts=False)

    return answer_once


def _question(asked: Asked) -> bytes:
    head = f"{asked.method} {asked.path}\n{asked.query}\n".encode("utf-8", "surrogatepass")
    return hashlib.sha256(head + asked.body).digest()
