"""The finished pieces of a build, kept beside its artefacts until it ends.

A process that is killed leaves them behind. Whoever goes on with the same request takes each piece
whose note is sealed with the key of that request and whose artefacts have the digests it says;
anything else is made again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from rtgf_node.core.build import Note

_SEAL_BYTES: Final = 32
_FOLDER: Final = "pieces"


class Piece(Struct, frozen=True, forbid_unknown_fields=True):
    """What came of some targets of one run: the digests of its artefacts by name, and notes."""

    run: str
    targets: list[int]
    artefacts: dict[str, str]
    notes: list[Note]


_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder(Piece).decode


class Pieces:
    """The finished pieces of one run.

    Args:
      folder: of the build.
      run: its name.
      key: a secret for this request alone: who only writes into the folder can seal nothing.
    """

    def __init__(self, folder: Path, run: str, key: bytes) -> None:
        self._folder = folder / _FOLDER / run
        self._run = run
        self._key = key

    def keep(self, targets: Sequence[int], artefacts: dict[str, str], notes: list[Note]) -> None:
        """Keep a piece whose artefacts are written. No disk is waited for: what is lost is made."""
        note = _encode(Piece(self._run, list(targets), artefacts, notes))
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path(targets).write_bytes(self._seal(note) + note)

    def recall(self, targets: Sequence[int]) -> Piece | None:
        """Return the piece of these targets if it was kept; its artefacts are not looked at."""
        try:
            data = self._path(targets).read_bytes()
        except OSError:
            return None
        seal, note = data[:_SEAL_BYTES], data[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(note)):
            return None
        piece = _decode(note)
        return piece if (piece.run, piece.targets) == (self._run, list(targets)) else None

    def _path(self, targets: Sequence[int]) -> Path:
        return self._folder / str(targets[0])

    def _seal(self, note: bytes) -> bytes:
        return hmac.digest(self._key, note, hashlib.sha256)
