"""Receipts: a node's signed word that it gave this answer to this question at this time.

A receipt is a compact JWS (RFC 7515) of the node's receipt key over `Receipt`. It holds digests
only: who wants to prove an answer keeps the question and the answer beside it.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct, to_builtins

from rtgf_node.core import canonical_json, digests, jose, times
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.keys import KeySet, Signer
from rtgf_node.core.shapes import fit
from rtgf_node.errors import Code, RtgfError

TYP: Final = "rtgf-receipt+jws"
USE: Final = "receipt"


class Receipt(Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed.

    Attributes:
      issuer: whose answer.
      request_id: under which its decision log has it.
      request_digest: sha256 of the body that was asked, byte for byte.
      at: the state that was asked about beside the body (`?at=`), None for the present.
      answer_digest: sha256 of the canonical answer.
      time: when it was answered.
    """

    issuer: str
    request_id: str
    request_digest: str
    at: str | None
    answer_digest: str
    time: str


def with_receipt(answer: bytes, receipt: Receipt, signer: Signer) -> bytes:
    """Return the canonical bytes of `{"answer": …, "receipt": …}`; `answer` is canonical."""
    jws = jose.sign_compact(canonical_bytes(to_builtins(receipt)), signer, typ=TYP)
    return b'{"answer":%b,"receipt":"%b"}' % (answer, jws.encode("ascii"))


def check(response: bytes, request: bytes, keys: KeySet) -> Receipt:
    """Return the receipt in a response, once it is proved that it is for this question and answer.

    The key must have been valid at the time that the receipt states.

    Args:
      response: the whole body that came back.
      request: the body that was asked, byte for byte.
      keys: the node's, as its root vouches for them.

    Raises:
      RtgfError: RTGF_VERIFY_SIGNATURE_INVALID, also for another question or answer;
        RTGF_KID_UNKNOWN, RTGF_KID_EXPIRED; RTGF_INPUT_INVALID if there is no receipt.
    """
    whole = canonical_json.parse(response)
    if not isinstance(whole, dict) or not isinstance(jws := whole.get("receipt"), str):
        raise RtgfError(Code.RTGF_INPUT_INVALID, "there is no receipt in it; ask with receipt=1")
    _, payload, _ = jose.split_compact(jws)
    receipt = fit(canonical_json.parse(payload), Receipt, code=Code.RTGF_INPUT_INVALID)
    jose.verify_compact(jws, keys, at=times.parse(receipt.time), typ=TYP, uses=(USE,))
    if receipt.request_digest != digests.sha256(request):
        raise _other("question")
    if receipt.answer_digest != digests.sha256(canonical_bytes(whole.get("answer"))):
        raise _other("answer")
    return receipt


def _other(what: str) -> RtgfError:
    return RtgfError(
        Code.RTGF_VERIFY_SIGNATURE_INVALID, f"the receipt is for another {what} than this"
    )
