"""Heads of requests that were read before: the same bytes say the same, whoever sends them."""

from __future__ import annotations

from typing import Final

from rtgf_node.api.framing import Head, read_head

HEADS_KEPT: Final = 1024
"""Clients of one program send the same few heads."""

HEAD_BYTES: Final = 2048
"""A longer head is read each time: with all that is read of them, those kept take 10 MB at most."""

_SECRET: Final = ("authorization", "proxy-authorization", "cookie")
"""Headers whose values are not for keeping."""


class HeadMemory:
    """What heads say, by their bytes. What is refused is read, and refused, each time."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Head] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def read(self, raw: bytes) -> Head:
        """Return what `read_head` does.

        Raises:
          RtgfError: as `read_head`.
        """
        kept = self._kept.get(raw)
        if kept is not None:
            return kept
        head = read_head(raw)
        if len(raw) <= HEAD_BYTES and not any(name in head.headers for name in _SECRET):
            if len(self._kept) >= HEADS_KEPT:
                # The one that has been here for longest; who still sends it brings it back.
                del self._kept[next(iter(self._kept))]
            self._kept[raw] = head
        return head
