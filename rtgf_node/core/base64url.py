"""Base64url as JOSE uses it (RFC 7515 §2): no padding, and one text for each sequence of bytes."""

from __future__ import annotations

import binascii
from typing import Final

import msgspec

from rtgf_node.errors import Code, RtgfError

_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")

# Writes bytes as a JSON string of base64 (RFC 4648 §4), faster than the standard library does.
_quoted = msgspec.json.Encoder().encode


def encode(data: bytes) -> str:
    """Return the base64url text of bytes, without padding."""
    return encode_bytes(data).decode("ascii")


def encode_bytes(data: bytes) -> bytes:
    """Return the base64url text of bytes, without padding, as ASCII."""
    text = _quoted(data).strip(b'"=')
    return text.translate(_TO_URL) if b"+" in text or b"/" in text else text


def decode(text: str) -> bytes:
    """Return the bytes of a base64url text.

    Padding, white space, other alphabets and stray trailing bits are refused: a signed text that
    could be changed without changing its bytes would have two identities.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if `text` is not what `encode` writes.
    """
    try:
        data = binascii.a2b_base64(
            text.encode("ascii").translate(_FROM_URL) + b"=" * (-len(text) % 4)
        )
    except ValueError:
        data = None
    if data is None or encode(data) != text:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, "not base64url without padding (RFC 7515 §2); encode it again"
        )
    return data
