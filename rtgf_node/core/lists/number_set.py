"""Sets of small numbers as the bits of one integer: met and joined without a loop.

A common word stands in thousands of listed names. Which names hold two of the queried words is then
one `&` of two integers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

_FEW = 8  # numbers; so few are faster set one by one


def of(numbers: Collection[int], size: int) -> int:
    """Return the set of these numbers, each below `size`."""
    if len(numbers) <= _FEW:
        bits = 0
        for number in numbers:
            bits |= 1 << number
        return bits
    octets = bytearray((size >> 3) + 1)
    for number in numbers:
        octets[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(octets, "little")


def members(bits: int) -> Iterator[int]:
    """Yield the numbers in the set, the greatest first."""
    while bits:
        number = bits.bit_length() - 1
        yield number
        bits ^= 1 << number
