"""The log's keys as the pinned root vouches for them: where every check of this side begins."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from cyclopts import Parameter

from rtgf_node.client import Node
from rtgf_node.core import base64url, canonical_json, checkpoint, signed_keys
from rtgf_node.core.keys import KeySet
from rtgf_node.errors import Code, RtgfError

RootKey: TypeAlias = Annotated[
    str | None,
    Parameter(
        # One key in sixty-four begins so.
        allow_leading_hyphen=True,
        help="Pinned public root key, base64url; else keys.root_public of the settings.",
    ),
]

PUBLIC_BYTES = 32
"""Of an Ed25519 key."""


def root_key(pinned: str | None) -> bytes:
    """Return the public root key that is pinned: the one given, else the configured one.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if there is neither; RTGF_INPUT_INVALID if it is no
        base64url of a key.
    """
    if pinned is None:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID, "no root key is pinned: give --root-key or keys.root_public"
        )
    public = base64url.decode(pinned)
    if len(public) != PUBLIC_BYTES:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID,
            f"the root key has {len(public)} bytes, not {PUBLIC_BYTES}: give what rtgf init printed"
            " as its public half",
        )
    return public


def log_keys(node: Node, *, root_public: bytes) -> list[str]:
    """Return the log's keys that the pinned root vouches for."""
    jwks = signed_keys.verify(node.signed_jwks(), root_public)
    origin = str(node.about().get("log", {}).get("origin", ""))
    return [
        checkpoint.verifier_key(origin, key.public)
        for key in KeySet.from_jwks(canonical_json.parse(jwks))
        if key.use == "log"
    ]
