"""Public keys as they were published, with the documents that published them."""

from __future__ import annotations

import sqlite3

import msgspec

from rtgf_node.core.merkle import MAX_TREE_SIZE
from rtgf_node.errors import Code, RtgfError

_COLUMNS = "kid, purpose, public, issued_at, expires_at, revoked_at, predecessor"

_DOCUMENTS = "manifest, jwks, jwks_jws, leaf_index"


class KeyRow(msgspec.Struct, frozen=True):
    """A public key and its window; `purpose` is what it may sign."""

    kid: str
    purpose: str
    public: bytes
    issued_at: int
    expires_at: int
    revoked_at: int | None = None
    predecessor: str | None = None


class KeyDocuments(msgspec.Struct, frozen=True):
    """The key manifest, the key set and the key set's signature, as exact bytes."""

    manifest: bytes
    jwks: bytes
    jwks_jws: str
    leaf_index: int


class KeyManifestStore:
    """The keys and key_documents tables, through one connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def all(self) -> list[KeyRow]:
        """Return every key that was ever published, sorted by kid."""
        rows = self._conn.execute(f"SELECT {_COLUMNS} FROM keys ORDER BY kid")  # noqa: S608  constant text
        return [KeyRow(*row) for row in rows]

    def leaf_index(self, kid: str) -> int | None:
        """Return the entry of the log that published the key, None for an unknown one."""
        row = self._conn.execute("SELECT leaf_index FROM keys WHERE kid = ?", (kid,)).fetchone()
        return None if row is None else int(row[0])

    def documents(self, *, before_leaf: int = MAX_TREE_SIZE) -> KeyDocuments | None:
        """Return the newest documents, of those published before an entry; None if none was."""
        row = self._conn.execute(
            f"SELECT {_DOCUMENTS} FROM key_documents WHERE leaf_index < ? "  # noqa: S608  constant text
            "ORDER BY seq DESC LIMIT 1",
            (before_leaf,),
        ).fetchone()
        return None if row is None else KeyDocuments(*row)

    def every_documents(self) -> list[KeyDocuments]:
        """Return all documents that were ever published, in the order of the log."""
        rows = self._conn.execute(f"SELECT {_DOCUMENTS} FROM key_documents ORDER BY seq")  # noqa: S608  constant text
        return [KeyDocuments(*row) for row in rows]

    def put_key(self, key: KeyRow, leaf_index: int) -> None:
        """Add a key, or update window and revocation of a known one.

        Raises:
          RtgfError: RTGF_CONFLICT if the kid names another key, another purpose, or if a
            revocation would be taken back: a signature's validity must not change in hindsight.
        """
        held = self._conn.execute(
            "SELECT public, purpose, revoked_at FROM keys WHERE kid = ?", (key.kid,)
        ).fetchone()
        if held is not None:
            public, purpose, revoked_at = held
            if public != key.public or purpose != key.purpose:
                raise RtgfError(
                    Code.RTGF_CONFLICT, f"{key.kid} names another key; give the new one its own id"
                )
            if revoked_at is not None and revoked_at != key.revoked_at:
                raise RtgfError(
                    Code.RTGF_CONFLICT, f"{key.kid} is revoked, which is final; make a new key"
                )
        self._conn.execute(
            f"INSERT INTO keys ({_COLUMNS}, leaf_index) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608  constant text
            "ON CONFLICT (kid) DO UPDATE SET issued_at = excluded.issued_at, "
            "expires_at = excluded.expires_at, revoked_at = excluded.revoked_at, "
            "predecessor = excluded.predecessor",
            (*msgspec.structs.astuple(key), leaf_index),
        )

    def put_documents(self, documents: KeyDocuments) -> None:
        """Keep the documents as the newest ones."""
        self._conn.execute(
            "INSERT INTO key_documents (manifest, jwks, jwks_jws, leaf_index) VALUES (?, ?, ?, ?)",
            msgspec.structs.astuple(documents),
        )
