"""JSON Web Signatures with Ed25519 (RFC 7515, RFC 8037), detached and compact.

A signed document carries `signatures: [{alg, kid, jws}]`. Each `jws` is detached (RFC 7515
appendix F) over the canonical document without its `signatures` member, and its protected header
names the algorithm, the key and the kind of document (`typ`), so that a signature over a document
of one kind can never serve for another kind.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NoReturn

import msgspec

from rtgf_node.core.base64url import decode, encode, encode_bytes
from rtgf_node.core.canonical_json import JsonValue, canonical_bytes, parse
from rtgf_node.core.keys import ALGORITHMS, KeySet, Signer, verify_signature
from rtgf_node.errors import Code, RtgfError

ALG: Final = "EdDSA"
"""The algorithm name that we write (RFC 8037 §3.1)."""

MAX_SIGNATURES: Final = 16
"""Signatures of one document. No threshold asks for as many, and each costs a verification."""

MAX_JWS_BYTES: Final = 4 << 20
"""Bytes of a compact JWS, its payload included: the largest status list with room to spare."""

_MAX_HEADER_LENGTH: Final = 1024
"""Characters of a protected header. Ours have about 150."""

_REMEMBERED_HEADERS: Final = 1024
"""Protected headers kept parsed. A key signs one kind of document, so each key has one header."""


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signature of a document: algorithm, key id and detached JWS."""

    alg: str
    kid: str
    jws: str


class Header(msgspec.Struct, frozen=True):
    """What a protected header says to us. Other members are ignored (RFC 7515 §4)."""

    alg: str
    kid: str
    typ: str


def sign_detached(payload: bytes, signer: Signer, *, typ: str) -> str:
    """Return the detached JWS over `payload`: header and signature around an empty middle."""
    header, signature = _sign(encode(payload), signer, typ)
    return f"{header}..{signature}"


def verify_detached(
    jws: str,
    payload: bytes,
    keys: KeySet,
    *,
    at: int,
    typ: str,
    uses: Collection[str] | None = None,
) -> str:
    """Return the id of the key that signed `payload`.

    Args:
      jws: header and signature around an empty middle.
      payload: the bytes that were signed.
      keys: the keys that may have signed it.
      at: the time at which the key must be valid.
      typ: the kind of document that the header must name.
      uses: what the key must be for (`keys.USES`), or None for anything.

    Raises:
      RtgfError: RTGF_VERIFY_SIGNATURE_INVALID, RTGF_KID_UNKNOWN or RTGF_KID_EXPIRED.
    """
    return _verify_detached(jws, encode_bytes(payload), keys, at=at, typ=typ, uses=uses)


def sign_compact(payload: bytes, signer: Signer, *, typ: str) -> str:
    """Return the compact JWS (RFC 7515 §7.1) that carries `payload`."""
    middle = encode(payload)
    header, signature = _sign(middle, signer, typ)
    return f"{header}.{middle}.{signature}"


def verify_compact(
    jws: str,
    keys: KeySet,
    *,
    at: int,
    typ: str,
    uses: Collection[str] | None = None,
) -> bytes:
    """Return the payload of a compact JWS whose signature is valid; see `verify_detached`.

    Raises:
      RtgfError: RTGF_VERIFY_SIGNATURE_INVALID, RTGF_KID_UNKNOWN or RTGF_KID_EXPIRED.
    """
    if len(jws) > MAX_JWS_BYTES:
        _refuse(f"the JWS is longer than {MAX_JWS_BYTES} bytes")
    header, middle, signature = _split(jws)
    if not middle:
        _refuse("the JWS has no payload; a detached one is checked with its document")
    _check_signature(header, middle.encode("ascii"), signature, keys, at=at, typ=typ, uses=uses)
    return _decoded(middle)


def sign_document(
    document: Mapping[str, JsonValue], signers: Sequence[Signer], *, typ: str
) -> dict[str, JsonValue]:
    """Return the document with the signatures of all `signers`, in place of any it had.

    Raises:
      RtgfError: RTGF_JSON_INVALID if the document has no canonical form.
    """
    unsigned = {name: value for name, value in document.items() if name != "signatures"}
    middle = encode(canonical_bytes(unsigned))
    signatures: list[JsonValue] = []
    for signer in signers:
        header, signature = _sign(middle, signer, typ)
        signatures.append({"alg": ALG, "kid": signer.kid, "jws": f"{header}..{signature}"})
    return {**unsigned, "signatures": signatures}


def verify_document(
    document: Mapping[str, JsonValue],
    keys: KeySet,
    *,
    at: int,
    threshold: int = 1,
    typ: str,
    uses: Collection[str] | None = None,
) -> list[str]:
    """Return the ids of the keys whose signatures are valid, each once, in their order.

    Signatures beyond the threshold that do not verify are passed over: anyone can add one.

    Raises:
      RtgfError: if fewer than `threshold` different keys have validly signed:
        RTGF_VERIFY_SIGNATURE_INVALID, or RTGF_KID_UNKNOWN or RTGF_KID_EXPIRED where that is why;
        RTGF_JSON_INVALID if the document has no canonical form.
    """
    unsigned = {name: value for name, value in document.items() if name != "signatures"}
    return verify_signatures(
        canonical_bytes(unsigned),
        document.get("signatures"),
        keys,
        at=at,
        threshold=threshold,
        typ=typ,
        uses=uses,
    )


