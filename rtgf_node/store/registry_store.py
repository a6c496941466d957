"""The register of builds and tokens: the exact signed bytes, and what rests on what."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import cast

import msgspec

from rtgf_node.core import identifiers, status_list
from rtgf_node.core.merkle import MAX_TREE_SIZE
from rtgf_node.errors import Code, RtgfError

_ISSUED_COLUMNS = (
    "token_id, jti, type, place, name, version, issue, canonical_hash, nbf, exp, body, "
    "status_list, status_idx"
)
_BUILD_COLUMNS = "build_id, state, manifest_digest, at, summary, leaf_index"
PUBLISHED = "published"
# One page of a listing.
MAX_ROWS = 1000


class TokenRow(msgspec.Struct, frozen=True):
    """A token as it is published. `body` is the exact bytes that were signed.

    `place` is its jurisdiction or corridor, `name` its domain or its own name; `parents` are the
    token ids it rests on.
    """

    token_id: str
    jti: str
    type: str
    place: str
    name: str
    version: str
    issue: int
    canonical_hash: str
    nbf: int
    exp: int
    body: bytes
    status_list: int
    status_idx: int
    parents: tuple[str, ...] = ()


class Issued(msgspec.Struct, frozen=True):
    """A published token, the build that made it, and the log entry that issued it."""

    token: TokenRow
    build_id: str
    leaf_index: int


class Standing(msgspec.Struct, frozen=True):
    """Which token stands for a place and name, and until when."""

    token_id: str
    exp: int


class CatalogueRow(msgspec.Struct, frozen=True):
    """A line of the catalogue: a token without its bytes."""

    token_id: str
    type: str
    version: str
    issue: int
    canonical_hash: str
    nbf: int
    exp: int
    leaf_index: int
    issued_at: int


class NewestRow(msgspec.Struct, frozen=True):
    """The newest token of a place and name: its window, and its status now."""

    place: str
    nbf: int
    exp: int
    status: str


class BuildRow(msgspec.Struct, frozen=True):
    """A build and how it ended; `leaf_index` is the entry of a published one."""

    build_id: str
    state: str
    manifest_digest: str | None
    at: int
    summary: str
    leaf_index: int | None = None


class RegistryStore:
    """The tokens, token_parents and builds tables, through one connection.

    With `before_leaf`, only what was issued before this entry of the log is there.
    """

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def token(self, token_id: str) -> Issued | None:
        """Return the token of this id, None if it is not here."""
        return self._one("token_id = ?", token_id)

    def by_jti(self, jti: str) -> Issued | None:
        """Return the token of this jti, None if it is not here."""
        return self._one("jti = ?", jti)

    def find(self, reference: str, *, before_leaf: int = MAX_TREE_SIZE) -> Issued | None:
        """Return the token of an id or URI; without an issue number, the newest of its version.

        Raises:
          RtgfError: RTGF_INPUT_INVALID if it is no token id.
        """
        token_id = identifiers.token_reference(reference)
        parts = identifiers.split_token_id(token_id)
        if parts.issue is not None:
            return self._one("token_id = ? AND leaf_index < ?", token_id, before_leaf)
        return self._one(
            "type = ? AND place = ? AND name = ? AND version = ? AND leaf_index < ? "
            "ORDER BY leaf_index DESC LIMIT 1",
            parts.type,
            parts.place,
            parts.name,
            parts.version,
            before_leaf,
        )

    def by_slug(
        self, token_type: str, slug: str, *, before_leaf: int = MAX_TREE_SIZE
    ) -> Issued | None:
        """Return the token of this type whose id, in lower case and with dashes, ends in `slug`."""
        return self._one(
            "lower(replace(token_id, ':', '-')) = ? AND leaf_index < ?",
            f"{token_type.lower()}-{slug.lower()}",
            before_leaf,
        )

    def newest(self, token_type: str, place: str, name: str) -> Issued | None:
        """Return the token of this type, place and name that was published last."""
        return self._one(
            "type = ? AND place = ? AND name = ? ORDER BY leaf_index DESC LIMIT 1",
            token_type,
            place,
            name,
        )

    def standing(self, token_type: str, place: str, name: str) -> Standing | None:
        """Return which token `newest` would, without its bytes."""
        row = self._conn.execute(
            "SELECT token_id, exp FROM tokens WHERE type = ? AND place = ? AND name = ? "
            "ORDER BY leaf_index DESC LIMIT 1",
            (token_type, place, name),
        ).fetchone()
        return None if row is None else Standing(*row)

    def last_issue(self, token_type: str, place: str, name: str, version: str) -> int:
        """Return the highest issue number of a version, 0 if it has none."""
        row = self._conn.execute(
            "SELECT coalesce(max(issue), 0) FROM tokens "
            "WHERE type = ? AND place = ? AND name = ? AND version = ?",
            (token_type, place, name, version),
        ).fetchone()
        return cast(int, row[0])

    def versions(
        self, token_type: str, place: str, name: str, *, before_leaf: int = MAX_TREE_SIZE
    ) -> list[Issued]:
        """Return every token of this type, place and name, newest first."""
        return list(
            self._issued(
                "type = ? AND place = ? AND name = ? AND leaf_index < ? ORDER BY leaf_index DESC",
                token_type,
                place,
                name,
                before_leaf,
            )
        )

    def tokens(self) -> Iterator[Issued]:
        """Yield every token in the order in which the log issued them."""
        return self._issued("1 ORDER BY leaf_index")

    def catalogue(
        self,
        after_leaf: int,
        limit: int,
        *,
        token_type: str | None = None,
        name: str | None = None,
        place: str | None = None,
        end: str | None = None,
        before_leaf: int = MAX_TREE_SIZE,
    ) -> list[CatalogueRow]:
        """Return up to `limit` lines issued after the entry `after_leaf`, in order.

        `end` is a jurisdiction: the token's own, or either end of its corridor.
        """
        rows = self._conn.execute(
            "SELECT t.token_id, t.type, t.version, t.issue, t.canonical_hash, t.nbf, t.exp, "
            "t.leaf_index, b.at FROM tokens t JOIN builds b USING (build_id) "
            "WHERE t.leaf_index > :after AND t.leaf_index < :before "
            "AND (:type IS NULL OR t.type = :type) "
            "AND (:name IS NULL OR t.name = :name) AND (:place IS NULL OR t.place = :place) "
            "AND (:end IS NULL OR t.place = :end OR t.place LIKE :end || '-%' "
            "OR t.place LIKE '%-' || :end) ORDER BY t.leaf_index LIMIT :limit",
            {
                "after": after_leaf,
                "before": before_leaf,
                "type": token_type,
                "name": name,
                "place": place,
                "end": end,
                "limit": limit,
            },
        )
        return [CatalogueRow(*row) for row in rows]

    def newest_of_each(self, token_type: str) -> Iterator[NewestRow]:
        """Yield the newest token of each place and name, with what its status is now."""
        rows = self._conn.execute(
            "SELECT place, nbf, exp, coalesce((SELECT status FROM revocations r "
            "WHERE r.token_id = tokens.token_id ORDER BY rev_epoch DESC LIMIT 1), 'valid') "
            "FROM tokens WHERE leaf_index IN (SELECT max(leaf_index) FROM tokens "
            "WHERE type = ? GROUP BY place, name) ORDER BY place",
            (token_type,),
        )
        return (NewestRow(*row) for row in rows)

    def of_build(self, build_id: str) -> list[Issued]:
        """Return the tokens of a build in the order in which the log issued them."""
        return list(self._issued("build_id = ? ORDER BY leaf_index", build_id))

    def ids_of_build(self, build_id: str) -> list[str]:
        """Return the ids of a build's tokens in the order in which the log issued them."""
        rows = self._conn.execute(
            "SELECT token_id FROM tokens WHERE build_id = ? ORDER BY leaf_index", (build_id,)
        )
        return [row[0] for row in rows]

    def parents(self, token_id: str) -> tuple[str, ...]:
        """Return the ids of the tokens that this one rests on, sorted."""
        rows = self._conn.execute(
            "SELECT parent_id FROM token_parents WHERE token_id = ? ORDER BY parent_id", (token_id,)
        )
        return tuple(row[0] for row in rows)

    def children(self, token_id: str) -> tuple[str, ...]:
        """Return the ids of the tokens that rest on this one directly, sorted."""
        rows = self._conn.execute(
            "SELECT token_id FROM token_parents WHERE parent_id = ? ORDER BY token_id", (token_id,)
        )
        return tuple(row[0] for row in rows)

    def count(self) -> int:
        """Return how many tokens were ever issued."""
        return cast(int, self._conn.execute("SELECT count(*) FROM tokens").fetchone()[0])

    def next_status_index(self, status_list: int) -> int:
        """Return the first index of a status list that no token has."""
        row = self._conn.execute(
            "SELECT coalesce(max(status_idx) + 1, 0) FROM tokens WHERE status_list = ?",
            (status_list,),
        ).fetchone()
        return cast(int, row[0])

    def first_of_status_list(self, status_list: int) -> Issued | None:
        """Return the token with the lowest index in a status list, None if it has none."""
        return self._one("status_list = ? ORDER BY status_idx LIMIT 1", status_list)

    def last_status_list(self) -> int:
        """Return the number of the newest status list, 0 before the first token."""
        row = self._conn.execute("SELECT coalesce(max(status_list), 0) FROM tokens").fetchone()
        return cast(int, row[0])

    def build(self, build_id: str) -> BuildRow | None:
        """Return the build, None if it is not here."""
        row = self._conn.execute(
            f"SELECT {_BUILD_COLUMNS} FROM builds WHERE build_id = ?",  # noqa: S608  constant text
            (build_id,),
        ).fetchone()
        return None if row is None else BuildRow(*row)

    def builds(self, limit: int = MAX_ROWS) -> list[BuildRow]:
        """Return the newest `limit` builds, newest first."""
        rows = self._conn.execute(
            f"SELECT {_BUILD_COLUMNS} FROM builds "  # noqa: S608  constant text
            "ORDER BY at DESC, build_id LIMIT ?",
            (max(0, min(limit, MAX_ROWS)),),
        )
        return [BuildRow(*row) for row in rows]

    def running_builds(self) -> list[BuildRow]:
        """Return the builds that began and did not end, oldest first."""
        rows = self._conn.execute(
            f"SELECT {_BUILD_COLUMNS} FROM builds WHERE state = 'running' ORDER BY at, build_id"  # noqa: S608  constant text
        )
        return [BuildRow(*row) for row in rows]

    def published_builds(self) -> list[BuildRow]:
        """Return every build that was published, in the order of the log."""
        rows = self._conn.execute(
            f"SELECT {_BUILD_COLUMNS} FROM builds WHERE state = ? ORDER BY leaf_index",  # noqa: S608  constant text
            (PUBLISHED,),
        )
        return [BuildRow(*row) for row in rows]

    def put_build(self, build: BuildRow) -> None:
        """Add a build or note how it ended.

        Raises:
          RtgfError: RTGF_CONFLICT if it was published: that is final.
        """
        held = self.build(build.build_id)
        if held is not None and held.state == PUBLISHED:
            raise RtgfError(
                Code.RTGF_CONFLICT, f"build {build.build_id} was published, which is final"
            )
        self._conn.execute(
            f"INSERT INTO builds ({_BUILD_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) "  # noqa: S608  constant text
            "ON CONFLICT (build_id) DO UPDATE SET state = excluded.state, "
            "manifest_digest = excluded.manifest_digest, at = excluded.at, "
            "summary = excluded.summary, leaf_index = excluded.leaf_index",
            msgspec.structs.astuple(build),
        )

    def insert_token(self, token: TokenRow, *, build_id: str, leaf_index: int) -> None:
        """Add a token; what it rests on is added by `insert_parents` when all are in.

        Raises:
          RtgfError: RTGF_CONFLICT if its id, its jti or its place in a status list is taken,
            RTGF_INPUT_INVALID if there is no such place.
        """
        if not 0 <= token.status_idx < status_list.ENTRIES:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID,
                f"{token.token_id}: a status list has no place {token.status_idx}, so that the"
                " token could never be revoked; build again",
            )
        taken = self._conn.execute(
            "SELECT token_id FROM tokens WHERE token_id = ? OR jti = ? "
            "OR (status_list = ? AND status_idx = ?) LIMIT 1",
            (token.token_id, token.jti, token.status_list, token.status_idx),
        ).fetchone()
        if taken is not None:
            raise RtgfError(
                Code.RTGF_CONFLICT,
                f"{token.token_id}: its id, jti or status index belongs to {taken[0]}; build again",
            )
        self._conn.execute(
            f"INSERT INTO tokens ({_ISSUED_COLUMNS}, build_id, leaf_index) "  # noqa: S608  constant text
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*msgspec.structs.astuple(token)[:-1], build_id, leaf_index),
        )

    def insert_parents(self, token: TokenRow) -> None:
        """Note what the token rests on.

        Raises:
          RtgfError: RTGF_VERIFY_TOKEN_NOT_FOUND if one of them is not here.
        """
        for parent in sorted(set(token.parents)):
            known = self._conn.execute(
                "SELECT 1 FROM tokens WHERE token_id = ?", (parent,)
            ).fetchone()
            if known is None:
                raise RtgfError(
                    Code.RTGF_VERIFY_TOKEN_NOT_FOUND,
                    f"{token.token_id} rests on {parent}, which is not here",
                )
            self._conn.execute(
                "INSERT INTO token_parents (token_id, parent_id) VALUES (?, ?)",
                (token.token_id, parent),
            )

    def _one(self, where: str, *arguments: object) -> Issued | None:
        found = list(self._issued(where, *arguments))
        return found[0] if found else None

    def _issued(self, where: str, *arguments: object) -> Iterator[Issued]:
        rows = self._conn.execute(
            f"SELECT {_ISSUED_COLUMNS}, build_id, leaf_index FROM tokens WHERE {where}",  # noqa: S608  constant text
            arguments,
        )
        for *columns, build_id, leaf_index in rows:
            members = (*columns, self.parents(columns[0]))
            yield Issued(TokenRow(*members), build_id, leaf_index)
