"""The link to one peer: a task of its own, a bounded queue, and a connection that is made anew.

Messages go one way, out; the peer's own link brings its messages back. A message is sent or
dropped, never kept for later: the consensus core sends again what still matters, and a message that
waited out a broken connection would only say what is no longer so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
import trio

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.peer_figures import PeerFigures
from rtgf_node.replication.peer_frames import MAX_MESSAGE_BYTES, NONCE, Kind, frame
from rtgf_node.replication.peer_stream import (
    LIMITS,
    PeerLimits,
    PeerStream,
    Roster,
    Seat,
    dial,
    member,
)
from rtgf_node.replication.peer_tls import PeerTls

log = structlog.get_logger(__name__)

COALESCE_BYTES: Final = 256 << 10
"""What is sent at once: many small messages cost one TLS record each 16 KiB and one system call."""


class PeerLink:
    """Sends to one peer, as long as it is a member."""

    def __init__(
        self,
        seat: Seat,
        to: int,
        *,
        roster: Roster,
        tls: PeerTls,
        unreachable: Callable[[int], None],
        jitter: Callable[[], float],
        figures: PeerFigures,
        limits: PeerLimits = LIMITS,
    ) -> None:
        """Prepare the link; `run` makes it.

        Args:
          seat: this node's.
          to: the raft id of the peer.
          roster: the members, asked for at every connection and every ping.
          tls: the certificates.
          unreachable: hears of the peer when the connection breaks and messages may be lost.
          jitter: a number from 0 to 1 for each pause, so that links do not try in step.
          figures: where the link counts.
          limits: see there.
        """
        self._seat = seat
        self._to = to
        self._roster = roster
        self._tls = tls
        self._unreachable = unreachable
        self._jitter = jitter
        self._figures = figures
        self._limits = limits
        self._queue: deque[bytes] = deque()
        self._wake = trio.Event()
        self._connection = trio.CancelScope()
        self._pause_seconds = limits.first_pause_seconds
        self._pinged = (0, 0.0)  # the number of the newest ping, and when it was sent

    def send(self, messages: Sequence[bytes]) -> bool:
        """Queue all of these messages, or none: then they are dropped, and the answer is False."""
        size = sum(map(len, messages))
        figures = self._figures
        if (
            not figures.is_connected
            or figures.queued_bytes + size > self._limits.queue_bytes
            or len(self._queue) + len(messages) > self._limits.queue_frames
            or any(len(message) > MAX_MESSAGE_BYTES for message in messages)
        ):
            figures.dropped_frames += len(messages)
            return False
        self._queue.extend(messages)
        figures.queued_bytes += size
        self._wake.set()
        return True

    def renew(self) -> None:
        """End the connection, so that the next one shows and asks for the certificates of now."""
        self._connection.cancel()

    async def run(self) -> None:
        """Keep the link up until cancelled, or until the peer is no member any more."""
        while self._is_member():
            with trio.CancelScope() as self._connection:
                try:
                    await self._connect()
                except RtgfError as error:
                    self._count_failure(error)
            # Between half and the whole of the pause.
            await trio.sleep(self._pause_seconds * (1 + self._jitter()) / 2)
            self._pause_seconds = min(2 * self._pause_seconds, self._limits.longest_pause_seconds)

    async def _connect(self) -> None:
        """Make the connection and use it until it ends.

        Raises:
          RtgfError: it could not be made.
        """
        figures = self._figures
        stream = await dial(self._seat, self._to, self._roster, self._tls, "raft", self._limits)
        try:
            figures.connects += 1
            figures.is_connected = True
            async with trio.open_nursery() as tasks:

                async def until_it_ends(work: Callable[[PeerStream], Awaitable[None]]) -> None:
                    try:
                        await work(stream)
                    except RtgfError as error:
                        self._count_failure(error)
                    tasks.cancel_scope.cancel()

                tasks.start_soon(until_it_ends, self._write)
                tasks.start_soon(until_it_ends, self._hear)
        finally:
            stream.cut()
            figures.is_connected = False
            figures.rtt_seconds = None
            figures.dropped_frames += len(self._queue)
            figures.queued_bytes = 0
            self._queue.clear()
            # Also for what the network took and the peer never saw.
            self._unreachable(self._to)

    async def _write(self, stream: PeerStream) -> None:
        """Send what is queued, and pings between.

        Raises:
          RtgfError: the connection broke, or is to end.
        """
        ping_at = trio.current_time()
        address = member(self._roster, self._to).address
        while True:
            if trio.current_time() >= ping_at:
                stream.check(self._roster)
                if member(self._roster, self._to).address != address:
                    raise RtgfError(Code.RTGF_UNREACHABLE, f"the peer moved away from {address}")
                ping_at = trio.current_time() + self._limits.ping_seconds
                self._pinged = (self._pinged[0] + 1, trio.current_time())
                ping = frame(Kind.PING, NONCE.pack(self._pinged[0]))
                await stream.send(ping, self._limits.send_seconds)
            elif self._queue:
                await stream.send(self._take(), self._limits.send_seconds)
            else:
                with trio.move_on_at(ping_at):
                    await self._wake.wait()
                self._wake = trio.Event()

    async def _hear(self, stream: PeerStream) -> None:
        """Hear the answers to pings: a peer that gives none is gone, whatever the network says.

        Raises:
          RtgfError: the connection broke, or the peer was silent for too long.
        """
        while True:
            pong = await stream.receive(self._limits.silence_seconds)
            number, at = self._pinged
            if pong.body == NONCE.pack(number):
                self._figures.rtt_seconds = trio.current_time() - at
            # Only now: a peer that takes the connection and drops it is not tried in haste.
            self._pause_seconds = self._limits.first_pause_seconds

    def _is_member(self) -> bool:
        try:
            member(self._roster, self._to)
        except RtgfError:
            return False
        return True

    def _count_failure(self, error: RtgfError) -> None:
        if error.detail != self._figures.last_failure:
            log.warning("peer_link_broken", peer=self._to, reason=error.detail)
        self._figures.failures += 1
        self._figures.last_failure = error.detail

    def _take(self) -> bytes:
        """Return as many messages as go together."""
        frames: list[bytes] = []
        size = 0
        while self._queue and size < COALESCE_BYTES:
            message = self._queue.popleft()
            self._figures.queued_bytes -= len(message)
            size += len(message)
            frames.append(frame(Kind.MESSAGE, message))
        self._figures.sent_frames += len(frames)
        self._figures.sent_bytes += size
        return b"".join(frames)
