"""What nodes of a cluster say to each other: one byte of kind, four of length, then the body.

Both are looked at before anything of the body is kept: a kind that is not due here, or a body that
is too large for its kind, ends the connection.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from enum import IntEnum, unique
from typing import Annotated, Final, Literal, NamedTuple, TypeAlias, TypeVar

import msgspec

from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.raft_store import Start

PROTOCOL_VERSION: Final = 1
"""Both ends of a connection speak the same version, or none."""

HEADER: Final = struct.Struct(">BI")
"""The kind and the length of the body."""

MAX_MESSAGE_BYTES: Final = 32 << 20
"""One message of the consensus core: it carries commands, and the largest body of a privileged
route becomes one. Lists and snapshots travel beside it, in pieces."""

MAX_PIECE_BYTES: Final = 1 << 20
"""A piece of an object or a file: small enough that a cut costs little, large enough to be fast."""

MAX_OFFERED: Final = 256
"""Digests in one offer; more are offered one after another."""


@unique
class Kind(IntEnum):
    """The kinds of frames; their numbers are the protocol's."""

    HELLO = 1
    MESSAGE = 2
    PING = 3
    PONG = 4
    ASK = 5
    PIECE = 6
    NOT_HELD = 7
    OFFER = 8
    HELD = 9


PIECE_HEAD: Final = struct.Struct(">Q")
"""What stands before the bytes of a piece: how many bytes the whole has."""

NONCE: Final = struct.Struct(">Q")
"""The body of a ping, which its pong returns."""

MAX_BYTES: Final = {
    Kind.HELLO: 2 << 10,
    Kind.MESSAGE: MAX_MESSAGE_BYTES,
    Kind.PING: NONCE.size,
    Kind.PONG: NONCE.size,
    Kind.ASK: 1 << 10,
    Kind.PIECE: PIECE_HEAD.size + MAX_PIECE_BYTES,
    Kind.NOT_HELD: 0,
    Kind.OFFER: 128 * MAX_OFFERED,
    Kind.HELD: 0,
}
"""The largest body of each kind."""

Purpose: TypeAlias = Literal["raft", "bulk"]
RaftId: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]
Digest: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\Asha256:[0-9a-f]{64}\Z")]


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a frame that is a document (MessagePack)."""


class Hello(Said, frozen=True):
    """The first frame of each side: who speaks to whom, in which cluster, and what about.

    A claim until the certificate has borne it out. `start` is which start of the speaker it is,
    `met` the start of the other side that the speaker met last.
    """

    version: int
    cluster: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    cluster_id: Annotated[str, msgspec.Meta(max_length=64)]
    from_: RaftId
    to: RaftId
    purpose: Purpose
    start: Start
    met: Start | None


class Ask(Said, frozen=True):
    """A piece is asked for. Where it lies on the other side is nobody's business but its own."""

    what: Literal["object", "snapshot"]
    digest: Digest
    offset: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
    length: Annotated[int, msgspec.Meta(ge=1, le=MAX_PIECE_BYTES)]


class Offer(Said, frozen=True):
    """These objects are here; the other side says `HELD` once it has them all, durably."""

    digests: Annotated[tuple[Digest, ...], msgspec.Meta(min_length=1, max_length=MAX_OFFERED)]


S = TypeVar("S", bound=Said)


class Frame(NamedTuple):
    """One frame as it came."""

    kind: Kind
    body: bytes


def frame(kind: Kind, body: bytes = b"") -> bytes:
    """Return the bytes of a frame.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if the body is too large for the kind.
    """
    if len(body) > MAX_BYTES[kind]:
        detail = f"a {kind.name} of {len(body)} bytes; {MAX_BYTES[kind]} are allowed"
        raise RtgfError(Code.RTGF_INPUT_INVALID, detail)
    return HEADER.pack(kind, len(body)) + body


def document(kind: Kind, said: Said) -> bytes:
    """Return the bytes of a frame with a document in it."""
    return frame(kind, msgspec.msgpack.encode(said))


class FrameReader:
    """Cuts bytes into frames.

    Attributes:
      due: the kinds that may come now; any other is refused.
    """

    def __init__(self, due: Collection[Kind]) -> None:
        self.due = due
        self._bytes = bytearray()

    def feed(self, data: bytes | bytearray) -> None:
        """Take in what came."""
        self._bytes += data

    def take(self) -> Frame | None:
        """Return the next frame, or None if it is not whole yet.

        Raises:
          RtgfError: RTGF_BAD_REQUEST if it is of a kind that is not due, or too large.
        """
        if len(self._bytes) < HEADER.size:
            return None
        number, length = HEADER.unpack_from(self._bytes)
        if number not in self.due:
            due = ", ".join(kind.name for kind in self.due)
            raise RtgfError(
                Code.RTGF_BAD_REQUEST, f"a frame of kind {number} came where {due} was due"
            )
        kind = Kind(number)
        if length > MAX_BYTES[kind]:
            detail = f"a {kind.name} of {length} bytes came; {MAX_BYTES[kind]} are allowed"
            raise RtgfError(Code.RTGF_BAD_REQUEST, detail)
        end = HEADER.size + length
        if len(self._bytes) < end:
            return None
        body = bytes(memoryview(self._bytes)[HEADER.size : end])
        del self._bytes[:end]
        return Frame(kind, body)


def read_hello(body: bytes) -> Hello:
    """Return the hello.

    Raises:
      RtgfError: RTGF_BAD_REQUEST if it is none.
    """
    return _read(body, Hello)


def read_ask(body: bytes) -> Ask:
    """Return what is asked for.

    Raises:
      RtgfError: RTGF_BAD_REQUEST if it is no such document.
    """
    return _read(body, Ask)


def read_offer(body: bytes) -> Offer:
    """Return what is offered.

    Raises:
      RtgfError: RTGF_BAD_REQUEST if it is no such document.
    """
    return _read(body, Offer)


def _read(body: bytes, kind: type[S]) -> S:
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        detail = f"the peer's {kind.__name__.lower()} is not one: {error}"
        raise RtgfError(Code.RTGF_BAD_REQUEST, detail) from error
