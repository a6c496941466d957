"""A token's status in an evidence file: its revocations in the log, and the signed status list.

Neither is enough. A log proves what it holds and not what it lacks, so that one revocation could be
left out of a file; the list states every token's status and is signed, but could be of another day.
So the list must be of exactly the tree of the file's head, its digest must stand in the newest
revocation that changed it, and it must say of the token what the token's own revocations say.
"""

from __future__ import annotations

from typing import Any

from rtgf_node.core import status_list, times
from rtgf_node.core.event import Event
from rtgf_node.core.evidence import Evidence
from rtgf_node.core.evidence_entry import event_of, require
from rtgf_node.core.keys import KeySet
from rtgf_node.core.status_list import Claims
from rtgf_node.core.tokens import Token
from rtgf_node.core.tree_head import TreeHead
from rtgf_node.errors import RtgfError


def check_revocations(file: Evidence, token: Token, issue: Event) -> Event | None:
    """Return the newest change of the token's status; all are of this token and in order.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID, or RTGF_TXP_EVENT_INVALID.
    """
    last_index, last_epoch = file.issue.index, token.revocation.revEpoch
    newest = None
    for entry in file.revocations:
        newest = event_of(entry, "revocation")
        payload = newest.payload
        epoch: Any = payload.get("rev_epoch")
        require(
            newest.subject == payload.get("token_id") == token.token_id
            and payload.get("jti") == token.jti
            and newest.refs.get("token_issue") == issue.event_id
            and str(payload.get("status")) in status_list.NUMBERS
            and isinstance(payload.get("reason"), str),
            f"entry {entry.index} is not a revocation of this token",
        )
        require(
            type(epoch) is int and entry.index > last_index and epoch > last_epoch,
            "the revocations are not in the order of the log",
        )
        last_index, last_epoch = entry.index, epoch
    return newest


def check_status(
    file: Evidence, token: Token, *, keys: KeySet, head: TreeHead, newest: Event | None
) -> Claims:
    """Return what the status list says; it and the revocations in the log say the same.

    `newest` is the newest of the token's own revocations.

    Raises:
      RtgfError: RTGF_VERIFY_SIGNATURE_INVALID, RTGF_KID_UNKNOWN, RTGF_KID_EXPIRED,
        RTGF_INPUT_INVALID or RTGF_JSON_INVALID for the list; RTGF_TXP_PROOF_INVALID.
    """
    part, place = file.status, token.revocation.status_list
    try:
        stated = status_list.claims_of(part.list)
        signed = status_list.verify(part.list, keys, at=stated.iat)
    except RtgfError as error:
        raise RtgfError(error.code, f"the status list: {error.detail}") from error
    claims, packed = signed
    require(claims.sub == place.uri, "the status list is not the one that the token names")
    require(
        claims.treeSize == head.tree_size
        and times.parse(head.issued_at) <= claims.exp + times.SKEW_SECONDS,
        "the status list is of another time than the head",
    )
    if part.entry is None:
        require(not any(packed), "the status list says what no revocation in the log says")
    else:
        changed = event_of(part.entry, "revocation").payload
        said = changed.get("status_list")
        require(
            isinstance(said, dict)
            and said.get("number") == status_list.number_of(claims.sub)
            and said.get("sha256") == status_list.digest(packed),
            "the status list is not the one that the log's newest revocation left",
        )
        epoch = changed.get("rev_epoch")
        require(
            type(epoch) is int and epoch <= claims.revEpoch,
            "the status list is older than the revocation beside it",
        )
    last = 0 if newest is None else int(newest.payload["rev_epoch"])
    require(
        max(last, token.revocation.revEpoch) <= claims.revEpoch,
        "the status list is older than the token or its revocations",
    )
    stands = "valid" if newest is None else str(newest.payload["status"])
    require(
        place.idx < status_list.ENTRIES
        and status_list.status_at(packed, place.idx) == status_list.NUMBERS[stands],
        f"by its revocations the token is {stands}, by the status list it is not",
    )
    return claims
