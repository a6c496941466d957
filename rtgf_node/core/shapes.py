"""Fit parsed JSON to a Struct, or say at which place it does not fit.

Every document that comes from outside is decoded through `fit`, so that a refusal always carries a
JSON Pointer (RFC 6901) and the code of its kind of document.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from rtgf_node.core import canonical_json
from rtgf_node.core.canonical_json import JsonValue, Writer
from rtgf_node.errors import Code, RtgfError

T = TypeVar("T")

# msgspec words a place as `$.clauses[0].kind`; a missing or unknown member is named in the message.
_PLACE = re.compile(r" - at `(?:key in )?\$(?P<path>[^`]*)`$")
_MEMBER = re.compile(r"(?:missing required|contains unknown) field `(?P<name>[^`]*)`")
_STEP = re.compile(r"\.([^.\[]+)|\[([^\]]*)\]")


def fit(value: JsonValue, shape: type[T], *, code: Code) -> T:
    """Return `value` as a `shape`; nothing is converted, unknown members are refused.

    Raises:
      RtgfError: with `code`, and a pointer to the first place that does not fit.
    """
    try:
        return msgspec.convert(value, shape, strict=True)
    except msgspec.ValidationError as error:
        message = str(error)
        raise RtgfError(code, message.split(" - at ")[0], pointer=pointer_of(message)) from None


def pointer_of(message: str) -> str:
    """Return the JSON Pointer that a msgspec message names; the empty one is the whole document."""
    steps: list[str] = []
    place = _PLACE.search(message)
    if place is not None:
        steps = [name or index for name, index in _STEP.findall(place["path"])]
    member = _MEMBER.search(message)
    if member is not None:
        steps.append(member["name"])
    return pointer(*steps)


def pointer(*steps: str | int) -> str:
    """Return the JSON Pointer through `steps` (RFC 6901 §3: `~` and `/` are escaped)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def read_body(body: bytes, kind: type[T]) -> T:
    """Return the request body as its type: strict JSON, no unknown member.

    Raises:
      RtgfError: RTGF_JSON_INVALID with the position, or RTGF_VERIFY_BAD_REQUEST with the JSON
        Pointer of the member that does not fit.
    """
    return read_body_with_writer(body, kind)[0]


def read_body_with_writer(body: bytes, kind: type[T]) -> tuple[T, Writer]:
    """Return what `read_body` does, and what writes the documents in it canonically.

    Raises:
      RtgfError: as `read_body`.
    """
    value, write = canonical_json.parse_with_writer(body)
    return fit(value, kind, code=Code.RTGF_VERIFY_BAD_REQUEST), write