def verify_signatures(
    payload: bytes,
    signatures: Any,  # noqa: ANN401 - what came from outside, checked here
    keys: KeySet,
    *,
    at: int,
    threshold: int = 1,
    typ: str,
    uses: Collection[str] | None = None,
) -> list[str]:
    """Do what `verify_document` does, for canonical bytes without `signatures` already at hand.

    `signatures` is the member's value as parsed, or a sequence of `Signature`.
    """
    if threshold < 1:
        _refuse("the signature threshold is below 1, which would accept an unsigned document")
    entries = _entries(signatures)
    middle = encode_bytes(payload)
    valid: dict[str, bytes] = {}
    failures: list[RtgfError] = []
    for index, entry in enumerate(entries):
        try:
            kid = _verify_entry(entry, middle, keys, at=at, typ=typ, uses=uses)
            valid[kid] = keys.get(kid, at=at).public
        except RtgfError as error:
            pointer = f"/signatures/{index}"
            failures.append(RtgfError(error.code, error.detail, pointer=pointer))
    # One key under two ids is one key: whoever holds it could give every signature.
    signed = len(set(valid.values()))
    if signed >= threshold:
        return list(valid)
    if len(failures) == 1:
        raise failures[0]
    code = failures[0].code if failures else Code.RTGF_VERIFY_SIGNATURE_INVALID
    raise RtgfError(
        code,
        f"{signed} of {threshold} required keys have validly signed"
        + (f"; first failure: {failures[0].detail}" if failures else ""),
        pointer="/signatures",
        causes=tuple(failures),
    )


def split_compact(jws: str) -> tuple[dict[str, JsonValue], bytes, bytes]:
    """Return header, payload and signature of a compact JWS, none of them verified.

    Raises:
      RtgfError: RTGF_VERIFY_SIGNATURE_INVALID if it is malformed.
    """
    header, middle, signature = _split(jws)
    return _header_members(header), _decoded(middle), _decoded(signature)


def _sign(middle: str, signer: Signer, typ: str) -> tuple[str, str]:
    header = encode(canonical_bytes({"alg": ALG, "kid": signer.kid, "typ": typ}))
    return header, encode(signer.sign(f"{header}.{middle}".encode("ascii")))


def _entries(signatures: Any) -> tuple[Signature, ...]:  # noqa: ANN401 - checked here
    try:
        entries = msgspec.convert(signatures, tuple[Signature, ...])
    except msgspec.ValidationError:
        _refuse("signatures is a list of {alg, kid, jws}; sign the document", "/signatures")
    if not entries:
        _refuse("the document is not signed; sign it", "/signatures")
    if len(entries) > MAX_SIGNATURES:
        _refuse(f"more than {MAX_SIGNATURES} signatures; leave out what is not needed")
    return entries


def _verify_entry(
    entry: Signature,
    middle: bytes,
    keys: KeySet,
    *,
    at: int,
    typ: str,
    uses: Collection[str] | None,
) -> str:
    kid = _verify_detached(entry.jws, middle, keys, at=at, typ=typ, uses=uses)
    if entry.kid != kid or entry.alg not in ALGORITHMS:
        _refuse("alg and kid beside the JWS are not those inside it")
    return kid


def _verify_detached(
    jws: str, middle: bytes, keys: KeySet, *, at: int, typ: str, uses: Collection[str] | None
) -> str:
    header, empty, signature = _split(jws)
    if empty:
        _refuse("the JWS carries a payload of its own; a detached one is due")
    return _check_signature(header, middle, signature, keys, at=at, typ=typ, uses=uses)


def _check_signature(
    header: str,
    middle: bytes,
    signature: str,
    keys: KeySet,
    *,
    at: int,
    typ: str,
    uses: Collection[str] | None,
) -> str:
    parsed = _header(header)
    if parsed.typ != typ:
        _refuse(f"the signature is for {parsed.typ[:80]!r}, not for {typ!r}")
    key = keys.get(parsed.kid, at=at)
    if uses is not None and key.use not in uses:
        _refuse(f"the key {key.kid!r} is a {key.use} key and may not sign {typ!r}")
    message = b"%b.%b" % (header.encode("ascii"), middle)
    verify_signature(key.public, message, _decoded(signature))
    return key.kid


def _split(jws: str) -> tuple[str, str, str]:
    parts = jws.split(".", 3)
    if len(parts) != 3 or not jws.isascii():
        _refuse("not a compact JWS: three base64url parts with dots between")
    return parts[0], parts[1], parts[2]


@lru_cache(maxsize=_REMEMBERED_HEADERS)
def _header(text: str) -> Header:
    """Return the protected header; pure, so that it may be remembered."""
    members = _header_members(text)
    if "crit" in members:
        _refuse("the header names critical extensions (crit); none is understood here")
    try:
        header = msgspec.convert(members, Header)
    except msgspec.ValidationError:
        _refuse("the protected header lacks alg, kid or typ")
    if header.alg not in ALGORITHMS:
        _refuse(f"the algorithm is {header.alg[:40]!r}; only {ALG} is accepted")
    return header


def _header_members(text: str) -> dict[str, JsonValue]:
    if len(text) > _MAX_HEADER_LENGTH:
        _refuse(f"the protected header is longer than {_MAX_HEADER_LENGTH} characters")
    try:
        members = parse(_decoded(text))
    except RtgfError:
        members = None
    if not isinstance(members, dict):
        _refuse("the protected header is not a JSON object in base64url")
    return members


def _decoded(text: str) -> bytes:
    try:
        return decode(text)
    except RtgfError:
        _refuse("a part of the JWS is not base64url without padding")


def _refuse(detail: str, pointer: str | None = None) -> NoReturn:
    raise RtgfError(Code.RTGF_VERIFY_SIGNATURE_INVALID, detail, pointer=pointer)
