"""One look at the node, for its alerts: nothing here walks through a collection that grows."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from typing import Final

import trio
from prometheus_client.core import Metric

from rtgf_node.actors.fetcher import GOOD
from rtgf_node.alerts.bursts import Bursts
from rtgf_node.alerts.seen import Counted, Seen
from rtgf_node.core import identifiers, times, tree_head
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.keys import KeySet, PublicKey
from rtgf_node.errors import RtgfError
from rtgf_node.figures.summed import Summed
from rtgf_node.keys import certificate_expiry
from rtgf_node.place import Place
from rtgf_node.readiness import Readiness
from rtgf_node.telemetry import Metrics

DAY: Final = 86_400
ENDING_SECONDS: Final = 7 * DAY
"""Before the end of a certificate."""

UNREAD_SECONDS: Final = DAY
"""The objective for snapshots; of a source that is fetched less often, two of its times."""

HISTORY_ROWS: Final = 10_000
"""Withdrawals before the start of this process that count as history."""

ROWS: Final = 500
"""Withdrawals that one look reads, in two milliseconds; the next look reads on."""

REQUESTS: Final = "rtgf_http_requests"
VERIFY: Final = "rtgf_verify_latency_ms"
PROOFS: Final = "rtgf_transparency_proof_latency_ms"
BUILDS: Final = "rtgf_build_duration_seconds"
SIGNED: Final = "rtgf_artifact_sign"
RESTARTS: Final = "rtgf_actor_restarts"

NOT_SERVICE: Final = ("/admin", "/healthz", "/readyz", "/metrics")
"""Routes whose failures are of nobody's service: operators and monitors ask them."""


