"""A token is a signed, self-contained statement of what the rules of a place or corridor are.

All five types share one envelope; RMT and IMT carry predicates and their plan, CORT, PSRT and RRMT
carry terms. `check` is what every verifier runs, in the one order that decides which failure is
reported: type, schema, canonical hash, keys, signatures, time window. Revocation and staleness need
more than the token and come after it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rtgf_node.core import canonical_json, digests, envelope, jose, times
from rtgf_node.core.canonical_json import JsonValue, Writer
from rtgf_node.core.envelope import SCHEMA_VERSION, Token
from rtgf_node.core.keys import KeySet, Signer
from rtgf_node.errors import Code, RtgfError

__all__ = [
    "SCHEMA_VERSION",
    "SIGNATURE_TYPE",
    "Token",
    "canonical_hash",
    "check",
    "check_window",
    "parse",
    "read",
    "seal",
    "sign",
    "sign_again",
]

SIGNATURE_TYPE = "rtgf-token+jws"

# An IMT of two rich rule books is about 200 KB; a demo token about 3 to 20 KB.
MAX_TOKEN_BYTES = 1 << 20

# A token vouches with a token key alone; an authority's or the log's key proves nothing about it.
_KEY_USES = frozenset({"token"})
# That a key cannot be used is found, and said, before whether its signature is right.
_KEY_FAILURES = frozenset({Code.RTGF_KID_UNKNOWN, Code.RTGF_KID_EXPIRED})
_HASH = "canonical_hash"
_SIGNATURES = "signatures"
_SCHEMA = Code.RTGF_TOKEN_SCHEMA_INVALID


def parse(data: bytes) -> Token:
    """Return the token in `data`: its type and schema hold, nothing else is checked.

    Raises:
      RtgfError: RTGF_TOKEN_TYPE_UNSUPPORTED, or RTGF_TOKEN_SCHEMA_INVALID with a JSON Pointer.
    """
    return envelope.read(_document(data))


def read(data: bytes) -> tuple[Token, dict[str, JsonValue], str]:
    """Return the token in `data`, its document, and the digest that it should state.

    Raises:
      RtgfError: RTGF_TOKEN_TYPE_UNSUPPORTED, or RTGF_TOKEN_SCHEMA_INVALID with a JSON Pointer.
    """
    document, text = _read(data)
    token = envelope.read(document)
    hashed, _ = _payloads(document, text)
    return token, document, digests.sha512(hashed)


def check(
    token_document: dict[str, JsonValue] | bytes,
    *,
    keys: KeySet,
    at: int,
    threshold: int = 1,
    window: bool = True,
    write: Writer = canonical_json.canonical_bytes,
) -> Token:
    """Return the token if it is genuine and `at` lies in its window.

    A signature that does not count is no failure while enough others do: a token that was signed
    again after a rotation still carries the one of its first signer.

    Args:
      token_document: the token, parsed or as bytes.
      keys: the issuer's published keys.
      at: now, in epoch seconds.
      threshold: how many distinct keys must have signed; the token may ask for more.
      window: also check the time window; a caller that reports it itself passes False.
      write: writes the token's document canonically.

    Raises:
      RtgfError: the first that fails of RTGF_TOKEN_TYPE_UNSUPPORTED, RTGF_TOKEN_SCHEMA_INVALID,
        RTGF_TOKEN_CANONICAL_MISMATCH, RTGF_KID_UNKNOWN or RTGF_KID_EXPIRED,
        RTGF_TOKEN_SIGNATURE_INVALID, RTGF_VERIFY_NOT_YET_VALID or RTGF_VERIFY_EXPIRED.
    """
    if isinstance(token_document, bytes):
        document, text = _read(token_document)
        token = envelope.read(document)
    else:
        document = token_document
        token = envelope.read(document)
        text = write(document)
    hashed, signed = _payloads(document, text)
    computed = digests.sha512(hashed)
    if computed != token.canonical_hash:
        raise RtgfError(
            Code.RTGF_TOKEN_CANONICAL_MISMATCH,
            f"the content of {token.token_id} has another digest than it states; it was altered"
            " after it was built, fetch it again",
            pointer="/canonical_hash",
        )
    _check_signatures(token, signed, keys=keys, at=at, threshold=threshold)
    if window:
        check_window(token, at=at)
    return token


def check_window(token: Token, *, at: int) -> None:
    """Pass if `at` lies in the token's window, give or take the clock skew of ±120 s.

    Raises:
      RtgfError: RTGF_VERIFY_NOT_YET_VALID or RTGF_VERIFY_EXPIRED.
    """
    if at < token.nbf - times.SKEW_SECONDS:
        raise RtgfError(
            Code.RTGF_VERIFY_NOT_YET_VALID,
            f"{token.token_id} holds from {token.effective.nbf}; ask again then",
            pointer="/effective/nbf",
        )
    if at > token.exp + times.SKEW_SECONDS:
        raise RtgfError(
            Code.RTGF_VERIFY_EXPIRED,
            f"{token.token_id} held until {token.effective.exp}; fetch its successor",
            pointer="/effective/exp",
        )


def canonical_hash(document: dict[str, JsonValue]) -> str:
    """Return the `sha512` of the canonical token without `canonical_hash` and `signatures`."""
    unsigned = {k: v for k, v in document.items() if k not in {_HASH, "signatures"}}
    return digests.sha512(canonical_json.canonical_bytes(unsigned))


def seal(document: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the unsigned token with its `canonical_hash`."""
    sealed = {k: v for k, v in document.items() if k != "signatures"}
    sealed["canonical_hash"] = canonical_hash(document)
    return sealed


