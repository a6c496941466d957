"""Evidence files with cosigned checkpoints, whom a checker asks for, and how it must end."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rtgf_node.core import cosignature, note
from rtgf_node.core.keys import SeedSigner
from rtgf_node.core.note import SignatureLine
from tests.docs import forgeries
from tests.evidence_world import IMT, ORIGIN, RMT_EU, SIGNERS, START, data

IN_FORCE, SIGNATURE, WITHDRAWN, MALFORMED = 0, 10, 12, 65
SEEN = START + 3_600


class Witness(NamedTuple):
    name: str
    signer: SeedSigner

    @property
    def key(self) -> str:
        return cosignature.verifier_key(self.name, self.signer.public)

    @property
    def key_hash(self) -> bytes:
        return note.parse_key(self.key).key_hash()

    def line(self, text: str, *, at: int = SEEN) -> str:
        return cosignature.cosign(text, self.name, self.signer, at)


W1 = Witness("witness.example/w1", SeedSigner("w1", bytes([61] * 32)))
W2 = Witness("witness.example/w2", SeedSigner("w2", bytes([62] * 32)))
IMPOSTOR = Witness(W1.name, SeedSigner("w3", bytes([63] * 32)))


def file(*lines: str | Callable[[str], str], token: str = IMT) -> bytes:
    """Return a file with these lines on its checkpoint; what is called is given the text."""
    document: dict[str, Any] = forgeries.honest().file(token)
    text, _ = note.split(document["checkpoint"].encode())
    document["checkpoint"] += "".join(
        line if isinstance(line, str) else line(text) for line in lines
    )
    return data(document)


def raw(witness: Witness, signature: bytes) -> str:
    """A line in a witness's name with whatever bytes."""
    return str(SignatureLine(witness.name, witness.key_hash, signature))


def at_another_time(text: str) -> str:
    signed = W1.signer.sign(note.cosigned_message(text, SEEN))
    return raw(W1, note.timestamped(signed, SEEN + 1))


def without_a_time(text: str) -> str:
    return raw(W1, W1.signer.sign(text.encode()))


def after_the_end_of_time(text: str) -> str:
    at = note.MAX_TIMESTAMP + 1
    signed = W1.signer.sign(note.cosigned_message(text, at))
    return raw(W1, at.to_bytes(8, "big") + signed)


def plain(witness: Witness) -> str:
    return str(note.key(witness.name, note.ED25519, witness.signer.public))


def misstated(key: str) -> str:
    name, told, encoded = key.split("+", 2)
    return f"{name}+{forgeries.flipped(told)}+{encoded}"


def of_algorithm(number: int) -> str:
    return str(note.VerifierKey(W1.name, number, W1.signer.public))


OURSELVES = Witness(ORIGIN, SIGNERS["log"])
JUNK = raw(W2, bytes(72))

COSIGNED: dict[str, tuple[int, Callable[[], bytes], Sequence[str]]] = {
    "by the one that is asked for": (IN_FORCE, lambda: file(W1.line), [W1.key]),
    "by both": (IN_FORCE, lambda: file(W2.line, W1.line), [W1.key, W2.key]),
    "by one whose plain key is known": (IN_FORCE, lambda: file(W1.line), [plain(W1)]),
    "and junk of another": (IN_FORCE, lambda: file(JUNK, W1.line), [W1.key]),
    "and junk after it": (IN_FORCE, lambda: file(W1.line, raw(W1, bytes(72))), [W1.key]),
    "junk alone, nobody asks": (IN_FORCE, lambda: file(JUNK), []),
    "of a withdrawn token": (WITHDRAWN, lambda: file(W1.line, token=RMT_EU), [W1.key]),
    "by nobody": (SIGNATURE, file, [W1.key]),
    "by one of two": (SIGNATURE, lambda: file(W1.line), [W1.key, W2.key]),
    "by another": (SIGNATURE, lambda: file(W2.line), [W1.key]),
    "by an impostor": (SIGNATURE, lambda: file(IMPOSTOR.line), [W1.key]),
    "with junk": (SIGNATURE, lambda: file(raw(W1, bytes(72)), W1.line), [W1.key]),
    "with too little": (SIGNATURE, lambda: file(raw(W1, b"short")), [W1.key]),
    "of another tree": (SIGNATURE, lambda: file(lambda text: W1.line(text + "x\n")), [W1.key]),
    "at another time than signed": (SIGNATURE, lambda: file(at_another_time), [W1.key]),
    "without a time": (SIGNATURE, lambda: file(without_a_time), [W1.key]),
    "after the end of time": (SIGNATURE, lambda: file(after_the_end_of_time), [W1.key]),
    "by the log itself": (SIGNATURE, file, [OURSELVES.key]),
    "a key that misstates itself": (MALFORMED, lambda: file(W1.line), [misstated(W1.key)]),
    "a key of another algorithm": (MALFORMED, lambda: file(W1.line), [of_algorithm(2)]),
    "no key": (MALFORMED, lambda: file(W1.line), [base64.b64encode(bytes(33)).decode()]),
}
"""By name: how both checkers end, the file, and the verifier keys they are given."""
