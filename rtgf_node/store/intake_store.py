"""What came in from outside: snapshots, dataset records, quarantined files, counted refusals."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec

from rtgf_node.core.merkle import MAX_TREE_SIZE

# Rows of refused intakes that are kept to be looked at; the counts by code are kept for ever.
REFUSALS_KEPT = 10_000
# One page of a listing.
MAX_ROWS = 1000

_SNAPSHOT = "snapshot_id, digest, jurisdiction, domain, version, body, at, leaf_index"
_DATASET = (
    "name, version, provider, reader, raw_sha256, content_sha256, record_count, published, "
    "retrieved_at, uri, etag, last_modified, signature_state, records_sha256, "
    "checked_at, leaf_index"
)


class SnapshotRow(msgspec.Struct, frozen=True):
    """A snapshot that was taken in. `body` is the exact signed bytes, `at` its event's time."""

    snapshot_id: str
    digest: str
    jurisdiction: str
    domain: str
    version: str
    body: bytes
    at: str
    leaf_index: int


class DatasetRow(msgspec.Struct, frozen=True):
    """A dataset that was taken in: where from, when, both digests.

    The bytes are the object `raw_sha256`, the records as they were read the object
    `records_sha256`. `checked_at` is when the provider last said that this is the newest.
    """

    name: str
    version: str
    provider: str
    reader: str
    raw_sha256: str
    content_sha256: str
    record_count: int
    published: str | None
    retrieved_at: int
    uri: str
    etag: str | None
    last_modified: str | None
    signature_state: str
    records_sha256: str
    checked_at: int
    leaf_index: int


class QuarantineRow(msgspec.Struct, frozen=True):
    """The newest file of a list, if it is kept from use, and why.

    `record` is the command that puts it in force, as it is encoded.
    """

    name: str
    raw_sha256: str
    reason: str
    at: int
    record: bytes


class RefusalRow(msgspec.Struct, frozen=True):
    """An intake that was refused. Digests and ids only; never what was in it."""

    code: str
    subject: str
    digest: str
    at: int
    detail: str


