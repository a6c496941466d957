"""Tokens of builds that are not published yet. Nobody is served them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import msgspec

from rtgf_node.store.registry_store import TokenRow

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(TokenRow).decode


class StagingStore:
    """The staged_tokens table, through one connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def count(self, build_id: str) -> int:
        """Return how many tokens are kept for a build."""
        (count,) = self._conn.execute(
            "SELECT count(*) FROM staged_tokens WHERE build_id = ?", (build_id,)
        ).fetchone()
        return int(count)

    def tokens(self, build_id: str, *, first: int = 0) -> Iterator[TokenRow]:
        """Yield the tokens of a build in their order from `first` on, one read at a time."""
        rows = self._conn.execute(
            "SELECT token FROM staged_tokens WHERE build_id = ? AND number >= ? ORDER BY number",
            (build_id, first),
        )
        for (token,) in rows:
            yield _decode(token)

    def builds(self) -> list[str]:
        """Return the builds that tokens are kept for."""
        rows = self._conn.execute("SELECT DISTINCT build_id FROM staged_tokens ORDER BY build_id")
        return [build_id for (build_id,) in rows]

    def append(self, build_id: str, first: int, tokens: Sequence[TokenRow]) -> None:
        """Keep tokens of a build, numbered from `first` on."""
        self._conn.executemany(
            "INSERT INTO staged_tokens (build_id, number, token) VALUES (?, ?, ?)",
            [(build_id, number, _encode(token)) for number, token in enumerate(tokens, first)],
        )

    def drop(self, build_id: str) -> None:
        """Forget the tokens of a build."""
        self._conn.execute("DELETE FROM staged_tokens WHERE build_id = ?", (build_id,))
