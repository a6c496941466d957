"""A list as this node keeps it: one canonical record a line, under the name of its reader.

The first line says which reader made the records, because the content digest depends on it. The
file is named by that digest, and `read` proves the name before anything is decided with the list.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from rtgf_node.core import canonical_json
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.lists import record as records_of
from rtgf_node.core.lists.record import Record
from rtgf_node.errors import Code, RtgfError


class Heading(Struct, frozen=True, forbid_unknown_fields=True):
    """The first line: which reader, in which version, made the records."""

    reader: str
    version: str


def write(records: Iterable[Record], *, reader: str, version: str) -> bytes:
    """Return the file of these records; the same set always gives the same bytes."""
    heading: JsonValue = {"reader": reader, "version": version}
    lines = sorted(canonical_json.canonical_bytes(msgspec.to_builtins(each)) for each in records)
    return b"\n".join([canonical_json.canonical_bytes(heading), *lines, b""])


def read(data: bytes, content_sha256: str) -> tuple[Record, ...]:
    """Return the records in `data` if they have this content digest.

    Raises:
      RtgfError: RTGF_SANCTIONS_HASH_MISMATCH if they do not, or the file cannot be read.
    """
    first, *lines = data.splitlines() or [b""]
    try:
        heading = msgspec.json.decode(first, type=Heading)
        decoder = msgspec.json.Decoder(Record)
        records = tuple(decoder.decode(line) for line in lines)
    except msgspec.MsgspecError as error:
        raise RtgfError(
            Code.RTGF_SANCTIONS_HASH_MISMATCH,
            f"the kept list {content_sha256} is damaged ({type(error).__name__}); fetch it again",
        ) from error
    computed = records_of.content_digest(records, heading.reader, heading.version)
    if computed != content_sha256:
        raise RtgfError(
            Code.RTGF_SANCTIONS_HASH_MISMATCH,
            f"the kept list has the content digest {computed}, the build names {content_sha256}",
        )
    return records
