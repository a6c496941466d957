"""The signed note that commits to the log: C2SP signed-note and tlog-checkpoint.

A checkpoint is three lines of text: origin, number of leaves, root hash. As a signed note it is
what existing clients, monitors and witnesses of transparency logs read.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple, NoReturn

from rtgf_node.core.keys import (
    PUBLIC_BYTES,
    Signer,
    check_public_key,
    verify_signature,
)
from rtgf_node.core.merkle import HASH_BYTES, MAX_TREE_SIZE
from rtgf_node.errors import Code, RtgfError

MAX_NOTE_BYTES: Final = 1_000_000
"""Bytes of a signed note, the limit of the reference implementation (golang.org/x/mod)."""

MAX_SIGNATURES: Final = 100
"""Signature lines of a note, the limit of the reference implementation."""

ED25519: Final = 0x01
"""The algorithm byte of an Ed25519 key (C2SP signed-note)."""

_KEY_HASH_BYTES: Final = 4
_SIGNATURE_PREFIX: Final = "— "
_VERIFIER_KEY: Final = re.compile(r"([^+]+)\+([0-9a-f]{8})\+(.+)")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,15}")


class Checkpoint(NamedTuple):
    """What a log commits to.

    Attributes:
      origin: the log's name.
      size: the number of leaves.
      root: the root hash, 32 bytes.
      extensions: further lines; our own log writes none.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


class _Verifier(NamedTuple):
    name: str
    key_hash: bytes
    public: bytes


class _SignatureLine(NamedTuple):
    name: str
    key_hash: bytes
    signature: bytes


def verifier_key(name: str, public: bytes) -> str:
    """Return the text form of a verification key, `<name>+<hash>+<base64>`.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if the name or the key is not fit.
    """
    if not _is_key_name(name):
        _refuse_key("a key name is not empty and has no space and no plus sign")
    check_public_key(public)
    key = bytes([ED25519]) + public
    return f"{name}+{_key_hash(name, key).hex()}+{base64.b64encode(key).decode()}"


def sign_note(checkpoint: Checkpoint, signer_name: str, signer: Signer) -> bytes:
    """Return the checkpoint as a note that `signer` has signed under the name `signer_name`.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if the checkpoint or the name cannot be written.
    """
    if not _is_key_name(signer_name):
        _refuse_key("a key name is not empty and has no space and no plus sign")
    text = to_text(checkpoint)
    key_hash = _key_hash(signer_name, bytes([ED25519]) + signer.public)
    signature = base64.b64encode(key_hash + signer.sign(text.encode())).decode()
    return f"{text}\n{_SIGNATURE_PREFIX}{signer_name} {signature}\n".encode()


def open_note(note: bytes, verifier_keys: Collection[str]) -> Checkpoint:
    """Return the checkpoint of a note that at least one of the keys has signed.

    Signatures of other keys are ignored. Of a listed key, every signature must be valid.

    Raises:
      RtgfError: RTGF_TXP_ROOT_SIGNATURE_INVALID if the note is malformed, none of the keys has
        signed it, or a signature of one of them is wrong; RTGF_INPUT_INVALID if a verifier key is.
    """
    text, _ = open_text(note, verifier_keys)
    return from_text(text)


def open_text(note: bytes, verifier_keys: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """Return the text of a signed note, whatever it says, and the names of the keys that signed.

    Raises:
      RtgfError: as `open_note` does.
    """
    verifiers = {(v.name, v.key_hash): v for v in map(_parse_verifier_key, verifier_keys)}
    text, lines = _split(note)
    message = text.encode()
    signed: dict[tuple[str, bytes], str] = {}
    for line in lines:
        identity = (line.name, line.key_hash)
        verifier = verifiers.get(identity)
        if verifier is None or identity in signed:
            continue
        try:
            verify_signature(verifier.public, message, line.signature)
        except RtgfError as error:
            raise RtgfError(
                Code.RTGF_TXP_ROOT_SIGNATURE_INVALID,
                f"the signature of {line.name[:80]!r} on the note is wrong",
                causes=(error,),
            ) from None
        signed[identity] = line.name
    if not signed:
        _refuse("none of the given keys has signed the note; check the log's key")
    return text, tuple(signed.values())


def to_text(checkpoint: Checkpoint) -> str:
    """Return the lines of a checkpoint: what is signed.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it cannot be written.
    """
    origin, size, root, extensions = checkpoint
    lines = [origin, str(size), base64.b64encode(root).decode(), *extensions]
    text = "".join(f"{line}\n" for line in lines)
    try:
        readable = from_text(text) == checkpoint and _CONTROL.search(text) is None
        text.encode()
    except (RtgfError, UnicodeEncodeError):
        readable = False
    if not readable:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID,
            "a checkpoint has an origin, a size from 0 to 2^53-1, a root of 32 bytes and extension "
            "lines; no line is empty or has a line break or control character",
        )
    return text


