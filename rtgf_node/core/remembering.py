"""How long a verdict stays true by itself: until time alone could change it."""

from __future__ import annotations

from rtgf_node.core.policy.values import RESOLVER_ERROR
from rtgf_node.core.trust import TrustState
from rtgf_node.wire import VerifyAnswer, VerifyRequest


def until(request: VerifyRequest, answer: VerifyAnswer, state: TrustState, *, now: int) -> int:
    """Return the next second from which on the answer could be another; `now` if it may be already.

    Whatever becomes known meanwhile ends it earlier.
    """
    if request.at is not None or state.stale:
        return now
    if any(reason.startswith(RESOLVER_ERROR) for reason in answer.reasons):
        return now  # it may have been late; the same question may find it in time
    boundaries: list[int] = []
    for verdict in answer.tokens:
        held = state.find(verdict.uri.removeprefix("urn:rtgf:token:"))
        if held is None:
            return now
        token = held.token
        if request.context is not None and state.changes_unasked(token):
            return now
        boundaries += state.turning_points(token)
        boundaries += [limit + 1 for limit in state.list_limits(token).values()]
    return min((boundary for boundary in boundaries if boundary > now), default=now)
