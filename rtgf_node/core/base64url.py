"""Base64url as JOSE uses it (RFC 7515 §2): no padding, and one text for each sequence of bytes."""

from __future__ import annotations

import base64
import binascii

from rtgf_node.errors import Code, RtgfError

_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def encode(data: bytes) -> str:
    """Return the base64url text of bytes, without padding."""
    text = binascii.b2a_base64(data, newline=False).translate(_URL_SAFE)
    return text.rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Return the bytes of a base64url text.

    Padding, white space, other alphabets and stray trailing bits are refused: a signed text that
    could be changed without changing its bytes would have two identities.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if `text` is not what `encode` writes.
    """
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        data = None
    if data is None or encode(data) != text:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, "not base64url without padding (RFC 7515 §2); encode it again"
        )
    return data