def sign(document: dict[str, JsonValue], signers: Sequence[Signer]) -> bytes:
    """Return the canonical bytes of the token, sealed and signed by `signers`; see `signed`."""
    return canonical_json.canonical_bytes(signed(document, signers))


def signed(document: dict[str, JsonValue], signers: Sequence[Signer]) -> dict[str, JsonValue]:
    """Return the token, sealed and signed by `signers`.

    Raises:
      RtgfError: RTGF_TOKEN_SCHEMA_INVALID if the token names another first signer than the first
        of `signers`, or does not fit its schema.
    """
    if not signers or document.get("kid") != signers[0].kid:
        raise RtgfError(
            _SCHEMA,
            f"the token names {document.get('kid')!r} as its first signer; sign with that key",
            pointer="/kid",
        )
    made = jose.sign_document(seal(document), signers, typ=SIGNATURE_TYPE)
    envelope.read(made)
    return made


def sign_again(data: bytes, signers: Sequence[Signer]) -> bytes:
    """Return a token with further signatures, its identity unchanged; for rotations.

    Raises:
      RtgfError: RTGF_TOKEN_SCHEMA_INVALID if it is no token, or has too many signatures then.
    """
    document = _document(data)
    held = document.get("signatures", [])
    signed = jose.sign_document(seal(document), signers, typ=SIGNATURE_TYPE)
    added = signed["signatures"]
    assert isinstance(held, list)
    assert isinstance(added, list)
    signed["signatures"] = [*held, *added]
    envelope.read(signed)
    return canonical_json.canonical_bytes(signed)


def _document(data: bytes) -> dict[str, JsonValue]:
    return _read(data)[0]


def _read(data: bytes) -> tuple[dict[str, JsonValue], bytes]:
    """Return the members of a token, and its canonical text."""
    try:
        return canonical_json.parse_document(data, max_bytes=MAX_TOKEN_BYTES)
    except RtgfError as error:
        raise RtgfError(_SCHEMA, error.detail, pointer=error.pointer, causes=(error,)) from error


def _payloads(document: dict[str, JsonValue], text: bytes) -> tuple[bytes, bytes]:
    """Return the bytes that are hashed, and those that are signed, of a token's canonical text.

    The one lacks `canonical_hash` and `signatures`, the other `signatures` alone.
    """
    signed = _without(_SIGNATURES, document, text)
    return _without(_HASH, document, signed), signed


def _without(name: str, document: dict[str, JsonValue], text: bytes) -> bytes:
    """Return a canonical text without one of its members, which is never the first of a token.

    So it stands after a comma, and where nothing else of this name does, it is cut out. Else the
    text is written anew.
    """
    if name not in document:
        return text
    before, *after = text.split(b',"%b":' % name.encode())
    if len(after) == 1:
        return before + after[0][len(canonical_json.canonical_bytes(document[name])) :]
    cut = {_SIGNATURES, name}
    return canonical_json.canonical_bytes({k: v for k, v in document.items() if k not in cut})


def _check_signatures(
    token: Token, signed: bytes, *, keys: KeySet, at: int, threshold: int
) -> None:
    try:
        jose.verify_signatures(
            signed,
            token.signatures,
            keys,
            at=at,
            threshold=max(token.signature_threshold, threshold),
            typ=SIGNATURE_TYPE,
            uses=_KEY_USES,
        )
    except RtgfError as error:
        failures = error.causes or (error,)
        for failure in failures:
            if failure.code in _KEY_FAILURES:
                raise failure from error
        raise RtgfError(
            Code.RTGF_TOKEN_SIGNATURE_INVALID,
            f"{token.token_id}: {error.detail}",
            pointer=error.pointer,
            causes=(error,),
        ) from error
