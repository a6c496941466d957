"""Is the node fit to answer, and what should its operator know: one look at every part."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rtgf_node import __version__, webhooks
from rtgf_node.actors import quarantine
from rtgf_node.actors.compiler import CompilerActor
from rtgf_node.actors.fetcher import FetcherActor
from rtgf_node.actors.log import LogActor
from rtgf_node.actors.mailbox import SERVE_SECONDS, Mailbox, MailboxStatistics
from rtgf_node.actors.supervisor import Supervisor
from rtgf_node.actors.verifier import VerifierActor
from rtgf_node.core import times, tree_head
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.clock import Clock
from rtgf_node.core.tree_head import TreeHead
from rtgf_node.keys import key_expiry
from rtgf_node.neighbours import Neighbours
from rtgf_node.ops.decision_log import DecisionLog
from rtgf_node.settings import Config
from rtgf_node.store import Store
from rtgf_node.wire import (
    ActorStatus,
    AlertLine,
    Check,
    DatasetStatus,
    QuarantinedFile,
    ReadyAnswer,
    StatusAnswer,
)
from rtgf_node.wire.overview import Tally

HEAD_PERIODS = 3
"""A head that is older than this many periods proves that the log actor does not live."""


class Readiness(NamedTuple):
    """What to look at."""

    config: Config
    clock: Clock
    store: Store
    supervisor: Supervisor
    mailboxes: tuple[Mailbox, ...]
    log: LogActor
    compiler: CompilerActor
    verifier: VerifierActor
    decisions: DecisionLog
    neighbours: Neighbours
    fetcher: FetcherActor
    workers: Callable[[], list[Check]]
    cluster: Callable[[], list[Check]]
    alerts: Callable[[], tuple[AlertLine, ...]]

    def ready(self) -> ReadyAnswer:
        """Return `not_ready` if it must not be asked, `degraded` if something is old, else `ready`.

        A list that is too old does not take the node out of service: what rests on it is denied
        one by one, everything else is answered.
        """
        stopped = [name for name, state in self._states().items() if state != "running"]
        head = self._head()
        age = self.clock.now() - times.parse(head.issued_at) if head is not None else None
        limit = HEAD_PERIODS * self.config.log.head_every_seconds
        words = f"newest signed head is {age} s old" if age is not None else "no signed head yet"
        log_words = self.log.forked or words
        needed = [
            Check("actors", not stopped, f"not running: {', '.join(stopped)}" if stopped else ""),
            Check("log", self.log.forked is None and age is not None and age <= limit, log_words),
            Check(
                "verifier",
                self.verifier.ready,
                "memory loaded, revocation state fresh"
                if self.verifier.ready
                else "memory not loaded, or too old to say that nothing was withdrawn",
            ),
            Check(
                "decisions",
                self.decisions.fault is None,
                self.decisions.fault or f"recorded, {self.config.decisions.mode}",
            ),
            *self.cluster(),
            Check("intake", self.log.halted is None, self.log.halted or "open"),
        ]
        wanted = [
            Check(
                f"dataset:{one.name}",
                one.fresh and one.quarantined is None,
                one.quarantined or ("fresh" if one.fresh else "older than its maximum age"),
            )
            for one in self._datasets()
        ]
        held = {check.name for check in wanted}
        wanted += [
            Check(f"dataset:{name}", ok=False, detail=f"none is in force; {reason}")
            for name, reason in sorted(self.fetcher.quarantined.items())
            if f"dataset:{name}" not in held
        ]
        wanted += [*self.neighbours.checks(), *self.workers()]
        wanted += webhooks.checks(self.config, self.store, now=self.clock.now())
        wanted.append(key_expiry.check(self.store, now=self.clock.now()))
        unpublished = self.compiler.unpublished
        wanted.append(Check("builds", unpublished is None, unpublished or "none is unpublished"))
        state = "ready"
        if not all(check.ok for check in wanted) or not needed[-1].ok:
            state = "degraded"
        if not all(check.ok for check in needed[:-1]):
            state = "not_ready"
        return ReadyAnswer(state=state, checks=[*needed, *wanted])

    def status(self) -> StatusAnswer:
        """Return the operator's page."""
        head = self._head()
        states, restarts = self._states(), self._restarts()
        return StatusAnswer(
            issuer=self.config.node.issuer,
            version=__version__,
            ready=self.ready(),
            tree_size=head.tree_size if head is not None else 0,
            root_hash=head.root_hash if head is not None else "",
            head_issued_at=head.issued_at if head is not None else "",
            revEpoch=self.store.revocation.rev_epoch(),
            tokens=self.store.registry.count(),
            snapshots=len(self.store.intake.newest_snapshots()),
            datasets=self._datasets(),
            actors=[
                ActorStatus(
                    name=box.actor,
                    state=states.get(box.actor, "stopped"),
                    restarts=restarts.get(box.actor, 0),
                    depth=statistics.depth,
                    capacity=statistics.capacity,
                    peak=statistics.peak,
                    p50_ms=_milliseconds(took.quantile(0.5)),
                    p99_ms=_milliseconds(took.quantile(0.99)),
                )
                for box in self.mailboxes
                for statistics in (box.statistics(),)
                for took in (serve_times(statistics),)
            ],
            halted=self.log.halted,
            alerts=self.alerts(),
            quarantine=tuple(
                QuarantinedFile(
                    name=row.name,
                    reason=row.reason,
                    at=times.to_text(row.at),
                    until=times.to_text(row.at + quarantine.MAX_AGE_SECONDS),
                    raw_sha256=row.raw_sha256,
                )
                for row in self.fetcher.waiting()
            ),
        )

    def _states(self) -> dict[str, str]:
        return {child.name: child.state.value for child in self.supervisor.statistics()}

    def _restarts(self) -> dict[str, int]:
        return {child.name: child.restarts_total for child in self.supervisor.statistics()}

    def _head(self) -> TreeHead | None:
        held = self.store.log.latest_head()
        return tree_head.from_document(parse(held.document)) if held is not None else None

    def _datasets(self) -> list[DatasetStatus]:
        now, until = self.clock.now(), self.verifier.fresh_until
        return [
            DatasetStatus(
                name=row.name,
                version=row.version,
                records=row.record_count,
                content_sha256=row.content_sha256,
                retrieved_at=times.to_text(row.retrieved_at),
                fresh=until.get(row.name, now) >= now,
                quarantined=self.fetcher.quarantined.get(row.name),
            )
            for row in self.store.intake.newest_datasets()
        ]


def serve_times(box: MailboxStatistics) -> Tally:
    """Return how long an actor took for a request, since the process began."""
    return Tally(list(SERVE_SECONDS), list(box.served), box.serve_seconds_total)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
