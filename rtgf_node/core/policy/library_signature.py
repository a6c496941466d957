"""Who vouches for a predicate library: its manifest is signed, and its key is pinned.

The manifest states the digest of every file, so that one signature over it covers the library. A
library key has no id but its own digest, and no window: whoever no longer trusts it pins another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from rtgf_node.core import canonical_json, digests, jose
from rtgf_node.core.keys import KeySet, PublicKey, SeedSigner
from rtgf_node.core.policy.templates import MANIFEST, manifest_of
from rtgf_node.errors import Code, RtgfError

SIGNATURE_TYPE: Final = "rtgf-library+jws"
USE: Final = "library"

_KID_DIGITS: Final = 32
_ALWAYS: Final = (0, 2**52)


def key_id(public: bytes) -> str:
    """Return the id of a library key: it says which key, and cannot be said of another."""
    return f"library:{digests.sha256(public).removeprefix('sha256:')[:_KID_DIGITS]}"


def key_set(*public: bytes) -> KeySet:
    """Return the pinned keys.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if one is no Ed25519 key.
    """
    created, expires = _ALWAYS
    return KeySet(
        PublicKey(key_id(each), each, use=USE, created_at=created, expires_at=expires)
        for each in dict.fromkeys(public)
    )


def check(files: Mapping[str, bytes], keys: KeySet) -> None:
    """Pass if the manifest among `files` is signed by one of `keys`; `Library.load` does the rest.

    Raises:
      RtgfError: RTGF_BUILD_HASH_MISMATCH without a manifest, RTGF_VERIFY_SIGNATURE_INVALID or
        RTGF_KID_UNKNOWN for one that is not so signed.
    """
    if MANIFEST not in files:
        raise RtgfError(Code.RTGF_BUILD_HASH_MISMATCH, f"the library has no file {MANIFEST!r}")
    document = canonical_json.parse_object(files[MANIFEST])
    try:
        jose.verify_document(document, keys, at=1, typ=SIGNATURE_TYPE, uses={USE})
    except RtgfError as error:
        raise RtgfError(
            error.code,
            f"the predicate library: {error.detail}; sign it with the key that is pinned, or pin"
            " the key that signed it",
            pointer=error.pointer,
        ) from error


def sign(files: Mapping[str, bytes], *, version: str, seed: bytes) -> bytes:
    """Return the manifest of `files`, made anew and signed, as the text of its file.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if the seed is none.
    """
    signer = SeedSigner(key_id(SeedSigner("", seed).public), seed)
    document = canonical_json.parse_object(manifest_of(files, version=version))
    signed = jose.sign_document(document, [signer], typ=SIGNATURE_TYPE)
    return msgspec.json.format(canonical_json.canonical_bytes(signed), indent=2) + b"\n"
