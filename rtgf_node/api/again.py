"""`POST /verify` of what was asked before: the whole answer is ready, but for its request's own.

Whether it still is the answer is the verifier's to say, each time, as it says it of a verdict that
it remembers (`VerifierActor.recall`); what is kept here is no more than how that verdict is written
and recorded. Every answer is recorded before it is given, and counted, as the others are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable
from typing import Final, NamedTuple

from rtgf_node.actors.verifier_memory import Remembered
from rtgf_node.api import recording
from rtgf_node.api.answers import always, ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered, Asked, Written, written_head
from rtgf_node.core.decision import Draft

ANSWERS_KEPT: Final = 8192
"""Answers, about 2 KB each beside what the verifier has of them: a body is a short one."""


class _Told(NamedTuple):
    """How a verdict is told.

    Attributes:
      verdict: the verdict itself.
      answered: the answer as the route gives it.
      head: its head as it goes out, but for the lines of one request.
      recorded: the members of its record after the three of one request.
    """

    verdict: Remembered
    answered: Answered
    head: bytes
    recorded: tuple[object, ...]


class Again:
    """The answers that were given, as they went out."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._records = desk.config.decisions.mode != "off"
        self._told: OrderedDict[bytes, _Told] = OrderedDict()

    def __len__(self) -> int:
        return len(self._told)

    def answer(self, asked: Asked) -> Written | Answered | Awaitable[Answered] | None:
        """Answer a request to `POST /verify` as before; None if the verifier has to find out."""
        headers = asked.headers
        if (
            asked.query
            or headers.get("content-type") != "application/json"
            or "idempotency-key" in headers
            or "content-encoding" in headers
        ):
            return None
        desk = self._desk
        verdict = desk.verifier.recall(asked.body)
        if verdict is None:
            return None
        told = self._told.get(asked.body)
        if told is None or told.verdict is not verdict:
            told = self._tell(asked, verdict)
        answers = desk.metrics.answers
        answers.verify_cache(hit=True)
        answers.verified(verdict.result)
        if self._records:
            draft = Draft._make(
                (desk.clock.now(), asked.request_id, asked.identity, *told.recorded)
            )
            kept = recording.keep(desk, asked, draft, told.answered)
            if kept is not told.answered:
                return kept
        return Written(
            b"%bX-Request-ID: %b\r\n" % (told.head, asked.request_id.encode()), verdict.answer
        )

    def _tell(self, asked: Asked, verdict: Remembered) -> _Told:
        answered = ready(verdict.answer, cache="no-store")
        headers = {
            **answered.headers,
            **always(asked.method, asked.path),
            "Content-Length": str(len(answered.body)),
        }
        draft = recording.draft_of(asked, answered, self._desk)
        told = _Told(verdict, answered, written_head(200, headers), draft[3:])
        if len(self._told) >= ANSWERS_KEPT:
            self._told.popitem(last=False)
        self._told[asked.body] = told
        return told
