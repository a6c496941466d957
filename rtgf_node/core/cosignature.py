"""Cosignatures: a witness's word that it saw a checkpoint, and when (C2SP tlog-cosignature v1).

A witness signs `cosignature/v1`, the time and the checkpoint's text, after it has proved to itself
that the checkpoint extends every one of that log that it cosigned before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from rtgf_node.core import note as notes
from rtgf_node.core.keys import Signer
from rtgf_node.core.note import COSIGNATURE, MAX_TIMESTAMP, SignatureLine, VerifierKey
from rtgf_node.errors import Code, RtgfError


class Cosignature(NamedTuple):
    """A verified cosignature.

    Attributes:
      key: the witness's verifier key, in text form.
      at: when the witness signed, by its own clock.
      line: the signature line, its line break included.
    """

    key: str
    at: int
    line: str


def verifier_key(name: str, public: bytes) -> str:
    """Return the text form of a witness's key, `<name>+<hash>+<base64>`.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if the name or the key is not fit.
    """
    return str(notes.key(name, COSIGNATURE, public))


def witness_key(text: str) -> VerifierKey:
    """Return a witness's key from its text form.

    Some witnesses publish their key as a plain Ed25519 one; it is taken as the cosigning key that
    it belongs to, whose signature lines carry another hash.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it is no Ed25519 key.
    """
    key = notes.parse_key(text)
    return VerifierKey(key.name, COSIGNATURE, key.public)


def cosign(text: str, name: str, signer: Signer, at: int) -> str:
    """Return the signature line of a witness called `name` under a checkpoint's text.

    Whoever calls has verified the checkpoint, its consistency, and remembered it durably.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if the name or the time cannot be written.
    """
    if not 0 <= at <= MAX_TIMESTAMP:
        raise RtgfError(Code.RTGF_INPUT_INVALID, "a cosignature states a time from 1970 on")
    key = notes.key(name, COSIGNATURE, signer.public)
    signature = signer.sign(notes.cosigned_message(text, at))
    return str(SignatureLine(name, key.key_hash(), notes.timestamped(signature, at)))


def verify(note: bytes, witnesses: Iterable[VerifierKey]) -> tuple[Cosignature, ...]:
    """Return the cosignatures of these witnesses on a note, each witness's first one.

    Signatures of anybody else are ignored: the log's own is not checked here.

    Raises:
      RtgfError: RTGF_TXP_ROOT_SIGNATURE_INVALID if the note is malformed or a signature line of one
        of the witnesses is wrong.
    """
    text, lines = notes.split(note)
    return _verified(text, lines, [*witnesses])


def verify_lines(
    text: str, block: str, witnesses: Iterable[VerifierKey]
) -> tuple[Cosignature, ...]:
    """Return the cosignatures of these witnesses among the lines that a witness answered with.

    Raises:
      RtgfError: as `verify` does.
    """
    return _verified(text, notes.parse_lines(block), [*witnesses])


def attach(note: str, lines: Iterable[str]) -> str:
    """Return the note with further signature lines at its end, each only once."""
    _, _, block = note.rpartition("\n\n")
    held = set(block.splitlines(keepends=True))
    return note + "".join(line for line in dict.fromkeys(lines) if line not in held)


def detach(note: str) -> str:
    """Return the note as its log alone signed it: with the first signature line only.

    A note without signatures comes back as it is.
    """
    text, blank, block = note.rpartition("\n\n")
    first, end, _ = block.partition("\n")
    return f"{text}{blank}{first}{end}"


def _verified(
    text: str, lines: Collection[SignatureLine], witnesses: Collection[VerifierKey]
) -> tuple[Cosignature, ...]:
    keys = {(key.name, key.key_hash()): key for key in witnesses if key.algorithm == COSIGNATURE}
    return tuple(
        Cosignature(str(keys[line.name, line.key_hash]), at, str(line))
        for line, at in notes.verify_lines(text, lines, keys.values())
        if at is not None
    )
