"""What a log asks a witness, and when a witness may agree (C2SP tlog-witness, add-checkpoint)."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Final, NamedTuple, NoReturn

from rtgf_node.core import merkle
from rtgf_node.core import note as notes
from rtgf_node.core.checkpoint import Checkpoint
from rtgf_node.core.merkle import HASH_BYTES, MAX_TREE_SIZE
from rtgf_node.errors import Code, RtgfError

MAX_PROOF_LINES: Final = 63
"""Hashes of a consistency proof (C2SP tlog-witness); a tree of 2^53 leaves needs fewer."""

SIZE_TYPE: Final = "text/x.tlog.size"
"""The media type of the answer that tells another size than the one that was asked from."""

_OLD: Final = re.compile(r"old (0|[1-9][0-9]{0,15})")
_LINE_BYTES: Final = 64
"""More than a line of the head of a request has: `old` and 16 digits, or a hash in base64."""


class AddCheckpoint(NamedTuple):
    """A request.

    Attributes:
      old_size: of the tree that the witness cosigned last.
      proof: that the checkpoint's tree extends that one.
      note: the checkpoint as its log signed it.
    """

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes

    def to_bytes(self) -> bytes:
        """Return the body of the request."""
        hashes = "".join(f"{base64.b64encode(node).decode()}\n" for node in self.proof)
        return f"old {self.old_size}\n{hashes}\n".encode() + self.note


class Held(NamedTuple):
    """What a witness cosigned last of a log."""

    size: int
    root: bytes


def parse(body: bytes) -> AddCheckpoint:
    """Return the request that a body states; the note in it is not looked into.

    Raises:
      RtgfError: RTGF_BAD_REQUEST if it has not the form of one.
    """
    head, blank, note = body.partition(b"\n\n")
    first, *lines = head.split(b"\n", MAX_PROOF_LINES + 1)
    old = _OLD.fullmatch(_ascii(first))
    if not blank or old is None or int(old[1]) > MAX_TREE_SIZE:
        _refuse("a request is a line `old <size>`, the proof, an empty line and the checkpoint")
    if len(lines) > MAX_PROOF_LINES:
        _refuse(f"a proof has at most {MAX_PROOF_LINES} lines")
    proof = tuple(notes.decoded(_ascii(line)) for line in lines)
    hashes = tuple(node for node in proof if node is not None and len(node) == HASH_BYTES)
    if len(hashes) != len(proof):
        _refuse("a line of the consistency proof is not the base64 of 32 bytes")
    return AddCheckpoint(int(old[1]), hashes, note)


def check(
    held: Held | None, checkpoint: Checkpoint, *, old_size: int, proof: Sequence[bytes]
) -> None:
    """Return if a witness that holds `held` may cosign a checkpoint whose signature it verified.

    Raises:
      RtgfError: RTGF_BAD_REQUEST if the tree would shrink; RTGF_CONFLICT if the log was asked from
        another size than the held one, or shows another root for the same size;
        RTGF_TXP_PROOF_INVALID if the proof does not hold.
    """
    size = held.size if held is not None else 0
    root = held.root if held is not None else merkle.EMPTY_ROOT
    if old_size > checkpoint.size:
        _refuse("the old size is larger than the checkpoint's")
    if old_size != size:
        raise RtgfError(
            Code.RTGF_CONFLICT, f"the checkpoint cosigned last has {size} entries, not {old_size}"
        )
    if checkpoint.size == size and checkpoint.root != root:
        raise RtgfError(
            Code.RTGF_CONFLICT, f"another root was cosigned for {size} entries; the log has forked"
        )
    try:
        merkle.verify_consistency(
            old_size=size,
            new_size=checkpoint.size,
            old_root=root,
            new_root=checkpoint.root,
            proof=proof,
        )
    except RtgfError as error:
        raise RtgfError(
            Code.RTGF_TXP_PROOF_INVALID, f"the consistency proof does not hold: {error.detail}"
        ) from None


def _ascii(line: bytes) -> str:
    if len(line) > _LINE_BYTES or not line.isascii():
        _refuse("a line before the checkpoint is too long or not ASCII")
    return line.decode("ascii")


def _refuse(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_BAD_REQUEST, detail)
