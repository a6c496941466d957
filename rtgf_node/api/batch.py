"""`/verify/batch`: many verify requests in one, answered in their order, each as if alone."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Final

import msgspec
import trio

from rtgf_node.api import problems
from rtgf_node.api.access import Caller
from rtgf_node.api.answers import ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered, Asked, Route
from rtgf_node.api.once import once
from rtgf_node.api.parameters import Query
from rtgf_node.api.recording import recorded_batch
from rtgf_node.api.verify import not_verified, require_json
from rtgf_node.core import as_of
from rtgf_node.errors import Code, RtgfError

BATCH_MAX: Final = 1000
"""Requests in one batch."""

TURN_SECONDS: Final = 0.001
"""So long one batch may hold up everybody else; then they have their turn."""

_read = msgspec.json.Decoder(list[msgspec.Raw]).decode


def routes(desk: Desk) -> list[Route]:
    """Return the route."""
    answer = recorded_batch(desk, partial(verify_batch, desk))
    return [Route("POST", "/verify/batch", once(desk.kept, answer))]


def verify_batch(desk: Desk, asked: Asked) -> Answered | Awaitable[Answered]:
    """Answer a JSON array of verify requests with the array of their answers.

    The answer to one that cannot be answered is its problem document. Batches that are remembered
    are answered at once; one that takes long lets others go between.

    Raises:
      RtgfError: it is no array of 1 to `BATCH_MAX` values.
    """
    at = Query("at", of=asked.query).text("at")
    if at is not None:
        _check(at)
    require_json(desk, asked)
    items = _items(asked.body)
    caller = Caller(asked.identity, asked.address, frozenset())
    # One was counted at the door, whoever asked.
    desk.limits.owe(caller, at=trio.current_time(), cost=len(items) - 1, route="verify")
    batch = _Batch(desk, asked, items, at)
    return batch.answered() if batch.go_on() else batch.finish()


def _check(at: str) -> None:
    """Refuse what names no state in any request of the batch."""
    try:
        as_of.parse(at)
    except RtgfError as error:
        raise RtgfError(error.code, error.detail, pointer="?at") from None


def _items(body: bytes) -> Sequence[msgspec.Raw]:
    # The requests themselves are read strictly by the verifier, unless it remembers their bytes.
    try:
        items = _read(body)
    except (msgspec.DecodeError, RecursionError) as error:
        code = Code.RTGF_JSON_INVALID
        if isinstance(error, msgspec.ValidationError):
            code = Code.RTGF_VERIFY_BAD_REQUEST
        raise RtgfError(code, f"send an array of verify requests: {error}", pointer="") from None
    if not 1 <= len(items) <= BATCH_MAX:
        raise RtgfError(Code.RTGF_VERIFY_BAD_REQUEST, f"send 1 to {BATCH_MAX} requests", pointer="")
    return items


class _Batch:
    """A batch in hand: what was answered of it."""

    def __init__(
        self, desk: Desk, asked: Asked, items: Sequence[msgspec.Raw], at: str | None
    ) -> None:
        self._desk = desk
        self._asked = asked
        self._items = items
        self._at = at
        self._answers: list[bytes] = []
        self._started = trio.current_time()

    def go_on(self) -> bool:
        """Answer some; return whether that was all."""
        due = trio.current_time() + TURN_SECONDS
        verify, answers, at = self._desk.verifier.verify, self._answers, self._at
        for item in self._items[len(answers) :]:
            try:
                answers.append(verify(bytes(item), at=at))
            except RtgfError as error:
                not_verified(self._desk, error)
                answers.append(self._problem(error))
            except Exception as error:  # noqa: BLE001 - logged, and answered
                bug = problems.bug(error, self._asked.path, self._asked.request_id)
                answers.append(self._problem(bug))
            if trio.current_time() > due:
                break
        return len(answers) == len(self._items)

    async def finish(self) -> Answered:
        """Answer the rest, in turn with everybody else."""
        await trio.lowlevel.checkpoint()
        while not self.go_on():
            await trio.lowlevel.checkpoint()
        return self.answered()

    def answered(self) -> Answered:
        """Return the whole answer."""
        milliseconds = (trio.current_time() - self._started) * 1000
        self._desk.metrics.answers.verify_took(milliseconds)
        return ready(b"[%b]" % b",".join(self._answers), cache="no-store")

    def _problem(self, error: RtgfError) -> bytes:
        url = self._desk.config.node.public_url
        return problems.render(error, instance=self._asked.request_id, public_url=url)[0]
