"""The log actor: everything that changes the node goes through it, in one order.

It takes whatever waits, commits it as one batch, tells the world what was applied, and signs a
head that covers it. A caller is answered when its command is durable; the head follows in the next
commit (at once when nothing else waits). If the process dies between the two, the next start signs
a head over the leaves that are there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import structlog
import trio

from rtgf_node.actors.mailbox import Envelope, Mailbox
from rtgf_node.actors.messages import Commit
from rtgf_node.core import digests, event, merkle, times, tree_head
from rtgf_node.core.canonical_json import canonical_bytes, parse
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import Signer
from rtgf_node.core.tree_head import TreeHead
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication import commands
from rtgf_node.replication.commands import Applied, Command, Proposal
from rtgf_node.replication.replicator import Replicator
from rtgf_node.store.log_store import LogStore
from rtgf_node.telemetry import Metrics

log = structlog.get_logger(__name__)


class LogActor:
    """Owns the order of all changes, and the signature over it.

    Args:
      client_id: unique for this start of the process; with a sequence number it makes each
        proposal idempotent.
      head_every_seconds: a head is signed at least this often, so that its age proves liveness.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        replicator: Replicator,
        reader: LogStore,
        signer: Signer,
        origin: str,
        clock: Clock,
        client_id: str,
        batch_max: int,
        head_every_seconds: float,
        metrics: Metrics,
    ) -> None:
        self._mailbox = mailbox
        self._replicator = replicator
        self._reader = reader
        self._signer = signer
        self._origin = origin
        self._clock = clock
        self._client_id = client_id
        self._sequence = 0
        self._batch_max = batch_max
        self._head_every = head_every_seconds
        self._metrics = metrics
        self._head: TreeHead | None = None
        self.halted: str | None = None
        """Why intake is halted after an append violation; None in good times."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit what is asked until cancelled."""
        held = self._reader.latest_head()
        self._head = tree_head.from_document(parse(held.document)) if held else None
        await self._publish_head(self._new_head())
        task_status.started()
        while True:
            first: Envelope | None = None
            with trio.move_on_after(self._head_every):
                first = await self._mailbox.receive()
            if first is None:
                await self._publish_head(self._new_head())
                continue
            await self._commit([first, *self._mailbox.take_nowait(self._batch_max - 1)])
            head = self._new_head()
            while head is not None:
                more = self._mailbox.take_nowait(self._batch_max)
                await self._commit(more, head=head)
                head = self._new_head() if more else None

    async def _commit(self, envelopes: Sequence[Envelope], *, head: TreeHead | None = None) -> None:
        """Commit one batch, a signed head before it, and answer every asker."""
        proposals = [self._proposal(_head_command(head))] if head is not None else []
        askers: list[Envelope] = []
        with self._mailbox.answering(*envelopes):
            for envelope in envelopes:
                command = envelope.request
                if not isinstance(command, Commit):
                    raise TypeError(f"not a log request: {command!r}")
                if self.halted is not None and not isinstance(command.command, commands.Revoke):
                    envelope.fail(RtgfError(Code.RTGF_UNAVAILABLE, self.halted))
                else:
                    proposals.append(self._proposal(command.command))
                    askers.append(envelope)
            applied = await self._replicator.propose(proposals)
            if head is not None:
                self._head = head
                self._published(applied.pop(0))
            violation = self._answer(askers, applied)
        if violation is not None:
            await self._halt(violation)

    def _answer(self, askers: Sequence[Envelope], applied: Sequence[Applied]) -> RtgfError | None:
        violation = None
        for envelope, result in zip(askers, applied, strict=True):
            if isinstance(result.outcome, RtgfError):
                self._metrics.appended("refused")
                if result.outcome.code is Code.RTGF_TXP_APPEND_VIOLATION:
                    violation = result.outcome
                envelope.fail(result.outcome)
            else:
                self._metrics.appended("ok", len(result.outcome.leaf_indexes))
                envelope.reply(result.outcome)
        return violation

    def _published(self, result: Applied) -> None:
        """Take note of a head that is durable now; one that was refused must end this actor."""
        if isinstance(result.outcome, RtgfError):
            self._metrics.root_published("refused")
            raise RuntimeError(f"the signed head was refused: {result.outcome}")
        self._metrics.root_published("ok")

    async def _halt(self, violation: RtgfError) -> None:
        """Take nothing more in but revocations, and say so in the log itself."""
        self.halted = f"intake is halted after an incident: {violation}"
        log.error("append_violation", detail=violation.detail)
        incident = event.make(
            type="incident",
            at=self._clock.now(),
            subject=violation.code.name,
            digest=digests.sha256(violation.detail.encode()),
            refs={},
            actor=self._origin,
            payload={"detail": violation.detail},
        )
        command = commands.AppendEvents(events=(event.to_bytes(incident),))
        await self._replicator.propose([self._proposal(command)])

    def _proposal(self, command: Command) -> Proposal:
        self._sequence += 1
        return Proposal(self._client_id, self._sequence, command)

    async def _publish_head(self, head: TreeHead | None) -> None:
        if head is not None:
            await self._commit([], head=head)

    def _new_head(self) -> TreeHead | None:
        """Sign the tree as it stands, unless the last head covers it and is young enough.

        Raises:
          RtgfError: RTGF_TXP_PROOF_INVALID when the tree does not extend what was signed last; the
            actor must crash then, never sign.
        """
        size, root, now = self._reader.size, self._reader.root(), self._clock.now()
        last = self._head
        if last is not None:
            age = now - times.parse(last.issued_at)
            if last.tree_size == size and age < math.floor(self._head_every):
                return None
            merkle.verify_consistency(
                old_size=last.tree_size,
                new_size=size,
                old_root=last.root(),
                new_root=root,
                proof=self._reader.consistency_proof(last.tree_size, size),
            )
        return tree_head.sign(self._origin, size, root, at=now, signer=self._signer)


def _head_command(head: TreeHead) -> commands.SignedHead:
    return commands.SignedHead(
        document=canonical_bytes(tree_head.to_document(head)),
        tree_size=head.tree_size,
        root=head.root(),
    )
