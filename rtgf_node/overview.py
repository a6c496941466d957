"""The whole node as one document, for who watches it: gathered from what its parts already know.

It is asked for every two seconds, so that nothing here walks through a collection that grows.
"""

from __future__ import annotations

import shutil
from collections import Counter
from typing import Final, NamedTuple

import trio
from prometheus_client.core import Metric

from rtgf_node.actors.mailbox import MailboxStatistics
from rtgf_node.api.access import Caller
from rtgf_node.core import times
from rtgf_node.figures.summed import Summed
from rtgf_node.keys import certificate_expiry
from rtgf_node.ops.audit_trail import AuditTrail
from rtgf_node.readiness import Readiness, serve_times
from rtgf_node.store.node_store import DATABASE
from rtgf_node.telemetry import Metrics
from rtgf_node.wire import BuildLine
from rtgf_node.wire.overview import (
    ActorFigures,
    Cursors,
    Disk,
    Expiry,
    Figures,
    OverviewAnswer,
    SourceFigures,
    Tally,
)

REQUESTS: Final = "rtgf_http_requests"
REQUEST_SECONDS: Final = "rtgf_http_request_duration_seconds"
VERDICTS: Final = "rtgf_verify_requests"
VERIFY_MS: Final = "rtgf_verify_latency_ms"
LAG: Final = "rtgf_event_loop_lag_seconds"
APPENDED: Final = "rtgf_transparency_append"


class Overview(NamedTuple):
    """What to look at; see `Readiness`, whose parts these are too."""

    readiness: Readiness
    metrics: Metrics
    trail: AuditTrail

    def of(self, caller: Caller) -> OverviewAnswer:
        """Return the overview as it is now, for this caller."""
        readiness = self.readiness
        store, status = readiness.store, readiness.status()
        newest = store.registry.builds(limit=1)
        return OverviewAnswer(
            at=times.to_text(readiness.clock.now()),
            caller=caller.identity or "",
            roles=sorted(caller.roles),
            status=status,
            figures=self._figures(),
            actors=self._actors(),
            sources=self._sources(),
            pending=max(0, store.log.size - status.tree_size),
            waiting=len(store.approvals.waiting()),
            build=BuildLine(
                newest[0].build_id,
                newest[0].state,
                times.to_text(newest[0].at),
                newest[0].manifest_digest,
            )
            if newest
            else None,
            keys=[
                Expiry(
                    name=key.kid,
                    purpose=key.purpose,
                    expires_at=times.to_text(key.expires_at),
                    revoked_at=None if key.revoked_at is None else times.to_text(key.revoked_at),
                )
                for key in store.keys.all()
            ],
            certificates=certificate_expiry.ends(readiness.config),
            disk=self._disk(),
            cursors=Cursors(
                log=status.tree_size,
                acts=self.trail.newest("acts"),
                denials=self.trail.newest("denials"),
            ),
        )

    def _figures(self) -> Figures:
        metrics = self.metrics
        families = {one.name: one for one in Summed(metrics.registry, metrics.others).collect()}
        requests = Counter[str]()
        for sample in families[REQUESTS].samples:
            requests[f"{sample.labels['code'][:1]}xx"] += int(sample.value)
        verdicts = Counter[str]()
        for sample in families[VERDICTS].samples:
            verdicts[sample.labels["code"] or "valid"] += int(sample.value)
        return Figures(
            requests=dict(requests),
            verdicts=dict(verdicts),
            request_seconds=_tally(families[REQUEST_SECONDS]),
            verify_ms=_tally(families[VERIFY_MS]),
            loop_lag_seconds=_tally(families[LAG]),
            appended=sum(
                int(sample.value)
                for sample in families[APPENDED].samples
                if sample.labels.get("result") == "ok"
            ),
            in_flight=int(families["rtgf_http_in_flight"].samples[0].value),
        )

    def _actors(self) -> list[ActorFigures]:
        boxes = {box.actor: box.statistics() for box in self.readiness.mailboxes}
        lives = []
        for child in self.readiness.supervisor.statistics():
            life = ActorFigures(
                name=child.name,
                state=child.state.value,
                restarts=child.restarts_total,
                last_error=child.last_error,
            )
            lives.append(life if child.name not in boxes else _with_inbox(life, boxes[child.name]))
        return lives

    def _sources(self) -> list[SourceFigures]:
        readiness = self.readiness
        now, moment = readiness.clock.now(), trio.current_time()
        held = {row.name: row for row in readiness.store.intake.newest_datasets()}
        found = []
        for one in readiness.fetcher.watched():
            ago, subject = None, ""
            if one.name in held:
                ago, subject = now - held[one.name].checked_at, held[one.name].version
            found.append(
                SourceFigures(
                    name=one.name,
                    kind=one.kind,
                    schedule_seconds=one.schedule_seconds,
                    due_in_seconds=max(0, round(one.due - moment)),
                    outcome=one.outcome,
                    detail=one.detail,
                    seconds_ago=ago if one.fetched is None else round(moment - one.fetched),
                    subject=one.subject or subject,
                )
            )
        return found

    def _disk(self) -> Disk:
        folder = self.readiness.config.node.data_dir
        usage = shutil.disk_usage(folder)
        files = [folder / f"{DATABASE}{suffix}" for suffix in ("", "-wal")]
        size = sum(file.stat().st_size for file in files if file.exists())
        return Disk(free_bytes=usage.free, total_bytes=usage.total, store_bytes=size)


def _with_inbox(life: ActorFigures, box: MailboxStatistics) -> ActorFigures:
    return ActorFigures(
        name=life.name,
        state=life.state,
        restarts=life.restarts,
        last_error=life.last_error,
        capacity=box.capacity,
        depth=box.depth,
        peak=box.peak,
        requests=box.requests_total,
        outcomes=box.outcomes,
        wait_seconds=box.wait_seconds_total,
        serve_seconds=box.serve_seconds_total,
        served=serve_times(box),
    )


def _tally(family: Metric) -> Tally:
    """Return the sum of a histogram over its labels."""
    up_to, total = Counter[float](), 0.0
    for sample in family.samples:
        if sample.name.endswith("_bucket"):
            up_to[float(sample.labels["le"])] += int(sample.value)
        elif sample.name.endswith("_sum"):
            total += sample.value
    ends = sorted(up_to)
    rising = [up_to[end] for end in ends]
    counts = [now - before for before, now in zip([0, *rising], rising, strict=False)]
    return Tally(bounds=ends[:-1], counts=counts or [0], sum=total)
