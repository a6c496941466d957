"""What is said over HTTP about changes of the online keys."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from rtgf_node.wire import Answer, Body, Document


class KeyChangeRequest(Body, frozen=True):
    """`POST /admin/keys/rotate` and `/admin/keys/{kid}/revoke`: what the root signed, and why."""

    manifest: Document
    jwks: Annotated[str, msgspec.Meta(min_length=1)]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class KeyChangeAnswer(Answer, frozen=True):
    """What became of it: in force, or waiting for a second person."""

    state: Literal["in_force", "waiting"]
    sequence: int
    added: list[str]
    revoked: list[str]
    approval_id: str | None
