"""The log's keys as the pinned root vouches for them: where every check of this side begins."""

from __future__ import annotations

from rtgf_node.audit_log import JWKS_TYP
from rtgf_node.client import Node
from rtgf_node.core import base64url, canonical_json, checkpoint, jose
from rtgf_node.core.keys import KeySet, PublicKey
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import Config

_FOREVER = 1 << 37
"""The pinned root has no window that the node could state."""


def root_key(given: str | None, told: Config) -> bytes:
    """Return the public root key that was given, else the configured one.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID without either.
    """
    pinned = given or told.keys.root_public
    if pinned is None:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID, "no root key is pinned: give --root-key or keys.root_public"
        )
    return base64url.decode(pinned)


def log_keys(node: Node, *, root_public: bytes, at: int) -> list[str]:
    """Return the log's keys that the pinned root vouches for."""
    signed = node.signed_jwks()
    header, _, _ = jose.split_compact(signed)
    pinned = KeySet(
        [PublicKey(str(header.get("kid")), root_public, "root", created_at=0, expires_at=_FOREVER)]
    )
    jwks = jose.verify_compact(signed, pinned, at=at, typ=JWKS_TYP, uses=("root",))
    origin = str(node.about().get("log", {}).get("origin", ""))
    return [
        checkpoint.verifier_key(origin, key.public)
        for key in KeySet.from_jwks(canonical_json.parse(jwks))
        if key.use == "log"
    ]
