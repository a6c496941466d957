"""One strict reader of JSON and one canonical text for whatever is hashed or signed.

`canonical_bytes` is the JSON Canonicalization Scheme of RFC 8785. `parse` is the only way in for
bytes that will be hashed or signed: it refuses what two readers could understand differently.

Both have a fast path that is taken only where it provably gives the same result: orjson encodes
exactly as RFC 8785 does when no number is a float and no character lies outside the basic
multilingual plane (there, UTF-8 order and UTF-16 order of keys are the same).
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import Final, NamedTuple, NoReturn, TypeAlias

import orjson

from rtgf_node.errors import Code, RtgfError

JsonValue: TypeAlias = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None
"""What a JSON text can say. msgspec cannot resolve a recursive type: Structs say `Any` there."""

Writer: TypeAlias = Callable[[JsonValue], bytes]
"""Writes values as `canonical_bytes` does."""

MAX_BYTES: Final = 1 << 20
"""Bytes. The default size limit of a document; kinds with smaller limits pass their own."""

MAX_DEPTH: Final = 64
"""Open arrays and objects. No document of ours nests a quarter as deep."""

MAX_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly (RFC 7493 §2.2)."""

_MAX_INTEGER_DIGITS: Final = 17
"""Characters of the longest acceptable integer with its sign; longer text is never converted."""

_EXPONENT_FROM: Final = 1e21
"""From here on canonical text writes a double with an exponent (ECMA-262 Number::toString)."""

_OUT_OF_RANGE: Final = "the integer lies outside ±(2^53-1)"
_TOO_DEEP: Final = f"nested deeper than {MAX_DEPTH} levels; flatten it"
_ENCODE: Final = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER | orjson.OPT_PASSTHROUGH_SUBCLASS
_EXACT_IN_ORJSON: Final = frozenset({str, int, bool, type(None)})
_OUTSIDE_BMP: Final = re.compile(rb"[\xf0-\xff]")
# The standard encoder's escapes are exactly those of ECMAScript's JSON.stringify.
_ESCAPED: Final = json.JSONEncoder(ensure_ascii=False).encode
_STRING_OR_BRACKET: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


class _Refused(NamedTuple):
    """Stands in a parsed tree where a value was refused, so that its place can be told."""

    reason: str


