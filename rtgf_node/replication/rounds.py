"""The rounds of one member: what the core says is saved, sent, applied, told; then the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import structlog
import trio

from rtgf_node.errors import RtgfError
from rtgf_node.replication import raft_entries
from rtgf_node.replication.apply_queue import ApplyQueue, Batch
from rtgf_node.replication.commands import Applied
from rtgf_node.replication.freshness import Reads
from rtgf_node.replication.membership import Members, is_learner
from rtgf_node.replication.named_objects import ObjectHolding
from rtgf_node.replication.proposal_queue import ProposalQueue
from rtgf_node.replication.raft_disk import RaftDisk, Round, after
from rtgf_node.replication.raftcore.core import Entry, Message, RaftCore, RaftError, Ready, Status
from rtgf_node.replication.raftcore.wire import (
    AFTER_SAVE,
    ConfState,
    MessageKind,
    message_head,
)
from rtgf_node.replication.replicator import Feed
from rtgf_node.replication.state_files import StateFiles
from rtgf_node.replication.state_transfer import (
    RETRY_SECONDS,
    FetchState,
    StateOffers,
    StateTaking,
    state_of,
)
from rtgf_node.replication.transport import Transport
from rtgf_node.replication.writers import Writer
from rtgf_node.store import Store, snapshot_file
from rtgf_node.store.raft_store import Member, RaftState
from rtgf_node.store.snapshot_file import SignedState

log = structlog.get_logger(__name__)

ASKED: Final = frozenset({MessageKind.PROPOSAL, MessageKind.READ_INDEX})
VOTES: Final = frozenset({MessageKind.VOTE, MessageKind.PRE_VOTE})
MARK_SECONDS: Final = 1.0
"""How often a leader says what its log is, if it has grown."""


class HeardChange:
    """A change of members that somebody waits for."""

    def __init__(self) -> None:
        self.event = trio.Event()
        self.refusal: RtgfError | None = None


class Rounds:
    """Owns the core and what was made of it. On the trio thread, but for what the writer does.

    Attributes:
      core: the core; every call is made on the trio thread.
      state: what is on disk.
      members: who is in the cluster, as of `state.delivered`.
      lead: the Raft id of the leader, 0 if none is known.
      lead_since: the time of the last change of that.
      leads: whether this node leads and has applied an entry of its own term.
      taking: another member's state, while it is fetched.
      elections: leaders that came in.
      changed: set, and another event put in its place, when `lead` or `leads` changes.
    """

    core: RaftCore
    state: RaftState
    members: Members

    def __init__(
        self,
        disk: RaftDisk,
        store: Store,
        *,
        transport: Transport,
        objects: ObjectHolding,
        fetch_state: FetchState,
        check_head: Callable[[SignedState], None],
        writer: Writer,
        queue: ProposalQueue,
        reads: Reads,
        feed: Feed,
        election_ticks: int,
        compact_every: int,
        step: Callable[[str], None],
    ) -> None:
        self._disk = disk
        self._store = store
        self._transport = transport
        self._objects = objects
        self._writer = writer
        self._queue = queue
        self._reads = reads
        self._feed = feed
        self._election_ticks = election_ticks
        self._compact_every = compact_every
        self._step = step
        self._apply = ApplyQueue(objects.has)
        self._heard: dict[tuple[str, int], HeardChange] = {}
        self._work = trio.Event()
        self._objects_wanted = trio.Event()
        self._reign = 0
        self._led_term: int | None = None
        self._elected_term = 0
        self._mark_at = 0.0
        self._marked = -1
        self._mark_now = False
        self._seen: Status | None = None
        self.is_open = False
        self.is_learner = True
        self.files = StateFiles(store.folder)
        self._offers = StateOffers(self.files, writer)
        self.taking = StateTaking(objects, fetch_state, check_head, writer)
        self.lead = 0
        self.lead_since = -math.inf
        self.leads = False
        self.elections = 0
        self.changed = trio.Event()
        self.restart_needed = trio.Event()
        self.removed = trio.Event()

    async def open(self) -> None:
        """Begin, or begin again, with what is on disk.

        Raises:
          RtgfError: as `RaftDisk.boot`.
        """
        await self._writer.aside(self.files.clear)
        boot = await self._writer.run(self._disk.boot)
        self.state = boot.state
        self.members = Members(boot.members, boot.members_changed_at)
        self._tail = boot.tail(compact_every=self._compact_every)
        self._apply.clear()
        self._apply.extend(boot.unapplied())
        self.is_learner = is_learner(ConfState.decode(boot.state.conf_state), boot.state.raft_id)
        self._offers.clear()
        self.core = boot.core(election_ticks=self._election_ticks)
        self.is_open = True
        self._led_term = None
        self.lead_since = trio.current_time()
        self._set_lead(0, leads=False)

    def close(self) -> None:
        """Give the core back; nothing is said any more."""
        if self.is_open:
            self.is_open = False
            self.core.close()

    def status(self) -> Status | None:
        """Return what the core says; while another one's state is fetched, what it said last."""
        return self.core.status() if self.is_open else self._seen

    def wake(self) -> None:
        """Let the next turn begin."""
        self._work.set()

    async def wait(self) -> None:
        """Return when there may be something to do."""
        await self._work.wait()
        self._work = trio.Event()

    def tick(self) -> None:
        """Let one tick of the core's time pass."""
        if self.is_open:
            self.core.tick()
            now = trio.current_time()
            if self.leads and now >= self._mark_at:
                self._mark_at, self._mark_now = now + MARK_SECONDS, True
            self.wake()

    def receive(self, message: bytes) -> None:
        """Take a message whose sender was checked."""
        if self.is_open:
            # A node with nothing cannot say whose log is new enough. If it is new, it is a learner
            # and not needed; if it lost its disk, it has forgotten what it promised.
            if not self.state.delivered and message_head(message).kind in VOTES:
                return
            try:
                self.core.step(message)
            except RaftError as error:
                log.debug("message_refused", reason=str(error))
            self.wake()

    def expect_change(self, asker: str, number: int) -> HeardChange:
        """Return what hears of a change of members."""
        heard = self._heard[(asker, number)] = HeardChange()
        return heard

    def forget_change(self, asker: str, number: int) -> None:
        """Hear no more of it."""
        self._heard.pop((asker, number), None)

    # --- one turn -------------------------------------------------------------------------------

    async def turn(self) -> bool:
        """Do one round, if there is one; say whether there was.

        Raises:
          RaftPanicError, sqlite3.Error, DivergenceError, RtgfError: the member must stop.
        """
        self._offer()
        ready = self.core.ready()
        if ready is None and not self._can_apply():
            return False
        if ready is not None and ready.snapshot:
            await self._take_state(ready)
            return True
        await self._round(ready)
        return True

    async def _round(self, ready: Ready | None) -> None:
        members: list[tuple[tuple[Member, ...], int]] = []
        before = self.state
        early, late = _by_promise(ready)
        if ready is not None:
            self._follow(ready)
            self._apply.extend(ready.committed)
        batch = self._apply.take()
        state = after(before, ready, batch)
        for entry in ready.committed if ready is not None else ():
            if entry.kind:
                conf_state = self._deliver(entry, members)
                state = state._replace(conf_state=conf_state.encode())
        cut = None if self._offers.making else self._tail.cut(before.applied)
        if cut is not None:
            state = state._replace(compacted=cut[0], compacted_term=cut[1])
        self._send(early)
        applied: list[Applied] = []
        work = Round(state, ready.entries if ready is not None else (), members, batch)
        if not work.says_nothing(before):
            self._step("before_save")
            applied = await self._writer.run(partial(self._disk.save, work))
            self._step("after_save")
            self.state = state
            self._tail.append(work.entries)
        if ready is not None:
            self.core.persisted()
            self._step("before_send")
            self._send(late)
            for index, context in ready.read_states:
                self._reads.confirm(context, index)
        self._tell(batch, applied)
        self._step("after_apply")
        if ready is not None:
            self.core.advance()
        if cut is not None:
            self.core.compact(cut[0])
            self._tail.forget(cut[0])

    def _tell(self, batch: Batch, applied: Sequence[Applied]) -> None:
        """Tell what was applied: whoever follows first, then the askers."""
        self._feed.publish(applied)
        self._queue.settle(batch.proposals, applied)
        self._reads.settle(self.state.applied, trio.current_time())
        if self._led_term is not None and batch.term >= self._led_term and not self.leads:
            self._set_lead(self.lead, leads=True)
        if self._apply.missing():
            self._objects_wanted.set()

    def _can_apply(self) -> bool:
        return len(self._apply) > 0 and not self._apply.missing()

    def _offer(self) -> None:
        """Hand to the core what was asked of this node since the last turn."""
        now = trio.current_time()
        self._reads.settle(self.state.applied, now)
        self._reads.ask(now, self.core.read_index)
        if self.lead:
            if self._mark_now and self.leads:
                self._mark()
            leads = self.lead == self.state.raft_id
            self._queue.propose(now, self._reign, leads=leads, offer=self._propose)

    def _propose(self, entry: bytes) -> bool:
        try:
            self.core.propose(entry)
        except RaftError:
            return False
        return True

    def _mark(self) -> None:
        self._mark_now = False
        tree_size = self._store.log.size
        if tree_size == self._marked:
            return
        root = self._store.log.root_at(tree_size)
        mark = raft_entries.Mark(self.state.raft_id, self.state.applied, tree_size, root)
        if self._propose(raft_entries.encode((), mark)):
            self._marked = tree_size

    def _follow(self, ready: Ready) -> None:
        """Note who leads."""
        if ready.lead is None:
            return
        term = self.core.status().term
        self._led_term = term if ready.role == "leader" else None
        if ready.lead and term > self._elected_term:
            self._elected_term = term
            self.elections += 1
        self._set_lead(ready.lead, leads=False)

    def _set_lead(self, lead: int, *, leads: bool) -> None:
        if lead != self.lead:
            self.lead_since = trio.current_time()
        if lead != self.lead or not leads:
            self._reign += 1
        self.lead, self.leads = lead, leads
        changed, self.changed = self.changed, trio.Event()
        changed.set()

    def _deliver(self, entry: Entry, members: list[tuple[tuple[Member, ...], int]]) -> ConfState:
        """Let a change of members take effect."""
        change = self.members.deliver(entry)
        conf_state = self.core.apply_conf_change(2, change.data)
        if change.members:
            members.append((change.members, entry.index))
        heard = self._heard.get((change.asker, change.number))
        if heard is not None:
            heard.refusal = change.refusal
            heard.event.set()
        raft_id = self.state.raft_id
        self.is_learner = is_learner(conf_state, raft_id)
        if any(one.raft_id == raft_id and one.role == "removed" for one in change.members):
            self.removed.set()
        return conf_state

    def _send(self, messages: Sequence[Message]) -> None:
        by_peer: dict[int, list[bytes]] = {}
        for message in messages:
            if message.kind == MessageKind.SNAPSHOT:
                self._send_state(message)
            elif message.kind in ASKED and message_head(message.data).from_ != self.state.raft_id:
                # Passed on in the name of who asked, which no peer believes; they ask again.
                continue
            else:
                by_peer.setdefault(message.to, []).append(message.data)
        for peer, own in by_peer.items():
            if not self._transport.send(peer, own):
                self.core.report_unreachable(peer)

    def _send_state(self, message: Message) -> None:
        fits = self._offers.fits(message, self.state.compacted)
        sent = fits and self._transport.send(message.to, [message.data])
        # At once: the peer is asked with every heartbeat whether it has it by now.
        self.core.report_snapshot(message.to, ok=sent)

    async def make_states(self) -> None:
        """Write states for those who need one, until cancelled."""
        await self._offers.run(lambda: (self.core, self.state) if self.is_open else None)

    async def _take_state(self, ready: Ready) -> None:
        """Take the leader's state in place of ours; if that fails, begin again with ours."""
        self._seen = self.core.status()
        self.close()
        fetched = await self.taking.fetch(ready, ready.lead or self.lead)
        if fetched is None:
            await self.open()
            return
        manifest, path = fetched
        state = state_of(manifest, self.state, ready.hard_state)
        self._step("before_take")
        # The core may have taken in what follows the state already, and know that it is committed.
        take = partial(snapshot_file.take, self._store.conn, path, state, ready.entries)
        await self._writer.run(take)
        self._step("after_take")
        await self._writer.aside(partial(path.unlink, missing_ok=True))
        self.restart_needed.set()

    async def fetch_objects(self) -> None:
        """Get what the next command waits for, until cancelled."""
        while True:
            await self._objects_wanted.wait()
            missing = self._apply.missing()
            if not missing:
                self._objects_wanted = trio.Event()
                self.wake()
                continue
            try:
                await self._objects.fetch(sorted(missing))
            except RtgfError as error:
                log.warning("objects_not_fetched", count=len(missing), reason=str(error))
                await trio.sleep(RETRY_SECONDS)


def _by_promise(ready: Ready | None) -> tuple[list[Message], list[Message]]:
    """Return the messages that may leave before the round is saved, and those that may not."""
    early: list[Message] = []
    late: list[Message] = []
    for message in ready.messages if ready is not None else ():
        (late if message.kind in AFTER_SAVE else early).append(message)
    return early, late
