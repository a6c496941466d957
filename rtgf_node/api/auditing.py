"""Puts every privileged act, and every denial, on record: without the record there is no act."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import structlog
from quart import Response, g, request
from quart_trio import QuartTrio

from rtgf_node.api.desk import Desk
from rtgf_node.core import digests, times
from rtgf_node.errors import RtgfError
from rtgf_node.ops.audit_trail import Entry

log = structlog.get_logger(__name__)

READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
DENIED: Final = frozenset({401, 403})

MAX_PATH_CHARACTERS: Final = 500
"""Of a path; who is turned away does not choose how much is kept."""

MAX_SUBJECTS: Final = 1000
"""As many as one request can withdraw."""


class _Item(msgspec.Struct):
    token: str


class _Items(msgspec.Struct):
    """The members of a body that say what it is about."""

    items: list[_Item] = []


def audit(app: QuartTrio, desk: Desk) -> None:
    """Record what is done below `/admin`, before and after, and who is turned away."""

    @app.before_request
    async def begin() -> None:
        if not _is_privileged() or request.method in READS:
            return
        caller = desk.access.caller(request.scope)
        if caller.identity is None or caller.by_token or not caller.roles:
            return  # the route denies it, and that is recorded
        body: bytes = await request.get_data(cache=True, as_text=False, parse_form_data=False)
        g.audited = entry(
            outcome="begun", body=digests.sha256(body), subjects=_subjects(request.path, body)
        )
        await desk.trail.record("acts", g.audited)

    @app.after_request
    async def end(response: Response) -> Response:
        if not _is_privileged() or "request_id" not in g:
            return response
        try:
            if "audited" in g:
                is_done = response.status_code < 400
                outcome = "done" if is_done else _refusal(response.status_code)
                ended = msgspec.structs.replace(
                    g.audited,
                    at=times.to_text(desk.clock.now()),
                    outcome=outcome,
                    status=response.status_code,
                )
                await desk.trail.record("acts", ended)
            elif response.status_code in DENIED:
                denied = entry(outcome="denied", status=response.status_code)
                await desk.trail.record("denials", denied)
        except RtgfError:
            # That it began is on record, and what was done cannot be taken back by silence.
            log.error("audit_trail_end_not_written", request_id=g.request_id)
        return response

    def entry(**members: Any) -> Entry:  # noqa: ANN401 - passed on
        state = request.scope.get("state", {})
        client = state.get("client")
        return Entry(
            at=times.to_text(desk.clock.now()),
            request_id=g.request_id,
            client=client if client is not None else g.get("identity"),
            address=str(state.get("address", "")),
            method=request.method,
            path=request.path[:MAX_PATH_CHARACTERS],
            **members,
        )


def _is_privileged() -> bool:
    return request.path.startswith("/admin")


def _refusal(status: int) -> str:
    return "denied" if status in DENIED else "failed"


def _subjects(path: str, body: bytes) -> tuple[str, ...]:
    """Return the tokens that a body names; what a path names stands there."""
    if path not in {"/admin/revoke", "/admin/reinstate"}:
        return ()
    try:
        items = msgspec.json.decode(body, type=_Items).items
    except msgspec.DecodeError:
        return ()
    return tuple(item.token[:200] for item in items[:MAX_SUBJECTS])
