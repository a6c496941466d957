"""Up to which revocation each webhook was told."""

from __future__ import annotations

import sqlite3

import msgspec


class DeliveryRow(msgspec.Struct, frozen=True):
    """A webhook, the newest revocation that it confirmed, and when."""

    webhook: str
    rev_epoch: int
    at: int


class WebhookStore:
    """The webhooks table, through one connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def delivered(self, webhook: str) -> DeliveryRow | None:
        """Return how far a webhook was told, None if it is new."""
        row = self._conn.execute(
            "SELECT webhook, rev_epoch, at FROM webhooks WHERE webhook = ?", (webhook,)
        ).fetchone()
        return None if row is None else DeliveryRow(*row)

    def put(self, row: DeliveryRow) -> None:
        """Note how far a webhook was told; it never goes back."""
        self._conn.execute(
            "INSERT INTO webhooks (webhook, rev_epoch, at) VALUES (?, ?, ?) "
            "ON CONFLICT (webhook) DO UPDATE SET rev_epoch = excluded.rev_epoch, at = excluded.at "
            "WHERE excluded.rev_epoch > rev_epoch",
            msgspec.structs.astuple(row),
        )
