"""Large bytes between nodes, beside the log: objects by digest, and snapshot files.

They come in pieces over a connection of their own, so that they never stand in the way of a
heartbeat. What came is kept in a `.part` file, from which a later attempt goes on, also with
another peer; under its name it appears whole, checked against its digest, and durable.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal, TypeVar, TypeVarTuple

import structlog
import trio

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication import bulk_part
from rtgf_node.replication.bulk_part import SUFFIX, Part
from rtgf_node.replication.bulk_shelf import Shelf, file_name
from rtgf_node.replication.peer_frames import (
    MAX_OFFERED,
    MAX_PIECE_BYTES,
    Ask,
    Kind,
    Offer,
    document,
    frame,
    read_ask,
    read_offer,
)
from rtgf_node.replication.peer_stream import LIMITS, PeerLimits, PeerStream, Roster, Seat, dial
from rtgf_node.replication.peer_tls import PeerTls
from rtgf_node.store.objects import ObjectStore

log = structlog.get_logger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MAX_ATTEMPTS: Final = 5
"""Connections to one peer for one file, each of which brought it further."""

HOLD_SECONDS: Final = 60.0
"""How long an object of the largest size may take to reach a majority on a slow disk."""

RETRY_SECONDS: Final = 0.2
"""Between two offers to a peer that could not be reached."""

FETCHES: Final = 2
OFFERS: Final = 2
"""Connections to one peer at once, of each sort. Together they are what a peer lets in
(`peer_listener.MAX_OPEN`). They are counted apart, because an offer ends only when the peer has
fetched: two nodes with nothing but offers to each other would wait for ever."""


class Bulk:
    """Gives and takes large bytes. Safe for many tasks at once; one file is fetched once."""

    def __init__(
        self,
        seat: Seat,
        *,
        roster: Roster,
        quorums: Callable[[], Sequence[Collection[int]]],
        tls: PeerTls,
        objects: ObjectStore,
        snapshots: Path,
        incoming: Path,
        jitter: Callable[[], float],
        limits: PeerLimits = LIMITS,
    ) -> None:
        """Prepare it.

        Args:
          seat: this node's.
          roster: the members, as of now.
          quorums: the voters; two sets of them while a change of members is under way.
          tls: the certificates.
          objects: the store's.
          snapshots: the folder of the files that peers may fetch, named by their SHA-256.
          incoming: a folder for what is not whole or not taken yet, on the store's file system.
          jitter: a number from 0 to 1, for the pauses between offers.
          limits: see there.
        """
        self._seat = seat
        self._roster = roster
        self._quorums = quorums
        self._tls = tls
        self._objects = objects
        self._shelf = Shelf(objects, snapshots)
        self._incoming = incoming
        self._jitter = jitter
        self._limits = limits
        self._under_way: dict[Path, trio.Event] = {}
        self._fetches = defaultdict[int, trio.CapacityLimiter](
            lambda: trio.CapacityLimiter(FETCHES)
        )
        self._offers = defaultdict[int, trio.CapacityLimiter](lambda: trio.CapacityLimiter(OFFERS))

    # --- what peers ask ---------------------------------------------------------------------------

    async def serve(self, stream: PeerStream) -> None:
        """Answer one connection until it ends.

        Raises:
          RtgfError: it ended, or the peer asked what it may not.
        """
        while True:
            came = await stream.receive(self._limits.answer_seconds)
            stream.check(self._roster)
            if came.kind is Kind.ASK:
                ask = read_ask(came.body)
                piece = await trio.to_thread.run_sync(self._shelf.piece, ask)
                answer = frame(Kind.NOT_HELD) if piece is None else frame(Kind.PIECE, piece)
            else:
                offer = read_offer(came.body)
                answer = frame(await self._taken(offer, stream.hello.from_))
            await stream.send(answer, self._limits.answer_seconds)

    async def _taken(self, offer: Offer, peer: int) -> Literal[Kind.HELD, Kind.NOT_HELD]:
        try:
            for digest in offer.digests:
                await self.fetch_object(digest, (peer,))
        except RtgfError as error:
            log.warning("offer_not_taken", peer=peer, reason=str(error))
            return Kind.NOT_HELD
        return Kind.HELD

    # --- what is asked of peers -------------------------------------------------------------------

    def has(self, digest: str) -> bool:
        """Say whether the object is here."""
        return self._objects.has(digest)

    async def fetch(self, digests: Iterable[str]) -> None:
        """Have these objects here, durably, from whichever member has them.

        Raises:
          RtgfError: RTGF_UNAVAILABLE if one was not to be had.
        """
        for digest in digests:
            others = [peer for peer in self._roster() if peer != self._seat.raft_id]
            await self.fetch_object(digest, others)

    async def fetch_object(self, digest: str, from_ids: Iterable[int]) -> None:
        """Have the object here, durably: from the first of these peers that gives it.

        Raises:
          RtgfError: RTGF_UNAVAILABLE if none did, with what went wrong as its causes.
        """
        part = Part("object", digest, self._incoming / f"{file_name(digest)}{SUFFIX}", None)
        async with self._alone(part.path):
            if not await _on_disk(self._objects.is_durable, digest):
                await self._obtain(part, from_ids)
                await _on_disk(self._objects.take, part.path, digest)

    async def fetch_file(self, digest: str, size: int, from_id: int, into: Path) -> Path:
        """Have a snapshot file of a peer in the folder `into`, durably; return where.

        What is there of it already is not fetched again. Once it is whole, the beginnings of other
        files in the folder are of no use and go.

        Raises:
          RtgfError: RTGF_UNAVAILABLE if the peer did not give it, with the reason as its cause.
        """
        path = into / file_name(digest)
        part = Part("snapshot", digest, into / f"{path.name}{SUFFIX}", size)
        async with self._alone(part.path):
            if not await _on_disk(path.is_file):
                await self._obtain(part, (from_id,))
                await _on_disk(part.publish, path)
        await _on_disk(bulk_part.sweep, into, tuple(self._under_way))
        return path

    def here(self, digest: str, into: Path) -> int:
        """Return how many bytes of a snapshot file are in the folder `into`."""
        whole = into / file_name(digest)
        part = Part("snapshot", digest, into / f"{whole.name}{SUFFIX}", None)
        return whole.stat().st_size if whole.is_file() else part.here()

    async def hold(self, digests: Iterable[str], *, seconds: float = HOLD_SECONDS) -> None:
        """Wait until a majority of the voters holds all these objects, durably.

        Raises:
          RtgfError: RTGF_NOT_FOUND if one is not here; RTGF_UNAVAILABLE if a majority does not hold
            them in time.
        """
        wanted = sorted(set(digests))
        for digest in wanted:
            if not await _on_disk(self._objects.is_durable, digest):
                raise RtgfError(Code.RTGF_NOT_FOUND, f"no object {digest} is held here")
        holders = {self._seat.raft_id}
        if not wanted or self._suffice(holders):
            return
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as tasks:
                for peer in set().union(*self._quorums()) - holders:
                    tasks.start_soon(self._bring, peer, wanted, holders, tasks.cancel_scope)
        if not self._suffice(holders):
            raise RtgfError(
                Code.RTGF_UNAVAILABLE,
                f"of the voters only {sorted(holders)} hold the bytes after {seconds:g} seconds; "
                "try again when a majority can be reached",
            )

    def sweep(self, now: int) -> None:
        """Remove what earlier runs began and nobody goes on with; for the start."""
        bulk_part.sweep_old(self._incoming, now)

    # --- how --------------------------------------------------------------------------------------

    def _suffice(self, holders: Collection[int]) -> bool:
        return all(
            2 * len(set(voters).intersection(holders)) > len(voters) for voters in self._quorums()
        )

    async def _bring(
        self, peer: int, digests: list[str], holders: set[int], waiting: trio.CancelScope
    ) -> None:
        """Offer objects to a peer until it holds them; end the wait once a majority does."""
        while True:
            try:
                await self._offer(peer, digests)
                break
            except RtgfError as error:
                log.info("offer_failed", peer=peer, reason=error.detail)
            await trio.sleep(RETRY_SECONDS * (1 + self._jitter()))
        holders.add(peer)
        if self._suffice(holders):
            waiting.cancel()

    async def _offer(self, peer: int, digests: list[str]) -> None:
        async with self._offers[peer], self._connected(peer) as stream:
            for start in range(0, len(digests), MAX_OFFERED):
                offer = Offer(tuple(digests[start : start + MAX_OFFERED]))
                await stream.send(document(Kind.OFFER, offer), self._limits.send_seconds)
                # The peer fetches meanwhile; whoever waits for a majority has the deadline.
                answer = await stream.receive(math.inf)
                if answer.kind is not Kind.HELD:
                    raise RtgfError(Code.RTGF_UNAVAILABLE, f"node {peer} could not take the bytes")

    async def _obtain(self, part: Part, from_ids: Iterable[int]) -> None:
        """Have the `.part` file whole and durable.

        Raises:
          RtgfError: RTGF_UNAVAILABLE if no peer gave it.
        """
        causes: list[RtgfError] = []
        for peer in from_ids:
            for _ in range(MAX_ATTEMPTS):
                had = await _on_disk(part.here)
                try:
                    await self._fetch(part, peer)
                except RtgfError as error:
                    causes.append(error)
                    damaged = error.code is Code.RTGF_TXP_STORE_DAMAGED
                    # What was there before may be what is wrong; else it must have come further.
                    if not had if damaged else await _on_disk(part.here) <= had:
                        break
                else:
                    return
        detail = f"no peer gave {part.digest}"
        if causes:
            detail = f"{detail}; the last one: {causes[-1].detail}"
        raise RtgfError(Code.RTGF_UNAVAILABLE, detail, causes=tuple(causes))

    async def _fetch(self, part: Part, peer: int) -> None:
        """Go on with the `.part` file from where it ends, and check the whole.

        Raises:
          RtgfError: the connection broke, the peer does not have it (RTGF_NOT_FOUND), or the bytes
            are others (RTGF_TXP_STORE_DAMAGED; then the file is gone).
        """
        async with self._fetches[peer], self._connected(peer) as stream:
            offset = await _on_disk(part.here)
            total: int | None = None
            while total is None or offset < total:
                ask = Ask(part.what, part.digest, offset, MAX_PIECE_BYTES)
                await stream.send(document(Kind.ASK, ask), self._limits.send_seconds)
                came = await stream.receive(self._limits.answer_seconds)
                if came.kind is Kind.NOT_HELD:
                    raise RtgfError(Code.RTGF_NOT_FOUND, f"node {peer} does not hold it")
                total, piece = part.opened(came.body)
                if offset + len(piece) > total or (offset < total and not piece):
                    await _on_disk(part.drop)
                    raise part.damaged(f"node {peer} gave a piece that is none of it")
                await _on_disk(part.append, piece)
                offset += len(piece)
        await _on_disk(part.check)

    @asynccontextmanager
    async def _connected(self, peer: int) -> AsyncIterator[PeerStream]:
        stream = await dial(self._seat, peer, self._roster, self._tls, "bulk", self._limits)
        try:
            yield stream
        finally:
            stream.cut()

    @asynccontextmanager
    async def _alone(self, part: Path) -> AsyncIterator[None]:
        """Let one task at a time work on a file."""
        while (other := self._under_way.get(part)) is not None:
            await other.wait()
        self._under_way[part] = done = trio.Event()
        try:
            yield
        finally:
            del self._under_way[part]
            done.set()


async def _on_disk(work: Callable[[*Ts], T], *args: *Ts) -> T:
    """Do what blocks in a thread; it runs whole, whoever is cancelled.

    Raises:
      RtgfError: RTGF_UNAVAILABLE if the disk refuses, and what `work` raises.
    """
    try:
        return await trio.to_thread.run_sync(work, *args)
    except OSError as error:
        detail = (
            f"{error.filename or 'the disk'}: {error.strerror or error}; make room or repair it"
        )
        raise RtgfError(Code.RTGF_UNAVAILABLE, detail) from error
