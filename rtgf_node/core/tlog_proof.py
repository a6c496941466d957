"""A proof as one text file: C2SP tlog-proof, which other logs' tools read and write too.

It carries the index, the inclusion proof and the checkpoint as it was signed and cosigned; the
entry itself is what its reader already holds.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Sequence
from typing import Final, NoReturn

from msgspec import Struct

from rtgf_node.core import checkpoint as checkpoints
from rtgf_node.core import merkle, note
from rtgf_node.core.checkpoint import Checkpoint
from rtgf_node.core.merkle import HASH_BYTES, MAX_TREE_SIZE
from rtgf_node.core.note import MAX_NOTE_BYTES
from rtgf_node.errors import Code, RtgfError

HEADER: Final = "c2sp.org/tlog-proof@v1"
MEDIA_TYPE: Final = "text/plain; charset=utf-8"

MAX_PATH: Final = 63
"""Hashes of an inclusion proof: the height of the largest tree that a 64-bit index can name."""

MAX_EXTRA_BYTES: Final = 64 << 10
"""Bytes of opaque data beside the proof; we write none."""

_MAX_BYTES: Final = MAX_NOTE_BYTES + 2 * MAX_EXTRA_BYTES + 100 * MAX_PATH
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,15})")


class TlogProof(Struct, frozen=True):
    """What a proof file says.

    Attributes:
      index: of the entry.
      path: hashes from the leaf's sibling up to the root's child.
      checkpoint: the signed note, with whatever signatures it came.
      extra: opaque data of the application; nothing authenticates it.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None


def to_text(
    index: int, path: Sequence[bytes], checkpoint: str, *, extra: bytes | None = None
) -> str:
    """Return the text of a proof."""
    lines = [HEADER]
    if extra is not None:
        lines.append(f"extra {base64.b64encode(extra).decode()}")
    lines.append(f"index {index}")
    lines += [base64.b64encode(node).decode() for node in path]
    return "\n".join(lines) + "\n\n" + checkpoint


def parse(data: bytes) -> TlogProof:
    """Return what a proof file says; nothing is verified.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID if it is malformed or too large.
    """
    if len(data) > _MAX_BYTES:
        _refuse(f"it is larger than {_MAX_BYTES} bytes")
    try:
        head, blank, signed = data.decode().partition("\n\n")
    except UnicodeDecodeError:
        _refuse("it is not UTF-8")
    header, *lines = head.split("\n")
    if header != HEADER or not blank or not signed:
        _refuse(f"it is {HEADER!r}, the proof, an empty line and a checkpoint")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = note.decoded(lines.pop(0).removeprefix("extra "))
        if extra is None or len(extra) > MAX_EXTRA_BYTES:
            _refuse(f"extra is base64 of at most {MAX_EXTRA_BYTES} bytes")
    match = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if match is None or int(match[1]) > MAX_TREE_SIZE:
        _refuse("a line `index <number>` is due")
    if len(lines) > MAX_PATH:
        _refuse(f"a path has at most {MAX_PATH} hashes")
    path = []
    for line in lines:
        node = note.decoded(line)
        if node is None or len(node) != HASH_BYTES:
            _refuse("each line of the path is the base64 of 32 bytes")
        path.append(node)
    return TlogProof(int(match[1]), tuple(path), signed, extra)


def verify(data: bytes, *, leaf_hash: bytes, verifier_keys: Collection[str]) -> Checkpoint:
    """Return the signed checkpoint under which a proof file proves the leaf.

    Args:
      data: the file.
      leaf_hash: of the entry, computed by the caller from what it holds.
      verifier_keys: the log's keys in C2SP `name+hash+base64` form.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID, or RTGF_TXP_ROOT_SIGNATURE_INVALID for the checkpoint.
    """
    proof = parse(data)
    signed = checkpoints.open_note(proof.checkpoint.encode(), verifier_keys)
    merkle.verify_inclusion(
        leaf_hash=leaf_hash,
        index=proof.index,
        tree_size=signed.size,
        proof=proof.path,
        root=signed.root,
    )
    return signed


def _refuse(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_TXP_PROOF_INVALID, f"not a tlog-proof: {detail}")
