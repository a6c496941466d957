"""Every failure as Problem Details (RFC 9457): the same shape, whatever went wrong.

`type` resolves to this node's own page about the code, `instance` is the request id under which the
log has the rest. Text for a fault of ours says nothing about our inside.
"""

from __future__ import annotations

from typing import Final

import msgspec
import structlog

from rtgf_node.api.bearer import BearerError
from rtgf_node.api.exchange import Answered
from rtgf_node.api.limits import RateLimitedError
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire import Problem, ProblemDetail

logger = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 1
"""When to come back after a 503: a restart takes about so long, and so does an election."""

MAX_DETAIL_CHARACTERS: Final = 1000
"""What was sent may stand in the text; a caller does not get it all back."""

MAX_ERRORS: Final = 50
"""Single failures that are listed; whoever has more fixes these first."""


def status_of(code: Code) -> int:
    """Return the HTTP status of a failure with this code."""
    status = code.value.status
    # A verdict ("revoked") is the answer to a verify request, and no problem. Where no verdict was
    # asked for, it means that the object does not pass its own checks.
    return status if status >= 400 else 422


def render(error: RtgfError, *, instance: str, public_url: str) -> tuple[bytes, dict[str, str]]:
    """Return the body, of type `MEDIA_TYPE`, and the headers that belong to it.

    Args:
      error: what failed; its status is `status_of(error.code)`.
      instance: the request id.
      public_url: where the node's own error pages are.
    """
    status = status_of(error.code)
    is_ours = status == 500
    document = Problem(
        type=f"{public_url.rstrip('/')}/errors/{error.code.name}",
        title=error.code.value.title,
        status=status,
        detail=f"the fault is ours; the operator finds it in the log under {instance}"
        if is_ours
        else _shortened(error.detail),
        code=error.code.name,
        instance=instance,
        errors=() if is_ours else _details(error),
    )
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, RateLimitedError):
        headers |= {"Retry-After": str(error.retry_after_seconds), **error.told}
    elif isinstance(error, BearerError):
        headers["WWW-Authenticate"] = error.challenge
    elif status in {429, 503}:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return msgspec.json.encode(document), headers


def answered(error: RtgfError, instance: str, public_url: str) -> Answered:
    """Return a failure as an answer; see `render`."""
    body, headers = render(error, instance=instance, public_url=public_url)
    return Answered(status_of(error.code), {"Content-Type": MEDIA_TYPE, **headers}, body)


def late(seconds: float) -> RtgfError:
    """Return what is said of an answer that took too long."""
    return RtgfError(Code.RTGF_UNAVAILABLE, f"no answer within {seconds:g} s; try again")


def bug(error: Exception, path: str, request_id: str) -> RtgfError:
    """Log a failure that nobody meant, and return what is said of it."""
    logger.error("request_failed", exc_info=error, path=path, request_id=request_id)
    return RtgfError(Code.RTGF_VERIFY_INTERNAL, "an internal error; it is logged")


def _details(error: RtgfError) -> tuple[ProblemDetail, ...]:
    """Return where it failed, and the failures inside it."""
    inner = [
        ProblemDetail(cause.code.name, _shortened(cause.detail), cause.pointer)
        for cause in error.causes
    ]
    if error.pointer is not None:
        inner.insert(0, ProblemDetail(error.code.name, _shortened(error.detail), error.pointer))
    return tuple(inner[:MAX_ERRORS])


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_DETAIL_CHARACTERS else text[: MAX_DETAIL_CHARACTERS - 1] + "…"
