"""What a command came to, as it is kept for a client that asks again."""

from __future__ import annotations

import msgspec

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import Outcome, encode


class _Refused(msgspec.Struct, frozen=True, tag=True):
    """A refusal as it is kept for a client that asks again."""

    code: str
    detail: str
    pointer: str | None


class _Accepted(msgspec.Struct, frozen=True, tag=True):
    outcome: Outcome


_kept: msgspec.msgpack.Decoder[_Refused | _Accepted] = msgspec.msgpack.Decoder(_Refused | _Accepted)


def keep(outcome: Outcome | RtgfError) -> bytes:
    """Return the bytes to keep."""
    if isinstance(outcome, RtgfError):
        return encode(_Refused(outcome.code.name, outcome.detail, outcome.pointer))
    return encode(_Accepted(outcome))


def recall(kept: bytes) -> Outcome | RtgfError:
    """Return the outcome that was kept."""
    match _kept.decode(kept):
        case _Refused(code, detail, pointer):
            return RtgfError(Code[code], detail, pointer=pointer)
        case _Accepted(outcome):
            return outcome
