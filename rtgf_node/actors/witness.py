"""The witness actor: this node as a witness of other logs (C2SP tlog-witness).

It cosigns a checkpoint only when its log signed it, and when it was proved to extend the one that
was cosigned last; it remembers it durably, for ever, before it answers: in the guard, then in the
store. One request at a time: comparing and remembering are one step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import msgspec
import structlog
import trio

from rtgf_node.actors import fork_report
from rtgf_node.actors.fork_report import Fork, SignedHead
from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Commit, Cosign, Cosigned
from rtgf_node.core import add_checkpoint, checkpoint, cosignature, digests, event, note
from rtgf_node.core.add_checkpoint import AddCheckpoint, Held
from rtgf_node.core.checkpoint import Checkpoint
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import Signer
from rtgf_node.core.note import VerifierKey
from rtgf_node.errors import Code, RtgfError
from rtgf_node.figures.neighbours import NeighbourFigures
from rtgf_node.guards.witness_guard import WitnessGuard
from rtgf_node.replication.commands import CosignCheckpoint, RestoreCosigned
from rtgf_node.store import Store
from rtgf_node.store.witness_store import CosignedRow

log = structlog.get_logger(__name__)

MAX_CHECKPOINT_BYTES = 32 << 10
"""Of one that is cosigned, with its signatures: a hundred of them fit, and a hundred logs' last
checkpoints in the guard."""


class WitnessActor:
    """Owns what is cosigned.

    Args:
      guard: remembers what was cosigned last, apart from the store.
      name: what this node is called as a witness.
      logs: origin → the keys that log signs with.
      reporter: who says so when a log is found to have forked.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        log: Mailbox,
        store: Store,
        signer: Signer,
        guard: WitnessGuard,
        name: str,
        logs: Mapping[str, tuple[VerifierKey, ...]],
        reporter: str,
        clock: Clock,
        figures: NeighbourFigures,
    ) -> None:
        self._mailbox = mailbox
        self._log = log
        self._store = store
        self._signer = signer
        self._guard = guard
        self._name = name
        self._logs = logs
        self._reporter = reporter
        self._clock = clock
        self._figures = figures
        self._guarded: dict[str, CosignedRow] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """See that the store holds what was cosigned; then cosign until cancelled."""
        for origin in self._logs:
            try:
                await self._recall(origin)
            except RtgfError as error:
                log.error("witness_not_ready", origin=origin, detail=str(error))
        task_status.started()
        async for envelope in self._mailbox:
            with self._mailbox.answering(envelope):
                match envelope.request:
                    case Cosign(body):
                        try:
                            answer = await self._cosign(add_checkpoint.parse(body))
                        except RtgfError as error:
                            self._figures.cosigned(error.code.name)
                            raise
                        self._figures.cosigned("RTGF_CONFLICT" if answer.line is None else "ok")
                        envelope.reply(answer)
                    case unknown:
                        raise TypeError(f"not a witness request: {unknown!r}")

    async def _cosign(self, request: AddCheckpoint) -> Cosigned:
        text, shown = self._opened(request.note)
        guarded, held = await self._recall(shown.origin)
        last = None if held is None else Held(held.tree_size, held.root)
        try:
            add_checkpoint.check(last, shown, old_size=request.old_size, proof=request.proof)
            # Here and now, so that what is remembered is what is answered; it leaves this function
            # only after that.
            at = self._clock.now()
            line = cosignature.cosign(text, self._name, self._signer, at)
            if last is None or last.size < shown.size:
                signed = cosignature.attach(request.note.decode(), [line]).encode()
                row = CosignedRow(shown.origin, shown.size, shown.root, at, signed)
                await self._remember(request, guarded, row)
        except RtgfError as error:
            if error.code is not Code.RTGF_CONFLICT:
                raise
            if held is not None and (held.tree_size, held.root) != (shown.size, shown.root):
                await self._report_fork(held, shown, request.note)
            newest = self._store.witness.cosigned(shown.origin)
            return Cosigned(None, newest.tree_size if newest is not None else 0)
        return Cosigned(line, shown.size)

    async def _recall(self, origin: str) -> tuple[CosignedRow | None, CosignedRow | None]:
        """Return what the guard and the store hold of a log; the store is never behind after this.

        A store that has forgotten it takes it up again from the guard, and says so in the log. A
        guard that knows nothing yet begins with what the store holds.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if they contradict each other, or the guard cannot be
            read; or the log does not take the change.
        """
        guarded = await trio.to_thread.run_sync(self._guard.read, origin)
        held = self._store.witness.cosigned(origin)
        if guarded is None and held is not None:
            await trio.to_thread.run_sync(self._guard.swap, None, held)
            return held, held
        if guarded is None or guarded == held:
            return guarded, held
        if held is None or held.tree_size < guarded.tree_size:
            await self._restore(guarded, held)
            return guarded, guarded
        if not self._store.witness.has_cosigned(guarded):
            raise RtgfError(
                Code.RTGF_TXP_STORE_DAMAGED,
                f"the guard and the store say otherwise of {origin}: one of them is another's",
            )
        return guarded, held

    async def _restore(self, guarded: CosignedRow, held: CosignedRow | None) -> None:
        events: tuple[bytes, ...] = ()
        # What this process put there itself, and could not put into the store, is no incident.
        if self._guarded.get(guarded.origin) != guarded:
            detail = (
                f"{guarded.tree_size} entries of {guarded.origin} were cosigned, and the store"
                f" knew of {held.tree_size if held is not None else 0}: an old copy was restored,"
                " or the node ended while it cosigned them"
            )
            log.error("witness_store_is_old", origin=guarded.origin, detail=detail)
            incident = event.make(
                type="incident",
                at=self._clock.now(),
                subject=guarded.origin,
                digest=digests.sha256(guarded.note),
                refs={},
                actor=self._reporter,
                payload={"what": "witness_store_is_old", "detail": detail},
            )
            events = (event.to_bytes(incident),)
        row = msgspec.structs.asdict(guarded)
        await self._log.ask(Commit(RestoreCosigned(**row, events=events), covered=False))

    def _opened(self, signed: bytes) -> tuple[str, Checkpoint]:
        """Return the text of a note and the checkpoint that its log says with it.

        Raises:
          RtgfError: RTGF_BAD_REQUEST, RTGF_NOT_FOUND or RTGF_FORBIDDEN.
        """
        if len(signed) > MAX_CHECKPOINT_BYTES:
            raise RtgfError(
                Code.RTGF_BAD_REQUEST, f"the checkpoint is larger than {MAX_CHECKPOINT_BYTES} bytes"
            )
        try:
            text, block = note.divide(signed)
            shown = checkpoint.from_text(text)
        except RtgfError as error:
            raise RtgfError(Code.RTGF_BAD_REQUEST, f"no checkpoint: {error.detail}") from None
        keys = self._logs.get(shown.origin)
        if keys is None:
            raise RtgfError(
                Code.RTGF_NOT_FOUND, "unknown log: this witness does not cosign this origin"
            )
        try:
            signatures = note.verify_lines(text, note.parse_lines(block), keys)
        except RtgfError as error:
            _refuse_signature(error.detail)
        if not signatures:
            _refuse_signature("no key of this log has signed the checkpoint")
        return text, shown

    async def _remember(
        self, request: AddCheckpoint, guarded: CosignedRow | None, row: CosignedRow
    ) -> None:
        await trio.to_thread.run_sync(self._guard.swap, guarded, row)
        self._guarded[row.origin] = row
        command = CosignCheckpoint(
            old_size=request.old_size, proof=request.proof, **msgspec.structs.asdict(row)
        )
        await self._log.ask(Commit(command, covered=False))

    async def _report_fork(self, held: CosignedRow, shown: Checkpoint, signed: bytes) -> None:
        """Keep the evidence if a log signed two trees of one size; once for each log is enough."""
        if held.tree_size != shown.size or self._store.gossip.of_log(shown.origin):
            return
        before = Checkpoint(held.origin, held.tree_size, held.root)
        await fork_report.report(
            Fork(
                found=shown,
                heads=[SignedHead(held.note, before), SignedHead(signed, shown)],
                peer=self._name,
                detail=f"{shown.origin} signed two roots for {shown.size} entries",
                halts=False,
            ),
            objects=self._store.objects,
            mailbox=self._log,
            reporter=self._reporter,
            clock=self._clock,
        )


def _refuse_signature(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_FORBIDDEN, f"invalid signature: {detail}") from None
