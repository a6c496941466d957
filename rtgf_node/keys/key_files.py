"""The public statements about this node's keys that the offline root signed.

The manifest says which keys there are and for what, the JWKS is the key set that partners use. Both
are made where the root key is. `rtgf init` leaves them as `key_manifest.json` and `jwks.jws`; a
change of keys brings both in one file, `key_set.json`, which counts from then on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from rtgf_node.core import base64url, jose, signed_keys, times
from rtgf_node.core.canonical_json import JsonValue, canonical_bytes, parse, parse_object
from rtgf_node.core.keys import KeySet, PublicKey
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import KeyRow
from rtgf_node.settings import KeysConfig
from rtgf_node.store import Store

MANIFEST = "key_manifest.json"
SIGNED_JWKS = "jwks.jws"
KEY_SET = "key_set.json"
MANIFEST_TYP = "rtgf-key-manifest+jws"
FOREVER = 2**53 - 1
"""The root has no window of its own: it is trusted because it is pinned."""


class SignedKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Both statements in one document: what the root's machine hands back.

    Attributes:
      manifest: the key manifest with its signatures.
      jwks: the key set as a compact JWS.
    """

    manifest: dict[str, Any]
    jwks: str


class KeyFiles(NamedTuple):
    """The two statements, verified under the pinned root, and the keys they name.

    Attributes:
      sequence: which statement it is: each change of keys has a higher one; 0 before the first.
      prepared_at: when the change was prepared; 0 where it does not say.
    """

    manifest: bytes
    jwks: bytes
    jwks_jws: str
    root_kid: str
    keys: tuple[KeyRow, ...]
    sequence: int = 0
    prepared_at: int = 0

    def key_set(self) -> KeySet:
        """Return the keys to verify with."""
        return KeySet.from_jwks(parse(self.jwks))


def load(config: KeysConfig, *, at: int) -> KeyFiles:
    """Read the statements and verify them under the pinned root.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if no root is pinned or a file is missing;
        RTGF_JWKS_SIGNATURE_INVALID if a file is not the root's.
    """
    root = pinned_root(config)
    if (config.folder / KEY_SET).exists():
        return of_document(_read(config.folder / KEY_SET), root, at=at)
    manifest = _read(config.folder / MANIFEST)
    jwks_jws = _read(config.folder / SIGNED_JWKS).decode("ascii", errors="replace").strip()
    return verified(manifest, jwks_jws, root, at=at)


def pinned_root(config: KeysConfig) -> PublicKey:
    """Return the root key of the configuration.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if none is pinned.
    """
    if config.root_kid is None or config.root_public is None:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID, "keys.root_kid and keys.root_public must pin the root key"
        )
    return PublicKey(
        kid=config.root_kid,
        public=base64url.decode(config.root_public),
        use="root",
        created_at=0,
        expires_at=FOREVER,
    )


def of_document(data: bytes, root: PublicKey, *, at: int) -> KeyFiles:
    """Verify both statements in one document.

    Raises:
      RtgfError: RTGF_JWKS_SIGNATURE_INVALID if it is none, or not the root's.
    """
    try:
        signed = msgspec.json.decode(data, type=SignedKeys)
    except msgspec.DecodeError as error:
        raise RtgfError(Code.RTGF_JWKS_SIGNATURE_INVALID, f"no signed key set: {error}") from error
    return verified(canonical_bytes(signed.manifest), signed.jwks, root, at=at)


def logged(store: Store, root: PublicKey, *, at: int) -> KeyFiles | None:
    """Return the statements that the log holds, None before the first.

    Raises:
      RtgfError: RTGF_JWKS_SIGNATURE_INVALID if they are another root's.
    """
    held = store.keys.documents()
    return verified(held.manifest, held.jwks_jws, root, at=at) if held is not None else None


def agreed(store: Store, config: KeysConfig, *, at: int) -> KeyFiles:
    """Return the statements that a member of a cluster goes by: those in the log, if there are any.

    The files in its folder may be of before.

    Raises:
      RtgfError: as `load` and `logged`.
    """
    return logged(store, pinned_root(config), at=at) or load(config, at=at)


def document(files: KeyFiles) -> bytes:
    """Return both statements as one document; `of_document` reads it."""
    manifest = parse_object(files.manifest)
    return canonical_bytes({"manifest": manifest, "jwks": files.jwks_jws})


def verified(manifest: bytes, jwks_jws: str, root: PublicKey, *, at: int) -> KeyFiles:
    """Return the statements if the root signed both and they say the same.

    Raises:
      RtgfError: RTGF_JWKS_SIGNATURE_INVALID.
    """
    try:
        stated = parse_object(manifest)
        jose.verify_document(stated, KeySet([root]), at=at, typ=MANIFEST_TYP)
        jwks = jose.verify_compact(jwks_jws, KeySet([root]), at=at, typ=signed_keys.TYP)
        published = parse_object(jwks)
        keys = KeySet.from_jwks(published)
        sequence = _sequence(stated)
        prepared_at = times.parse(str(stated["prepared_at"])) if "prepared_at" in stated else 0
        predecessors = _predecessors(stated, keys, strict=sequence > 0)
        if _sequence(published) != sequence:
            raise RtgfError(Code.RTGF_INPUT_INVALID, "manifest and key set are of two signings")
    except RtgfError as error:
        raise RtgfError(
            Code.RTGF_JWKS_SIGNATURE_INVALID,
            f"the key set is not one that the pinned root signed: {error.detail}",
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
            predecessor=predecessors.get(key.kid),
        )
        for key in keys
    )
    return KeyFiles(manifest, jwks, jwks_jws, root.kid, rows, sequence, prepared_at)


def sequence_of(manifest: bytes) -> int:
    """Return which statement a manifest is that was verified before."""
    return _sequence(parse_object(manifest))


def _sequence(stated: dict[str, JsonValue]) -> int:
    sequence = stated.get("sequence", 0)
    if not isinstance(sequence, int) or isinstance(sequence, bool) or sequence < 0:
        raise RtgfError(Code.RTGF_INPUT_INVALID, "sequence is a count")
    return sequence


def _predecessors(
    stated: dict[str, JsonValue], keys: KeySet, *, strict: bool
) -> dict[str, str | None]:
    """Return the predecessor of each key; the manifest must have just the keys of the set."""
    entries = stated.get("keys")
    found: dict[str, str | None] = {}
    said: dict[str, JsonValue] = {}
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            kid, before = str(entry.get("kid")), entry.get("predecessor")
            found[kid] = before if isinstance(before, str) else None
            said[kid] = {**entry, "predecessor": None}
    if strict and said != {key.kid: dict(manifest_entry(key)) for key in keys}:
        raise RtgfError(Code.RTGF_INPUT_INVALID, "manifest and key set name different keys")
    return found


def manifest_entry(key: PublicKey, predecessor: str | None = None) -> dict[str, str | None]:
    """Return a key's entry in the manifest."""
    return {
        "kid": key.kid,
        "purpose": key.use,
        "public": base64url.encode(key.public),
        "issued_at": times.to_text(key.created_at),
        "expires_at": times.to_text(key.expires_at),
        "revoked_at": times.to_text(key.revoked_at) if key.revoked_at is not None else None,
        "predecessor": predecessor,
    }


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID, f"{path} cannot be read: {error.strerror}"
        ) from error
