"""The command log, and what each client's newest commands came to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from rtgf_node.errors import Code, RtgfError

# Outcomes kept for each client: a client that proposes again does so within a few commands; with
# a full mailbox of 256 waiting, four times over.
OUTCOMES_KEPT = 1024
# Clients whose sequence numbers are kept, the longest silent forgotten first. A client is one run
# of one actor, so this is hundreds of restarts.
CLIENTS_KEPT = 1024
# Commands kept after they were applied: what a follower that was away for a moment needs.
COMMANDS_KEPT = 10_000


class CommandStore:
    """The command_log, applied and clients tables; written only by the state machine's thread.

    A command of a client is applied once: its sequence number, once seen, gives the outcome it had.
    """

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._last_index = 0
        # The longest silent client first.
        self._newest: dict[str, int] = {}
        # Of the running transaction, written by `flush` in one go.
        self._commands: list[tuple[int, str, int, str, bytes]] = []
        self._outcomes: dict[tuple[str, int], tuple[int, bytes]] = {}
        self._forgotten: list[str] = []
        self.reload()

    @property
    def last_index(self) -> int:
        """The index of the newest command, 0 before the first."""
        return self._last_index

    def reload(self) -> None:
        """Read again what is kept in memory; for use after a transaction was rolled back."""
        row = self._conn.execute("SELECT coalesce(max(idx), 0) FROM command_log").fetchone()
        self._last_index = row[0]
        self._newest = dict(
            self._conn.execute("SELECT client_id, newest_seq FROM clients ORDER BY newest_idx")
        )
        self._commands.clear()
        self._outcomes.clear()
        self._forgotten.clear()

    def outcome(self, client_id: str, seq: int) -> tuple[int, bytes] | None:
        """Return index and outcome of a command that was applied before, None for a new one.

        Raises:
          RtgfError: RTGF_CONFLICT if it is so old that nobody knows whether it was applied.
        """
        if self.is_new(client_id, seq):
            return None
        # Before anything is looked up: what is still there to be found depends on how commands
        # were grouped into transactions, which is not the same on every node.
        if seq <= self._newest[client_id] - OUTCOMES_KEPT:
            raise RtgfError(
                Code.RTGF_CONFLICT,
                f"command {seq} is older than the {OUTCOMES_KEPT} newest of its client; whether it "
                "was applied is no longer known here, look at the log itself",
            )
        just_now = self._outcomes.get((client_id, seq))
        if just_now is not None:
            return just_now
        row = self._conn.execute(
            "SELECT idx, outcome FROM applied WHERE client_id = ? AND seq = ?", (client_id, seq)
        ).fetchone()
        return None if row is None else (row[0], row[1])

    def is_new(self, client_id: str, seq: int) -> bool:
        """Say whether no number of this client as high as this one was ever seen."""
        newest = self._newest.get(client_id)
        return newest is None or seq > newest

    def are_new(self, numbers: Iterable[tuple[str, int]]) -> bool:
        """Say whether each number is higher than all of its client before it, those here too."""
        newest: dict[str, int] = {}
        for client_id, seq in numbers:
            if seq <= newest.get(client_id, seq - 1) or not self.is_new(client_id, seq):
                return False
            newest[client_id] = seq
        return True

    def append(self, client_id: str, seq: int, kind: str, body: bytes, outcome: bytes) -> int:
        """Add a command and what it came to, and return its index."""
        index = self._last_index = self._last_index + 1
        self._commands.append((index, client_id, seq, kind, body))
        self._outcomes[(client_id, seq)] = (index, outcome)
        # At the end of the line again: it is the last that was heard.
        self._newest[client_id] = max(self._newest.pop(client_id, seq), seq)
        if len(self._newest) > CLIENTS_KEPT:
            self._forget(next(iter(self._newest)))
        return index

    def flush(self) -> None:
        """Write what the transaction added, and forget what is past its time."""
        if not self._commands:
            return
        for client_id in self._forgotten:
            self._conn.execute("DELETE FROM applied WHERE client_id = ?", (client_id,))
            self._conn.execute("DELETE FROM clients WHERE client_id = ?", (client_id,))
        self._forgotten.clear()
        self._conn.executemany(
            "INSERT INTO command_log (idx, client_id, seq, kind, body) VALUES (?, ?, ?, ?, ?)",
            self._commands,
        )
        self._conn.executemany(
            "INSERT INTO applied (client_id, seq, idx, outcome) VALUES (?, ?, ?, ?)",
            [(*key, *kept) for key, kept in self._outcomes.items()],
        )
        clients = {client_id: kept[0] for (client_id, _), kept in self._outcomes.items()}
        self._conn.executemany(
            "INSERT INTO clients (client_id, newest_seq, newest_idx) VALUES (?, ?, ?) "
            "ON CONFLICT (client_id) DO UPDATE SET newest_seq = excluded.newest_seq, "
            "newest_idx = excluded.newest_idx",
            [(client_id, self._newest[client_id], index) for client_id, index in clients.items()],
        )
        self._conn.executemany(
            "DELETE FROM applied WHERE client_id = ? AND seq <= ?",
            [(client_id, self._newest[client_id] - OUTCOMES_KEPT) for client_id in clients],
        )
        self._commands.clear()
        self._outcomes.clear()
        self._conn.execute(
            "DELETE FROM command_log WHERE idx <= ?", (self._last_index - COMMANDS_KEPT,)
        )

    def _forget(self, client_id: str) -> None:
        del self._newest[client_id]
        self._forgotten.append(client_id)
        for number in [number for number in self._outcomes if number[0] == client_id]:
            del self._outcomes[number]
