"""What a node and its workers say to each other, and the socket that they say it on.

Each frame is a MessagePack value behind its length. Both ends are the same program, and the socket
has no name: only the two processes that hold its ends can say anything.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import msgspec
import trio

from rtgf_node.api.exchange import Answered, Asked
from rtgf_node.api.limits import Spending
from rtgf_node.api.room import Counts
from rtgf_node.core.authzen import Rules
from rtgf_node.core.decision import Draft
from rtgf_node.replication.commands import Command, Outcome
from rtgf_node.settings import Config

LENGTH: Final = struct.Struct(">I")
"""What stands before a frame: its length in bytes."""

READ_BYTES: Final = 256 << 10
"""How much is read at a time."""

MAX_UNSENT_BYTES: Final = 512 << 20
"""What may wait for an end that does not read: several builds of every token there is."""


class Frame(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Something said."""


# --- by the node --------------------------------------------------------------------------------


class Begin(Frame, frozen=True):
    """The first frame.

    Attributes:
      worker: its number.
      config: the node's settings.
      routes: the hot ones: method, rule, and whether the answer is kept ready.
      lists: those that a build needs soon.
      number: that of the newest news; the next is the first that this worker hears.
      rules: that AuthZEN requests about other things than tokens are decided by.
    """

    worker: int
    config: bytes
    routes: list[tuple[str, str, bool]]
    lists: tuple[str, ...]
    number: int
    rules: Rules


class Open(Frame, frozen=True):
    """Listen on these addresses: from here on the node waits for this worker to hear its news."""

    addresses: list[tuple[int, str, int]]


class News(Frame, frozen=True):
    """A command that was applied. The numbers have no gaps."""

    number: int
    index: int
    command: Command
    outcome: Outcome


class Beat(Frame, frozen=True):
    """How the node is.

    Attributes:
      at: when this was said, on the clock that all processes of a machine share.
      staleness_seconds: for how long the node may have missed what others committed.
      may_answer: whether its log contradicts nobody.
      recording: whether decisions can be recorded.
    """

    at: float
    staleness_seconds: float
    may_answer: bool
    recording: bool


class Prepare(Frame, frozen=True):
    """Have these lists ready to screen against, and say so."""

    number: int
    content_digests: tuple[str, ...]


class Kept(Frame, frozen=True):
    """The oldest of the `Decided` that were not answered yet are kept, or refused."""

    frames: int
    ok: bool


class Reply(Frame, frozen=True):
    """The answer to a `Request`."""

    number: int
    answered: Answered


class ReadCertificates(Frame, frozen=True):
    """Take the certificates anew."""


class Stop(Frame, frozen=True):
    """Finish what is in hand and end."""


# --- by both ------------------------------------------------------------------------------------


class Spent(Frame, frozen=True):
    """What clients were let in with since this was said last: it counts against their limits."""

    spent: list[Spending]


class Connected(Frame, frozen=True):
    """How many connections these clients have at a worker: it counts against their limits."""

    worker: int
    changes: Counts


# --- by a worker --------------------------------------------------------------------------------


class Loaded(Frame, frozen=True):
    """The memory is whole; `Open` may come."""


class Listening(Frame, frozen=True):
    """The doors are open."""


class Heard(Frame, frozen=True):
    """All news up to this number has reached the memory."""

    number: int


class Prepared(Frame, frozen=True):
    """The lists of the `Prepare` with this number are ready."""

    number: int


class Decided(Frame, frozen=True):
    """Decisions to be recorded."""

    drafts: list[Draft]


class Request(Frame, frozen=True):
    """A request that only the node can answer: which route, the parts of its path, and itself."""

    number: int
    method: str
    rule: str
    parts: tuple[str, ...]
    asked: Asked


class Figures(Frame, frozen=True):
    """Samples of the worker's counters: name, labels, value."""

    samples: list[tuple[str, tuple[tuple[str, str], ...], float]]


