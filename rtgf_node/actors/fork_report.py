"""What is done about a found fork, whoever found it: keep the evidence, log it, record it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import structlog
import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Commit
from rtgf_node.core import fork
from rtgf_node.core.checkpoint import Checkpoint
from rtgf_node.core.clock import Clock
from rtgf_node.replication.commands import RecordFinding
from rtgf_node.store.objects import ObjectStore

log = structlog.get_logger(__name__)


class SignedHead(NamedTuple):
    """A head and the note that proves that its log signed it."""

    note: bytes
    head: Checkpoint


class Fork(NamedTuple):
    """Heads of one log that cannot both be true.

    Attributes:
      found: the head that contradicts what was known; a fork is recorded once for each.
      heads: the contradicting heads, the smaller tree first.
      peer: where it was found.
      detail: what contradicts what, in words.
      halts: whether our log signs nothing more until somebody settles it.
      proof: with `proved_root`, that the larger tree begins with another one; see `fork.evidence`.
      proved_root: that other tree's root, None for two heads of one size.
    """

    found: Checkpoint
    heads: Sequence[SignedHead]
    peer: str
    detail: str
    halts: bool
    proof: Sequence[bytes] = ()
    proved_root: bytes | None = None


async def report(
    made: Fork, *, objects: ObjectStore, mailbox: Mailbox, reporter: str, clock: Clock
) -> None:
    """Keep the evidence, then have the log actor behind `mailbox` record the finding.

    Raises:
      RtgfError: the log does not take it; the evidence is kept all the same.
    """
    at, found, detail = clock.now(), made.found, made.detail
    document = fork.evidence(
        found.origin,
        heads=[one.note.decode() for one in made.heads],
        detail=detail,
        at=at,
        proof=made.proof,
        proved_root=made.proved_root,
    )
    digest = await trio.to_thread.run_sync(objects.put, document)
    log.error("log_forked", origin=found.origin, peer=made.peer, detail=detail)
    command = RecordFinding(
        origin=found.origin,
        tree_size=found.size,
        root=found.root,
        peer=made.peer,
        evidence=digest,
        detail=detail,
        halts=made.halts,
        at=at,
        event=fork.incident(detail, evidence=digest, reporter=reporter, at=at),
    )
    await mailbox.ask(Commit(command, covered=False))
