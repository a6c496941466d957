"""`/checkpoint` and `/tile/…`: the log as files, for clients and mirrors of C2SP tlog-tiles."""

from __future__ import annotations

from rtgf_node.api.answers import IMMUTABLE, ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered, Asked, Route
from rtgf_node.api.parameters import Query
from rtgf_node.core import merkle, tiles
from rtgf_node.core.tiles import PREFIX, TilePath
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.log_store import LogStore

MEDIA_TYPE = "application/octet-stream"

HEAD_MAX_AGE = 1
"""Seconds a cache may hold the newest head: it changes with every batch."""

PARTIAL_MAX_AGE = 60
"""Seconds a cache may hold a piece that is not full: soon nobody asks for it any more."""


def routes(desk: Desk) -> list[Route]:
    """Return the routes."""
    log = desk.store.log

    def tile(asked: Asked, place: str) -> Answered:
        Query(of=asked.query)
        path = tiles.parse(f"{PREFIX}{place}")
        return ready(
            piece(log, path),
            cache=IMMUTABLE if path.is_full else f"public, max-age={PARTIAL_MAX_AGE}",
            content_type=MEDIA_TYPE,
        )

    def checkpoint(asked: Asked) -> Answered:
        Query(of=asked.query)
        return ready(
            desk.heads.newest().checkpoint.encode(),
            cache=f"public, max-age={HEAD_MAX_AGE}",
            content_type="text/plain; charset=utf-8",
        )

    return [
        Route("GET", "/tile/<path:place>", tile, is_kept=True),
        Route("GET", "/checkpoint", checkpoint, is_kept=True),
    ]


def piece(log: LogStore, path: TilePath) -> bytes:
    """Return a tile or an entry bundle, of what the newest signed head covers.

    What is appended and not signed yet is nobody's business: a head might never cover it.

    Raises:
      RtgfError: RTGF_TXP_PROOF_NOT_FOUND if the head does not cover all of it; RTGF_UNAVAILABLE
        before the first head; RTGF_TXP_STORE_DAMAGED if what is stored is not what was appended.
    """
    head = log.latest_head()
    if head is None:
        raise RtgfError(Code.RTGF_UNAVAILABLE, "no tree head is signed yet; try again")
    if not path.is_covered(head.tree_size):
        raise RtgfError(
            Code.RTGF_TXP_PROOF_NOT_FOUND,
            f"the signed tree of {head.tree_size} leaves has no {path}; read /checkpoint anew",
        )
    hashes = log.tile(path.level or 0, path.number, path.width)
    if path.level is not None:
        return hashes
    entries = log.entries(path.number * tiles.WIDTH, path.width)
    # Caches keep a full bundle for a year, so bytes that were altered on disk must not reach them.
    if b"".join(map(merkle.leaf_hash, entries)) != hashes:
        raise RtgfError(
            Code.RTGF_TXP_STORE_DAMAGED,
            f"the stored entries of {path} are not those of the tree; restore the store",
        )
    return tiles.encode_bundle(entries)