FromNode: TypeAlias = (
    Begin
    | Open
    | News
    | Beat
    | Prepare
    | Kept
    | Reply
    | ReadCertificates
    | Stop
    | Spent
    | Connected
)
FromWorker: TypeAlias = (
    Loaded | Listening | Heard | Prepared | Decided | Request | Figures | Spent | Connected
)

_from_node: Final = msgspec.msgpack.Decoder(FromNode)
_from_worker: Final = msgspec.msgpack.Decoder(FromWorker)
_encode: Final = msgspec.msgpack.Encoder().encode


def from_node(body: bytes) -> FromNode:
    """Return what the node said."""
    return cast("FromNode", _from_node.decode(body))


def from_worker(body: bytes) -> FromWorker:
    """Return what a worker said."""
    return cast("FromWorker", _from_worker.decode(body))


def framed(frame: Frame) -> bytes:
    """Return a frame as it goes over the socket."""
    body = _encode(frame)
    return LENGTH.pack(len(body)) + body


def pack_config(config: Config) -> bytes:
    """Return the settings as bytes."""
    return msgspec.msgpack.encode(config, enc_hook=str)


def unpack_config(data: bytes) -> Config:
    """Return the settings that `pack_config` made bytes of."""
    return msgspec.msgpack.decode(data, type=Config, dec_hook=_path)


def _path(kind: type, value: object) -> Any:  # noqa: ANN401 - msgspec's own signature
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError("Expected a path")


class Channel:
    """One end of the socket. What is put goes out in its order; one task listens, one sends."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over `sock`."""
        sock.setblocking(False)
        self._socket = sock
        self._unsent: deque[memoryview] = deque()
        self._unsent_bytes = 0
        self._unheard = bytearray()
        self._woken = trio.Event()
        self._broken = False

    @property
    def overrun(self) -> bool:
        """Whether the other end is too far behind ever to be waited for."""
        return self._unsent_bytes > MAX_UNSENT_BYTES

    def put(self, data: bytes) -> None:
        """Send what `framed` returned: now if that is possible, else when the other end reads."""
        rest = memoryview(data)
        if not self._unsent and not self._broken:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                pass
            except OSError:
                # The other end has gone; whoever reads finds out.
                self._broken = True
        if rest and not self._broken and not self.overrun:
            self._unsent.append(rest)
            self._unsent_bytes += len(rest)
            self._woken.set()

    async def send(self) -> None:
        """Send what could not go at once, until cancelled or the other end has gone."""
        while True:
            await self._woken.wait()
            self._woken = trio.Event()
            while self._unsent:
                await trio.lowlevel.wait_writable(self._socket)
                try:
                    sent = self._socket.send(self._unsent[0])
                except BlockingIOError:
                    continue
                except OSError:
                    self._broken = True
                    self._unsent.clear()
                    return
                self._unsent_bytes -= sent
                rest = self._unsent[0][sent:]
                if rest:
                    self._unsent[0] = rest
                else:
                    self._unsent.popleft()

    @property
    def is_sent(self) -> bool:
        """Whether everything that was put is on its way, or never will be."""
        return not self._unsent

    async def listen(self, take: Callable[[bytes], None]) -> None:
        """Hand the body of each frame that comes to `take`, until the other end has gone."""
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            if not self.hear(take):
                return

    def hear(self, take: Callable[[bytes], None]) -> bool:
        """Hand over what has come, without waiting; return whether the other end is there."""
        while True:
            try:
                data = self._socket.recv(READ_BYTES)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            self._unheard += data
            begin, buffer = 0, self._unheard
            while len(buffer) - begin >= LENGTH.size:
                (length,) = LENGTH.unpack_from(buffer, begin)
                end = begin + LENGTH.size + length
                if len(buffer) < end:
                    break
                take(bytes(buffer[begin + LENGTH.size : end]))
                begin = end
            del buffer[:begin]

    def close(self) -> None:
        """Let go of the socket; nobody reads or sends any more."""
        self._broken = True
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
