"""Digests in the one text form in which this node writes them: `sha256:<hex>`, `sha512:<hex>`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from rtgf_node.core.canonical_json import JsonValue, canonical_bytes
from rtgf_node.errors import Code, RtgfError

_FORM: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def sha256(data: bytes) -> str:
    """Return the SHA-256 digest of bytes as `sha256:<64 lower hex>`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def sha512(data: bytes) -> str:
    """Return the SHA-512 digest of bytes as `sha512:<128 lower hex>`."""
    return f"sha512:{hashlib.sha512(data).hexdigest()}"


def of_document(value: JsonValue) -> str:
    """Return the SHA-256 digest of a document's canonical bytes (RFC 8785).

    Raises:
      RtgfError: RTGF_JSON_INVALID if the value has no canonical form.
    """
    return sha256(canonical_bytes(value))


def of_documents(values: Iterable[str]) -> str:
    """Return the SHA-256 digest of the canonical sorted list of digests: their order is nothing.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if one of them is not a digest.
    """
    in_order: list[JsonValue] = []
    in_order.extend(sorted(check_form(value) for value in values))
    return of_document(in_order)


def check_form(text: str) -> str:
    """Return `text` if it is a digest in our text form.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it is not.
    """
    if _FORM.fullmatch(text) is None:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID,
            f"{text[:80]!r} is not a digest; write sha256:<64 lower hex> or sha512:<128 lower hex>",
        )
    return text
