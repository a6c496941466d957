"""AuthZEN Authorization API 1.0: the same decisions for enforcement points that speak it.

What cannot be read as a request is refused with 400, also where other routes say it otherwise:
AuthZEN has no other status for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import trio

from rtgf_node.api.access import Caller
from rtgf_node.api.answers import document
from rtgf_node.api.batch import TURN_SECONDS
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered, Asked, Route
from rtgf_node.api.parameters import Query
from rtgf_node.api.recording import recorded_access
from rtgf_node.api.verify import require_json
from rtgf_node.core import authzen, canonical_json
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire.authzen import (
    AccessAnswer,
    AccessAnswers,
    AccessConfiguration,
    AccessContext,
    AccessRequest,
)

MAX_AGE = 300
"""Seconds a cache may hold where the routes are."""


def routes(desk: Desk) -> list[Route]:
    """Return the routes."""
    url = desk.config.node.public_url.rstrip("/")

    def configuration(asked: Asked) -> Answered:
        Query(of=asked.query)
        answer = AccessConfiguration(
            policy_decision_point=url,
            access_evaluation_endpoint=f"{url}/access/v1/evaluation",
            access_evaluations_endpoint=f"{url}/access/v1/evaluations",
        )
        return document(answer, max_age=MAX_AGE)

    return [
        Route("GET", "/.well-known/authzen-configuration", configuration),
        Route("POST", "/access/v1/evaluation", recorded_access(desk, partial(evaluation, desk))),
        Route("POST", "/access/v1/evaluations", recorded_access(desk, partial(evaluations, desk))),
    ]


def evaluation(desk: Desk, asked: Asked) -> Answered:
    """Answer one request."""
    _readable(desk, asked)
    request = authzen.read_request(canonical_json.parse_object(asked.body))
    return document(decide(desk, request))


async def evaluations(desk: Desk, asked: Asked) -> Answered:
    """Answer several, as far as the request's semantic goes; others have their turn between.

    One that cannot be read among others that can is refused, and the rest are decided.
    """
    _readable(desk, asked)
    batch, requests = authzen.read_batch(asked.body)
    if not batch.evaluations:
        return document(decide(desk, authzen.read_request(requests[0])))
    caller = Caller(asked.identity, asked.address, frozenset())
    # One was counted at the door, whoever asked.
    desk.limits.owe(caller, at=trio.current_time(), cost=len(requests) - 1, route="verify")
    answers: list[AccessAnswer] = []
    due = trio.current_time() + TURN_SECONDS
    for answer in authzen.until_decisive(_each(desk, requests), batch):
        answers.append(answer)
        if trio.current_time() > due:
            await trio.lowlevel.checkpoint()
            due = trio.current_time() + TURN_SECONDS
    return document(AccessAnswers(answers))


def decide(desk: Desk, request: AccessRequest) -> AccessAnswer:
    """Return the decision of the token, or of the local rule, that the request is about.

    Raises:
      RtgfError: RTGF_VERIFY_UNAVAILABLE; what says something of the request is a refusal instead.
    """
    if request.resource.type != authzen.TOKEN:
        return authzen.by_rules(request, desk.access_rules)
    refusal = authzen.unknown_action(request, desk.config.authzen.actions)
    if refusal is not None:
        return refusal
    payment = authzen.payment_of(request)
    question: JsonValue = {"token": request.resource.id, "context": payment}
    try:
        body = canonical_json.canonical_bytes(question)
        said = desk.verifier.evaluate(body, explained=False)
    except RtgfError as error:
        if error.code.value.status >= 500:
            raise
        return authzen.undecided(error)
    return AccessAnswer(
        decision=said.decision in {"PERMIT", "PERMIT_WITH_CONTROLS"},
        context=AccessContext(
            reasons=said.reasons,
            controls=tuple(said.controls),
            token=said.token,
            decision=said.decision,
            trace_digest=said.trace_digest,
            revEpoch=said.revEpoch,
        ),
    )


def _each(desk: Desk, requests: list[dict[str, JsonValue]]) -> Iterator[AccessAnswer]:
    for request in requests:
        try:
            yield decide(desk, authzen.read_request(request))
        except RtgfError as error:
            if error.code.value.status >= 500:
                raise
            yield authzen.undecided(error)


def _readable(desk: Desk, asked: Asked) -> None:
    Query(of=asked.query)
    try:
        require_json(desk, asked)
    except RtgfError as error:
        if error.code is Code.RTGF_MEDIA_TYPE:
            raise RtgfError(Code.RTGF_BAD_REQUEST, error.detail) from error
        raise
