"""What an error answer is (RFC 9457)."""

from __future__ import annotations

from rtgf_node.wire.shapes import Answer


class ProblemDetail(Answer, frozen=True, omit_defaults=True):
    """One of the failures inside a problem, with the place it is at."""

    code: str
    detail: str
    pointer: str | None = None


class Problem(Answer, frozen=True, omit_defaults=True):
    """An error answer. `type` resolves on the node itself; `instance` is the request id.

    Where the failure has a place, the first of `errors` is the failure itself, with its pointer.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    errors: tuple[ProblemDetail, ...] = ()
