"""Revoking and reinstating: the token that was named, then everything that rests on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from rtgf_node.core import digests, event, status_list
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.withdrawal_reasons import FINAL_REASONS, LIFTABLE
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import Revoke, RevokeEntry
from rtgf_node.store.log_writer import LogWriter, frame_of
from rtgf_node.store.registry_store import Issued, RegistryStore, TokenRow
from rtgf_node.store.revocation_store import RevocationRow, RevocationStore, Status


class Withdrawal:
    """One `Revoke` command at work. The order of events is fixed: as named, then by token id."""

    def __init__(
        self,
        command: Revoke,
        *,
        log: LogWriter,
        registry: RegistryStore,
        revocation: RevocationStore,
        rev_epoch: int,
    ) -> None:
        self._command = command
        self._log = log
        self._registry = registry
        self._revocation = revocation
        self._rev_epoch = rev_epoch
        self._rows: list[RevocationRow] = []
        self._changed: set[str] = set()
        self._lists: dict[int, bytearray] = {}

    def apply(self) -> Sequence[RevocationRow]:
        """Make every change and return them in the order of their epochs.

        Raises:
          RtgfError: RTGF_VERIFY_TOKEN_NOT_FOUND for an unknown token, RTGF_CONFLICT where a status
            cannot change so, RTGF_INPUT_INVALID for a reason that does not fit; each with the
            entry's pointer. The caller undoes what was done before it.
        """
        for place, entry in enumerate(self._command.entries):
            self._apply_entry(entry, f"/entries/{place}")
        for number, packed in self._lists.items():
            self._revocation.put_list(number, bytes(packed))
        return self._rows

    def _apply_entry(self, entry: RevokeEntry, pointer: str) -> None:
        issued = self._registry.token(entry.token_id)
        if issued is None:
            raise RtgfError(
                Code.RTGF_VERIFY_TOKEN_NOT_FOUND,
                f"no token {entry.token_id} was issued here",
                pointer=f"{pointer}/token_id",
            )
        _check_reason(entry, pointer)
        status = self._revocation.status(entry.token_id)
        if status == entry.status:
            if entry.token_id in self._changed:
                return
            raise _conflict(f"{entry.token_id} is {status} already", pointer)
        if status == "invalid":
            raise _conflict(
                f"{entry.token_id} is invalid, which is final; issue a new token", pointer
            )
        if entry.status == "valid" and (parent := self._withdrawn_parent(entry.token_id)):
            raise _conflict(
                f"{entry.token_id} rests on {parent}, which is not valid; reinstate that first",
                pointer,
            )
        self._change(issued, entry, root=None)
        self._follow(entry)

    def _follow(self, entry: RevokeEntry) -> None:
        # A child that may not follow yet, because it also rests on a token that follows later,
        # comes up again when that one has.
        waiting = deque(self._registry.children(entry.token_id))
        while waiting:
            child = self._registry.token(waiting.popleft())
            if child is not None and self._follows(child.token.token_id, entry.status):
                self._change(child, entry, root=entry.token_id)
                waiting.extend(self._registry.children(child.token.token_id))

    def _follows(self, token_id: str, status: Status) -> bool:
        newest = self._revocation.newest(token_id)
        current = "valid" if newest is None else newest.status
        match status:
            case "invalid":
                return current != "invalid"
            case "suspended":
                return current == "valid"
            case "valid":
                # What was suspended by its own name stays so until it is named again.
                return (
                    newest is not None
                    and current == "suspended"
                    and newest.root_token is not None
                    and self._withdrawn_parent(token_id) is None
                )

    def _withdrawn_parent(self, token_id: str) -> str | None:
        for parent in self._registry.parents(token_id):
            if self._revocation.status(parent) != "valid":
                return parent
        return None

    def _change(self, issued: Issued, entry: RevokeEntry, *, root: str | None) -> None:
        token = issued.token
        rev_epoch = self._rev_epoch + len(self._rows) + 1
        payload: dict[str, JsonValue] = {
            "token_id": token.token_id,
            "jti": token.jti,
            "status": entry.status,
            "reason": entry.reason,
            "rev_epoch": rev_epoch,
            "status_list": self._listed(token, entry.status),
        }
        if root is not None:
            payload["root"] = root
        made = event.make(
            type="revocation",
            at=self._command.at,
            subject=token.token_id,
            digest=digests.sha256(token.body),
            refs={
                "build": issued.build_id,
                "token_issue": frame_of(self._log.entry(issued.leaf_index)).event_id,
            },
            actor=self._command.actor,
            payload=payload,
        )
        row = RevocationRow(
            rev_epoch=rev_epoch,
            token_id=token.token_id,
            jti=token.jti,
            status=entry.status,
            reason=entry.reason,
            at=self._command.at,
            root_token=root,
            leaf_index=self._log.append(event.to_bytes(made)),
        )
        self._revocation.insert(row)
        self._rows.append(row)
        self._changed.add(token.token_id)

    def _listed(self, token: TokenRow, status: Status) -> JsonValue:
        """Change the token's status list and return what the event says of it.

        With its digest in the event, every state that a list ever has is a leaf of the log.
        """
        number = token.status_list
        if number not in self._lists:
            self._lists[number] = bytearray(self._revocation.list_state(number).packed)
        packed = self._lists[number]
        status_list.put(packed, token.status_idx, status_list.NUMBERS[status])
        return {"number": number, "idx": token.status_idx, "sha256": status_list.digest(packed)}


def _check_reason(entry: RevokeEntry, pointer: str) -> None:
    fits = {
        "invalid": entry.reason in FINAL_REASONS,
        "suspended": entry.reason == LIFTABLE,
        "valid": True,
    }
    if not fits[entry.status]:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID,
            f"{entry.reason!r} is no reason for {entry.status}; invalid takes one of "
            f"{', '.join(sorted(FINAL_REASONS))}, suspended takes {LIFTABLE}",
            pointer=f"{pointer}/reason",
        )


def _conflict(detail: str, pointer: str) -> RtgfError:
    return RtgfError(Code.RTGF_CONFLICT, detail, pointer=pointer)
