"""A connection between two nodes of a cluster: how it begins, and frames in and out of it.

It begins with TLS, in which each side shows the certificate of a node, and a hello of each side.
Nothing else is read of a peer before its certificate is found to be that of the member which its
hello names. Every failure of a connection is an `RtgfError`: RTGF_UNREACHABLE if the network or
the other side ended it, RTGF_REQUEST_TIMEOUT if the other side is silent or does not read,
RTGF_BAD_REQUEST, RTGF_FORBIDDEN and RTGF_UNAUTHENTICATED if what it says or is will not do.
"""

from __future__ import annotations

import math
import socket
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import trio

from rtgf_node.config import host_and_port
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import pki
from rtgf_node.replication.peer_frames import (
    PROTOCOL_VERSION,
    Frame,
    FrameReader,
    Hello,
    Kind,
    Purpose,
    document,
    read_hello,
)
from rtgf_node.replication.peer_tls import PeerTls, check_name
from rtgf_node.replication.starts import Starts
from rtgf_node.store.raft_store import Member

READ_BYTES: Final = 256 << 10
"""How much is read at a time."""

DIALLED_SAYS: Final[Mapping[Purpose, Collection[Kind]]] = {
    "raft": (Kind.PONG,),
    "bulk": (Kind.PIECE, Kind.NOT_HELD, Kind.HELD),
}
"""What the side that was dialled may say after its hello."""

DIALLER_SAYS: Final[Mapping[Purpose, Collection[Kind]]] = {
    "raft": (Kind.MESSAGE, Kind.PING),
    "bulk": (Kind.ASK, Kind.OFFER),
}
"""What the side that dialled may say after its hello."""


class Seat(NamedTuple):
    """Which place in which cluster a node has.

    Attributes:
      cluster: the origin of its log.
      cluster_id: of this cluster alone.
      raft_id: never given out twice.
      starts: who has sat here, and on the seats of the peers.
    """

    cluster: str
    cluster_id: str
    raft_id: int
    starts: Starts


Roster: TypeAlias = Callable[[], Mapping[int, Member]]
"""The members by raft id, as of now. It is asked for at every frame, so it returns what it has."""


class PeerLimits(NamedTuple):
    """What one peer may cost, and how long it may be silent. The tests take shorter times.

    Attributes:
      handshake_seconds: from the first packet to the answered hello.
      ping_seconds: between two pings of a link.
      silence_seconds: without a word from the other side, before a link or a connection is cut;
        several pings, and less than it takes an operator to wonder.
      send_seconds: that what is sent may stay unread before the connection is cut.
      answer_seconds: that a peer may take to read a piece from its disk.
      queue_bytes: that may wait for one peer; two messages of the largest size.
      queue_frames: that may wait for one peer; several windows of unacknowledged messages.
      first_pause_seconds: before a link that broke is made anew.
      longest_pause_seconds: to which the pause grows, doubling; a node that comes back is found
        again within it.
    """

    handshake_seconds: float = 5.0
    ping_seconds: float = 1.0
    silence_seconds: float = 4.0
    send_seconds: float = 4.0
    answer_seconds: float = 20.0
    queue_bytes: int = 64 << 20
    queue_frames: int = 4096
    first_pause_seconds: float = 0.05
    longest_pause_seconds: float = 1.0


LIMITS: Final = PeerLimits()


