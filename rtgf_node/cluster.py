"""A member of a cluster: its parts, and what its operators may know and change."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import structlog
import trio

from rtgf_node.cluster_seat import decisions_chain
from rtgf_node.core.clock import Clock
from rtgf_node.errors import Code, RtgfError
from rtgf_node.figures.cluster import MemberFigures
from rtgf_node.place import Alone, Place
from rtgf_node.replication.bulk import Bulk
from rtgf_node.replication.divergence import Divergence
from rtgf_node.replication.peer_stream import Seat
from rtgf_node.replication.peer_tls import PeerTls
from rtgf_node.replication.peer_transport import PeerTransport
from rtgf_node.replication.raft import RaftReplicator
from rtgf_node.replication.raft_settings import RaftSettings
from rtgf_node.replication.solo import SoloReplicator
from rtgf_node.replication.starts import Starts
from rtgf_node.replication.state_files import FOLDER, Manifest
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.settings import Config
from rtgf_node.store import Store
from rtgf_node.store.raft_store import Member, RaftState, RaftStore
from rtgf_node.store.snapshot_file import SignedState
from rtgf_node.wire import Check
from rtgf_node.wire.cluster import ClusterAnswer, ClusterMember, JoinDocument, StateFetch

log = structlog.get_logger(__name__)

INCOMING = "incoming"
"""In the data folder: what comes from other members and is not whole yet."""


@asynccontextmanager
async def place(
    config: Config, store: Store, clock: Clock, *, check_head: Callable[[SignedState], None]
) -> AsyncIterator[Place]:
    """Take the node's place; when it is left, what was proposed is decided and the lead handed on.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if it is a member and its certificates cannot be used;
        RTGF_TXP_STORE_DAMAGED if what it holds of the cluster is not what was written.
    """
    state = RaftStore(store.conn).state()
    if state is None:
        machine = StateMachine(store)
        async with SoloReplicator(machine) as replicator:
            yield Alone(config, store, machine, replicator)
        return
    async with _membership(config, store, state, clock, check_head) as found:
        yield found


class Membership:
    """The place of a member of a cluster."""

    def __init__(
        self,
        config: Config,
        store: Store,
        replicator: RaftReplicator,
        transport: PeerTransport,
        bulk: Bulk,
        seat: Seat,
    ) -> None:
        self.replicator = replicator
        self._cluster_id = seat.cluster_id
        self._config = config
        self._store = store
        self._transport = transport
        self._bulk = bulk

    @property
    def failed(self) -> trio.Event:
        """Set when the disk, the core or the history of this node cannot be trusted."""
        return self.replicator.failed

    @property
    def error(self) -> BaseException | None:
        """What failed."""
        return self.replicator.error

    @property
    def restart_needed(self) -> trio.Event:
        """Set when another member's state was taken in place of this one's."""
        return self.replicator.restart_needed

    @property
    def has_state(self) -> bool:
        """Whether another member's state was taken, or there was one from the beginning."""
        return bool(self.replicator.quorums())

    @property
    def waits(self) -> str | None:
        """For another member's state, and why it does not come."""
        fetching = self._fetching()
        if fetching is not None:
            return _words(fetching)
        if self.has_state:
            return None
        members, figures = self.replicator.members(), self._transport.figures.items()
        failures = [
            f"{members[peer].name}: {one.last_failure}"
            for peer, one in figures
            if peer in members and not one.is_connected and one.last_failure
        ]
        trouble = self.replicator.taking.trouble
        return "; ".join(["no member has sent its state yet", *filter(None, [trouble]), *failures])

    @property
    def decisions_chain(self) -> str:
        """This member's own."""
        own = self.replicator.status().core.node_id
        return decisions_chain(self._config.node.issuer, own)

    def shown(self) -> ClusterAnswer:
        """Return the cluster as this node sees it."""
        status = self.replicator.status()
        known = {one.node_id: one for one in status.core.progress}
        names = {one.raft_id: one.name for one in status.members}
        members = []
        for one in status.members:
            line = _line(one)
            if (progress := known.get(one.raft_id)) is not None:
                active = progress.active or one.raft_id == status.core.node_id
                line = msgspec.structs.replace(line, match=progress.match, active=active)
            members.append(line)
        return ClusterAnswer(
            alone=False,
            cluster=self._config.log_origin(),
            name=names.get(status.core.node_id, ""),
            role=status.role,
            leader=names.get(status.core.lead),
            term=status.core.term,
            last_index=status.core.last_index,
            commit=status.core.commit,
            applied=status.applied,
            tree_size=self._store.log.size,
            staleness_seconds=round(min(status.staleness_seconds, 1e9), 3),
            members=members,
            cluster_id=self._cluster_id,
            waits=self.waits,
            fetching=self._fetching(),
        )

    def checks(self) -> list[Check]:
        """Return what readiness asks of a member."""
        if self.replicator.removed.is_set():
            return [Check("cluster", ok=False, detail="this node was removed from its cluster")]
        if (waits := self.waits) is not None:
            return [Check("cluster", ok=False, detail=waits)]
        age = self.replicator.staleness_seconds()
        limit = self._config.verify.max_staleness_seconds
        if age > limit:
            return [Check("cluster", ok=False, detail="no majority was heard of for too long")]
        return [Check("cluster", ok=True, detail=f"{self.replicator.role}, {age:.1f} s old")]

    def figures(self) -> MemberFigures:
        """Return what is counted."""
        replicator, transport = self.replicator, self._transport
        members, counted = replicator.members(), transport.figures
        peers = {members[peer].name: one for peer, one in counted.items() if peer in members}
        strangers = transport.refused_strangers
        return MemberFigures(replicator.elections, replicator.waiting, strangers, peers)

    def reload(self) -> None:
        """Read the certificates anew."""
        self._transport.reload()

    def expect(self, name: str | None) -> None:
        """Refuse a change of a member that there is not."""
        if name is not None:
            self._member(name)

    async def add(self, name: str, address: str) -> JoinDocument:
        """Give a new node a seat, as a learner."""
        members = self.replicator.status().members
        # Also after those of an earlier cluster of this log, whose chains of decisions go on.
        numbers = (name.rpartition("#")[2] for name in self._store.decision_roots.chains())
        taken = [int(number) for number in numbers if number.isdecimal()]
        raft_id = 1 + max([*taken, *(one.raft_id for one in members)])
        await self.replicator.change_members([Member(raft_id, name, address, "learner")])
        log.info("member_added", name=name, raft_id=raft_id)
        return JoinDocument(
            cluster=self._config.log_origin(),
            cluster_id=self._cluster_id,
            raft_id=raft_id,
            name=name,
            members=[_line(one) for one in self.replicator.status().members],
        )

    async def promote(self, name: str) -> ClusterAnswer:
        """Let a learner decide."""
        held = self._member(name)
        if held.role == "voter":
            raise RtgfError(Code.RTGF_CONFLICT, f"{name} decides already")
        core = self.replicator.status().core
        known = {one.node_id: one.match for one in core.progress}
        if not known:
            # Only the leader knows who would be asked for votes that it cannot give.
            raise RtgfError(Code.RTGF_CONFLICT, f"this node does not lead; {self._leader()}")
        if not known.get(held.raft_id):
            raise RtgfError(Code.RTGF_CONFLICT, f"{name} has no state yet; start it, try again")
        return await self._change(Member(held.raft_id, name, held.address, "voter"))

    async def remove(self, name: str) -> ClusterAnswer:
        """Take a member out for good."""
        held = self._member(name)
        return await self._change(Member(held.raft_id, name, held.address, "removed"))

    async def transfer(self, to: str | None) -> ClusterAnswer:
        """Hand leadership over."""
        if not self.replicator.leader:
            raise RtgfError(Code.RTGF_CONFLICT, f"this node does not lead; {self._leader()}")
        heir = self._member(to).raft_id if to is not None else 0
        if to is not None and self._member(to).role != "voter":
            raise RtgfError(Code.RTGF_CONFLICT, f"{to} is a learner; promote it first")
        await self.replicator.transfer(heir)
        return self.shown()

    async def _change(self, member: Member) -> ClusterAnswer:
        await self.replicator.change_members([member])
        log.info("member_changed", name=member.name, role=member.role)
        return self.shown()

    def _fetching(self) -> StateFetch | None:
        under_way = self.replicator.taking.under_way
        if under_way is None:
            return None
        members, manifest = self.replicator.members(), under_way.manifest
        return StateFetch(
            member=members[under_way.member].name if under_way.member in members else "",
            bytes=self._bulk.here(manifest.sha256, self._config.node.data_dir / INCOMING),
            of_bytes=manifest.size,
            objects=sum(map(self._store.objects.has, under_way.missing)),
            of_objects=len(under_way.missing),
        )

    def _leader(self) -> str:
        names = {one.raft_id: one.name for one in self.replicator.members().values()}
        name = names.get(self.replicator.leader_id)
        return f"ask {name}" if name is not None else "nobody is known to"

    def _member(self, name: str) -> Member:
        for one in self.replicator.members().values():
            if one.name == name:
                return one
        raise RtgfError(Code.RTGF_NOT_FOUND, f"no member is named {name!r}")


