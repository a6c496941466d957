"""JSON lines: one party a line, decoded into the shape its reader declares."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec

from rtgf_node.core.lists.record import Unreadable, refused
from rtgf_node.core.lists.text import check_body, single

MAX_LINE = 8 * 1024 * 1024  # bytes of one party; the longest real line is under 300 KB

Shape = TypeVar("Shape")


def parties(
    data: bytes | Mapping[str, bytes], shape: type[Shape]
) -> Iterator[tuple[str, Shape | Unreadable]]:
    """Yield each line's place with the party it holds, or with why it cannot be read.

    Members that `shape` does not name are passed over: the form is the publisher's, and it grows.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE: it is empty, markup, or cut off in its last line.
    """
    body = single(data)
    check_body(body)
    body = body.removeprefix(codecs.BOM_UTF8)
    if body[:200].lstrip().startswith(b"<"):
        raise refused("an HTML or XML page came where JSON lines were expected", pointer="1:1")
    decoder = msgspec.json.Decoder(shape)
    whole = body.endswith(b"\n")
    lines = body.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"line {number}"
        if len(line) > MAX_LINE:
            yield place, Unreadable(place, f"it is longer than {MAX_LINE} bytes")
            continue
        try:
            yield place, decoder.decode(line)
        except msgspec.ValidationError as error:
            yield place, Unreadable(place, str(error))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if number == len(lines) and not whole:
                raise refused(f"the file is cut off in its last line, {number}") from None
            yield place, Unreadable(place, f"it is not JSON ({type(error).__name__})")
