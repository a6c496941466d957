"""Ed25519 keys: one rule for verifying, sets of published keys, and what can sign.

The rule is libsodium's everywhere: a public key of small order or in a non-canonical encoding is
refused, and so is a signature whose R or S is. Other libraries accept some of these, and two
verifiers that disagree about one signature would disagree about one token.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

import msgspec
import nacl.bindings
import nacl.exceptions

from rtgf_node.core import times
from rtgf_node.core.base64url import decode, encode
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.errors import Code, RtgfError

PUBLIC_BYTES: Final = 32
"""Bytes of a public key (RFC 8032 §5.1.5)."""

SEED_BYTES: Final = 32
"""Bytes of a private key's seed (RFC 8032 §5.1.5)."""

SIGNATURE_BYTES: Final = 64
"""Bytes of a signature (RFC 8032 §5.1.6)."""

MAX_KEYS: Final = 1000
"""Keys in one set. A decade of monthly rotation for every use stays below it."""

MAX_KID_LENGTH: Final = 256
"""Characters of a key id."""

USES: Final = frozenset(
    {
        "token",
        "log",
        "status",
        "receipt",
        "notify",
        "witness",
        "authority",
        "root",
        "library",
        "approver",
        "proof",
    }
)
"""What a key may be for. A key of one use never vouches for another."""

ALGORITHMS: Final = frozenset({"EdDSA", "Ed25519"})
"""Names of the one algorithm: RFC 8037's, which we write, and RFC 9864's, which we accept too."""


def verify_signature(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Return if `signature` is the key's over `message`.

    Raises:
      RtgfError: RTGF_VERIFY_SIGNATURE_INVALID if it is not, or if the key or the signature has the
        wrong length, a small order or a non-canonical encoding.
    """
    # libsodium itself takes any lengths; a shorter signature would borrow bytes of the message.
    if len(public_key) == PUBLIC_BYTES and len(signature) == SIGNATURE_BYTES:
        try:
            nacl.bindings.crypto_sign_open(signature + message, public_key)
        except nacl.exceptions.BadSignatureError:
            pass
        else:
            return
    raise RtgfError(
        Code.RTGF_VERIFY_SIGNATURE_INVALID, "the Ed25519 signature does not verify with this key"
    )


def check_public_key(public: bytes) -> None:
    """Return if a public key may be enrolled: canonical, on the curve, in the prime-order group.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it may not.
    """
    if len(public) != PUBLIC_BYTES:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID,
            f"an Ed25519 public key has {PUBLIC_BYTES} bytes, this one {len(public)}",
        )
    if not nacl.bindings.crypto_core_ed25519_is_valid_point(public):
        raise RtgfError(
            Code.RTGF_INPUT_INVALID,
            "the Ed25519 public key is no canonical point of the prime-order group; make another",
        )


class Signer(Protocol):
    """What can sign with one private key: a seed in memory, or a key in a hardware module."""

    @property
    def kid(self) -> str:
        """The key's id."""
        ...

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the Ed25519 signature over `message` (RFC 8032)."""
        ...


class SeedSigner:
    """A signer that holds its private key in memory. Its text form never shows the key."""

    __slots__ = ("_secret", "kid", "public")

    def __init__(self, kid: str, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID, f"an Ed25519 seed has {SEED_BYTES} bytes, this one has not"
            )
        self.kid = kid
        self.public, self._secret = nacl.bindings.crypto_sign_seed_keypair(seed)

    def __repr__(self) -> str:
        """Return the key id only."""
        return f"SeedSigner({self.kid!r})"

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature over `message`."""
        signed: bytes = nacl.bindings.crypto_sign(message, self._secret)
        return signed[:SIGNATURE_BYTES]


class PublicKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A published verification key.

    Attributes:
      kid: its id.
      public: the key itself, 32 bytes.
      use: what it may vouch for, one of `USES`.
      created_at: the first second at which it may be used.
      expires_at: the last second at which it may be used.
      revoked_at: from when on it vouches for nothing, or None.
    """

    kid: str
    public: bytes
    use: str
    created_at: int
    expires_at: int
    revoked_at: int | None = None


class KeySet:
    """An immutable set of verification keys, found by their id."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[PublicKey] = ()) -> None:
        """Enrol the keys.

        Raises:
          RtgfError: RTGF_INPUT_INVALID if a key is not fit, or two have the same id.
        """
        enrolled: dict[str, PublicKey] = {}
        for key in keys:
            _check(key)
            if key.kid in enrolled:
                raise _invalid(f"two keys have the id {key.kid!r}", "/keys")
            enrolled[key.kid] = key
            if len(enrolled) > MAX_KEYS:
                raise _invalid(f"more than {MAX_KEYS} keys in one set; drop expired ones", "/keys")
        self._keys = enrolled

    def __iter__(self) -> Iterator[PublicKey]:
        """Iterate over the keys in the order in which they came."""
        return iter(self._keys.values())

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, kid: str) -> bool:
        return kid in self._keys

    def get(self, kid: str, *, at: int) -> PublicKey:
        """Return the key `kid` if it may be used at the time `at`, give or take the clock skew.

        Raises:
          RtgfError: RTGF_KID_UNKNOWN if there is none; RTGF_KID_EXPIRED if it is outside its
            window or revoked. No skew is granted to a revoked key.
        """
        key = self._keys.get(kid)
        if key is None:
            raise RtgfError(
                Code.RTGF_KID_UNKNOWN,
                f"no key {kid[:MAX_KID_LENGTH]!r} in the key set; refresh the set once",
            )
        if key.revoked_at is not None and at >= key.revoked_at:
            raise _expired(f"the key {kid!r} was revoked at {times.to_text(key.revoked_at)}")
        if at > key.expires_at + times.SKEW_SECONDS:
            raise _expired(f"the key {kid!r} expired at {times.to_text(key.expires_at)}")
        if at < key.created_at - times.SKEW_SECONDS:
            since = times.to_text(key.created_at)
            raise _expired(f"the key {kid!r} is valid only from {since}, and here it is earlier")
        return key

    def to_jwks(self) -> dict[str, JsonValue]:
        """Return the set as a JWK set (RFC 7517, RFC 8037), in the order of the key ids."""
        return {"keys": [_to_jwk(self._keys[kid]) for kid in sorted(self._keys)]}

    @classmethod
    def from_jwks(cls, value: JsonValue) -> KeySet:
        """Return the keys of a JWK set; keys of other types are passed over (RFC 7517 §5).

        Raises:
          RtgfError: RTGF_INPUT_INVALID, with a JSON Pointer, if the set or one of its Ed25519 keys
            is malformed, or if it holds a private key.
        """
        keys = value.get("keys") if isinstance(value, dict) else None
        if not isinstance(keys, list):
            raise _invalid("a JWK set has a list of keys", "/keys")
        if len(keys) > MAX_KEYS:
            raise _invalid(f"more than {MAX_KEYS} keys in one set", "/keys")
        found = []
        for index, jwk in enumerate(keys):
            if not isinstance(jwk, dict):
                raise _invalid("a JWK is an object", f"/keys/{index}")
            if jwk.get("kty") == "OKP" and jwk.get("crv") == "Ed25519":
                found.append(_from_jwk(jwk, f"/keys/{index}"))
        return cls(found)


