"""The log actor: everything that changes the node goes through it, in one order.

It takes whatever waits, commits it as one batch and tells the world what was applied; beside that,
it signs a head over what has been committed since the last one. A caller is answered when its
entries are durable and a durable head covers them, with their proofs or without, or already before
the head, as it asks. If the process dies between the two, the next start signs a head over the
leaves that are there.

A head is signed as `head_signing` says, and then committed. Only then does anybody see it.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import structlog
import trio

from rtgf_node.actors.head_signing import HeadSigning
from rtgf_node.actors.mailbox import Envelope, Mailbox
from rtgf_node.actors.messages import Commit, CommitProved, Proved, ResumeSigning
from rtgf_node.core import event, tree_head
from rtgf_node.core.canonical_json import canonical_bytes, parse
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import Signer
from rtgf_node.core.tree_head import TreeHead
from rtgf_node.errors import Code, RtgfError
from rtgf_node.guards.head_guard import HeadGuard
from rtgf_node.replication import commands
from rtgf_node.replication.commands import Applied, Command, Outcome, Proposal
from rtgf_node.replication.replicator import Replicator
from rtgf_node.store import bundles
from rtgf_node.store.log_store import LogStore
from rtgf_node.telemetry import Metrics

log = structlog.get_logger(__name__)

HEAD_PAUSE_SECONDS = 0.01
"""Between two heads while commands wait: a hundred heads a second cover what is appended."""

LEADER_SECONDS = 0.25
"""How soon a node of a cluster notices that it leads now, and signs."""

_TAKEN_WHEN_HALTED = (
    commands.Revoke,
    commands.RecordKeys,
    commands.NoteDelivery,
    commands.RecordFinding,
)
"""What is taken in after an incident: what withdraws, who heard of it, and what else is found."""


class LogActor:
    """Owns the order of all changes, and the signature over it.

    Args:
      client_id: unique for this start of the process; with a sequence number it makes each
        proposal idempotent.
      head_every_seconds: a head is signed at least this often, so that its age proves liveness.
      contradiction: what was found before this start and halts the log until it is settled.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        replicator: Replicator,
        reader: LogStore,
        signer: Signer,
        guard: HeadGuard,
        origin: str,
        clock: Clock,
        client_id: str,
        batch_max: int,
        head_every_seconds: float,
        metrics: Metrics,
        contradiction: str | None = None,
    ) -> None:
        self._mailbox = mailbox
        self._replicator = replicator
        self._reader = reader
        self._heads = HeadSigning(
            reader=reader,
            signer=signer,
            guard=guard,
            origin=origin,
            clock=clock,
            every_seconds=head_every_seconds,
        )
        self._origin = origin
        self._clock = clock
        self._client_id = client_id
        self._sequence = 0
        self._batch_max = batch_max
        self._head_every = head_every_seconds
        self._metrics = metrics
        self._counted = reader.size
        self._grown = trio.Event()
        self._uncovered: list[tuple[Envelope, Outcome]] = []
        self._unsigned: list[tuple[int, float]] = []  # sizes that wait for a head, since when
        self.halted: str | None = contradiction
        """Why intake is halted after an incident; None in good times."""
        self._contradicted = contradiction is not None

    @property
    def forked(self) -> str | None:
        """Why this store may not sign: an old or another copy of the log. None in good times."""
        return self._heads.forked

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit what is asked until cancelled."""
        await self._heads.open(alone=self._replicator.alone)
        if self.forked is not None:
            log.error("store_may_not_sign", detail=self.forked)
        heard = self._replicator.feed.subscribe("log", self._hear)
        try:
            await self._sign_or_cover()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._sign_heads)
                task_status.started()
                async for first in self._mailbox:
                    await self._serve([first, *self._mailbox.take_nowait(self._batch_max - 1)])
        finally:
            self._replicator.feed.unsubscribe(heard)
            for envelope, _ in self._uncovered:
                envelope.fail(RtgfError(Code.RTGF_ACTOR_CRASHED, "durable, but no head covers it"))
            self._uncovered.clear()

    def _hear(self, applied: Applied) -> None:
        """Take note of what was applied, by whomever it was proposed."""
        command = applied.command
        if isinstance(command, commands.RecordFinding) and command.halts:
            self._contradict(command.detail)
        elif isinstance(command, commands.SettleFindings):
            self._contradicted = False
            self.halted = None
        if not (self._replicator.leader and isinstance(command, commands.SignedHead)):
            self._grown.set()

    async def _serve(self, envelopes: Sequence[Envelope]) -> None:
        """Commit one batch and answer its askers; who wants a covering head waits for it."""
        askers: list[Envelope] = []
        proposals: list[Proposal] = []
        try:
            for envelope in envelopes:
                match envelope.request:
                    case Commit(command) | CommitProved(command):
                        refusal = self._refusal(command)
                        if refusal is not None:
                            envelope.fail(refusal)
                        else:
                            askers.append(envelope)
                            proposals.append(self._proposal(command))
                    case ResumeSigning() as request:
                        with self._mailbox.answering(envelope):
                            await self._resume(request)
                            envelope.reply(None)
                    case unknown:
                        raise TypeError(f"not a log request: {unknown!r}")
            began = trio.current_time()
            applied = await self._propose(askers, proposals)
            self._count(applied, trio.current_time() - began)
            violation = self._answer(askers, applied)
        except BaseException:
            for envelope in envelopes:
                envelope.fail(RtgfError(Code.RTGF_ACTOR_CRASHED, "the log stopped; try again"))
            raise
        self._grown.set()
        if violation is not None:
            await self._halt(violation)

    async def _propose(
        self, askers: list[Envelope], proposals: Sequence[Proposal]
    ) -> list[Applied]:
        """Return what came of `proposals`; nothing, and no askers left, if nobody can take them."""
        if not proposals:
            return []
        try:
            return await self._replicator.propose(proposals)
        except RtgfError as error:
            for envelope in askers:
                envelope.fail(error)
            askers.clear()
            return []

    def _count(self, applied: Sequence[Applied], seconds: float) -> None:
        """Count what was taken in or refused.

        Whoever gives verdicts has heard of it by now, since the proposer is told last: `seconds`,
        in which it was committed too, are what a revocation took to be in force.
        """
        for result in applied:
            if isinstance(result.outcome, RtgfError):
                self._metrics.ingested("refused", _types(result.command))
            elif isinstance(result.command, commands.Revoke):
                self._metrics.revocation_propagation.observe(seconds)
        start, self._counted = self._counted, self._reader.size
        self._metrics.ingested("ok", self._reader.types(start, self._counted))

    def _answer(self, askers: Sequence[Envelope], applied: Sequence[Applied]) -> RtgfError | None:
        violation = None
        leaves = 0
        for envelope, result in zip(askers, applied, strict=True):
            outcome = result.outcome
            if isinstance(outcome, RtgfError):
                self._metrics.appended("refused")
                if outcome.code is Code.RTGF_TXP_APPEND_VIOLATION:
                    violation = outcome
                envelope.fail(outcome)
                continue
            leaves += len(outcome.leaf_indexes)
            if outcome.leaf_indexes and not self._contradicted and self.forked is None:
                self._unsigned.append((outcome.tree_size, envelope.asked_at))
            request = envelope.request
            proved = isinstance(request, CommitProved)
            waits = proved or (isinstance(request, Commit) and request.covered)
            if waits and outcome.leaf_indexes and not self._contradicted:
                self._uncovered.append((envelope, outcome))
            else:
                envelope.reply(Proved(outcome, ()) if proved else outcome)
        self._metrics.appended("ok", leaves)
        return violation

    def _refusal(self, command: Command) -> RtgfError | None:
        if self.forked is not None:
            return RtgfError(Code.RTGF_UNAVAILABLE, f"this store may only be read: {self.forked}")
        if self.halted is not None and not isinstance(command, _TAKEN_WHEN_HALTED):
            return RtgfError(Code.RTGF_UNAVAILABLE, self.halted)
        return None

    # --- heads ----------------------------------------------------------------------------------

    async def _sign_heads(self) -> None:
        """Sign a head whenever the tree has grown, and now and then when it has not."""
        alone = self._replicator.alone
        while True:
            with trio.move_on_after(self._head_every if alone else LEADER_SECONDS):
                await self._grown.wait()
            self._grown = trio.Event()
            if await self._sign_or_cover() and self._mailbox.statistics().depth:
                # Under load one head covers many batches: signing each would slow them all.
                await trio.sleep(HEAD_PAUSE_SECONDS)

    async def _sign_or_cover(self) -> bool:
        """Sign if it is ours to sign; else answer those whom another member's head covers.

        Return whether it was more than a look at a head that will do.
        """
        if self._replicator.leader:
            if self.forked is None and not self._contradicted:
                return await self._sign_head()
        elif (held := self._reader.latest_head()) is not None:
            self._show(held.tree_size, held.document)
        return True

    async def _sign_head(self) -> bool:
        """Sign and publish the tree as it stands, unless the last head covers it and is young.

        Raises:
          RtgfError: as `HeadSigning.next`; the actor must crash, not sign.
        """
        head = await self._heads.next()
        if head is not None:
            await self._publish(head)
        elif (held := self._reader.latest_head()) is not None:
            self._cover(held.tree_size, held.document)
        return head is not None

    async def _publish(self, head: TreeHead) -> None:
        """Make a head durable and answer whoever waited for it."""
        command = _head_command(head)
        try:
            (result,) = await self._replicator.propose([self._proposal(command)])
        except RtgfError as error:
            # Whoever leads now signs another; nobody has seen this one.
            log.warning("head_not_published", detail=error.detail)
            return
        if isinstance(result.outcome, RtgfError):
            self._metrics.root_published("refused")
            if result.outcome.code is Code.RTGF_CONFLICT and not self._replicator.alone:
                # The lead was lost, and the next leader's head of a larger tree came in first.
                log.warning("head_not_published", detail=result.outcome.detail)
                return
            raise RuntimeError(f"the signed head was refused: {result.outcome}")
        self._metrics.root_published("ok")
        self._show(head.tree_size, command.document)

    def _show(self, size: int, document: bytes) -> None:
        self._metrics.log_tree_size.set(size)
        self._cover(size, document)

    def _cover(self, size: int, document: bytes) -> None:
        """Answer everybody whose entries a durable head, which is this document, covers now."""
        now = trio.current_time()
        for end, since in self._unsigned:
            if end <= size:
                self._metrics.head_delay.observe(now - since)
        self._unsigned = [one for one in self._unsigned if one[0] > size]
        waiting, self._uncovered = self._uncovered, []
        to_prove = []
        for envelope, outcome in waiting:
            if outcome.tree_size > size:
                self._uncovered.append((envelope, outcome))
            elif isinstance(envelope.request, CommitProved):
                to_prove.append((envelope, outcome))
            else:
                envelope.reply(outcome)
        if to_prove:
            self._prove(to_prove, tree_head.from_document(parse(document)))

    def _prove(self, askers: Sequence[tuple[Envelope, Outcome]], head: TreeHead) -> None:
        """Answer with proofs, all under one head."""
        indexes = [index for _, outcome in askers for index in outcome.leaf_indexes]
        try:
            made = iter(bundles.make(self._reader, indexes, head=head))
        except RtgfError as error:
            for envelope, _ in askers:
                envelope.fail(error)
            return
        for envelope, outcome in askers:
            own = itertools.islice(made, len(outcome.leaf_indexes))
            envelope.reply(Proved(outcome, tuple(own)))

    async def _resume(self, request: ResumeSigning) -> None:
        """Sign from this store although somebody says otherwise, and say so in the log."""
        if self._contradicted:
            await self._settle(request)
            if self.forked is None:
                return
        if self.forked is None:
            raise RtgfError(Code.RTGF_CONFLICT, "this log signs already; nothing is to be resumed")
        log.warning("signing_resumed", actor=request.actor, detail=self.forked)
        await self._incident("signing_resumed", f"{request.reason}: {self.forked}", request.actor)
        await self._publish(await self._heads.sign_whatever_was_signed())

    def _contradict(self, detail: str) -> None:
        """Sign nothing more: somebody holds a signed head that cannot be true beside another."""
        self._contradicted = True
        self.halted = f"nothing is signed after an incident: {detail}"
        log.error("signing_halted", detail=detail)
        for envelope, _ in self._uncovered:
            envelope.fail(RtgfError(Code.RTGF_UNAVAILABLE, f"durable, but {self.halted}"))
        self._uncovered.clear()

    async def _settle(self, request: ResumeSigning) -> None:
        """Go on beside the contradiction, which stays in the log with who accepted it."""
        detail = f"{request.reason}: {self.halted}"
        log.warning("signing_resumed", actor=request.actor, detail=detail)
        settled = self._incident_event("findings_settled", detail, request.actor)
        command = commands.SettleFindings(at=self._clock.now(), event=settled)
        await self._replicator.propose([self._proposal(command)])

    async def _halt(self, violation: RtgfError) -> None:
        """Take nothing more in but revocations, and say so in the log itself."""
        self.halted = f"intake is halted after an incident: {violation}"
        log.error("append_violation", detail=violation.detail)
        try:
            await self._incident(violation.code.name, violation.detail, self._origin)
        except RtgfError as error:
            log.error("incident_not_logged", detail=str(error))

    async def _incident(self, subject: str, detail: str, actor: str) -> None:
        incident = self._incident_event(subject, detail, actor)
        command = commands.AppendEvents(events=(incident,))
        await self._replicator.propose([self._proposal(command)])
        self._grown.set()

    def _incident_event(self, subject: str, detail: str, actor: str) -> bytes:
        return event.incident(subject, detail, at=self._clock.now(), actor=actor)

    def _proposal(self, command: Command) -> Proposal:
        self._sequence += 1
        return Proposal(self._client_id, self._sequence, command)


def _head_command(head: TreeHead) -> commands.SignedHead:
    return commands.SignedHead(
        document=canonical_bytes(tree_head.to_document(head)),
        tree_size=head.tree_size,
        root=head.root(),
    )


def _types(command: Command) -> dict[str, int]:
    """Return how many events of each type a refused command would have brought."""
    if isinstance(command, commands.Revoke):
        return {"revocation": 1}
    if isinstance(command, commands.PublishBuild):
        return {"build": 1}
    one = getattr(command, "event", None)
    entries: Sequence[bytes] = getattr(command, "events", () if one is None else (one,))
    try:
        return dict(Counter(event.parse(entry).type for entry in entries))
    except RtgfError:
        return {"unreadable": 1}
