"""Terms documents that were taken in: every version, by what it is of."""

from __future__ import annotations

import sqlite3

import msgspec

from rtgf_node.core.merkle import MAX_TREE_SIZE

_TERMS = "terms_id, digest, type, place, name, domain, version, body, at, leaf_index"


class TermsRow(msgspec.Struct, frozen=True):
    """A terms document. `body` is the exact signed bytes, `at` its event's time.

    `type` is that of its token, `place` its corridor or jurisdiction.
    """

    terms_id: str
    digest: str
    type: str
    place: str
    name: str
    domain: str
    version: str
    body: bytes
    at: str
    leaf_index: int


class TermsStore:
    """The terms table, through one connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def document(self, terms_id: str) -> TermsRow | None:
        """Return the document of this id, None if it is not here."""
        return self._one("terms_id = ?", terms_id)

    def by_digest(self, digest: str) -> TermsRow | None:
        """Return the document of this digest, None if it is not here."""
        return self._one("digest = ?", digest)

    def newest(self, token_type: str, place: str, name: str) -> TermsRow | None:
        """Return the terms in force for a token of this type, place and name."""
        return self._one(
            "type = ? AND place = ? AND name = ? ORDER BY leaf_index DESC LIMIT 1",
            token_type,
            place,
            name,
        )

    def in_force(self, *, before_leaf: int = MAX_TREE_SIZE) -> list[TermsRow]:
        """Return the newest document of everything that terms are of, sorted by id."""
        rows = self._conn.execute(
            f"SELECT {_TERMS} FROM terms WHERE leaf_index IN "  # noqa: S608  constant text
            "(SELECT max(leaf_index) FROM terms WHERE leaf_index < ? GROUP BY type, place, name) "
            "ORDER BY terms_id",
            (before_leaf,),
        )
        return [TermsRow(*row) for row in rows]

    def insert(self, row: TermsRow) -> None:
        """Add a document."""
        self._conn.execute(
            f"INSERT INTO terms ({_TERMS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  constant text
            msgspec.structs.astuple(row),
        )

    def _one(self, where: str, *arguments: object) -> TermsRow | None:
        row = self._conn.execute(
            f"SELECT {_TERMS} FROM terms WHERE {where}",  # noqa: S608  constant text
            arguments,
        ).fetchone()
        return None if row is None else TermsRow(*row)
