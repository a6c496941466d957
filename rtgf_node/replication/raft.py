"""Replication in a cluster: the Raft core decides, one transaction a round keeps and applies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
import trio

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import Applied, Proposal
from rtgf_node.replication.divergence import Divergence, DivergenceError
from rtgf_node.replication.freshness import Reads
from rtgf_node.replication.last_words import LastWords
from rtgf_node.replication.named_objects import ObjectHolding, named
from rtgf_node.replication.proposal_queue import GIVE_UP_SECONDS, ProposalQueue
from rtgf_node.replication.raft_disk import RaftDisk
from rtgf_node.replication.raft_settings import RaftSettings, RaftStatus
from rtgf_node.replication.raftcore.core import RaftError, RaftPanicError
from rtgf_node.replication.raftcore.wire import ConfState
from rtgf_node.replication.replicator import Feed, Role
from rtgf_node.replication.rounds import Rounds
from rtgf_node.replication.starts import Starts
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.replication.state_transfer import FetchState, StateTaking
from rtgf_node.replication.transport import Transport
from rtgf_node.replication.writers import ThreadWriter, Writer
from rtgf_node.store import Store
from rtgf_node.store.raft_store import Member
from rtgf_node.store.snapshot_file import SignedState

log = structlog.get_logger(__name__)

LEADERLESS_ELECTIONS: Final = 6
"""Election times without a leader, after which commands are refused at once."""
EXPIRY_SECONDS: Final = 1.0
"""How often it is looked whether a command waits for too long."""


class RaftReplicator:
    """The replicator of a member of a cluster; see `Replicator`.

    Attributes:
      failed: set when the disk, the core or the history of this node cannot be trusted; it votes
        no more, and the process should end.
      error: what failed.
    """

    def __init__(
        self,
        state_machine: StateMachine,
        store: Store,
        *,
        transport: Transport,
        objects: ObjectHolding,
        fetch_state: FetchState,
        check_head: Callable[[SignedState], None],
        incident: Callable[[Divergence], bytes],
        starts: Starts,
        settings: RaftSettings = RaftSettings(),  # noqa: B008  immutable
        writer: Writer | None = None,
        step: Callable[[str], None] = lambda _name: None,
    ) -> None:
        """Prepare a member; `run` lets it take part.

        Args:
          state_machine: over the store's writing connection.
          store: a node's that was made a member by `RaftStore.found`.
          transport: to the peers.
          objects: where large bytes are.
          fetch_state: gets the file of a manifest from a member, into a file of our own.
          check_head: raises if the newest signed head of a state is not one that this node trusts.
          incident: makes the event that tells of another history here.
          starts: those of this member; a replicator is one start.
          settings: times and sizes.
          writer: who writes; a thread of its own unless something else is handed in.
          step: hears the name of every step of a round before it is taken; tests break off there.
        """
        self._store = store
        self._settings = settings
        self._objects = objects
        self._nonce = starts.nonce
        starts.stop = self._fail
        self._last_words = LastWords(transport, incident, starts.nonce)
        self._feed = Feed()
        self._writer = writer if writer is not None else ThreadWriter()
        self._queue = ProposalQueue(retry_seconds=2 * settings.election_seconds)
        self._reads = Reads(starts.nonce)
        self._rounds = Rounds(
            RaftDisk(store, state_machine, starts),
            store,
            transport=transport,
            objects=objects,
            fetch_state=fetch_state,
            check_head=check_head,
            writer=self._writer,
            queue=self._queue,
            reads=self._reads,
            feed=self._feed,
            election_ticks=settings.election_ticks,
            compact_every=settings.compact_every,
            step=step,
        )
        self._begun = False
        self._closing = False
        self._ended = trio.Event()
        self._changes = 0
        self.failed = trio.Event()
        self.error: BaseException | None = None

    @property
    def restart_needed(self) -> trio.Event:
        """Set when another member's state was taken: what is in memory is of the old one."""
        return self._rounds.restart_needed

    @property
    def removed(self) -> trio.Event:
        """Set when this node is no member any more."""
        return self._rounds.removed

    @property
    def feed(self) -> Feed:
        """What was applied, in order."""
        return self._feed

    @property
    def alone(self) -> bool:
        """False: this node is a member of a cluster, if only of one member."""
        return False

    @property
    def taking(self) -> StateTaking:
        """Another member's state, while it is fetched in place of this one's."""
        return self._rounds.taking

    @property
    def leader(self) -> bool:
        """Whether this node leads and has applied all that earlier leaders committed."""
        return self._rounds.leads

    @property
    def leader_id(self) -> int:
        """The Raft id of the leader, 0 if none is known."""
        return self._rounds.lead

    @property
    def role(self) -> Role:
        """What this node is in its cluster."""
        if self._rounds.leads:
            return "leader"
        return "learner" if self._rounds.is_learner else "follower"

    @property
    def elections(self) -> int:
        """How many leaders this member saw come in."""
        return self._rounds.elections

    @property
    def waiting(self) -> int:
        """How many commands were proposed here and are not answered yet."""
        return self._queue.waiting

    def members(self) -> dict[int, Member]:
        """Return who is in the cluster, as of what is known here."""
        return self._rounds.members.present()

    def quorums(self) -> list[tuple[int, ...]]:
        """Return who decides, as of what is known here: two sets while a change is under way."""
        conf = ConfState.decode(self._rounds.state.conf_state)
        return [voters for voters in (conf.voters, conf.voters_outgoing) if voters]

    def staleness_seconds(self) -> float:
        """Return for how long this node may have missed what others committed."""
        return self._reads.age(trio.current_time())

    def status(self) -> RaftStatus:
        """Return where this member stands.

        Raises:
          RtgfError: RTGF_UNAVAILABLE if it begins or stops.
        """
        core = None if self._over() else self._rounds.status()
        if core is None:
            raise self._why_closed()
        state = self._rounds.state
        # The core may have heard of a newer leader since the last round.
        deposed = self.role == "leader" and core.role != "leader"
        return RaftStatus(
            core=core,
            role="follower" if deposed else self.role,
            members=tuple(self._rounds.members.all().values()),
            delivered=state.delivered,
            applied=state.applied,
            waiting=self.waiting,
            staleness_seconds=self.staleness_seconds(),
        )

    async def propose(self, proposals: Sequence[Proposal]) -> list[Applied]:
        """Have commands applied in their order, here too; see `Replicator.propose`.

        Raises:
          RtgfError: RTGF_BODY_TOO_LARGE if one cannot travel; RTGF_OVERLOADED; RTGF_UNAVAILABLE if
            nobody took it in in time: whether it was applied is not known, the same numbers tell.
        """
        self._check_open()
        self._check_leader()
        objects = {digest for proposal in proposals for digest in named(proposal.command)}
        if objects:
            await self._objects.hold(sorted(objects))
            self._check_open()
        ticket = self._queue.add(proposals, trio.current_time())
        self._rounds.wake()
        await ticket.done.wait()
        if ticket.error is not None:
            raise ticket.error
        return [ticket.applied[number] for number in ticket.numbers]

    async def read_barrier(self) -> None:
        """Return when all that was committed anywhere before this call is applied here.

        Raises:
          RtgfError: RTGF_UNAVAILABLE if no majority confirms it in time, RTGF_OVERLOADED.
        """
        self._check_open()
        await self._reads.barrier(self._rounds.wake)

    async def change_members(self, members: Sequence[Member]) -> None:
        """Add, promote, demote or remove members, all at once; it is so when this returns.

        Raises:
          RtgfError: RTGF_CONFLICT or RTGF_INPUT_INVALID if it is refused; RTGF_UNAVAILABLE if no
            majority took it in in time: look at the members to know.
        """
        self._check_open()
        self._changes += 1
        asker, rounds = self._nonce.hex(), self._rounds
        change = rounds.members.propose(asker, self._changes, members)
        heard = rounds.expect_change(asker, self._changes)
        why = "no leader took it in"
        with trio.move_on_after(GIVE_UP_SECONDS):
            while not heard.event.is_set():
                try:
                    rounds.core.propose_conf_change(change)
                except RaftError as error:
                    why = str(error)
                rounds.wake()
                with trio.move_on_after(2 * self._settings.election_seconds):
                    await heard.event.wait()
        rounds.forget_change(asker, self._changes)
        if heard.refusal is not None:
            raise heard.refusal
        if not heard.event.is_set():
            raise RtgfError(Code.RTGF_UNAVAILABLE, f"the members were not changed: {why}")

    async def transfer(self, to: int = 0) -> None:
        """Let another voter lead: `to`, or the one that holds most.

        Raises:
          RtgfError: RTGF_CONFLICT if this node does not lead or there is nobody else;
            RTGF_UNAVAILABLE if nothing came of it.
        """
        self._check_open()
        rounds = self._rounds
        status = rounds.core.status()
        others = [
            one
            for one in status.progress
            if one.node_id != status.node_id and not one.learner and one.active
        ]
        if status.role != "leader" or not others:
            raise RtgfError(Code.RTGF_CONFLICT, "this node does not lead, or nobody else could")
        best = max(others, key=lambda one: (one.match, -one.node_id))
        rounds.core.transfer(to or best.node_id)
        rounds.wake()
        with trio.move_on_after(2 * self._settings.election_seconds):
            while rounds.lead in {0, status.node_id}:
                await rounds.changed.wait()
            return
        raise RtgfError(Code.RTGF_UNAVAILABLE, "the other node did not take over in time")

    def receive(self, sender: int, message: bytes) -> None:
        """Take a message; see `Inbox`."""
        if not self._over():
            try:
                self._rounds.receive(message)
            except RaftPanicError as error:
                log.error("panic_at_message", sender=sender)
                self._fail(error)

    def unreachable(self, peer: int) -> None:
        """Hear that messages to a peer were lost."""
        if not self._over() and self._rounds.is_open:
            try:
                self._rounds.core.report_unreachable(peer)
            except RaftPanicError as error:
                self._fail(error)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take part until `aclose`, or until `failed`, `restart_needed` or cancelled.

        Raises:
          RtgfError: this node is no member, or what it holds is damaged; it never took part.
        """
        self._begun = True
        try:
            await self._rounds.open()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._guarded, self._tick, nursery)
                nursery.start_soon(self._guarded, self._rounds.fetch_objects, nursery)
                nursery.start_soon(self._guarded, self._rounds.make_states, nursery)
                task_status.started()
                await self._guarded(self._drive, nursery)
                nursery.cancel_scope.cancel()
        finally:
            self._closing = True
            self._queue.fail(self._why_closed())
            self._rounds.close()
            await self._writer.aclose()
            self._ended.set()

    async def aclose(self) -> None:
        """Hand the lead over, if this node has it, and stop. What waits is not known then."""
        if self._rounds.leads and not self._over():
            try:
                await self.transfer()
            except RtgfError as error:
                log.info("lead_not_handed_over", reason=error.detail)
        self._closing = True
        self._rounds.taking.give_up()
        self._rounds.wake()
        if self._begun:
            await self._ended.wait()

    async def _guarded(self, work: Callable[[], Awaitable[None]], nursery: trio.Nursery) -> None:
        try:
            await work()
        except (Exception, RaftPanicError) as error:  # noqa: BLE001  whoever waits for `failed` ends the process
            if isinstance(error, DivergenceError):
                await self._last_words.say(error.found, self._rounds.lead)
            self._fail(error)
            nursery.cancel_scope.cancel()

    async def _drive(self) -> None:
        while not self._over():
            if not await self._rounds.turn():
                await self._rounds.wait()

    async def _tick(self) -> None:
        expire_at = trio.current_time()
        while not self._over():
            await trio.sleep(self._settings.tick_seconds)
            self._rounds.tick()
            if trio.current_time() >= expire_at:
                expire_at = trio.current_time() + EXPIRY_SECONDS
                self._queue.expire(trio.current_time())

    def _over(self) -> bool:
        return self._closing or self.error is not None or self.restart_needed.is_set()

    def _check_open(self) -> None:
        if self._over() or not self._rounds.is_open:
            raise self._why_closed()

    def _check_leader(self) -> None:
        """Refuse what nobody could take in now: an election takes less than this.

        Raises:
          RtgfError: RTGF_UNAVAILABLE.
        """
        patience = LEADERLESS_ELECTIONS * self._settings.election_seconds
        if not self._rounds.lead and trio.current_time() - self._rounds.lead_since > patience:
            raise RtgfError(
                Code.RTGF_UNAVAILABLE,
                "nobody leads the cluster: this node reaches no majority; try again shortly",
            )

    def _why_closed(self) -> RtgfError:
        why = "it begins or stops" if self.error is None else "it failed"
        error = RtgfError(
            Code.RTGF_UNAVAILABLE, f"this member takes nothing more, {why}; ask another one"
        )
        error.__cause__ = self.error
        return error

    def _fail(self, error: BaseException) -> None:
        if self.error is None:
            log.error("member_failed", error=repr(error))
            self.error = error
        self.failed.set()
        self._rounds.taking.give_up()
        self._rounds.wake()
