"""The readers, by the id that a provider's configuration names."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Final, Protocol

from msgspec import Struct

from rtgf_node.core.lists import (
    australia,
    canada,
    eu_csv,
    eu_jsonl,
    eu_xml,
    ftm,
    ofac_csv,
    ofac_xml,
    uk_csv,
    uk_jsonl,
    un,
)
from rtgf_node.core.lists.record import ReadResult


class ReadFunction(Protocol):
    """Turns a publisher's bytes into records, and refuses what it cannot read."""

    def __call__(self, data: bytes | Mapping[str, bytes]) -> ReadResult:
        """Return the records; raises RTGF_SANCTIONS_UNREADABLE."""


class Reader(Struct, frozen=True):
    """A reader of one publisher's format.

    Attributes:
      id: what a provider's configuration names as its format.
      version: grows when the same bytes give other records; part of the content digest.
      read: the reading itself.
      parts: the files of a set; empty for a list that is one file.
    """

    id: str
    version: str
    read: ReadFunction
    parts: tuple[str, ...] = ()


def _reader(module: ModuleType) -> Reader:
    parts: tuple[str, ...] = getattr(module, "PARTS", ())
    return Reader(module.READER_ID, module.READER_VERSION, module.read, parts)


READERS: Final[Mapping[str, Reader]] = {
    reader.id: reader
    for reader in map(
        _reader,
        (
            ofac_csv,
            ofac_xml,
            un,
            eu_csv,
            eu_xml,
            eu_jsonl,
            uk_csv,
            uk_jsonl,
            canada,
            ftm,
            australia,
        ),
    )
}
