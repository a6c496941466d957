"""Events: what the transparency log holds, one for everything that happened.

An event names an artefact by its digest, links to what it came from, and carries no personal data
and never a whole artefact. Its id is derived from its content, so the same event made twice is the
same bytes, and an event that was altered does not have its id any more.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import msgspec

from rtgf_node.core import digests, times
from rtgf_node.core.canonical_json import JsonValue, canonical_bytes, parse_canonical
from rtgf_node.errors import Code, RtgfError

TYPES: Final = frozenset(
    {
        "policy_snapshot",
        "dataset",
        "terms",
        "build",
        "token_issue",
        "revocation",
        "jwks_publish",
        "key_event",
        "approval",
        "config_change",
        "membership",
        "incident",
        "decision_root",
    }
)
"""Every kind of event there is."""

MAX_BYTES: Final = 60_000
"""Bytes of one event. Tiles hold entries of at most 65,535 bytes (C2SP tlog-tiles)."""

NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:rtgf:event")
"""The name space of event ids (RFC 9562 §5.5). It enters every id, so it never changes."""

_NAME: Final = re.compile(r"[^\x00-\x1f\x7f]{1,512}")


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the log.

    Attributes:
      event_id: `evt:<type>:<UTC time>:<uuid>`, the UUID a version 5 of the rest.
      type: one of `TYPES`.
      at: when it happened, as text.
      subject: what it is about: an id.
      digest: the digest of the artefact.
      refs: what the artefact came from, by name: one id or digest, or several.
      actor: who did it: a role, a node or a client's name, never a person.
      payload: what else there is to know, by digests, counts and ids.
    """

    event_id: str
    type: str
    at: str
    subject: str
    digest: str
    refs: dict[str, str | list[str]]
    actor: str
    payload: dict[str, Any]


def make(
    *,
    type: str,  # noqa: A002 - the member's name
    at: int,
    subject: str,
    digest: str,
    refs: Mapping[str, str | list[str]],
    actor: str,
    payload: Mapping[str, JsonValue],
) -> Event:
    """Return the event with this content and the id that follows from it.

    Raises:
      RtgfError: RTGF_TXP_EVENT_INVALID if the type is unknown, the digest is none, or the event is
        larger than 60,000 bytes; RTGF_JSON_INVALID if the payload has no canonical form.
    """
    content: dict[str, JsonValue] = {
        "type": type,
        "at": times.to_text(at),
        "subject": subject,
        "digest": digest,
        "refs": {name: ref if isinstance(ref, str) else list(ref) for name, ref in refs.items()},
        "actor": actor,
        "payload": dict(payload),
    }
    event = _converted({"event_id": _event_id(content), **content})
    _check(event)
    if len(to_bytes(event)) > MAX_BYTES:
        _refuse(f"the event is larger than {MAX_BYTES} bytes; refer to artefacts by digest")
    return event


def incident(subject: str, detail: str, *, at: int, actor: str, what: str | None = None) -> bytes:
    """Return the entry that says that something went wrong; its digest is that of `detail`."""
    payload: dict[str, JsonValue] = {"detail": detail}
    if what is not None:
        payload["what"] = what
    made = make(
        type="incident",
        at=at,
        subject=subject,
        digest=digests.sha256(detail.encode()),
        refs={},
        actor=actor,
        payload=payload,
    )
    return to_bytes(made)


def to_bytes(event: Event) -> bytes:
    """Return the canonical bytes of an event: the log's entry."""
    return canonical_bytes(msgspec.structs.asdict(event))


def parse(data: bytes) -> Event:
    """Return the event whose canonical bytes these are.

    Raises:
      RtgfError: RTGF_TXP_EVENT_INVALID if they are not canonical, do not fit the schema, name an
        unknown type, are larger than 60,000 bytes, or have an id that is not their content's.
    """
    if len(data) > MAX_BYTES:
        _refuse(f"the event has {len(data)} bytes; at most {MAX_BYTES} are accepted")
    try:
        document = parse_canonical(data, max_bytes=MAX_BYTES)
    except RtgfError as error:
        raise RtgfError(
            Code.RTGF_TXP_EVENT_INVALID, error.detail, pointer=error.pointer, causes=(error,)
        ) from None
    event = _converted(document)
    _check(event)
    if event.event_id != _event_id(_content(event)):
        _refuse("the event's id is not the one of its content; it was altered", "/event_id")
    return event


def _content(event: Event) -> dict[str, JsonValue]:
    document = msgspec.structs.asdict(event)
    del document["event_id"]
    return document


def _event_id(content: dict[str, JsonValue]) -> str:
    name = canonical_bytes(content).decode()
    return f"evt:{content['type']}:{content['at']}:{uuid.uuid5(NAMESPACE, name)}"


def _converted(document: JsonValue) -> Event:
    try:
        return msgspec.convert(document, Event)
    except msgspec.ValidationError as error:
        _refuse(f"{error}; give exactly the members of an event")


def _check(event: Event) -> None:
    if event.type not in TYPES:
        _refuse(f"the type {event.type[:80]!r} is unknown; use one of {sorted(TYPES)}", "/type")
    for name in ("subject", "actor"):
        if _NAME.fullmatch(getattr(event, name)) is None:
            _refuse("give 1 to 512 characters without control characters", f"/{name}")
    try:
        times.parse(event.at)
    except RtgfError as error:
        _refuse(error.detail, "/at")
    try:
        digests.check_form(event.digest)
    except RtgfError as error:
        _refuse(error.detail, "/digest")


def _refuse(detail: str, pointer: str | None = None) -> NoReturn:
    raise RtgfError(Code.RTGF_TXP_EVENT_INVALID, detail, pointer=pointer)
