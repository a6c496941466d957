"""What an entry of the Raft log says: commands of many askers, and what the leader's log is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import Proposal
from rtgf_node.replication.peer_frames import MAX_MESSAGE_BYTES

MAX_ENTRY_COMMANDS: Final = 512
"""Past it the fixed cost of an entry is below a hundredth of the work."""
FULL_ENTRY_BYTES: Final = 512 << 10
"""Nothing is added to an entry that is this large: it fits into one append with others."""
MAX_COMMAND_BYTES: Final = MAX_MESSAGE_BYTES - (1 << 20)
"""One command alone may be this large: with its entry's head it still fits into a frame."""


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """What the log of the node `raft_id` was when it, as the leader, wrote this.

    Everybody who comes to this entry has applied all that the leader had; so its log began with the
    same leaves, or there are two histories.
    """

    raft_id: int
    applied: int
    tree_size: int
    root: bytes


class Body(msgspec.Struct, frozen=True, array_like=True):
    """The content of an entry."""

    proposals: tuple[Proposal, ...]
    mark: Mark | None = None


class _RawBody(msgspec.Struct, frozen=True, array_like=True):
    proposals: Sequence[msgspec.Raw]
    mark: Mark | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Body).decode
EMPTY: Final = Body(())


def encode_proposal(proposal: Proposal) -> bytes:
    """Return a proposal as it stands in an entry.

    Raises:
      RtgfError: RTGF_BODY_TOO_LARGE if no entry can hold it.
    """
    encoded = _encode(proposal)
    if len(encoded) > MAX_COMMAND_BYTES:
        raise RtgfError(
            Code.RTGF_BODY_TOO_LARGE,
            f"a command of {len(encoded)} bytes; one between nodes has at most {MAX_COMMAND_BYTES}",
        )
    return encoded


def encode(proposals: Sequence[bytes], mark: Mark | None = None) -> bytes:
    """Return the bytes of an entry with proposals that are encoded already."""
    return _encode(_RawBody([msgspec.Raw(one) for one in proposals], mark))


def decode(data: bytes) -> Body:
    """Read an entry; one of the core's own says nothing.

    Raises:
      RtgfError: RTGF_TXP_STORE_DAMAGED if this program does not understand it. It must not be
        passed over: other members apply it.
    """
    if not data:
        return EMPTY
    try:
        return _decode(data)
    except msgspec.MsgspecError as error:
        raise RtgfError(
            Code.RTGF_TXP_STORE_DAMAGED,
            f"an entry of the cluster's log is not understood here ({error}); if another member "
            "runs a newer version, update this one",
        ) from error
