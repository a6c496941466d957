"""The witnessing actor: has each new head of our log cosigned by the configured witnesses.

It works beside the log, never in its way: heads are signed and shown whether or not anybody answers
here, and a witness that is slow, down or lying costs itself its cosignature. Each witness is asked
on its own, for the newest head only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import structlog
import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Commit
from rtgf_node.core import cosignature, times, tree_head
from rtgf_node.core.add_checkpoint import AddCheckpoint
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.checkpoint import Checkpoint, to_text
from rtgf_node.core.clock import Clock
from rtgf_node.core.cosignature import Cosignature
from rtgf_node.core.note import VerifierKey
from rtgf_node.egress import Egress
from rtgf_node.errors import Code, RtgfError
from rtgf_node.figures.neighbours import NeighbourFigures
from rtgf_node.replication.commands import Applied, CosignatureRow, RecordCosignatures, SignedHead
from rtgf_node.replication.replicator import Replicator
from rtgf_node.store import Store
from rtgf_node.store.log_store import Head

log = structlog.get_logger(__name__)

EVERY_SECONDS = 1.0
"""Between two questions to one witness: at a hundred heads a second, it sees one."""

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
"""After a failure; doubled each time. A witness that comes back is noticed within a minute."""

ANSWERS_MAX = 3
"""Of one witness for one head: it may tell twice that it holds another size."""

SHOWN_CHARACTERS = 200
"""Of a refusal, in a log line."""

_SIZE = re.compile(rb"(0|[1-9][0-9]{0,15})\n")


class WitnessLink(NamedTuple):
    """A witness, and the way to it."""

    name: str
    url: str
    key: VerifierKey
    egress: Egress


class WitnessStatus(NamedTuple):
    """How it stands with a witness: the newest size it cosigned, and what is wrong, if anything."""

    name: str
    size: int
    problem: str | None


class WitnessingActor:
    """Owns the asking. What comes back is state of the log, and goes through it."""

    def __init__(
        self,
        *,
        log: Mailbox,
        replicator: Replicator,
        store: Store,
        witnesses: Sequence[WitnessLink],
        clock: Clock,
        figures: NeighbourFigures,
    ) -> None:
        self._log = log
        self._replicator = replicator
        self._store = store
        self._witnesses = tuple(witnesses)
        self._clock = clock
        self._figures = figures
        self._news = trio.Event()
        self._problems: dict[str, str] = {}

    def statistics(self) -> tuple[WitnessStatus, ...]:
        """Return how it stands with each witness."""
        return tuple(
            WitnessStatus(
                one.name,
                self._store.witness.newest_size(str(one.key)),
                self._problems.get(one.name),
            )
            for one in self._witnesses
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Ask for cosignatures until cancelled."""
        heard = self._replicator.feed.subscribe("witnessing", self._hear)
        try:
            async with trio.open_nursery() as nursery:
                for witness in self._witnesses:
                    nursery.start_soon(self._keep_asking, witness)
                task_status.started()
                await heard.failed.wait()
                raise RuntimeError("the feed was lost") from heard.error
        finally:
            self._replicator.feed.unsubscribe(heard)

    def _hear(self, applied: Applied) -> None:
        if isinstance(applied.command, SignedHead):
            self._news.set()
            self._news = trio.Event()

    async def _keep_asking(self, witness: WitnessLink) -> None:
        done: bytes | None = None
        pause = FIRST_PAUSE_SECONDS
        while True:
            news, head = self._news, self._store.log.latest_head()
            if head is None or head.document == done or not self._replicator.leader:
                await news.wait()
                continue
            try:
                cosignatures = await self._cosigned(witness, head)
                await self._record(head, cosignatures)
            except RtgfError as error:
                self._note_problem(witness, error.detail)
                await trio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                done, pause = head.document, FIRST_PAUSE_SECONDS
                self._figures.witness_asked(witness.name, "cosigned")
                if self._problems.pop(witness.name, None) is not None:
                    log.info("witness_recovered", witness=witness.name)
                await trio.sleep(EVERY_SECONDS)

    def _note_problem(self, witness: WitnessLink, problem: str) -> None:
        self._figures.witness_asked(witness.name, "failed")
        if self._problems.get(witness.name) != problem:
            log.warning("witness_failed", witness=witness.name, detail=problem)
        self._problems[witness.name] = problem

    async def _cosigned(self, witness: WitnessLink, head: Head) -> tuple[Cosignature, ...]:
        """Return the witness's verified cosignature on a head.

        Raises:
          RtgfError: it gave none, or none that is worth anything.
        """
        note = tree_head.from_document(parse(head.document)).checkpoint
        old = self._store.witness.newest_size(str(witness.key))
        for _ in range(ANSWERS_MAX):
            proof = tuple(self._store.log.consistency_proof(old, head.tree_size))
            body = AddCheckpoint(old, proof, note.encode()).to_bytes()
            answer = await witness.egress.post(f"{witness.url}/add-checkpoint", body)
            if answer.status == 200:
                return self._checked(witness, head, answer.body)
            if answer.status != 409:
                shown = answer.body[:SHOWN_CHARACTERS].decode(errors="replace")
                raise _failed(f"it answered {answer.status}: {shown}")
            told = _SIZE.fullmatch(answer.body)
            if told is None:
                raise _failed("it answered 409 without the size that it holds")
            size = int(told[1])
            if size > head.tree_size:
                raise _failed(
                    f"it says that it cosigned {size} entries of this log, which has "
                    f"{head.tree_size}; find out whether an old store was restored"
                )
            if size == old:
                raise _failed(f"it says that it cosigned another history of {size} entries")
            old = size
        raise _failed("it tells another size each time")

    def _checked(self, witness: WitnessLink, head: Head, body: bytes) -> tuple[Cosignature, ...]:
        origin = tree_head.from_document(parse(head.document)).origin
        text = to_text(Checkpoint(origin, head.tree_size, head.root))
        try:
            found = cosignature.verify_lines(text, body.decode(), [witness.key])
        except UnicodeDecodeError:
            raise _failed("its answer is not UTF-8") from None
        if not found:
            raise _failed("its answer has no cosignature of the configured key")
        if found[0].at > self._clock.now() + times.SKEW_SECONDS:
            raise _failed("its cosignature is dated in the future; check the clocks")
        return found

    async def _record(self, head: Head, cosignatures: Sequence[Cosignature]) -> None:
        rows = tuple(CosignatureRow(one.key, one.at, one.line) for one in cosignatures)
        command = RecordCosignatures(head.tree_size, head.root, rows)
        await self._log.ask(Commit(command, covered=False))


def _failed(detail: str) -> RtgfError:
    return RtgfError(Code.RTGF_UNREACHABLE, detail)