SIGNATURES: Final = "sig"
"""What every key here is for, in the words of RFC 7517 §4.2; `purpose` says which signatures."""


class _Jwk(msgspec.Struct, frozen=True):
    """The members of a JWK that are read; others are ignored, as RFC 7517 §4 has it."""

    kid: str
    x: str
    use: str
    createdAt: str  # noqa: N815 - the member's name on the wire
    expiresAt: str  # noqa: N815 - the member's name on the wire
    alg: str = "EdDSA"
    purpose: str | None = None
    revoked: bool = False
    revokedAt: str | None = None  # noqa: N815 - the member's name on the wire


def _to_jwk(key: PublicKey) -> dict[str, JsonValue]:
    jwk: dict[str, JsonValue] = {
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "kid": key.kid,
        "use": SIGNATURES,
        "purpose": key.use,
        "x": encode(key.public),
        "createdAt": times.to_text(key.created_at),
        "expiresAt": times.to_text(key.expires_at),
        "revoked": key.revoked_at is not None,
    }
    if key.revoked_at is not None:
        jwk["revokedAt"] = times.to_text(key.revoked_at)
    return jwk


def _from_jwk(value: dict[str, JsonValue], pointer: str) -> PublicKey:
    if "d" in value:
        raise _invalid("a published key set never holds a private key; replace this key", pointer)
    try:
        jwk = msgspec.convert(value, _Jwk)
        if jwk.alg not in ALGORITHMS:
            raise _invalid("alg is EdDSA", f"{pointer}/alg")
        if jwk.purpose is not None and jwk.use != SIGNATURES:
            raise _invalid(f"use is {SIGNATURES!r} where a key has a purpose", f"{pointer}/use")
        created_at = times.parse(jwk.createdAt)
        revoked_at = times.parse(jwk.revokedAt) if jwk.revokedAt is not None else None
        if jwk.revoked and revoked_at is None:
            # Without a date the revocation holds for the key's whole life.
            revoked_at = created_at
        key = PublicKey(
            kid=jwk.kid,
            public=decode(jwk.x),
            # A key set of before there was `purpose` has it in `use`.
            use=jwk.use if jwk.purpose is None else jwk.purpose,
            created_at=created_at,
            expires_at=times.parse(jwk.expiresAt),
            revoked_at=revoked_at,
        )
        _check(key)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), pointer) from None
    except RtgfError as error:
        raise _invalid(error.detail, error.pointer or pointer) from None
    return key


def _check(key: PublicKey) -> None:
    check_public_key(key.public)
    if not 0 < len(key.kid) <= MAX_KID_LENGTH:
        raise _invalid(f"a key id has 1 to {MAX_KID_LENGTH} characters")
    if key.use not in USES:
        raise _invalid(f"purpose is one of {', '.join(sorted(USES))}")
    if key.expires_at <= key.created_at:
        raise _invalid(f"the key {key.kid!r} expires before it is created")


def _invalid(detail: str, pointer: str | None = None) -> RtgfError:
    return RtgfError(Code.RTGF_INPUT_INVALID, detail, pointer=pointer)


def _expired(detail: str) -> RtgfError:
    return RtgfError(Code.RTGF_KID_EXPIRED, f"{detail}; sign with the current key")
