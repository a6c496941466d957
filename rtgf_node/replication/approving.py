"""Approvals: what waits for a second person, and who settled it."""

from __future__ import annotations

import sqlite3

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import AskApproval, SettleApproval
from rtgf_node.store.approval_store import ApprovalRow, ApprovalStore
from rtgf_node.store.log_writer import LogWriter


class Approving:
    """What the state machine does for approvals, inside the savepoint of the running command."""

    def __init__(self, conn: sqlite3.Connection, log: LogWriter) -> None:
        self._log = log
        self._approvals = ApprovalStore(conn)

    def ask(self, command: AskApproval) -> int:
        """Let a request wait, and return the place of its event; the same one waits once."""
        held = self._approvals.approval(command.approval_id)
        if held is None:
            held = self._approvals.waiting_for(command.acts, command.digest)
        if held is not None:
            return held.leaf_index
        leaf_index = self._log.append(command.event)
        self._approvals.insert(
            ApprovalRow(
                approval_id=command.approval_id,
                acts=command.acts,
                subject=command.subject,
                digest=command.digest,
                request=command.request,
                asked_by=command.asked_by,
                asked_at=command.asked_at,
                deadline=command.deadline,
                state="waiting",
                settled_by=None,
                settled_at=None,
                reason=None,
                leaf_index=leaf_index,
            )
        )
        return leaf_index

    def settle(self, command: SettleApproval) -> int:
        """Settle a request, and return the place of the event that says so.

        Raises:
          RtgfError: RTGF_NOT_FOUND if there is no such request; RTGF_CONFLICT if it does not wait
            any more, its deadline has passed, or has not yet; RTGF_FORBIDDEN if who approves is
            who asked.
        """
        held = self._approvals.approval(command.approval_id)
        if held is None:
            raise RtgfError(
                Code.RTGF_NOT_FOUND, "no such request for approval; rtgf approvals list shows them"
            )
        if held.state != "waiting":
            raise RtgfError(Code.RTGF_CONFLICT, f"the request was {held.state} before")
        if (command.state == "lapsed") != (command.at >= held.deadline):
            raise RtgfError(Code.RTGF_CONFLICT, "the deadline of the request says otherwise")
        if command.state == "approved" and command.by in {None, held.asked_by}:
            raise RtgfError(
                Code.RTGF_FORBIDDEN, "who asked does not approve; it takes a second person"
            )
        leaf_index = self._log.append(command.event)
        self._approvals.settle(
            command.approval_id,
            state=command.state,
            by=command.by,
            at=command.at,
            reason=command.reason,
        )
        return leaf_index
