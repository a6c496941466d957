"""The C2SP signed note: a text, a blank line, and signature lines that call their keys by name.

Two algorithms are read: plain Ed25519 over the text, as logs sign, and Ed25519 cosignatures, which
add the time at which a witness saw the text (`cosignature`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection
from typing import Final, NamedTuple, NoReturn

from rtgf_node.core.keys import PUBLIC_BYTES, SIGNATURE_BYTES, check_public_key, verify_signature
from rtgf_node.errors import Code, RtgfError

MAX_NOTE_BYTES: Final = 1_000_000
"""Bytes of a signed note, the limit of the reference implementation (golang.org/x/mod)."""

MAX_SIGNATURES: Final = 100
"""Signature lines of a note, the limit of the reference implementation."""

ED25519: Final = 0x01
"""The algorithm byte of an Ed25519 key (C2SP signed-note)."""

COSIGNATURE: Final = 0x04
"""The algorithm byte of an Ed25519 key that cosigns with a time (C2SP tlog-cosignature)."""

MAX_TIMESTAMP: Final = 2**63 - 1
"""The latest time that a cosignature may state (C2SP tlog-cosignature, Format)."""

_KEY_HASH_BYTES: Final = 4
_TIMESTAMP_BYTES: Final = 8
_SIGNATURE_PREFIX: Final = "— "
_VERIFIER_KEY: Final = re.compile(r"([^+]+)\+([0-9a-f]{8})\+(.+)")
CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
"""What no note may hold: control characters other than the line break."""


class VerifierKey(NamedTuple):
    """A key that may have signed a note.

    Attributes:
      name: what its signature lines call it.
      algorithm: `ED25519` or `COSIGNATURE`.
      public: the key itself.
    """

    name: str
    algorithm: int
    public: bytes

    def key_hash(self) -> bytes:
        """Return what a signature line calls the key by: it identifies, it does not protect."""
        encoded = bytes([self.algorithm]) + self.public
        return hashlib.sha256(self.name.encode() + b"\n" + encoded).digest()[:_KEY_HASH_BYTES]

    def __str__(self) -> str:
        """Return its text form, `<name>+<hash>+<base64>`."""
        encoded = base64.b64encode(bytes([self.algorithm]) + self.public).decode()
        return f"{self.name}+{self.key_hash().hex()}+{encoded}"


class SignatureLine(NamedTuple):
    """A signature line, not verified."""

    name: str
    key_hash: bytes
    signature: bytes

    def __str__(self) -> str:
        """Return the line as it stands in a note, its line break included."""
        encoded = base64.b64encode(self.key_hash + self.signature).decode()
        return f"{_SIGNATURE_PREFIX}{self.name} {encoded}\n"


def key(name: str, algorithm: int, public: bytes) -> VerifierKey:
    """Return a key that is fit to verify notes.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if the name or the key is not fit.
    """
    if not is_key_name(name):
        _refuse_key("a key name is not empty and has no space and no plus sign")
    check_public_key(public)
    return VerifierKey(name, algorithm, public)


def parse_key(text: str) -> VerifierKey:
    """Return the key of a text form.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it is malformed or of an algorithm that is not read.
    """
    match = _VERIFIER_KEY.fullmatch(text)
    encoded = decoded(match[3]) if match else None
    if match is None or encoded is None or not is_key_name(match[1]):
        _refuse_key("a verifier key is <name>+<8 hex>+<base64>")
    name = match[1]
    if len(encoded) != 1 + PUBLIC_BYTES or encoded[0] not in {ED25519, COSIGNATURE}:
        _refuse_key(
            f"the verifier key of {name[:80]!r} is no Ed25519 key (algorithm byte 01 or 04)"
        )
    found = VerifierKey(name, encoded[0], encoded[1:])
    if found.key_hash().hex() != match[2]:
        _refuse_key(f"the verifier key of {name[:80]!r} does not have the hash that it states")
    check_public_key(found.public)
    return found


def split(note: bytes) -> tuple[str, list[SignatureLine]]:
    """Return the signed text and the signature lines of a note (C2SP signed-note, Format).

    Raises:
      RtgfError: RTGF_TXP_ROOT_SIGNATURE_INVALID if it is no note.
    """
    text, block = divide(note)
    return text, parse_lines(block)


def divide(note: bytes) -> tuple[str, str]:
    """Return the signed text of a note and the block of its signature lines, not parsed.

    Raises:
      RtgfError: RTGF_TXP_ROOT_SIGNATURE_INVALID if it has not these two parts.
    """
    if len(note) > MAX_NOTE_BYTES:
        _refuse(f"the note is larger than {MAX_NOTE_BYTES} bytes")
    try:
        text = note.decode()
    except UnicodeDecodeError:
        _refuse("the note is not UTF-8")
    if CONTROL.search(text) is not None:
        _refuse("the note has a control character")
    # The last blank line parts them: the text may have blank lines of its own.
    body, blank, block = text.rpartition("\n\n")
    if not blank or not block.endswith("\n"):
        _refuse("the note has no block of signatures after a blank line")
    return f"{body}\n", block


def parse_lines(block: str) -> list[SignatureLine]:
    """Return the signature lines of a block that ends with a line break.

    Raises:
      RtgfError: RTGF_TXP_ROOT_SIGNATURE_INVALID if one is malformed, or there are too many.
    """
    lines = block.removesuffix("\n").split("\n")
    if len(lines) > MAX_SIGNATURES:
        _refuse(f"the note has more than {MAX_SIGNATURES} signatures")
    return [_parse_line(line) for line in lines]


def open_text(note: bytes, verifier_keys: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """Return the text of a signed note, whatever it says, and the names of the keys that signed.

    Signatures of other keys are ignored. Of a listed key, its first signature must be valid.

    Raises:
      RtgfError: RTGF_TXP_ROOT_SIGNATURE_INVALID if the note is malformed, none of the keys has
        signed it, or a signature of one of them is wrong; RTGF_INPUT_INVALID if a verifier key is.
    """
    verifiers = [parse_key(text) for text in verifier_keys]
    text, lines = split(note)
    signed = verify_lines(text, lines, verifiers)
    if not signed:
        _refuse("none of the given keys has signed the note; check the log's key")
    return text, tuple(line.name for line, _ in signed)


def verify_lines(
    text: str, lines: Collection[SignatureLine], verifiers: Collection[VerifierKey]
) -> list[tuple[SignatureLine, int | None]]:
    """Return the first line of each key that signed, with the time that it states, if it does.

    Raises:
      RtgfError: RTGF_TXP_ROOT_SIGNATURE_INVALID if such a line is wrong.
    """
    known = {(verifier.name, verifier.key_hash()): verifier for verifier in verifiers}
    signed: dict[tuple[str, bytes], tuple[SignatureLine, int | None]] = {}
    for line in lines:
        identity = (line.name, line.key_hash)
        verifier = known.get(identity)
        if verifier is None or identity in signed:
            continue
        try:
            signed[identity] = line, _verify(text, line, verifier)
        except RtgfError as error:
            raise RtgfError(
                Code.RTGF_TXP_ROOT_SIGNATURE_INVALID,
                f"the signature of {line.name[:80]!r} on the note is wrong",
                causes=(error,),
            ) from None
    return list(signed.values())


def cosigned_message(text: str, at: int) -> bytes:
    """Return what a witness signs of a note's text at a time (C2SP tlog-cosignature)."""
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def timestamped(signature: bytes, at: int) -> bytes:
    """Return a cosignature with its time before it."""
    return at.to_bytes(_TIMESTAMP_BYTES, "big") + signature


