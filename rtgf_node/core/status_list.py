"""Token Status Lists: the status of many tokens in a few bits each, as wallets already read them.

The IETF Token Status List (draft-ietf-oauth-status-list): statuses packed from the lowest bits of
each byte, compressed with zlib, written in base64url, and signed as a JWT. Ours have two bits for
each token and always the same number of places, so that a list's size tells nothing and its
content changes with a revocation and with nothing else.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Annotated, Any, Final, NamedTuple, NoReturn

from msgspec import Meta, Struct

from rtgf_node.core import base64url, canonical_json, digests, jose, times
from rtgf_node.core.keys import KeySet, Signer
from rtgf_node.core.shapes import fit
from rtgf_node.errors import Code, RtgfError

VALID: Final = 0
INVALID: Final = 1
SUSPENDED: Final = 2

NUMBERS: Final = {"valid": VALID, "invalid": INVALID, "suspended": SUSPENDED}
"""The Status Types of the draft by the names that this project uses."""

BITS: Final = 2
"""Bits of one status in our lists: three statuses are in use."""

ENTRIES: Final = 1 << 17
"""Places of one of our lists; a full matrix of tokens reissued nine times fits into one."""

JWT_TYP: Final = "statuslist+jwt"
MEDIA_TYPE: Final = "application/statuslist+jwt"
USE: Final = "status"

TTL_SECONDS: Final = 60
"""How long a reader may keep a list before it asks again: the time in which a revocation has to be
known everywhere."""

LIFE_SECONDS: Final = 900
"""How long a list may be used at all. A reader that cannot get a newer one then fails closed."""

_LEVEL: Final = 9
"""The draft recommends the highest compression; its test vectors were made with it."""

_WIDTHS: Final = (1, 2, 4, 8)
_NUMBER: Final = re.compile(r"/(0|[1-9][0-9]{0,8})\Z")


class ListPart(Struct, frozen=True, forbid_unknown_fields=True):
    """The list itself, as the draft's JSON form has it."""

    bits: int
    lst: str


class Claims(Struct, frozen=True, forbid_unknown_fields=True):
    """What one of our signed lists says.

    Attributes:
      sub: the list's own URI, which tokens name.
      iat: when it was signed, in seconds since 1970.
      exp: from when on it may not be used.
      ttl: seconds for which it may be kept without asking again.
      status_list: the statuses.
      revEpoch: the newest revocation that it reflects.
      treeSize: it reflects every revocation among the first so many entries of the log.
      madeLater: whether it was made for a time that was over, and not at `iat`.
    """

    sub: Annotated[str, Meta(min_length=1, max_length=500)]
    iat: Annotated[int, Meta(ge=0)]
    exp: Annotated[int, Meta(ge=0)]
    ttl: Annotated[int, Meta(ge=1)]
    status_list: ListPart
    revEpoch: Annotated[int, Meta(ge=0)]  # noqa: N815 - the contract's spelling
    treeSize: Annotated[int, Meta(ge=0)]  # noqa: N815 - the contract's spelling
    madeLater: bool = False  # noqa: N815 - spelled as the members above


class SignedList(NamedTuple):
    """A list whose signature was verified, and its packed statuses."""

    claims: Claims
    packed: bytes


def encode(statuses: Sequence[int], bits: int) -> str:
    """Return the `lst` of these statuses.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if `bits` is not 1, 2, 4 or 8, or a status does not fit in it.
    """
    _check_width(bits)
    packed = bytearray((len(statuses) * bits + 7) // 8)
    for index, status in enumerate(statuses):
        put(packed, index, status, bits=bits)
    return compress(bytes(packed))


def decode(lst: str, bits: int, max_entries: int) -> list[int]:
    """Return the statuses in a `lst`, those of the last byte's unused places included.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it is not base64url or not one zlib stream, or holds more
        than `max_entries` statuses; what would be larger is never unpacked.
    """
    packed = decompress(lst, bits, max_entries)
    mask = (1 << bits) - 1
    shifts = range(0, 8, bits)
    unpacked = [[byte >> shift & mask for shift in shifts] for byte in range(256)]
    return [status for byte in packed for status in unpacked[byte]]


def compress(packed: bytes) -> str:
    """Return the `lst` of packed statuses."""
    return base64url.encode(zlib.compress(packed, _LEVEL))


def decompress(lst: str, bits: int, max_entries: int) -> bytes:
    """Return the packed statuses of a `lst`; `decode` says what is refused."""
    _check_width(bits)
    limit = (max_entries * bits + 7) // 8
    stream = zlib.decompressobj()
    try:
        packed = stream.decompress(base64url.decode(lst), limit + 1)
    except zlib.error as error:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, f"the status list is not zlib data ({error})"
        ) from error
    if len(packed) > limit:
        _refuse(f"the status list has more than {max_entries} places")
    if not stream.eof or stream.unused_data:
        _refuse("the status list is cut off, or something follows it")
    return packed


