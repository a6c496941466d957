"""What a node answered: the value in it, or the failure that its problem document states."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from rtgf_node import wire
from rtgf_node.errors import Code, RtgfError

T = TypeVar("T")

# Of an answer that is not a problem document, so much is shown.
_EXCERPT_CHARS: Final = 200

_CODES: Final = {code.name: code for code in Code}


def decode(data: bytes, shape: type[T]) -> T:
    """Return the value in an answer.

    Raises:
      RtgfError: RTGF_INTERNAL if it is not of this shape.
    """
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RtgfError(
            Code.RTGF_INTERNAL, f"the node's answer is not a {shape}: {error}"
        ) from error


def problem_of(url: str, status: int, body: bytes) -> RtgfError:
    """Return the failure that a problem answer (RFC 9457) states."""
    try:
        problem = msgspec.json.decode(body, type=wire.Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = body.decode("utf-8", errors="replace")[:_EXCERPT_CHARS]
        return RtgfError(Code.RTGF_INTERNAL, f"{url} answered {status}: {text!r}")
    code = _CODES.get(problem.code)
    if code is None:
        return RtgfError(
            Code.RTGF_INTERNAL, f"{url} answered {status} {problem.code}: {problem.detail}"
        )
    causes = [_cause(entry) for entry in problem.errors]
    pointer = None
    if causes and (causes[0].code, causes[0].detail) == (code, problem.detail):
        # The failure itself, with its place; what follows is inside it.
        pointer = causes.pop(0).pointer
    return RtgfError(code, problem.detail, pointer=pointer, causes=tuple(causes))


def _cause(entry: wire.ProblemDetail) -> RtgfError:
    code = _CODES.get(entry.code, Code.RTGF_INTERNAL)
    return RtgfError(code, entry.detail, pointer=entry.pointer)