def from_text(text: str) -> Checkpoint:
    """Return the checkpoint that the text of a note says; nothing is verified.

    Raises:
      RtgfError: RTGF_TXP_ROOT_SIGNATURE_INVALID if the text is not that of a checkpoint.
    """
    lines = text.split("\n")
    # The text ends in a line break, so the last piece is empty; every other line must not be.
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        _refuse("a checkpoint has at least three lines, none of them empty")
    origin, size, encoded, *extensions = lines[:-1]
    if _SIZE.fullmatch(size) is None or int(size) > MAX_TREE_SIZE:
        _refuse("the checkpoint's size is not a decimal number up to 2^53-1")
    root = _decoded(encoded)
    if root is None or len(root) != HASH_BYTES:
        _refuse("the checkpoint's root is not the base64 of 32 bytes")
    return Checkpoint(origin, int(size), root, tuple(extensions))


def _split(note: bytes) -> tuple[str, Sequence[_SignatureLine]]:
    """Return the signed text and the signature lines of a note (C2SP signed-note, Format)."""
    if len(note) > MAX_NOTE_BYTES:
        _refuse(f"the note is larger than {MAX_NOTE_BYTES} bytes")
    try:
        decoded = note.decode()
    except UnicodeDecodeError:
        _refuse("the note is not UTF-8")
    if _CONTROL.search(decoded) is not None:
        _refuse("the note has a control character")
    # The last blank line parts them: the text may have blank lines of its own.
    text, blank, block = decoded.rpartition("\n\n")
    if not blank or not block.endswith("\n"):
        _refuse("the note has no block of signatures after a blank line")
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        _refuse(f"the note has more than {MAX_SIGNATURES} signatures")
    return f"{text}\n", [_parse_signature(line) for line in lines]


def _parse_signature(line: str) -> _SignatureLine:
    name, space, encoded = line.removeprefix(_SIGNATURE_PREFIX).partition(" ")
    data = _decoded(encoded)
    if (
        not line.startswith(_SIGNATURE_PREFIX)
        or not space
        or not _is_key_name(name)
        or data is None
        or len(data) <= _KEY_HASH_BYTES
    ):
        _refuse("a signature line of the note is malformed")
    return _SignatureLine(name, data[:_KEY_HASH_BYTES], data[_KEY_HASH_BYTES:])


def _parse_verifier_key(text: str) -> _Verifier:
    match = _VERIFIER_KEY.fullmatch(text)
    key = _decoded(match[3]) if match else None
    if match is None or key is None or not _is_key_name(match[1]):
        _refuse_key("a verifier key is <name>+<8 hex>+<base64>")
    name, key_hash = match[1], bytes.fromhex(match[2])
    if len(key) != 1 + PUBLIC_BYTES or key[0] != ED25519:
        _refuse_key(f"the verifier key of {name[:80]!r} is not an Ed25519 key (algorithm byte 01)")
    if _key_hash(name, key) != key_hash:
        _refuse_key(f"the verifier key of {name[:80]!r} does not have the hash that it states")
    check_public_key(key[1:])
    return _Verifier(name, key_hash, key[1:])


def _key_hash(name: str, key: bytes) -> bytes:
    """Return what a signature line calls a key by: it identifies, it does not protect."""
    return hashlib.sha256(name.encode() + b"\n" + key).digest()[:_KEY_HASH_BYTES]


def _is_key_name(name: str) -> bool:
    return (
        bool(name)
        and "+" not in name
        and not any(character.isspace() for character in name)
        and _CONTROL.search(name) is None
        and not any("\ud800" <= character <= "\udfff" for character in name)
    )


def _decoded(text: str) -> bytes | None:
    """Return the bytes of standard base64 in its one canonical form, else None."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None


def _refuse(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_TXP_ROOT_SIGNATURE_INVALID, detail)


def _refuse_key(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_INPUT_INVALID, detail)