@asynccontextmanager
async def _membership(
    config: Config,
    store: Store,
    state: RaftState,
    clock: Clock,
    check_head: Callable[[SignedState], None],
) -> AsyncIterator[Membership]:
    """Take part in the cluster while the context lasts."""
    told = config.cluster
    tls = PeerTls(told.certificate_file, told.key_file, told.ca_file)
    starts = Starts(secrets.token_bytes(8))
    cluster_id = RaftStore(store.conn).cluster_id()
    seat = Seat(config.log_origin(), cluster_id, state.raft_id, starts)

    def jitter() -> float:
        return secrets.randbelow(1000) / 1000

    def roster() -> dict[int, Member]:
        return replicator.members()

    def quorums() -> Sequence[Collection[int]]:
        return replicator.quorums()

    incoming = config.node.data_dir / INCOMING
    bulk = Bulk(
        seat,
        roster=roster,
        quorums=quorums,
        tls=tls,
        objects=store.objects,
        snapshots=config.node.data_dir / FOLDER,
        incoming=incoming,
        jitter=jitter,
    )
    transport = PeerTransport(seat, roster=roster, tls=tls, serve_bulk=bulk.serve, jitter=jitter)

    def incident(found: Divergence) -> bytes:
        name, actor = roster()[found.raft_id].name, config.log_origin()
        return found.incident(name, at=clock.now(), actor=actor)

    async def fetch_state(manifest: Manifest, sender: int) -> Path:
        return await bulk.fetch_file(manifest.sha256, manifest.size, sender, incoming)

    replicator = RaftReplicator(
        StateMachine(store),
        store,
        transport=transport,
        objects=bulk,
        fetch_state=fetch_state,
        check_head=check_head,
        incident=incident,
        starts=starts,
        settings=RaftSettings(
            tick_seconds=told.tick_milliseconds / 1000,
            election_ticks=told.election_ticks,
            compact_every=told.compact_every,
        ),
    )
    bulk.sweep(clock.now())
    async with trio.open_nursery() as nursery:
        await nursery.start(replicator.run)
        await nursery.start(partial(transport.run, told.bind, replicator))
        try:
            yield Membership(config, store, replicator, transport, bulk, seat)
        finally:
            with trio.CancelScope(shield=True):
                await replicator.aclose()
            nursery.cancel_scope.cancel()


def _words(fetching: StateFetch) -> str:
    whose = f"the state of {fetching.member}"
    if fetching.bytes < fetching.of_bytes:
        return f"it fetches {whose}: {fetching.bytes:,} of {fetching.of_bytes:,} bytes"
    if fetching.objects < fetching.of_objects:
        return (
            f"it fetches what {whose} rests on: {fetching.objects} of {fetching.of_objects} files"
        )
    return f"it checks {whose}"


def _line(member: Member) -> ClusterMember:
    return ClusterMember(
        raft_id=member.raft_id, name=member.name, address=member.address, role=member.role
    )
