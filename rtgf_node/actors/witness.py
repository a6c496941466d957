"""The witness actor: this node as a witness of other logs (C2SP tlog-witness).

It cosigns a checkpoint only when its log signed it, and when it was proved to extend the one that
was cosigned last; it remembers it durably, for ever, before it answers. One request at a time:
comparing and remembering are one step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import structlog
import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Commit, Cosign, Cosigned
from rtgf_node.core import add_checkpoint, checkpoint, cosignature, fork, note
from rtgf_node.core.add_checkpoint import AddCheckpoint, Held
from rtgf_node.core.checkpoint import Checkpoint
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import Signer
from rtgf_node.core.note import VerifierKey
from rtgf_node.errors import Code, RtgfError
from rtgf_node.neighbour_figures import NeighbourFigures
from rtgf_node.replication.commands import CosignCheckpoint, RecordFinding
from rtgf_node.store import Store
from rtgf_node.store.witness_store import CosignedRow

log = structlog.get_logger(__name__)


class WitnessActor:
    """Owns what is cosigned.

    Args:
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
        self._name = name
        self._logs = logs
        self._reporter = reporter
        self._clock = clock
        self._figures = figures

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Cosign until cancelled."""
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
        held = self._store.witness.cosigned(shown.origin)
        last = None if held is None else Held(held.tree_size, held.root)
        try:
            add_checkpoint.check(last, shown, old_size=request.old_size, proof=request.proof)
            # Here and now, so that what is remembered is what is answered; it leaves this function
            # only after that.
            at = self._clock.now()
            line = cosignature.cosign(text, self._name, self._signer, at)
            if last is None or last.size < shown.size:
                await self._remember(request, shown, line, at)
        except RtgfError as error:
            if error.code is not Code.RTGF_CONFLICT:
                raise
            if held is not None and (held.tree_size, held.root) != (shown.size, shown.root):
                await self._report_fork(held, shown, request.note)
            newest = self._store.witness.cosigned(shown.origin)
            return Cosigned(None, newest.tree_size if newest is not None else 0)
        return Cosigned(line, shown.size)

    def _opened(self, signed: bytes) -> tuple[str, Checkpoint]:
        """Return the text of a note and the checkpoint that its log says with it.

        Raises:
          RtgfError: RTGF_BAD_REQUEST, RTGF_NOT_FOUND or RTGF_FORBIDDEN.
        """
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
        self, request: AddCheckpoint, shown: Checkpoint, line: str, at: int
    ) -> None:
        cosigned = cosignature.attach(request.note.decode(), [line])
        command = CosignCheckpoint(
            origin=shown.origin,
            old_size=request.old_size,
            tree_size=shown.size,
            root=shown.root,
            proof=request.proof,
            at=at,
            note=cosigned.encode(),
        )
        await self._log.ask(Commit(command, covered=False))

    async def _report_fork(self, held: CosignedRow, shown: Checkpoint, signed: bytes) -> None:
        """Keep the evidence if a log signed two trees of one size; once for each log is enough."""
        if held.tree_size != shown.size or self._store.gossip.of_log(shown.origin):
            return
        at = self._clock.now()
        detail = f"{shown.origin} signed two roots for {shown.size} entries"
        evidence = fork.evidence(
            shown.origin, heads=[held.note.decode(), signed.decode()], detail=detail, at=at
        )
        digest = await trio.to_thread.run_sync(self._store.objects.put, evidence)
        log.error("log_forked", origin=shown.origin, detail=detail)
        command = RecordFinding(
            origin=shown.origin,
            tree_size=shown.size,
            root=shown.root,
            peer=self._name,
            evidence=digest,
            detail=detail,
            halts=False,
            at=at,
            event=fork.incident(detail, evidence=digest, reporter=self._reporter, at=at),
        )
        await self._log.ask(Commit(command, covered=False))


def _refuse_signature(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_FORBIDDEN, f"invalid signature: {detail}") from None
