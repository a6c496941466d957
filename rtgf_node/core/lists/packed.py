"""Arrays in one run of bytes, read where they lie: in memory, or in a file that processes share.

The bytes say what they hold, and end with the digest of all before it. They are made and read on
machines of one byte order; another's are refused, as damaged ones are.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

Buffer: TypeAlias = "bytes | memoryview[int]"

_MAGIC = b"rtgfidx1"
_ALIGNED = 8  # octets; the widest number
_DIGEST = 32  # octets of SHA-256
_KEY_OCTETS = 8
U8: Final = "B"
U32: Final = "I"
U64: Final = "Q"
F64: Final = "d"
_HEAD = msgspec.json.Decoder(tuple[str, dict[str, tuple[str, int, int]]])


class DamagedError(ValueError):
    """The bytes are not what was packed."""


def pack(sections: Mapping[str, bytes | array[int] | array[float]]) -> bytes:
    """Return the bytes of these arrays; the same arrays always give the same bytes."""
    table: dict[str, tuple[str, int, int]] = {}
    body = bytearray()
    for name, section in sections.items():
        kind = section.typecode if isinstance(section, array) else U8
        octets = section.tobytes() if isinstance(section, array) else section
        table[name] = (kind, len(body), len(octets))
        body += octets
        body += bytes(-len(body) % _ALIGNED)
    head = msgspec.json.encode((sys.byteorder, table))
    head += b" " * (-len(head) % _ALIGNED)
    whole = b"".join((_MAGIC, len(head).to_bytes(_ALIGNED, "little"), head, body))
    return whole + hashlib.sha256(whole).digest()


class Packed:
    """The arrays in a run of bytes, none of them copied."""

    def __init__(self, data: Buffer) -> None:
        """Take the bytes.

        Raises:
          DamagedError: they are not whole, or not of this format.
        """
        whole = memoryview(data)
        start = len(_MAGIC) + _ALIGNED
        if len(whole) < start + _DIGEST or whole[: len(_MAGIC)] != _MAGIC:
            raise DamagedError("it has another format")
        if hashlib.sha256(whole[:-_DIGEST]).digest() != whole[-_DIGEST:]:
            raise DamagedError("it has another digest")
        end = start + int.from_bytes(whole[len(_MAGIC) : start], "little")
        order, self._table = _HEAD.decode(whole[start:end])
        if order != sys.byteorder:
            raise DamagedError("it is of a machine with another byte order")
        self._body = whole[end:-_DIGEST]

    def octets(self, name: str) -> memoryview[int]:
        """Return a section as octets."""
        _, at, size = self._table[name]
        return self._body[at : at + size]

    def numbers(self, name: str) -> memoryview[int]:
        """Return a section of whole numbers as it was packed."""
        kind = self._table[name][0]
        section = self.octets(name)
        if kind == U32:
            return section.cast("I")
        return section.cast("Q") if kind == U64 else section

    def fractions(self, name: str) -> memoryview[float]:
        """Return a section of numbers with fractions."""
        return self.octets(name).cast("d")


def rows(lists: Iterable[Sequence[int]]) -> tuple[array[int], array[int]]:
    """Return where each list begins and the last ends, and the numbers of all one after another."""
    offsets, numbers = array(U32, (0,)), array(U32)
    for each in lists:
        numbers.extend(each)
        offsets.append(len(numbers))
    return offsets, numbers


def texts(lines: Iterable[bytes]) -> tuple[array[int], bytes]:
    """Return the same of texts."""
    offsets, joined = array(U32, (0,)), bytearray()
    for each in lines:
        joined += each
        offsets.append(len(joined))
    return offsets, bytes(joined)


def key(text: str) -> int:
    """Return the number by which a text is looked up; others may have it too."""
    octets = hashlib.blake2b(text.encode(), digest_size=_KEY_OCTETS).digest()
    return int.from_bytes(octets, "little")


def keyed(items: Iterable[str]) -> tuple[array[int], array[int]]:
    """Return the keys of these texts in order, and the place of each among them."""
    ordered = sorted((key(text), place) for place, text in enumerate(items))
    return array(U64, (one for one, _ in ordered)), array(U32, (place for _, place in ordered))


def places(keys: memoryview[int], order: memoryview[int], wanted: int) -> Iterator[int]:
    """Yield the places of what may have this key."""
    at = bisect_left(keys, wanted)
    while at < len(keys) and keys[at] == wanted:
        yield order[at]
        at += 1
