"""Where the pieces of a public log lie, and what is in them: C2SP tlog-tiles.

A tile holds the hashes of up to 256 neighbouring nodes, an entry bundle the entries below a tile of
level 0. A piece is named by its path alone, so a log can be served by anything that serves files:
`tile/<level>/<index>` and `tile/entries/<index>`, with `.p/<width>` while it is not full. Full
pieces never change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, NoReturn

from rtgf_node.core import merkle
from rtgf_node.core.merkle import EMPTY_ROOT, HASH_BYTES
from rtgf_node.errors import Code, RtgfError

HEIGHT: Final = 8
"""Levels of the Merkle tree in one tile; C2SP fixes it."""

WIDTH: Final = 1 << HEIGHT
"""Hashes in a full tile, entries in a full bundle."""

MAX_LEVEL: Final = 63
"""The highest tile level that a path can say (C2SP tlog-tiles)."""

MAX_INDEX: Final = 10**18 - 1
"""Six groups of three digits; a tree of 2^53-1 leaves has not a ten-thousandth of these tiles."""

MAX_ENTRY_BYTES: Final = (1 << 16) - 1
"""Bytes of an entry: its length is written in two bytes."""

PREFIX: Final = "tile/"
ENTRIES: Final = "entries"

_LENGTH_BYTES: Final = 2
# The index in groups of three digits, all but the last with an x before them; a number has one
# form only, so the groups before its first digit are not written.
_PATH: Final = re.compile(
    r"tile/(?P<level>entries|[0-9]|[1-9][0-9])"
    r"/(?P<index>(?!x000/)(?:x[0-9]{3}/){0,5}[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


class TilePath(NamedTuple):
    """The place of one tile or entry bundle.

    Attributes:
      level: of the tile; None for an entry bundle.
      number: counted from the left, from 0.
      width: how many hashes or entries it has; 256 if it is full.
    """

    level: int | None
    number: int
    width: int = WIDTH

    @property
    def is_full(self) -> bool:
        """Whether it has all 256, and never changes."""
        return self.width == WIDTH

    @property
    def full(self) -> TilePath:
        """The same place when it is full."""
        return self._replace(width=WIDTH)

    def __str__(self) -> str:
        """Return the path, from `tile/` on.

        Raises:
          RtgfError: RTGF_INPUT_INVALID if there is no such place.
        """
        level = 0 if self.level is None else self.level
        if not (
            0 <= level <= MAX_LEVEL and 0 <= self.number <= MAX_INDEX and 1 <= self.width <= WIDTH
        ):
            _refuse(
                f"a tile has a level to {MAX_LEVEL}, an index to {MAX_INDEX}, 1 to {WIDTH} hashes"
            )
        groups = [f"{self.number % 1000:03}"]
        rest = self.number // 1000
        while rest:
            groups.append(f"x{rest % 1000:03}")
            rest //= 1000
        name = ENTRIES if self.level is None else str(self.level)
        partial = "" if self.is_full else f".p/{self.width}"
        return f"{PREFIX}{name}/{'/'.join(reversed(groups))}{partial}"

    def is_covered(self, size: int) -> bool:
        """Say whether a tree of `size` leaves has all of it."""
        nodes = size >> (HEIGHT * (self.level or 0))
        return self.number * WIDTH + self.width <= nodes


def parse(path: str) -> TilePath:
    """Return the place that a path names; each place has exactly one path.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it is not the path of a tile or an entry bundle.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        _refuse(
            "a tile is at tile/<level>/<index> or tile/entries/<index>, with .p/<width> if not full"
        )
    level = None if match["level"] == ENTRIES else int(match["level"])
    index = int(match["index"].replace("x", "").replace("/", ""))
    width = int(match["width"]) if match["width"] else WIDTH
    if level is not None and level > MAX_LEVEL:
        _refuse(f"the levels of tiles end at {MAX_LEVEL}")
    if match["width"] and width >= WIDTH:
        _refuse(f"a partial tile has 1 to {WIDTH - 1} hashes")
    return TilePath(level, index, width)


def of_entry(index: int, size: int) -> TilePath:
    """Return the bundle that holds entry `index` in a log of `size` entries.

    Raises:
      RtgfError: RTGF_TXP_PROOF_NOT_FOUND if the log has no such entry.
    """
    if not 0 <= index < size:
        raise RtgfError(Code.RTGF_TXP_PROOF_NOT_FOUND, f"a log of {size} has no entry {index}")
    bundle = index // WIDTH
    return TilePath(None, bundle, min(WIDTH, size - bundle * WIDTH))


def covering(size: int, *, since: int = 0) -> Iterator[TilePath]:
    """Yield every piece of a log of `size` entries, the highest level first, bundles last.

    With `since`, those that the log of `since` entries had full already are left out.
    """
    top = (max(0, size.bit_length() - 1)) // HEIGHT
    for level in (*range(top, -1, -1), None):
        shift = HEIGHT * (level or 0)
        full, partial = divmod(size >> shift, WIDTH)
        for index in range((since >> shift) // WIDTH, full):
            yield TilePath(level, index)
        if partial:
            yield TilePath(level, full, partial)


def tree_root(size: int, read: Callable[[TilePath], bytes]) -> bytes:
    """Return the root of the tree of `size` leaves from the partial tiles at its right edge.

    Args:
      size: number of leaves.
      read: gives the hashes of a tile.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID if a tile has not as many hashes as its path says; and
        whatever `read` raises.
    """
    subtrees: list[bytes] = []
    for level in range(size.bit_length() // HEIGHT, -1, -1):
        full, partial = divmod(size >> (HEIGHT * level), WIDTH)
        if not partial:
            continue
        path = TilePath(level, full, partial)
        hashes = split(path, read(path))
        begin = 0
        for height in range(HEIGHT - 1, -1, -1):
            # RFC 6962 §2.1: a complete subtree for each bit of the size, the largest leftmost.
            if partial >> height & 1:
                end = begin + (1 << height)
                subtrees.append(merkle.root_hash(hashes[begin:end]))
                begin = end
    return merkle.fold(subtrees) if subtrees else EMPTY_ROOT


def split(path: TilePath, data: bytes) -> list[bytes]:
    """Return the hashes of a tile.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID if they are not as many as its path says.
    """
    if len(data) != path.width * HASH_BYTES:
        raise RtgfError(
            Code.RTGF_TXP_PROOF_INVALID,
            f"{path} has {path.width * HASH_BYTES} bytes, {len(data)} came",
        )
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return an entry bundle: each entry after its length in two bytes, big-endian.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if an entry is too long, or they are not 1 to 256.
    """
    if not 1 <= len(entries) <= WIDTH or max(map(len, entries)) > MAX_ENTRY_BYTES:
        _refuse(f"a bundle has 1 to {WIDTH} entries of at most {MAX_ENTRY_BYTES} bytes")
    return b"".join(len(entry).to_bytes(_LENGTH_BYTES, "big") + entry for entry in entries)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """Return the `width` entries of a bundle.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID if it ends early, or goes on after them.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < width:
        begin = at + _LENGTH_BYTES
        at = begin + int.from_bytes(data[at:begin], "big")
        entries.append(data[begin:at])
    if at != len(data) or len(entries) != width:
        raise RtgfError(
            Code.RTGF_TXP_PROOF_INVALID,
            f"the bundle is not {width} entries, each after its length in two bytes",
        )
    return entries


def _refuse(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_INPUT_INVALID, detail)
