"""What the decision log records of an answer, taken from the answer as it is sent."""

from __future__ import annotations

import msgspec
from quart import Blueprint, Response, g, request

from rtgf_node.api import problems
from rtgf_node.api.desk import Desk
from rtgf_node.core import digests, identifiers
from rtgf_node.core.decision import Draft
from rtgf_node.errors import RtgfError

TOO_MANY = 429
"""What a client over its limit is answered is counted, not recorded: it decides nothing, and a
flood would fill the disk."""


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


class _Problem(msgspec.Struct, frozen=True):
    code: str


_verdicts = msgspec.json.Decoder(_Verdict)
_problems = msgspec.json.Decoder(_Problem)


def record_answers(blueprint: Blueprint, desk: Desk) -> None:
    """Record every answer of this blueprint before it is given; without its record it is not."""
    if desk.config.decisions.mode == "off":
        return

    @blueprint.after_request
    async def record(response: Response) -> Response:
        if request.method != "POST" or response.status_code == TOO_MANY:
            return response
        try:
            await desk.decisions.record(await _draft(response, desk))
        except RtgfError as error:
            return _instead(error, desk)
        return response


async def _draft(response: Response, desk: Desk) -> Draft:
    body: bytes = await response.get_data(as_text=False)
    asked: bytes | None = g.get("asked")
    draft = Draft(
        at=desk.clock.now(),
        request_id=g.request_id,
        client=desk.access.caller(request.scope).identity,
        route=request.path,
        request_digest=digests.sha256(asked) if asked is not None else None,
        answer_digest=digests.sha256(body),
    )
    if response.status_code != 200:
        return draft._replace(reason=_problems.decode(body).code)
    said = _verdicts.decode(body)
    uris = [one.uri for one in said.tokens] if said.token is None else [said.token]
    return draft._replace(
        tokens=tuple(identifiers.token_reference(uri) for uri in uris),
        decision=said.decision,
        valid=said.valid,
        reason=said.reason,
        rev_epoch=said.revEpoch,
        trace_digest=said.trace_digest,
    )


def _instead(error: RtgfError, desk: Desk) -> Response:
    body, headers = problems.render(
        error, instance=g.request_id, public_url=desk.config.node.public_url
    )
    return Response(
        body,
        status=problems.status_of(error.code),
        headers=headers,
        content_type=problems.MEDIA_TYPE,
    )
