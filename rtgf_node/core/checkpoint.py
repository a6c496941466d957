"""The signed note that commits to the log: C2SP tlog-checkpoint.

A checkpoint is three lines of text: origin, number of leaves, root hash. As a signed note it is
what existing clients, monitors and witnesses of transparency logs read.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection
from typing import Final, NamedTuple, NoReturn

from rtgf_node.core import note as notes
from rtgf_node.core.keys import Signer
from rtgf_node.core.merkle import HASH_BYTES, MAX_TREE_SIZE
from rtgf_node.core.note import ED25519, MAX_NOTE_BYTES, MAX_SIGNATURES, open_text
from rtgf_node.errors import Code, RtgfError

__all__ = [
    "ED25519",
    "MAX_NOTE_BYTES",
    "MAX_SIGNATURES",
    "Checkpoint",
    "from_text",
    "open_note",
    "open_text",
    "sign_note",
    "to_text",
    "verifier_key",
]

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


def verifier_key(name: str, public: bytes) -> str:
    """Return the text form of a log's verification key, `<name>+<hash>+<base64>`.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if the name or the key is not fit.
    """
    return str(notes.key(name, ED25519, public))


def sign_note(checkpoint: Checkpoint, signer_name: str, signer: Signer) -> bytes:
    """Return the checkpoint as a note that `signer` has signed under the name `signer_name`.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if the checkpoint or the name cannot be written.
    """
    key = notes.key(signer_name, ED25519, signer.public)
    text = to_text(checkpoint)
    line = notes.SignatureLine(signer_name, key.key_hash(), signer.sign(text.encode()))
    return f"{text}\n{line}".encode()


def open_note(note: bytes, verifier_keys: Collection[str]) -> Checkpoint:
    """Return the checkpoint of a note that at least one of the keys has signed.

    Signatures of other keys are ignored. Of a listed key, its first signature must be valid. A
    witness's key counts like any other: list those only that may vouch alone.

    Raises:
      RtgfError: RTGF_TXP_ROOT_SIGNATURE_INVALID if the note is malformed, none of the keys has
        signed it, or a signature of one of them is wrong; RTGF_INPUT_INVALID if a verifier key is.
    """
    text, _ = open_text(note, verifier_keys)
    return from_text(text)


def to_text(checkpoint: Checkpoint) -> str:
    """Return the lines of a checkpoint: what is signed.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it cannot be written.
    """
    origin, size, root, extensions = checkpoint
    lines = [origin, str(size), base64.b64encode(root).decode(), *extensions]
    text = "".join(f"{line}\n" for line in lines)
    try:
        readable = from_text(text) == checkpoint and notes.CONTROL.search(text) is None
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
    root = notes.decoded(encoded)
    if root is None or len(root) != HASH_BYTES:
        _refuse("the checkpoint's root is not the base64 of 32 bytes")
    return Checkpoint(origin, int(size), root, tuple(extensions))


def _refuse(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_TXP_ROOT_SIGNATURE_INVALID, detail)
