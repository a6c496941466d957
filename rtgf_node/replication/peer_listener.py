"""Where the other nodes of the cluster connect: TLS, identity, and every frame checked.

The consensus core can be brought down by a message that no honest node sends. So before it sees a
byte, the certificate is that of a member, the message says that it comes from this member and is
for this node, and it is of a kind that travels: the others are a node's words to itself, and could
start an election or stand for the answer of its own disk.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import trio

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.peer_figures import PeerFigures
from rtgf_node.replication.peer_frames import Kind, Purpose, frame
from rtgf_node.replication.peer_stream import LIMITS, PeerLimits, PeerStream, Roster, Seat, meet
from rtgf_node.replication.peer_tls import PeerTls
from rtgf_node.replication.raftcore.wire import message_head
from rtgf_node.replication.transport import Inbox

log = structlog.get_logger(__name__)

MAX_STRANGERS: Final = 256
"""Connections that have not said who they are, in all: each holds a socket and a TLS state."""

MAX_STRANGERS_PER_ADDRESS: Final = 32
"""The same from one address, so that one machine cannot keep the peers out."""

MAX_OPEN: Final[dict[Purpose, int]] = {"raft": 1, "bulk": 4}
"""Connections of one peer. A newer one takes the place of the oldest, which may be half dead."""


class PeerListener:
    """Takes the connections of the peers.

    Attributes:
      refused_strangers: connections ended before it was known which peer was there.
    """

    def __init__(
        self,
        seat: Seat,
        *,
        roster: Roster,
        tls: PeerTls,
        inbox: Inbox,
        serve_bulk: Callable[[PeerStream], Awaitable[None]],
        figures: Callable[[int], PeerFigures],
        limits: PeerLimits = LIMITS,
    ) -> None:
        """Prepare the listener.

        Args:
          seat: this node's.
          roster: the members, asked for at every frame.
          tls: the certificates.
          inbox: takes messages, once they are checked.
          serve_bulk: answers a connection that is about objects and files, until it ends.
          figures: those of a peer.
          limits: see there.
        """
        self._seat = seat
        self._roster = roster
        self._tls = tls
        self._inbox = inbox
        self._serve_bulk = serve_bulk
        self._figures = figures
        self._limits = limits
        self._strangers: Counter[str] = Counter()
        self._connections: set[trio.CancelScope] = set()
        self._open: defaultdict[tuple[int, Purpose], list[trio.CancelScope]] = defaultdict(list)
        self.refused_strangers = 0

    async def serve(self, listeners: list[trio.SocketListener]) -> None:
        """Serve until cancelled."""
        await trio.serve_listeners(self._handle, listeners)

    def renew(self) -> None:
        """End all connections; the peers come again, and are asked by the CA of now."""
        for scope in self._connections:
            scope.cancel()

    async def _handle(self, transport: trio.SocketStream) -> None:
        """Serve one connection. Raises nothing that a peer could cause."""
        with trio.CancelScope() as scope:
            self._connections.add(scope)
            try:
                stream = await self._meet(transport)
                if stream is not None:
                    await self._converse(stream)
            finally:
                self._connections.remove(scope)
                transport.socket.close()

    async def _meet(self, transport: trio.SocketStream) -> PeerStream | None:
        try:
            address = transport.socket.getpeername()[0]
        except OSError:
            return None  # gone before we looked
        self._strangers[address] += 1
        try:
            if (
                self._strangers[address] > MAX_STRANGERS_PER_ADDRESS
                or self._strangers.total() > MAX_STRANGERS
            ):
                raise RtgfError(Code.RTGF_OVERLOADED, "too many connections are at their handshake")
            return await meet(transport, self._seat, self._roster, self._tls, self._limits)
        except RtgfError as error:
            self.refused_strangers += 1
            # Who may connect may also fill the log: a certificate of the CA is worth a line.
            if error.code is Code.RTGF_FORBIDDEN:
                log.warning("peer_refused", address=address, reason=error.detail)
            return None
        finally:
            self._strangers[address] -= 1
            if not self._strangers[address]:
                del self._strangers[address]

    async def _converse(self, stream: PeerStream) -> None:
        hello = stream.hello
        figures = self._figures(hello.from_)
        place = self._open[hello.from_, hello.purpose]
        with trio.CancelScope() as scope:
            place.append(scope)
            for oldest in place[: -MAX_OPEN[hello.purpose]]:
                oldest.cancel()
            try:
                if hello.purpose == "raft":
                    await self._hear(stream, figures)
                else:
                    await self._serve_bulk(stream)
            except RtgfError as error:
                if error.code is not Code.RTGF_UNREACHABLE:
                    figures.cut += 1
                    log.warning("peer_cut", peer=hello.from_, reason=error.detail)
            finally:
                place.remove(scope)

    async def _hear(self, stream: PeerStream, figures: PeerFigures) -> None:
        """Take messages until the connection ends.

        Raises:
          RtgfError: it ended, or the peer said what it may not.
        """
        peer = stream.hello.from_
        while True:
            came = await stream.receive(self._limits.silence_seconds)
            stream.check(self._roster)
            if came.kind is Kind.PING:
                await stream.send(frame(Kind.PONG, came.body), self._limits.send_seconds)
                continue
            self._check_message(peer, came.body)
            figures.received_frames += 1
            figures.received_bytes += len(came.body)
            self._inbox.receive(peer, came.body)

    def _check_message(self, peer: int, data: bytes) -> None:
        """Refuse a message that this peer may not send, or not to this node.

        Raises:
          RtgfError: RTGF_BAD_REQUEST if it cannot be read, RTGF_FORBIDDEN if it may not be sent.
        """
        try:
            head = message_head(data)
        except ValueError as error:
            detail = f"the peer sent what is no message of peers: {error}"
            raise RtgfError(Code.RTGF_BAD_REQUEST, detail) from error
        if (head.from_, head.to) != (peer, self._seat.raft_id):
            raise RtgfError(
                Code.RTGF_FORBIDDEN,
                f"node {peer} sent a message from {head.from_} to {head.to}; this is node "
                f"{self._seat.raft_id}",
            )
