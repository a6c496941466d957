"""Whom we believe that a log shows everybody the same: witnesses, and how many of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

from rtgf_node.core import cosignature
from rtgf_node.core.cosignature import Cosignature
from rtgf_node.core.note import VerifierKey
from rtgf_node.errors import Code, RtgfError


class WitnessPolicy(NamedTuple):
    """Witnesses, of whom `quorum` must have cosigned a checkpoint. None at all asks for nothing.

    Get one by `of`, which counts each key once.
    """

    witnesses: tuple[VerifierKey, ...]
    quorum: int

    @classmethod
    def of(cls, verifier_keys: Sequence[str], quorum: int | None = None) -> Self:
        """Return the policy that wants `quorum` of these witnesses; all of them if it is None.

        Raises:
          RtgfError: RTGF_INPUT_INVALID if a key is malformed, two are one key under two names (it
            would count twice), or there are fewer than the quorum.
        """
        witnesses = tuple(cosignature.witness_key(text) for text in verifier_keys)
        if len({key.public for key in witnesses}) != len(witnesses):
            raise RtgfError(
                Code.RTGF_INPUT_INVALID, "two witnesses have the same key; each must have its own"
            )
        wanted = len(witnesses) if quorum is None else quorum
        if not 0 <= wanted <= len(witnesses):
            raise RtgfError(
                Code.RTGF_INPUT_INVALID,
                f"{wanted} cosignatures are wanted, and there are {len(witnesses)} witnesses",
            )
        return cls(witnesses, wanted)

    def cosignatures(self, note: bytes) -> tuple[Cosignature, ...]:
        """Return the cosignatures of the policy's witnesses on a note.

        Raises:
          RtgfError: RTGF_TXP_ROOT_SIGNATURE_INVALID if the note or one of them is wrong.
        """
        return cosignature.verify(note, self.witnesses)

    def check(self, note: bytes) -> tuple[Cosignature, ...]:
        """Return the cosignatures of a note that are good enough.

        Raises:
          RtgfError: RTGF_TXP_ROOT_SIGNATURE_INVALID if they are not, or one of them is wrong.
        """
        found = self.cosignatures(note)
        self.require(len(found))
        return found

    def require(self, count: int) -> None:
        """Return if so many of the witnesses are enough.

        Raises:
          RtgfError: RTGF_TXP_ROOT_SIGNATURE_INVALID if they are not.
        """
        if count < self.quorum:
            raise RtgfError(
                Code.RTGF_TXP_ROOT_SIGNATURE_INVALID,
                f"{count} of the wanted {self.quorum} witnesses have cosigned the checkpoint",
            )


NOBODY = WitnessPolicy((), 0)
"""Nobody is asked for."""