class IntakeStore:
    """The snapshots, datasets, quarantine and refusals tables, through one connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def snapshot(self, snapshot_id: str) -> SnapshotRow | None:
        """Return the snapshot of this id, None if it is not here."""
        return self._snapshot("snapshot_id = ?", snapshot_id)

    def snapshot_by_digest(self, digest: str) -> SnapshotRow | None:
        """Return the snapshot of this digest, None if it is not here."""
        return self._snapshot("digest = ?", digest)

    def newest_snapshot(self, jurisdiction: str, domain: str) -> SnapshotRow | None:
        """Return the snapshot in force for a jurisdiction and domain: the one taken in last."""
        return self._snapshot(
            "jurisdiction = ? AND domain = ? ORDER BY leaf_index DESC LIMIT 1", jurisdiction, domain
        )

    def newest_snapshots(self, *, before_leaf: int = MAX_TREE_SIZE) -> list[SnapshotRow]:
        """Return the newest snapshot of every jurisdiction and domain, sorted by id.

        Only those count that were taken in before the entry `before_leaf`.
        """
        rows = self._conn.execute(
            f"SELECT {_SNAPSHOT} FROM snapshots WHERE leaf_index IN "  # noqa: S608  constant text
            "(SELECT max(leaf_index) FROM snapshots WHERE leaf_index < ? "
            "GROUP BY jurisdiction, domain) ORDER BY snapshot_id",
            (before_leaf,),
        )
        return [SnapshotRow(*row) for row in rows]

    def snapshots(self) -> Iterator[SnapshotRow]:
        """Yield every snapshot in the order in which they were taken in."""
        rows = self._conn.execute(
            f"SELECT {_SNAPSHOT} FROM snapshots ORDER BY leaf_index"  # noqa: S608  constant text
        )
        return (SnapshotRow(*row) for row in rows)

    def insert_snapshot(self, row: SnapshotRow) -> None:
        """Add a snapshot."""
        self._conn.execute(
            f"INSERT INTO snapshots ({_SNAPSHOT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  constant text
            msgspec.structs.astuple(row),
        )

    def dataset(
        self, name: str, version: str, *, before_leaf: int = MAX_TREE_SIZE
    ) -> DatasetRow | None:
        """Return the newest record of a dataset's version taken in before an entry, or None."""
        return self._dataset(
            "name = ? AND version = ? AND leaf_index < ?", name, version, before_leaf
        )

    def newest_dataset(self, name: str) -> DatasetRow | None:
        """Return the dataset in force under this name: the one taken in last."""
        return self._dataset("name = ?", name)

    def dataset_by_content(self, content_sha256: str) -> DatasetRow | None:
        """Return the newest record of this content, None if it is not here."""
        return self._dataset("content_sha256 = ?", content_sha256)

    def dataset_of(self, name: str, version: str, content_sha256: str) -> DatasetRow | None:
        """Return the newest record of just this content under a dataset's version, or None."""
        return self._dataset(
            "name = ? AND version = ? AND content_sha256 = ?", name, version, content_sha256
        )

    def newest_datasets(self) -> list[DatasetRow]:
        """Return the dataset in force under every name, sorted by name."""
        rows = self._conn.execute(
            f"SELECT {_DATASET} FROM datasets WHERE seq IN "  # noqa: S608  constant text
            "(SELECT max(seq) FROM datasets GROUP BY name) ORDER BY name"
        )
        return [DatasetRow(*row) for row in rows]

    def counts_since(self, name: str, at: int) -> list[int]:
        """Return the record counts of a dataset's versions that were its newest at `at` or later.

        In the order of intake.
        """
        rows = self._conn.execute(
            "SELECT record_count FROM datasets WHERE name = ? AND checked_at >= ? ORDER BY seq",
            (name, at),
        )
        return [count for (count,) in rows]

    def checked_contents(self) -> list[tuple[str, str, int]]:
        """Return name, content and when it was last its provider's newest, in order of intake."""
        return list(
            self._conn.execute(
                "SELECT name, content_sha256, checked_at FROM datasets WHERE seq IN "
                "(SELECT max(seq) FROM datasets GROUP BY name, content_sha256) ORDER BY seq"
            )
        )

    def insert_dataset(self, row: DatasetRow) -> None:
        """Add a dataset record; what waits in quarantine under its name waits no longer."""
        self._conn.execute(
            f"INSERT INTO datasets ({_DATASET}) "  # noqa: S608  constant text
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            msgspec.structs.astuple(row),
        )
        self._end_quarantine(row.name)

    def confirm_dataset(self, name: str, *, at: int) -> None:
        """Note that the dataset in force was found to be the newest at `at`.

        The last word counts, even of an earlier instant: a clock that was ahead was set right.
        What waits in quarantine is then no longer its provider's newest.
        """
        self._conn.execute(
            "UPDATE datasets SET checked_at = ? WHERE seq = "
            "(SELECT max(seq) FROM datasets WHERE name = ?)",
            (at, name),
        )
        self._end_quarantine(name)

    def quarantined(self) -> list[QuarantineRow]:
        """Return what is in quarantine, sorted by name."""
        rows = self._conn.execute(
            "SELECT name, raw_sha256, reason, at, record FROM quarantine ORDER BY name"
        )
        return [QuarantineRow(*row) for row in rows]

    def put_quarantine(self, row: QuarantineRow) -> None:
        """Note a quarantined file in place of an older one of its list."""
        self._conn.execute(
            "INSERT OR REPLACE INTO quarantine (name, raw_sha256, reason, at, record) "
            "VALUES (?, ?, ?, ?, ?)",
            msgspec.structs.astuple(row),
        )

    def _end_quarantine(self, name: str) -> None:
        self._conn.execute("DELETE FROM quarantine WHERE name = ?", (name,))

    def insert_refusal(self, row: RefusalRow) -> None:
        """Note and count a refused intake."""
        self._conn.execute(
            "INSERT INTO refusals (code, subject, digest, at, detail) VALUES (?, ?, ?, ?, ?)",
            msgspec.structs.astuple(row),
        )
        self._conn.execute(
            "DELETE FROM refusals WHERE seq <= (SELECT max(seq) FROM refusals) - ?",
            (REFUSALS_KEPT,),
        )
        self._conn.execute(
            "INSERT INTO refusal_counts (code, total) VALUES (?, 1) "
            "ON CONFLICT (code) DO UPDATE SET total = total + 1",
            (row.code,),
        )

    def refusals(self, limit: int = MAX_ROWS) -> list[RefusalRow]:
        """Return the newest `limit` refusals, newest first."""
        rows = self._conn.execute(
            "SELECT code, subject, digest, at, detail FROM refusals ORDER BY seq DESC LIMIT ?",
            (max(0, min(limit, MAX_ROWS)),),
        )
        return [RefusalRow(*row) for row in rows]

    def refusal_counts(self) -> dict[str, int]:
        """Return how many intakes were refused with each code, since the store was made."""
        return dict(self._conn.execute("SELECT code, total FROM refusal_counts ORDER BY code"))

    def _snapshot(self, where: str, *arguments: object) -> SnapshotRow | None:
        row = self._conn.execute(
            f"SELECT {_SNAPSHOT} FROM snapshots WHERE {where}",  # noqa: S608  constant text
            arguments,
        ).fetchone()
        return None if row is None else SnapshotRow(*row)

    def _dataset(self, where: str, *arguments: object) -> DatasetRow | None:
        row = self._conn.execute(
            f"SELECT {_DATASET} FROM datasets WHERE {where} "  # noqa: S608  constant text
            "ORDER BY seq DESC LIMIT 1",
            arguments,
        ).fetchone()
        return None if row is None else DatasetRow(*row)
