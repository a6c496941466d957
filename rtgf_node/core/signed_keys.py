"""The key set that an issuer's offline root signed, as a compact JWS (RFC 7515, 7517)."""

from __future__ import annotations

from typing import Final

from rtgf_node.core import jose
from rtgf_node.core.keys import KeySet, PublicKey

TYP: Final = "rtgf-jwks+jws"

_FOREVER: Final = 1 << 37
"""The pinned root is trusted until it is unpinned: its window is not a file's to state."""


def pinned(root_public: bytes, kid: object) -> KeySet:
    """Return the pinned root under the name that a signature gives it: only the key itself counts.

    Args:
      root_public: 32 bytes.
      kid: as it stands in the signature, whatever it is.
    """
    return KeySet([PublicKey(str(kid), root_public, "root", created_at=0, expires_at=_FOREVER)])


def verify(jws: str, root_public: bytes) -> bytes:
    """Return the JWK Set that the pinned root signed, as it was signed.

    Raises:
      RtgfError: RTGF_VERIFY_SIGNATURE_INVALID, or as `jose.verify_compact`, if it did not.
    """
    header, _, _ = jose.split_compact(jws)
    return jose.verify_compact(jws, pinned(root_public, header.get("kid")), at=0, typ=TYP)