class PeerStream:
    """Frames over TLS, one reader and one writer at a time.

    Attributes:
      hello: the other side's.
      received_bytes: of frames, so far.
    """

    def __init__(
        self, transport: trio.SocketStream, tls: trio.SSLStream[trio.SocketStream]
    ) -> None:
        self._transport = transport
        self._tls = tls
        self._frames = FrameReader((Kind.HELLO,))
        self._shown = ""
        self._heard_out: Callable[[], None] | None = None
        self.hello: Hello
        self.received_bytes = 0

    async def receive(self, patience_seconds: float) -> Frame:
        """Return the next frame.

        Raises:
          RtgfError: see the module; RTGF_UNREACHABLE also when the other side is done.
        """
        while (came := self._frames.take()) is None:
            with _network(patience_seconds, "says nothing"):
                data = await self._tls.receive_some(READ_BYTES)
            if not data:
                raise RtgfError(Code.RTGF_UNREACHABLE, "the peer closed the connection")
            self.received_bytes += len(data)
            self._frames.feed(data)
        if self._heard_out is not None:
            self._heard_out()
            self._heard_out = None
        return came

    async def send(self, data: bytes, patience_seconds: float) -> None:
        """Send whole frames.

        Raises:
          RtgfError: see the module; the connection is of no further use.
        """
        with _network(patience_seconds, "does not read what it is sent"):
            await self._tls.send_all(data)

    def heard_out(self, meet: Callable[[], None]) -> None:
        """Have `meet` called when the other side goes on, once it has heard this side's hello."""
        self._heard_out = meet

    def check(self, roster: Roster) -> None:
        """Refuse a peer that is not, or no longer, the member that it said it is.

        Raises:
          RtgfError: RTGF_FORBIDDEN.
        """
        check_name(self._shown, member(roster, self.hello.from_).name)

    def cut(self) -> None:
        """Close the connection at once; a second call does nothing."""
        self._transport.socket.close()

    async def shake_hands(self) -> None:
        """Do the TLS handshake and read who the certificate names.

        Raises:
          RtgfError: see the module.
        """
        try:
            await self._tls.do_handshake()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            detail = f"the TLS handshake failed: {error.__cause__ or error}"
            raise RtgfError(Code.RTGF_UNREACHABLE, detail) from error
        self._shown = pki.identity(self._tls.getpeercert(binary_form=True) or b"")

    def check_shown(self, name: str) -> None:
        """Refuse a certificate that is not the one of the node of this name.

        Raises:
          RtgfError: RTGF_FORBIDDEN.
        """
        check_name(self._shown, name)

    async def hear_hello(self, seat: Seat, due: Mapping[Purpose, Collection[Kind]]) -> None:
        """Take the other side's hello; from then on what is due for its purpose may come.

        Raises:
          RtgfError: RTGF_FORBIDDEN if it is not meant for this seat; see the module.
        """
        came = await self.receive(math.inf)  # the handshake as a whole has its deadline
        hello = read_hello(came.body)
        if hello.version != PROTOCOL_VERSION:
            detail = f"the peer speaks version {hello.version}; {PROTOCOL_VERSION} was due"
            raise RtgfError(Code.RTGF_FORBIDDEN, detail)
        if (hello.cluster, hello.cluster_id, hello.to) != seat[:3]:
            raise RtgfError(
                Code.RTGF_FORBIDDEN,
                f"the peer looks for node {hello.to} of {hello.cluster} {hello.cluster_id}; this "
                f"is node {seat.raft_id} of {seat.cluster} {seat.cluster_id}",
            )
        self.hello = hello
        self._frames.due = due[hello.purpose]

    async def say_hello(self, seat: Seat, to: int, purpose: Purpose) -> None:
        """Say who speaks.

        Raises:
          RtgfError: see the module.
        """
        hello = Hello(
            PROTOCOL_VERSION,
            *seat[:3],
            to,
            purpose,
            start=seat.starts.own,
            met=seat.starts.met(to),
        )
        await self.send(document(Kind.HELLO, hello), math.inf)


def member(roster: Roster, raft_id: int) -> Member:
    """Return the member with this id.

    Raises:
      RtgfError: RTGF_FORBIDDEN if there is none, or it was removed.
    """
    found = roster().get(raft_id)
    if found is None or found.role == "removed":
        raise RtgfError(Code.RTGF_FORBIDDEN, f"{raft_id} is no member of this cluster")
    return found


async def dial(
    seat: Seat,
    to: int,
    roster: Roster,
    tls: PeerTls,
    purpose: Purpose,
    limits: PeerLimits = LIMITS,
) -> PeerStream:
    """Connect to a member; when this returns, both sides know each other.

    Raises:
      RtgfError: see the module; RTGF_FORBIDDEN also if `to` is no member.
    """
    dialled = member(roster, to)
    host, port = host_and_port(dialled.address)
    with _network(limits.handshake_seconds, f"does not answer at {dialled.address}"):
        transport = await trio.open_tcp_stream(host, port)
        stream = PeerStream(transport, trio.SSLStream(transport, tls.client))
        try:
            await stream.shake_hands()
            stream.check_shown(dialled.name)
            await stream.say_hello(seat, to, purpose)
            await stream.hear_hello(seat, DIALLED_SAYS)
            if (stream.hello.from_, stream.hello.purpose) != (to, purpose):
                detail = f"node {stream.hello.from_} answered where {to} was dialled"
                raise RtgfError(Code.RTGF_FORBIDDEN, detail)
            # It answers, so it heard which of its starts was met here.
            seat.starts.check(stream.hello.met, dialled.name)
            seat.starts.meet(to, stream.hello.start)
        except BaseException:
            stream.cut()
            raise
    return stream


async def meet(
    transport: trio.SocketStream,
    seat: Seat,
    roster: Roster,
    tls: PeerTls,
    limits: PeerLimits = LIMITS,
) -> PeerStream:
    """Let a peer in that has connected; when this returns, both sides know each other.

    The caller closes `transport`, whatever happens.

    Raises:
      RtgfError: see the module.
    """
    with _network(limits.handshake_seconds, "does not finish its handshake"):
        transport.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        stream = PeerStream(transport, trio.SSLStream(transport, tls.server, server_side=True))
        await stream.shake_hands()
        await stream.hear_hello(seat, DIALLER_SAYS)
        stream.check(roster)
        hello = stream.hello
        seat.starts.check(hello.met, member(roster, hello.from_).name)
        await stream.say_hello(seat, hello.from_, hello.purpose)
        stream.heard_out(partial(seat.starts.meet, hello.from_, hello.start))
    return stream


@contextmanager
def _network(patience_seconds: float, fault: str) -> Iterator[None]:
    """Turn what the network does into errors of this project."""
    try:
        with trio.fail_after(patience_seconds):
            yield
    except trio.TooSlowError:
        raise RtgfError(
            Code.RTGF_REQUEST_TIMEOUT, f"the peer {fault}, for {patience_seconds:g} seconds"
        ) from None
    except (
        OSError,
        trio.BrokenResourceError,
        trio.ClosedResourceError,
        ssl.CertificateError,
    ) as error:
        reason = error.__cause__ or error
        raise RtgfError(Code.RTGF_UNREACHABLE, f"the connection broke: {reason}") from error