def parse(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> JsonValue:
    """Return the value of a JSON text that has exactly one meaning.

    A number with a fraction or an exponent is read as a double, as RFC 8785 has it. What is read
    can be written, and its canonical text be read again.

    Raises:
      RtgfError: RTGF_JSON_INVALID if `data` is too large, not UTF-8 or not JSON (RFC 8259), has a
        byte order mark, a duplicate key, a lone surrogate, an integer outside ±(2^53-1) or a number
        whose canonical text is one (such as 1e20), a number too large for a double, or nests
        deeper than `max_depth`. The pointer is `line:column` for syntax and a JSON Pointer for the
        rest.
    """
    return _parse(data, max_bytes, max_depth)[0]


def parse_with_writer(data: bytes) -> tuple[JsonValue, Writer]:
    """Return what `parse` does, and the fastest that writes it, or any part of it, canonically."""
    value, _, is_plain = _parse(data, MAX_BYTES, MAX_DEPTH)
    return value, partial(orjson.dumps, option=_ENCODE) if is_plain else canonical_bytes


def parse_canonical(
    data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> JsonValue:
    """Return the value of a text that is its own canonical form; signed bytes always are.

    Raises:
      RtgfError: RTGF_JSON_INVALID as `parse` does, and if the text is JSON but not canonical.
    """
    value, is_canonical, _ = _parse(data, max_bytes, max_depth)
    if not is_canonical and canonical_bytes(value) != data:
        _refuse("the text is not in canonical form (RFC 8785); send its canonical bytes")
    return value


def parse_document(
    data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> tuple[dict[str, JsonValue], bytes]:
    """Return the members of a JSON text that is an object, and its canonical text.

    Raises:
      RtgfError: RTGF_JSON_INVALID as `parse` does, and if the text is another JSON value.
    """
    value, is_canonical, _ = _parse(data, max_bytes, max_depth)
    return _members(value), data if is_canonical else canonical_bytes(value)


def parse_object(
    data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> dict[str, JsonValue]:
    """Return the members of a JSON text that is an object, as every document is.

    Raises:
      RtgfError: RTGF_JSON_INVALID as `parse` does, and if the text is another JSON value.
    """
    return _members(parse(data, max_bytes=max_bytes, max_depth=max_depth))


def _members(value: JsonValue) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        _refuse("the document is not a JSON object; send its members in braces", "")
    return value


def canonical_bytes(value: JsonValue) -> bytes:
    """Return the canonical text of a value (RFC 8785). Tuples are written as arrays.

    Raises:
      RtgfError: RTGF_JSON_INVALID if the value has something that canonical JSON cannot say: an
        integer outside ±(2^53-1), NaN, an infinity, a lone surrogate, a key that is not text, a
        type that is not JSON, or nesting deeper than 64.
    """
    try:
        encoded = orjson.dumps(value, option=_ENCODE)
    except orjson.JSONEncodeError:
        return _exact(value)
    # The check comes after the encoding because that has already refused cyclic values.
    if type(value) in _EXACT_IN_ORJSON or _is_exact_in_orjson(value, encoded, MAX_DEPTH):
        return encoded
    return _exact(value)


def _is_exact_in_orjson(value: JsonValue, encoded: bytes, max_depth: int) -> bool:
    """Tell whether orjson's text of `value` is the RFC 8785 text and not nested too deep."""
    return _is_plain(value, max_depth) and _has_one_order(encoded)


def _has_one_order(encoded: bytes) -> bool:
    """Tell whether UTF-8 and UTF-16 sort all of a text alike."""
    return encoded.isascii() or _OUTSIDE_BMP.search(encoded) is None


def _is_plain(value: JsonValue, max_depth: int) -> bool:
    """Tell whether all in a value is JSON, no float, and no deeper than this, scalars included."""
    level: list[JsonValue] = [value]
    while level and max_depth >= 0:
        inner: list[JsonValue] = []
        for item in level:
            kind = type(item)
            if kind is str:
                continue
            if kind is dict:
                inner.extend(item.values())  # type: ignore[union-attr]  # kind says it
            elif kind is list:
                inner.extend(item)  # type: ignore[arg-type]  # kind says it
            elif kind not in _EXACT_IN_ORJSON:
                return False
        level = inner
        max_depth -= 1
    return max_depth >= 0


def _parse(data: bytes, max_bytes: int, max_depth: int) -> tuple[JsonValue, bool, bool]:
    """Return the value, if its text is known to be canonical, if orjson writes its parts so."""
    if len(data) > max_bytes:
        _refuse(f"the document has {len(data)} bytes; at most {max_bytes} are accepted")
    # orjson is the judge of syntax: strict RFC 8259, strict UTF-8, and it bounds its own recursion.
    try:
        value: JsonValue = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        _refuse(
            f"not JSON: {error.msg}; send one RFC 8259 value in UTF-8",
            f"{error.lineno}:{error.colno}",
        )
    try:
        encoded = orjson.dumps(value, option=_ENCODE)
    except orjson.JSONEncodeError:
        encoded = b""
    # Writing the value gives the text again: then nothing was lost or doubled.
    if encoded == data and _is_exact_in_orjson(value, encoded, max_depth):
        return value, True, True
    if _holds_every_member(value, encoded, data, max_depth):
        return value, False, _has_one_order(encoded)
    # A duplicate key may hide deeper nesting than orjson's value shows, so the text is looked at.
    _check_depth(data, max_depth)
    return _parse_slowly(data), False, False


def _holds_every_member(value: JsonValue, encoded: bytes, data: bytes, max_depth: int) -> bool:
    """Tell whether no key of the text occurred twice in its object, for most texts.

    Without escapes, every colon of the text is a member's or stands in a string that is written as
    it was read; what a doubled key pushes out has one at least.
    """
    if not encoded or b"\\" in data or encoded.count(b":") != data.count(b":"):
        return False
    return _is_plain(value, max_depth)


def _check_depth(data: bytes, max_depth: int) -> None:
    if data.count(b"[") + data.count(b"{") <= max_depth:
        return
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(data):
        first = data[match.start()]
        if first in b"[{":
            depth += 1
            if depth > max_depth:
                before = data[: match.start()]
                line = before.count(b"\n") + 1
                column = match.start() - before.rfind(b"\n")
                _refuse(f"nested deeper than {max_depth} levels; flatten it", f"{line}:{column}")
        elif first in b"]}":
            depth -= 1


def _parse_slowly(data: bytes) -> JsonValue:
    """Read a text that orjson has accepted, and refuse what orjson lets through silently."""
    refused = False

    def refuse(reason: str) -> _Refused:
        nonlocal refused
        refused = True
        return _Refused(reason)

    def integer(digits: str) -> int | _Refused:
        if len(digits) > _MAX_INTEGER_DIGITS or abs(int(digits)) > MAX_INTEGER:
            return refuse(f"{_OUT_OF_RANGE}; send it as a string")
        return int(digits)

    def fraction(text: str) -> float | _Refused:
        value = float(text)
        if MAX_INTEGER < abs(value) < _EXPONENT_FROM:
            return refuse(f"{_OUT_OF_RANGE} in canonical form; send it as a string")
        return value

    def members(pairs: list[tuple[str, JsonValue]]) -> dict[str, object]:
        object_ = dict[str, object](pairs)
        if len(object_) != len(pairs):
            for key, count in Counter(key for key, _ in pairs).items():
                if count > 1:
                    object_[key] = refuse("the key occurs twice in its object; keep one")
        return object_

    value: JsonValue = json.loads(
        data.decode(), object_pairs_hook=members, parse_int=integer, parse_float=fraction
    )
    if refused:
        _raise_first_refused(value, "")
    return value


def _raise_first_refused(value: JsonValue | _Refused, pointer: str) -> None:
    if isinstance(value, _Refused):
        _refuse(value.reason, pointer)
    elif isinstance(value, dict):
        for key, item in value.items():
            _raise_first_refused(item, pointer + _pointer_step(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _raise_first_refused(item, f"{pointer}/{index}")


class _UnwritableError(Exception):
    """A value inside has no canonical text; every container on the way out adds its step."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str] = []


def _exact(value: JsonValue) -> bytes:
    parts: list[str] = []
    try:
        _write(value, parts, MAX_DEPTH)
    except _UnwritableError as error:
        _refuse(error.reason, "".join(reversed(error.steps)))
    return "".join(parts).encode()


def _write(value: object, parts: list[str], depth_left: int) -> None:
    """Append the text of a value (RFC 8785 §3.2)."""
    if isinstance(value, str):
        parts.append(_string(value))
    elif value is None:
        parts.append("null")
    elif isinstance(value, bool):
        parts.append("true" if value else "false")
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise _UnwritableError(f"{_OUT_OF_RANGE}; write it as a string")
        parts.append(str(int(value)))
    elif isinstance(value, float):
        parts.append(_number(value))
    elif isinstance(value, dict):
        _write_object(value, parts, depth_left - 1)
    elif isinstance(value, list | tuple):
        _write_array(value, parts, depth_left - 1)
    else:
        raise _UnwritableError(f"a {type(value).__name__} is not a JSON value")


def _write_array(value: Sequence[object], parts: list[str], depth_left: int) -> None:
    if depth_left < 0:
        raise _UnwritableError(_TOO_DEEP)
    index = 0
    try:
        for index, item in enumerate(value):
            parts.append("," if index else "[")
            _write(item, parts, depth_left)
    except _UnwritableError as error:
        error.steps.append(f"/{index}")
        raise
    parts.append("]" if value else "[]")


def _write_object(value: dict[object, object], parts: list[str], depth_left: int) -> None:
    """Append an object, its keys in the order of their UTF-16 code units (RFC 8785 §3.2.3)."""
    if depth_left < 0:
        raise _UnwritableError(_TOO_DEEP)
    in_order: list[tuple[bytes, str, str, object]] = []
    for key, item in value.items():
        if not isinstance(key, str):
            raise _UnwritableError(f"a key is a {type(key).__name__}; JSON keys are strings")
        text = _string(key)
        in_order.append((key.encode("utf-16-be"), key, text, item))
    in_order.sort(key=itemgetter(0))
    separator = "{"
    for _, key, text, item in in_order:
        parts.append(f"{separator}{text}:")
        separator = ","
        try:
            _write(item, parts, depth_left)
        except _UnwritableError as error:
            error.steps.append(_pointer_step(key))
            raise
    parts.append("}" if in_order else "{}")


def _string(text: str) -> str:
    """Return a quoted string with the minimal escapes (RFC 8785 §3.2.2.2)."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _UnwritableError("a lone surrogate is not text") from None
    return _ESCAPED(text)


def _number(value: float) -> str:
    """Return a double as ECMAScript writes it (RFC 8785 §3.2.2.3, ECMA-262 Number::toString).

    Python's `repr` gives the same shortest digits; only where the point stands differs.
    """
    if not math.isfinite(value):
        raise _UnwritableError("NaN and infinities are not JSON")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = float.__repr__(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    written = whole + fraction
    digits = written.lstrip("0")
    # The value is 0.<digits> times ten to the power `point`.
    point = len(whole) + int(exponent or "0") - (len(written) - len(digits))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def _pointer_step(key: str) -> str:
    """Return one reference token of a JSON Pointer (RFC 6901 §3)."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _refuse(reason: str, pointer: str | None = None) -> NoReturn:
    raise RtgfError(Code.RTGF_JSON_INVALID, reason, pointer=pointer)
