"""What the decision log records of an answer, taken from the answer as it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from rtgf_node.api import problems
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered, Asked
from rtgf_node.core import digests, identifiers
from rtgf_node.core.decision import Draft
from rtgf_node.errors import RtgfError

AT_CHARACTERS = 20
"""Of a time or a tree size; more is no question that was answered."""


class _Verdict(msgspec.Struct, frozen=True):
    """What is recorded of an answer; one of `/evaluate` has fewer of these members."""

    decision: str | None
    trace_digest: str | None
    revEpoch: int  # noqa: N815 - the contract's spelling
    valid: bool | None = None
    reason: str | None = None
    tokens: list[_Uri] = []
    token: str | None = None


class _Uri(msgspec.Struct, frozen=True):
    uri: str


class _Item(msgspec.Struct, frozen=True):
    """What is recorded of one answer of a batch; a problem has none of these members."""

    valid: bool = False
    revEpoch: int | None = None  # noqa: N815 - the contract's spelling
    tokens: list[_Uri] = []


class _Because(msgspec.Struct, frozen=True):
    token: str | None = None
    decision: str | None = None
    trace_digest: str | None = None
    revEpoch: int | None = None  # noqa: N815 - the contract's spelling


class _Access(msgspec.Struct, frozen=True):
    """What is recorded of an AuthZEN answer, or of one of its evaluations."""

    decision: bool | None = None
    context: _Because = _Because()
    evaluations: list[_Access] | None = None


class _Problem(msgspec.Struct, frozen=True):
    code: str


ANSWERS_KEPT = 4096
"""Answers of which it is remembered what they say."""

_OPEN: Mapping[str, Any] = {
    "at": 0,
    "request_id": "",
    "client": None,
    "route": "",
    "request_digest": None,
}
"""What each request fills in anew."""

_verdicts = msgspec.json.Decoder(_Verdict)
_items = msgspec.json.Decoder(list[_Item])
_accesses = msgspec.json.Decoder(_Access)
_problems = msgspec.json.Decoder(_Problem)


def recorded(
    desk: Desk, answer: Callable[[Asked], Answered]
) -> Callable[[Asked], Answered | Awaitable[Answered]]:
    """Record every answer before it is given, problems too; without its record it is not given."""
    return answer if desk.config.decisions.mode == "off" else _recorded(desk, answer, draft_of)


def recorded_batch(
    desk: Desk, answer: Callable[[Asked], Answered | Awaitable[Answered]]
) -> Callable[[Asked], Answered | Awaitable[Answered]]:
    """Record the answers of a batch as one: by the digests of the whole."""
    return answer if desk.config.decisions.mode == "off" else _recorded(desk, answer, _batch_draft)


def recorded_access(
    desk: Desk, answer: Callable[[Asked], Answered | Awaitable[Answered]]
) -> Callable[[Asked], Answered | Awaitable[Answered]]:
    """Record an AuthZEN answer; several evaluations as one, by the digests of the whole."""
    return answer if desk.config.decisions.mode == "off" else _recorded(desk, answer, _access_draft)


def keep(
    desk: Desk, asked: Asked, draft: Draft, answered: Answered
) -> Answered | Awaitable[Answered]:
    """Return the answer once its record is kept, or why it is not given."""
    try:
        waiting = desk.decisions.keep(draft)
    except RtgfError as error:
        return _problem_of(desk, asked, error)
    return answered if waiting is None else _kept_later(waiting, desk, asked, answered)


async def _kept_later(
    waiting: Awaitable[None], desk: Desk, asked: Asked, answered: Answered
) -> Answered:
    try:
        await waiting
    except RtgfError as error:
        return _problem_of(desk, asked, error)
    return answered


def _problem_of(desk: Desk, asked: Asked, error: Exception) -> Answered:
    if not isinstance(error, RtgfError):
        error = problems.bug(error, asked.path, asked.request_id)
    return problems.answered(error, asked.request_id, desk.config.node.public_url)


def _recorded(
    desk: Desk,
    answer: Callable[[Asked], Answered | Awaitable[Answered]],
    draft: Callable[[Asked, Answered, Desk], Draft],
) -> Callable[[Asked], Answered | Awaitable[Answered]]:
    def answer_recorded(asked: Asked) -> Answered | Awaitable[Answered]:
        try:
            answered = answer(asked)
        except Exception as error:  # noqa: BLE001 - logged, and answered
            answered = _problem_of(desk, asked, error)
        return (
            record(asked, answered) if isinstance(answered, Answered) else _later(asked, answered)
        )

    async def _later(asked: Asked, waiting: Awaitable[Answered]) -> Answered:
        try:
            answered = await waiting
        except Exception as error:  # noqa: BLE001 - logged, and answered
            answered = _problem_of(desk, asked, error)
        told = record(asked, answered)
        return told if isinstance(told, Answered) else await told

    def record(asked: Asked, answered: Answered) -> Answered | Awaitable[Answered]:
        return keep(desk, asked, draft(asked, answered, desk), answered)

    return answer_recorded


def _batch_draft(asked: Asked, answered: Answered, desk: Desk) -> Draft:
    if answered.status != 200:
        return draft_of(asked, answered, desk)
    items = _items.decode(answered.body)
    uris = {token.uri for item in items for token in item.tokens}
    epochs = [item.revEpoch for item in items if item.revEpoch is not None]
    said = Draft(
        **_OPEN,
        answer_digest=digests.sha256(answered.body),
        tokens=tuple(sorted(map(identifiers.token_reference, uris))),
        valid=all(item.valid for item in items),
        rev_epoch=max(epochs, default=None),
    )
    return _of(asked, desk, said)


def _access_draft(asked: Asked, answered: Answered, desk: Desk) -> Draft:
    if answered.status != 200:
        return draft_of(asked, answered, desk)
    said = _accesses.decode(answered.body)
    items = [said] if said.evaluations is None else said.evaluations
    uris = {item.context.token for item in items if item.context.token is not None}
    epochs = [item.context.revEpoch for item in items if item.context.revEpoch is not None]
    # Of several evaluations, none speaks for the whole.
    why = said.context if said.evaluations is None else _Because()
    draft = Draft(
        **_OPEN,
        answer_digest=digests.sha256(answered.body),
        tokens=tuple(sorted(map(identifiers.token_reference, uris))),
        decision=why.decision,
        valid=all(item.decision for item in items),
        rev_epoch=max(epochs, default=None),
        trace_digest=why.trace_digest,
    )
    return _of(asked, desk, draft)


def draft_of(asked: Asked, answered: Answered, desk: Desk) -> Draft:
    """Return what is recorded of one answer."""
    read = _verdict if answered.status == 200 else _problem
    return _of(asked, desk, read(answered.body))


def _of(asked: Asked, desk: Desk, said: Draft) -> Draft:
    """Return what an answer says, with who asked what, and when."""
    return said._replace(
        at=desk.clock.now(),
        request_id=asked.request_id,
        client=asked.identity,
        route=_route(asked),
        request_digest=digests.sha256(asked.body) if asked.fault is None else None,
    )


@lru_cache(maxsize=ANSWERS_KEPT)
def _verdict(body: bytes) -> Draft:
    """Return what an answer says. A remembered answer is the same bytes, so it is read once."""
    said = _verdicts.decode(body)
    uris = [one.uri for one in said.tokens] if said.token is None else [said.token]
    return Draft(
        **_OPEN,
        answer_digest=digests.sha256(body),
        tokens=tuple(identifiers.token_reference(uri) for uri in uris),
        decision=said.decision,
        valid=said.valid,
        reason=said.reason,
        rev_epoch=said.revEpoch,
        trace_digest=said.trace_digest,
    )


def _problem(body: bytes) -> Draft:
    return Draft(**_OPEN, answer_digest=digests.sha256(body), reason=_problems.decode(body).code)


def _route(asked: Asked) -> str:
    """Return where it was asked, with what makes another question of the same body."""
    if not asked.query:
        return asked.path
    at = dict(parse_qsl(asked.query)).get("at")
    return asked.path if at is None else f"{asked.path}?at={at[:AT_CHARACTERS]}"
