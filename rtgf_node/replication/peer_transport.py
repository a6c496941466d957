"""All links and the listener together: what the replicator sends and hears by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import trio

from rtgf_node.config import host_and_port
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.peer_figures import PeerFigures
from rtgf_node.replication.peer_link import PeerLink
from rtgf_node.replication.peer_listener import PeerListener
from rtgf_node.replication.peer_stream import LIMITS, PeerLimits, PeerStream, Roster, Seat
from rtgf_node.replication.peer_tls import PeerTls
from rtgf_node.replication.transport import Inbox


class _Running(NamedTuple):
    tasks: trio.Nursery
    inbox: Inbox
    listener: PeerListener


class PeerTransport:
    """Carries messages between this node and the others over mutual TLS; lossy, never blocking.

    Attributes:
      figures: what was done so far, by the raft id of the peer.
    """

    def __init__(
        self,
        seat: Seat,
        *,
        roster: Roster,
        tls: PeerTls,
        serve_bulk: Callable[[PeerStream], Awaitable[None]],
        jitter: Callable[[], float],
        limits: PeerLimits = LIMITS,
    ) -> None:
        """Prepare it; nothing is sent or heard before `run`.

        Args:
          seat: this node's.
          roster: the members, as of now; asked for at every frame.
          tls: the certificates.
          serve_bulk: `Bulk.serve`.
          jitter: a number from 0 to 1, for the pauses between attempts to connect.
          limits: see there.
        """
        self._seat = seat
        self._roster = roster
        self._tls = tls
        self._serve_bulk = serve_bulk
        self._jitter = jitter
        self._limits = limits
        self._links: dict[int, PeerLink] = {}
        self._running: _Running | None = None
        self.figures: dict[int, PeerFigures] = {}

    @property
    def refused_strangers(self) -> int:
        """Connections that were ended before it was known which peer was there, since `run`."""
        return 0 if self._running is None else self._running.listener.refused_strangers

    def send(self, to: int, messages: Sequence[bytes]) -> bool:
        """Send messages to a peer, all or none, without waiting.

        False says that they were dropped: there is no connection, or too much waits for the peer.
        True does not say that they arrive.
        """
        link = self._links.get(to) or self._linked(to)
        return link is not None and link.send(messages)

    def reload(self) -> None:
        """Read the certificates anew, and make every connection anew with them.

        Raises:
          RtgfError: RTGF_CONFIG_INVALID if they cannot be used; then all stays as it was.
        """
        self._tls.reload()
        if self._running is not None:
            self._running.listener.renew()
        for link in self._links.values():
            link.renew()

    async def run(
        self,
        bind: str | list[trio.SocketListener],
        inbox: Inbox,
        *,
        task_status: trio.TaskStatus[tuple[str, int]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Listen on `bind`, and keep a link to every peer, until cancelled.

        Args:
          bind: `host:port`, or what listens already.
          inbox: hears of messages that passed every check, and of peers whose connection broke:
            messages to them may be lost. It must not block or raise.
          task_status: `started` is told where the listener really is.

        Raises:
          RtgfError: RTGF_CONFIG_INVALID if it cannot listen there.
        """
        listeners = await listen(bind) if isinstance(bind, str) else bind
        listener = PeerListener(
            self._seat,
            roster=self._roster,
            tls=self._tls,
            inbox=inbox,
            serve_bulk=self._serve_bulk,
            figures=self._figures_of,
            limits=self._limits,
        )
        try:
            async with trio.open_nursery() as tasks:
                self._running = _Running(tasks, inbox, listener)
                self._link_all()
                tasks.start_soon(self._keep_linking)
                task_status.started(listeners[0].socket.getsockname()[:2])
                await listener.serve(listeners)
        finally:
            self._running = None

    def _link_all(self) -> None:
        for peer in self._roster().keys() - self._links.keys():
            self._linked(peer)

    async def _keep_linking(self) -> None:
        """See who is new, so that the link stands before there is anything to say."""
        while True:
            await trio.sleep(self._limits.ping_seconds)
            self._link_all()

    def _linked(self, to: int) -> PeerLink | None:
        """Return a new link to a member; none to this node itself, nor when it does not run."""
        known = self._roster().get(to)
        if self._running is None or to == self._seat.raft_id:
            return None
        if known is None or known.role == "removed":
            return None
        link = PeerLink(
            self._seat,
            to,
            roster=self._roster,
            tls=self._tls,
            unreachable=self._running.inbox.unreachable,
            jitter=self._jitter,
            figures=self._figures_of(to),
            limits=self._limits,
        )
        self._links[to] = link
        self._running.tasks.start_soon(self._keep, to, link)
        return link

    async def _keep(self, to: int, link: PeerLink) -> None:
        try:
            await link.run()
        finally:
            del self._links[to]

    def _figures_of(self, peer: int) -> PeerFigures:
        return self.figures.setdefault(peer, PeerFigures())


async def listen(bind: str) -> list[trio.SocketListener]:
    """Listen on `host:port`.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if it cannot be.
    """
    host, port = host_and_port(bind)
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID,
            f"cluster: cannot listen on {bind}: {error.strerror or error}",
        ) from error