def timestamp(signature: bytes) -> int:
    """Return the time that a cosignature states.

    Raises:
      RtgfError: RTGF_TXP_ROOT_SIGNATURE_INVALID if it has not the form of one.
    """
    at = int.from_bytes(signature[:_TIMESTAMP_BYTES], "big")
    if len(signature) != _TIMESTAMP_BYTES + SIGNATURE_BYTES or at > MAX_TIMESTAMP:
        _refuse("a cosignature is a time before 2^63 and 64 bytes of signature")
    return at


def decoded(text: str) -> bytes | None:
    """Return the bytes of standard base64 in its one canonical form, else None."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None


def is_key_name(name: str) -> bool:
    """Return whether a key may be called so."""
    return (
        bool(name)
        and "+" not in name
        and not any(character.isspace() for character in name)
        and CONTROL.search(name) is None
        and not any("\ud800" <= character <= "\udfff" for character in name)
    )


def _verify(text: str, line: SignatureLine, verifier: VerifierKey) -> int | None:
    if verifier.algorithm == ED25519:
        verify_signature(verifier.public, text.encode(), line.signature)
        return None
    at = timestamp(line.signature)
    message = cosigned_message(text, at)
    verify_signature(verifier.public, message, line.signature[_TIMESTAMP_BYTES:])
    return at


def _parse_line(line: str) -> SignatureLine:
    name, space, encoded = line.removeprefix(_SIGNATURE_PREFIX).partition(" ")
    data = decoded(encoded)
    if (
        not line.startswith(_SIGNATURE_PREFIX)
        or not space
        or not is_key_name(name)
        or data is None
        or len(data) <= _KEY_HASH_BYTES
    ):
        _refuse("a signature line of the note is malformed")
    return SignatureLine(name, data[:_KEY_HASH_BYTES], data[_KEY_HASH_BYTES:])


def _refuse(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_TXP_ROOT_SIGNATURE_INVALID, detail)


def _refuse_key(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_INPUT_INVALID, detail)
