"""The public statements about this node's keys that the offline root signed.

`key_manifest.json` says which keys there are and for what, `jwks.jws` is the key set that partners
use. Both are made where the root key is, and only read here.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from rtgf_node.core import base64url, jose, times
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.keys import KeySet, PublicKey
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import KeyRow
from rtgf_node.settings import KeysConfig

MANIFEST = "key_manifest.json"
SIGNED_JWKS = "jwks.jws"
MANIFEST_TYP = "rtgf-key-manifest+jws"
JWKS_TYP = "rtgf-jwks+jws"
FOREVER = 2**53 - 1
"""The root has no window of its own: it is trusted because it is pinned."""


class KeyFiles(NamedTuple):
    """The two statements, verified under the pinned root, and the keys they name."""

    manifest: bytes
    jwks: bytes
    jwks_jws: str
    root_kid: str
    keys: tuple[KeyRow, ...]


def load(config: KeysConfig, *, at: int) -> KeyFiles:
    """Read both files and verify them under the pinned root.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if no root is pinned or a file is missing;
        RTGF_JWKS_SIGNATURE_INVALID if a file is not the root's.
    """
    if config.root_kid is None or config.root_public is None:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID, "keys.root_kid and keys.root_public must pin the root key"
        )
    root = PublicKey(
        kid=config.root_kid,
        public=base64url.decode(config.root_public),
        use="root",
        created_at=0,
        expires_at=FOREVER,
    )
    manifest = _read(config.folder / MANIFEST)
    jwks_jws = _read(config.folder / SIGNED_JWKS).decode("ascii", errors="replace").strip()
    try:
        document = parse(manifest)
        if not isinstance(document, dict):
            raise RtgfError(Code.RTGF_JSON_INVALID, "the key manifest must be an object")
        jose.verify_document(document, KeySet([root]), at=at, typ=MANIFEST_TYP)
        jwks = jose.verify_compact(jwks_jws, KeySet([root]), at=at, typ=JWKS_TYP)
    except RtgfError as error:
        raise RtgfError(
            Code.RTGF_JWKS_SIGNATURE_INVALID,
            f"{config.folder}: not signed by the pinned root: {error.detail}",
            causes=(error,),
        ) from error
    rows = tuple(
        KeyRow(
            kid=key.kid,
            purpose=key.use,
            public=key.public,
            issued_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
        )
        for key in KeySet.from_jwks(parse(jwks))
    )
    return KeyFiles(manifest, jwks, jwks_jws, config.root_kid, rows)


def manifest_entry(key: PublicKey) -> dict[str, str | None]:
    """Return a key's entry in the manifest."""
    return {
        "kid": key.kid,
        "purpose": key.use,
        "public": base64url.encode(key.public),
        "issued_at": times.to_text(key.created_at),
        "expires_at": times.to_text(key.expires_at),
        "revoked_at": times.to_text(key.revoked_at) if key.revoked_at is not None else None,
        "predecessor": None,
    }


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID, f"{path} cannot be read: {error.strerror}"
        ) from error