class Sight:
    """Looks at the parts of a node, and remembers what it need not read again.

    Args:
      lines_lost: how many lines of the audit trail did not reach the collector.
      undelivered: what became of the last message about alerts, if its first channel failed.
    """

    def __init__(
        self,
        readiness: Readiness,
        metrics: Metrics,
        place: Place,
        *,
        lines_lost: Callable[[], int],
        undelivered: Callable[[], str | None],
    ) -> None:
        self._readiness = readiness
        self._store = readiness.store
        self._metrics = metrics
        self._place = place
        self._lines_lost = lines_lost
        self._undelivered = undelivered
        self._read: dict[str, float] = {}
        self._bursts = Bursts()
        self._epoch = max(0, self._store.revocation.rev_epoch() - HISTORY_ROWS)
        self._checked: tuple[bytes, int | None, str | None] = b"", None, None

    def look(self) -> Seen:
        """Return the node as it is now."""
        readiness, store = self._readiness, self._store
        config, now = readiness.config, readiness.clock.now()
        findings = store.gossip.open_findings()
        newest = store.registry.builds(limit=1)
        disk = shutil.disk_usage(config.node.data_dir)
        size, issued_at, head_fault = self._head()
        leaderless, lost = self._cluster()
        families = Summed(self._metrics.registry, self._metrics.others).collect()
        by_name = {one.name: one for one in families}
        self._take_withdrawals()
        return Seen(
            checks=readiness.ready().checks,
            counted=_counted(by_name, self._lines_lost()),
            free_share=disk.free / disk.total if disk.total else 1.0,
            pending=max(0, store.log.size - size),
            head_age=None if issued_at is None else now - issued_at,
            damage=self._damage(contradicted=any(one.halts for one in findings)),
            findings=[one.detail for one in findings],
            head_fault=head_fault,
            leaderless=leaderless,
            lost_members=lost,
            ending=[
                f"{one.purpose} {one.name} ends on {one.expires_at[:10]}"
                for one in certificate_expiry.ends(config)
                if times.parse(one.expires_at) - now < ENDING_SECONDS
            ],
            failed_sources=[
                f"{one.name}: {one.detail}"
                for one in readiness.fetcher.watched()
                if one.outcome == "refused"
            ],
            unread_sources=self._unread(),
            failed_build=newest[0].build_id if newest and newest[0].state == "failed" else None,
            restarted=_restarted(by_name[RESTARTS]),
            bursts=self._bursts.found(now),
            undelivered=self._undelivered(),
        )

    def _damage(self, *, contradicted: bool) -> str | None:
        log = self._readiness.log
        return log.forked or (None if contradicted else log.halted)

    def _head(self) -> tuple[int, int | None, str | None]:
        """Return the size and time of the newest head, and what is wrong with its signature."""
        held = self._store.log.latest_head()
        if held is None:
            return 0, None, None
        if held.document != self._checked[0]:
            self._checked = held.document, *self._check(held.document)
        return held.tree_size, *self._checked[1:]

    def _check(self, document: bytes) -> tuple[int | None, str | None]:
        issued_at = None
        try:
            head = tree_head.from_document(parse(document))
            issued_at = times.parse(head.issued_at)
            tree_head.verify(head, self._log_keys(), issued_at)
        except RtgfError as error:
            return issued_at, error.detail
        return issued_at, None

    def _log_keys(self) -> KeySet:
        """Return the keys that the log ever signed with: a head was good when it was signed."""
        return KeySet(
            PublicKey(
                kid=key.kid,
                public=key.public,
                use=tree_head.USE,
                created_at=key.issued_at,
                expires_at=key.expires_at,
            )
            for key in self._store.keys.all()
            if key.purpose == tree_head.USE
        )

    def _cluster(self) -> tuple[bool, list[str]]:
        """Return whether nobody leads, and to which members there is no link."""
        try:
            shown, figures = self._place.shown(), self._place.figures()
        except RtgfError:  # it takes no part now, and readiness says so
            return False, []
        if figures is None:
            return False, []
        here = {one.name for one in shown.members if one.role != "removed"}
        lost = [
            f"no link to {name}"
            for name, peer in sorted(figures.peers.items())
            if name in here and not peer.is_connected
        ]
        return shown.leader is None, lost

    def _unread(self) -> list[str]:
        """Return the sources of snapshots that were not read for too long."""
        now, leads = trio.current_time(), self._place.replicator.leader
        found = []
        for one in self._readiness.fetcher.watched():
            good = one.fetched if one.outcome in GOOD else None
            # What was before this process, or before this node led, is not known here.
            read = self._read.get(one.name, now) if leads else now
            self._read[one.name] = read = max(read, good or read)
            if one.kind == "source" and now - read > max(UNREAD_SECONDS, 2 * one.schedule_seconds):
                found.append(f"{one.name} was not read for {(now - read) // 3600:.0f} hours")
        return found

    def _take_withdrawals(self) -> None:
        """Count what was withdrawn since the last look; not what only followed from it."""
        for row in self._store.revocation.since(self._epoch, ROWS):
            self._epoch = row.rev_epoch
            if row.status != "valid" and row.root_token is None:
                place = identifiers.split_token_id(row.token_id).place
                self._bursts.take(place.split("-"), row.at)


def _counted(families: Mapping[str, Metric], lines_lost: int) -> Counted:
    service = [
        sample
        for sample in families[REQUESTS].samples
        if not sample.labels["route"].startswith(NOT_SERVICE)
    ]
    verified, verified_slowly = _above(families[VERIFY], 100.0)
    proofs, slow_proofs = _above(families[PROOFS], 500.0)
    builds, slow_builds = _above(families[BUILDS], 300.0)
    return Counted(
        answered=sum(int(one.value) for one in service),
        failed=sum(int(one.value) for one in service if one.labels["code"].startswith("5")),
        verified=verified,
        verified_slowly=verified_slowly,
        proofs=proofs,
        slow_proofs=slow_proofs,
        builds=builds,
        slow_builds=slow_builds,
        unsigned=sum(
            int(one.value)
            for one in families[SIGNED].samples
            if one.name.endswith("_total") and one.labels["result"] == "error"
        ),
        restarts=sum(int(one.value) for one in families[RESTARTS].samples),
        lines_lost=lines_lost,
    )


def _above(family: Metric, bound: float) -> tuple[int, int]:
    """Return how many values a histogram has, and how many of them above one of its bounds."""
    count = sum(int(one.value) for one in family.samples if one.name.endswith("_count"))
    up_to = sum(
        int(one.value)
        for one in family.samples
        if one.name.endswith("_bucket") and float(one.labels["le"]) == bound
    )
    return count, count - up_to


def _restarted(family: Metric) -> list[str]:
    return [f"{one.labels['actor']}, {one.value:.0f} in all" for one in family.samples if one.value]
