"""The few protobuf messages of the Raft core that this side writes, and the head of those it reads.

Source: `raft.proto` of go.etcd.io/raft/v3 v3.7.0. Everything else the core writes and reads itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple


class ChangeKind(IntEnum):
    """What a membership change does to one node; `ConfChangeType`."""

    ADD_VOTER = 0  # also makes a learner a voter
    REMOVE = 1
    ADD_LEARNER = 3  # also makes a voter a learner


class MessageKind(IntEnum):
    """What peers say to each other; the members of `MessageType` that travel.

    Its sender is who made it, with one exception: a node that gets a proposal or a read and does
    not lead passes it on in the name of who asked. It is well to drop those, as any may be lost.
    """

    PROPOSAL = 2
    APPEND = 3
    APPEND_ANSWER = 4
    VOTE = 5
    VOTE_ANSWER = 6
    SNAPSHOT = 7
    HEARTBEAT = 8
    HEARTBEAT_ANSWER = 9
    TIMEOUT_NOW = 14
    READ_INDEX = 15
    READ_INDEX_ANSWER = 16
    PRE_VOTE = 17
    PRE_VOTE_ANSWER = 18


AFTER_SAVE = frozenset(
    {MessageKind.APPEND_ANSWER, MessageKind.VOTE_ANSWER, MessageKind.PRE_VOTE_ANSWER}
)
"""Messages that promise what is on disk; the others of a Ready may leave while it is being saved.

Raft thesis §3.8 and §10.2.1; `send` in raft.go holds back the same three.
"""


class ConfState(NamedTuple):
    """Who is in the cluster, by Raft id.

    Attributes:
      voters: those who decide.
      learners: those who hold everything and decide nothing.
      voters_outgoing: while a change is under way, who decided before it and still must agree.
      learners_next: who becomes a learner when the change is complete.
      auto_leave: whether the core completes the change by itself.
    """

    voters: tuple[int, ...]
    learners: tuple[int, ...] = ()
    voters_outgoing: tuple[int, ...] = ()
    learners_next: tuple[int, ...] = ()
    auto_leave: bool = False

    def encode(self) -> bytes:
        """Return the protobuf `ConfState`."""
        lists = (self.voters, self.learners, self.voters_outgoing, self.learners_next)
        out = b"".join(
            _number(field, node) for field, nodes in enumerate(lists, start=1) for node in nodes
        )
        return out + _number(5, int(self.auto_leave))

    @classmethod
    def decode(cls, data: bytes) -> ConfState:
        """Read a protobuf `ConfState`.

        Raises:
          ValueError: it is none.
        """
        lists: dict[int, list[int]] = {1: [], 2: [], 3: [], 4: []}
        leave = False
        for field, value in _fields(data):
            if not isinstance(value, int):
                raise ValueError("a ConfState has numbers only")
            if field in lists:
                lists[field].append(value)
            elif field == 5:
                leave = bool(value)
        voters, learners, outgoing, later = (tuple(nodes) for nodes in lists.values())
        return cls(voters, learners, outgoing, later, leave)


class MessageHead(NamedTuple):
    """Who says what to whom, and in which term."""

    kind: MessageKind
    to: int
    from_: int
    term: int


HEAD = {1: "type", 2: "to", 3: "from", 4: "term"}
"""The fields of a message that are read before the core sees it."""


def message_head(data: bytes) -> MessageHead:
    """Read the head of a message that a peer sent, and nothing of what it carries.

    The whole of it is walked, because of two fields of one number the core would believe the later.

    Raises:
      ValueError: it is no message, names a field of its head twice, or is of a kind that does not
        travel.
    """
    found: dict[int, int] = {}
    for field, value in _fields(data):
        if field not in HEAD:
            continue
        if field in found or not isinstance(value, int):
            raise ValueError(f"the message's {HEAD[field]} is given twice or is no number")
        found[field] = value
    kind = MessageKind(found.get(1, 0))
    return MessageHead(kind, found.get(2, 0), found.get(3, 0), found.get(4, 0))


def proposal(from_: int, to: int, entry: bytes) -> bytes:
    """Return the message that asks the leader `to` to take an entry into the log."""
    head = _number(1, MessageKind.PROPOSAL) + _number(2, to) + _number(3, from_)
    return head + _text(7, _text(4, entry))


def snapshot(index: int, term: int, conf_state: ConfState, data: bytes = b"") -> bytes:
    """Return the protobuf `Snapshot` with which a node begins, or goes on after `index`."""
    meta = _text(1, conf_state.encode()) + _number(2, index) + _number(3, term)
    return (_text(1, data) if data else b"") + _text(2, meta)


def conf_change(changes: Sequence[tuple[ChangeKind, int]], context: bytes = b"") -> bytes:
    """Return the protobuf `ConfChangeV2`: what happens to which node, and what travels with it.

    More than one change goes through joint consensus, which the core leaves by itself.
    """
    each = (_text(2, _number(1, kind) + _number(2, node)) for kind, node in changes)
    return b"".join(each) + (_text(3, context) if context else b"")


def conf_change_context(data: bytes) -> bytes:
    """Return what travels with a `ConfChangeV2`.

    Raises:
      ValueError: it is none.
    """
    context = b""
    for field, value in _fields(data):
        if field == 3:
            if isinstance(value, int):
                raise ValueError("the context is no text")
            context = bytes(value)
    return context


VARINT_BYTES = 10
"""A number of 64 bits takes no more, 7 bits in each."""

VARINT, FIXED64, TEXT, FIXED32 = 0, 1, 2, 5
"""Wire types. Groups, which are 3 and 4, are in none of these messages."""


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | VARINT) + _varint(value)


def _text(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | TEXT) + _varint(len(value)) + value


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for position in range(VARINT_BYTES):
        if at >= len(data):
            raise ValueError("cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, at
    raise ValueError("a number has more than 64 bits")


def _fields(data: bytes) -> Iterator[tuple[int, int | memoryview]]:
    """Walk the fields of one protobuf message; what is inside a field is skipped over."""
    view = memoryview(data)
    at = 0
    while at < len(view):
        tag, at = _read_varint(view, at)
        field, kind = tag >> 3, tag & 7
        if not 1 <= field < 1 << 29:
            raise ValueError("no field has this number")
        if kind == VARINT:
            number, at = _read_varint(view, at)
            yield field, number
            continue
        if kind == TEXT:
            size, at = _read_varint(view, at)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError("no field has this wire type")
        if size > len(view) - at:
            raise ValueError("cut short")
        yield field, view[at : at + size]
        at += size
