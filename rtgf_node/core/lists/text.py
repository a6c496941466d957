"""The text of a list's bytes, once it is sure that they are a list and not an error page."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping

from rtgf_node.core.lists.record import refused

MAX_BYTES = 512 * 1024 * 1024  # an unpacked list; the largest real one is below 300 MB
_GZIP = b"\x1f\x8b"


def check_body(data: bytes) -> None:
    """Refuse what no list starts with: nothing, too much, packed bytes.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE.
    """
    if not data.strip():
        raise refused("the body is empty")
    if len(data) > MAX_BYTES:
        raise refused(f"the body has {len(data)} bytes, more than {MAX_BYTES}")
    if data.startswith(_GZIP):
        raise refused("the body is still gzip-compressed; unpack it before reading")


def of_table(data: bytes) -> str:
    """Return the text of a CSV or JSON lines file, UTF-8 or else Windows-1252.

    HMT and the European Commission have published both encodings under the same address.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE: it is empty, markup, binary, or cut off before the end
        of its last line.
    """
    check_body(data)
    data = data.removeprefix(codecs.BOM_UTF8)
    start = data[:200].lstrip()
    if start.startswith(b"<"):
        raise refused("an HTML or XML page came where a table was expected", pointer="1:1")
    if b"\x00" in data:
        raise refused("the body is binary: it holds a zero byte")
    if not data.endswith((b"\n", b"\r")):
        raise refused(f"the file is cut off in its last line, {data.count(10) + 1}")
    try:
        return data.decode()
    except UnicodeDecodeError as not_utf8:
        try:
            return data.decode("cp1252")
        except UnicodeDecodeError:
            line = data.count(b"\n", 0, not_utf8.start) + 1
            raise refused(f"line {line} is neither UTF-8 nor Windows-1252 text") from None


def rows(text: str, *, delimiter: str = ",", what: str = "file") -> Iterator[tuple[int, list[str]]]:
    """Yield each row of a CSV text with the number of its last line.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE: the quoting is broken or a field is longer than 128 KiB.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        place = f"{reader.line_num}:1"
        raise refused(f"{what}, line {reader.line_num}: {error}", pointer=place) from None


def single(data: bytes | Mapping[str, bytes]) -> bytes:
    """Return the bytes of a list that is one file, handed in plain or as a set of one part.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE: it is a set of several parts.
    """
    if isinstance(data, bytes):
        return data
    if len(data) != 1:
        raise refused(f"this list is one file; got the parts {sorted(data)}")
    return next(iter(data.values()))
