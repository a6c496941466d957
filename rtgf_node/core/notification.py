"""What a webhook is told: revocations as one signed document.

The signature stands beside the body, in the header `SIGNATURE_HEADER`: a detached JWS (RFC 7515
appendix F) of the node's notify key over the exact bytes. `audience` keeps one partner from passing
on, as if meant for another, what was sent to it; `since` and `revEpoch` say what part of the whole
it is, so that a repeated, lost or reordered delivery shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from rtgf_node.core import canonical_json, jose, times
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.keys import KeySet, Signer
from rtgf_node.core.shapes import fit
from rtgf_node.errors import Code, RtgfError

SIGNATURE_HEADER: Final = "RTGF-Signature"
TYP: Final = "rtgf-notify+jws"
USE: Final = "notify"

Epoch = Annotated[int, Meta(ge=0)]


class Notification(Struct, frozen=True, forbid_unknown_fields=True):
    """A delivery.

    Attributes:
      issuer: whose revocations.
      audience: the URL that it was sent to.
      since: the delivery before this one ended here.
      revEpoch: everything up to this is known to the receiver now.
      entries: what happened in between, of the kinds that the webhook asks for.
      time: when it was signed.
    """

    issuer: str
    audience: str
    since: Epoch
    revEpoch: Epoch  # noqa: N815 - the contract's spelling
    entries: tuple[dict[str, Any], ...]
    time: str


def make(
    entries: Sequence[dict[str, JsonValue]],
    *,
    issuer: str,
    audience: str,
    since: int,
    rev_epoch: int,
    at: int,
) -> bytes:
    """Return the body of a delivery."""
    return canonical_json.canonical_bytes(
        {
            "issuer": issuer,
            "audience": audience,
            "since": since,
            "revEpoch": rev_epoch,
            "entries": list(entries),
            "time": times.to_text(at),
        }
    )


def sign(body: bytes, signer: Signer) -> str:
    """Return the value of the signature header."""
    return jose.sign_detached(body, signer, typ=TYP)


def check(body: bytes, signature: str, keys: KeySet, *, audience: str, at: int) -> Notification:
    """Return a delivery that the node of `keys` signed for `audience`.

    Args:
      body: as it came.
      signature: the value of the signature header.
      keys: the node's.
      audience: the URL at which it came in, as the node's operator was told it.
      at: the time.

    Raises:
      RtgfError: RTGF_VERIFY_SIGNATURE_INVALID, RTGF_KID_UNKNOWN or RTGF_KID_EXPIRED;
        RTGF_INPUT_INVALID if it is signed, and is for somebody else or no delivery.
    """
    jose.verify_detached(signature, body, keys, at=at, typ=TYP, uses=(USE,))
    told = fit(canonical_json.parse(body), Notification, code=Code.RTGF_INPUT_INVALID)
    if told.audience != audience:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, "it was sent to somebody else", pointer="/audience"
        )
    return told