def empty() -> bytearray:
    """Return the packed statuses of a list of ours in which every token is valid."""
    return bytearray(ENTRIES * BITS // 8)


def put(packed: bytearray, index: int, status: int, *, bits: int = BITS) -> None:
    """Set one status.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if the list has no such place or the status does not fit.
    """
    _check_place(packed, index, bits)
    if not 0 <= status < 1 << bits:
        _refuse(f"the status {status} does not fit in {bits} bits")
    place, shift = divmod(index * bits, 8)
    mask = (1 << bits) - 1 << shift
    packed[place] = packed[place] & ~mask | status << shift


def status_at(packed: bytes | bytearray, index: int, *, bits: int = BITS) -> int:
    """Return one status.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if the list has no such place: that is a refusal, not "valid".
    """
    _check_place(packed, index, bits)
    place, shift = divmod(index * bits, 8)
    return packed[place] >> shift & (1 << bits) - 1


def digest(packed: bytes | bytearray) -> str:
    """Return what a revocation event states of the list as it is after the event.

    It is over the packed statuses before compression, which differs from zlib to zlib.
    """
    return digests.sha256(bytes(packed))


def number_of(uri: str) -> int:
    """Return the number of the list at this URI: its last step.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it does not end in a number.
    """
    found = _NUMBER.search(uri)
    if found is None:
        _refuse(f"the status list URI {uri[:200]!r} does not end in the list's number")
    return int(found[1])


def sign(
    packed: bytes,
    signer: Signer,
    *,
    uri: str,
    at: int,
    rev_epoch: int,
    tree_size: int,
    made_later: bool = False,
) -> str:
    """Return one of our lists as a signed JWT (draft §5.1)."""
    claims: dict[str, Any] = {
        "sub": uri,
        "iat": at,
        "exp": at + LIFE_SECONDS,
        "ttl": TTL_SECONDS,
        "status_list": {"bits": BITS, "lst": compress(packed)},
        "revEpoch": rev_epoch,
        "treeSize": tree_size,
    }
    if made_later:
        claims["madeLater"] = True
    return jose.sign_compact(canonical_json.canonical_bytes(claims), signer, typ=JWT_TYP)


def claims_of(jwt: str) -> Claims:
    """Return what a list says, its signature not verified: to learn at which time to check it.

    Raises:
      RtgfError: RTGF_VERIFY_SIGNATURE_INVALID if it is no JWS, RTGF_INPUT_INVALID if it is not one
        of our lists.
    """
    _, payload, _ = jose.split_compact(jwt)
    return _claims(payload)


def verify(jwt: str, keys: KeySet, *, at: int) -> SignedList:
    """Return one of our lists if a status key signed it and it may be used at `at`.

    Raises:
      RtgfError: RTGF_VERIFY_SIGNATURE_INVALID, RTGF_KID_UNKNOWN or RTGF_KID_EXPIRED;
        RTGF_TOKEN_REVOCATION_STALE outside its time; RTGF_INPUT_INVALID if it is not one of ours.
    """
    claims = _claims(jose.verify_compact(jwt, keys, at=at, typ=JWT_TYP, uses=(USE,)))
    if not claims.iat - times.SKEW_SECONDS <= at <= claims.exp:
        raise RtgfError(
            Code.RTGF_TOKEN_REVOCATION_STALE,
            f"the status list holds from {claims.iat} to {claims.exp}; fetch it again",
        )
    if claims.status_list.bits != BITS:
        _refuse(f"the status list has {claims.status_list.bits} bits for a status, not {BITS}")
    packed = decompress(claims.status_list.lst, BITS, ENTRIES)
    if len(packed) != ENTRIES * BITS // 8:
        _refuse(f"the status list has not its {ENTRIES} places")
    return SignedList(claims, packed)


def _claims(payload: bytes) -> Claims:
    document = canonical_json.parse(payload, max_bytes=jose.MAX_JWS_BYTES)
    return fit(document, Claims, code=Code.RTGF_INPUT_INVALID)


def _check_width(bits: int) -> None:
    if bits not in _WIDTHS:
        _refuse(f"a status has 1, 2, 4 or 8 bits, not {bits}")


def _check_place(packed: bytes | bytearray, index: int, bits: int) -> None:
    if not 0 <= index < len(packed) * 8 // bits:
        _refuse(f"the status list has no place {index}")


def _refuse(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_INPUT_INVALID, detail)
