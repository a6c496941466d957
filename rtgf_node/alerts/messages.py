"""What a channel is sent. Sentences of the catalogue only: what a case is about stays in the house.

The signed webhook is this project's own: one document for a change, signed as other notifications
are. PagerDuty is its Events API v2, one event for each alert. Matrix is a text message in a room
(client-server API, `PUT …/send/m.room.message/{txnId}`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

from rtgf_node.alerts.board import Standing
from rtgf_node.alerts.delivery import Change
from rtgf_node.core import jose, notification, times
from rtgf_node.core.canonical_json import JsonValue, canonical_bytes
from rtgf_node.core.keys import Signer

TYP: Final = "rtgf-alerts+jws"
_PAGERDUTY_SEVERITY: Final = {"P0": "critical", "P1": "error", "P2": "warning"}
_TXN_CHARACTERS: Final = 32


class Sender(NamedTuple):
    """Who tells: the issuer, and the name of this one of its nodes."""

    issuer: str
    node: str


class Message(NamedTuple):
    """One request to a channel."""

    method: Literal["POST", "PUT"]
    url: str
    body: bytes
    headers: Mapping[str, str] = {}


def webhook(change: Change, sender: Sender, *, url: str, signer: Signer) -> list[Message]:
    """Return a change as one signed document."""
    body = canonical_bytes(
        {
            "issuer": sender.issuer,
            "node": sender.node,
            "audience": url,
            "time": times.to_text(change.at),
            "risen": [_document(one) for one in change.risen],
            "over": [_document(one) for one in change.over],
            "missed_by": list(change.missed_by),
        }
    )
    signature = jose.sign_detached(body, signer, typ=TYP)
    return [Message("POST", url, body, {notification.SIGNATURE_HEADER: signature})]


def pagerduty(change: Change, sender: Sender, *, url: str, secret: str) -> list[Message]:
    """Return a change as events, of which each names its alert: one that is repeated is no new."""
    told = (("trigger", change.risen), ("resolve", change.over))
    events: list[JsonValue] = [
        {
            "routing_key": secret,
            "event_action": action,
            "dedup_key": f"{sender.node}:{one.alert.name}",
            "payload": {
                "summary": f"{sender.node}: {one.alert.sentence}",
                "source": sender.node,
                "severity": _PAGERDUTY_SEVERITY[one.alert.severity],
                "timestamp": times.to_text(one.since),
                "component": "rtgf-node",
                "class": one.alert.name,
                "custom_details": _document(one) | _missed(change.missed_by),
            },
        }
        for action, alerts in told
        for one in alerts
    ]
    return [Message("POST", url, canonical_bytes(event)) for event in events]


def matrix(change: Change, sender: Sender, *, url: str, secret: str) -> list[Message]:
    """Return a change as a message, under an id by which the server knows a repeated one."""
    body = canonical_bytes({"msgtype": "m.text", "body": _text(change, sender)})
    txn = hashlib.sha256(body).hexdigest()[:_TXN_CHARACTERS]
    return [Message("PUT", f"{url}/{txn}", body, {"Authorization": f"Bearer {secret}"})]


def _document(one: Standing) -> dict[str, JsonValue]:
    alert = one.alert
    return {
        "alert": alert.name,
        "severity": alert.severity,
        "sentence": alert.sentence,
        "since": times.to_text(one.since),
        "runbook": alert.runbook,
        "code": None if alert.code is None else alert.code.name,
    }


def _missed(names: Iterable[str]) -> dict[str, JsonValue]:
    return {"missed_by": list(names)} if names else {}


def _text(change: Change, sender: Sender) -> str:
    lines = [f"{sender.node} at {times.to_text(change.at)}"]
    lines += [
        f"{one.alert.severity} {one.alert.name}: {one.alert.sentence} "
        f"(since {times.to_text(one.since)}, {one.alert.runbook})"
        for one in change.risen
    ]
    lines += [f"over: {one.alert.name}" for one in change.over]
    if change.missed_by:
        lines.append(f"not taken by: {', '.join(change.missed_by)}")
    return "\n".join(lines)
