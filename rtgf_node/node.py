"""The wiring: the one page that knows every part and who is handed what.

Start order: store, replicator, actors (log first, fetcher last), then the listeners. Stop order is
the reverse: nothing new comes in, what was asked is answered, the store is closed last.
"""

from __future__ import annotations

import os
import secrets

import structlog
import trio

from rtgf_node import (
    __version__,
    access_rules,
    policy_library,
    start_checks,
    telemetry,
    webhooks,
)
from rtgf_node import neighbours as neighbourhood
from rtgf_node.actors.approvals import ApprovalsActor
from rtgf_node.actors.build_planner import Planner
from rtgf_node.actors.compiler import CompilerActor
from rtgf_node.actors.dataset_intake import DatasetIntake
from rtgf_node.actors.fetcher import FetcherActor
from rtgf_node.actors.intake_door import IntakeDoor
from rtgf_node.actors.issuing import Issuing
from rtgf_node.actors.key_changes import KeyChanges
from rtgf_node.actors.log import LogActor
from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.membership import MembershipActor
from rtgf_node.actors.registry import RegistryActor
from rtgf_node.actors.revocation import RevocationActor
from rtgf_node.actors.snapshot_intake import SnapshotIntake
from rtgf_node.actors.supervisor import Child, Restarts, Supervisor
from rtgf_node.actors.terms_intake import TermsIntake
from rtgf_node.actors.verifier import VerifierActor
from rtgf_node.actors.waiver_intake import WaiverIntake
from rtgf_node.alerting import Alerting
from rtgf_node.api import admin_socket, bearer
from rtgf_node.api.access import Access
from rtgf_node.api.desk import Desk
from rtgf_node.api.heads import ShownHeads
from rtgf_node.api.limits import RateLimits
from rtgf_node.api.listeners import Bound
from rtgf_node.api.once import KeptAnswers
from rtgf_node.core.clock import Clock
from rtgf_node.doors import Doors
from rtgf_node.egress import Egress
from rtgf_node.guards.head_guard import HeadGuard
from rtgf_node.keys import key_expiry, key_files, pinned
from rtgf_node.keys.key_provider import FileKeyProvider
from rtgf_node.keys.signers import Signers, usable
from rtgf_node.ops.audit_trail import AuditTrail
from rtgf_node.ops.decision_log import DecisionLog
from rtgf_node.ops.syslog import Syslog
from rtgf_node.overview import Overview
from rtgf_node.place import Place, end_with
from rtgf_node.process_signals import Signals
from rtgf_node.readiness import Readiness
from rtgf_node.replication.revocation_news import RevocationNews
from rtgf_node.settings import Config
from rtgf_node.store import Store, answer_store
from rtgf_node.store.answer_store import AnswerStore
from rtgf_node.workers.pool import Workers

log = structlog.get_logger(__name__)

LOG_WAITING = 1024
"""Commands that may wait for the log: a tenth of a second at what it commits."""

ACTORS = (
    *("log", "registry", "revocation", "verifier", "compiler"),
    *("membership", "approvals", "fetcher"),
)
"""Those with a mailbox in every node."""

STATUS_LISTS = "/revocations/status-list"
"""Where the status lists are read, each under its number; their URIs stand in every token."""

WAITING = 64
"""Requests that may wait for any other actor: what it does is rare, slow, or both."""


class Node:
    """All parts of one node, wired. Makes nothing up: what is here was handed in or configured."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        store: Store,
        place: Place,
        provider: FileKeyProvider,
    ) -> None:
        self._place = place
        replicator = place.replicator
        limits = RateLimits(config.limits, is_shared=config.workers.count > 0)
        rules = access_rules.load(config)
        workers = Workers(config, replicator, limits, rules)
        if replicator.alone:
            files = key_files.load(config.keys, at=clock.now())
        else:
            files = key_files.agreed(store, config.keys, at=clock.now())
        start_checks.check_keys(store, files)
        signers = Signers(provider, usable(files.key_set()))
        replicator.feed.subscribe("signers", signers.hear)
        start_checks.check_head(store, files, clock.now(), signers.of("log").kid)
        policies = policy_library.configured(config.library.folder, config.library.key)
        proof_verifiers = pinned.proof_verifiers(config)
        boxes = {
            name: Mailbox(name, capacity=LOG_WAITING if name == "log" else WAITING)
            for name in ACTORS
        }
        self._metrics = metrics = telemetry.Metrics(version=__version__)
        url = config.node.public_url.rstrip("/")

        def leads() -> bool:
            return replicator.leader

        egress = Egress(config.fetch)
        log_actor = LogActor(
            boxes["log"],
            replicator=workers.followed(),
            reader=store.log,
            signer=signers.of("log"),
            guard=HeadGuard(config.log.guard_file),
            origin=config.log_origin(),
            clock=clock,
            client_id=f"node:{secrets.token_hex(8)}",
            batch_max=config.log.batch_max,
            head_every_seconds=config.log.head_every_seconds,
            metrics=metrics,
            contradiction=_contradiction(store),
        )
        registry = RegistryActor(
            boxes["registry"],
            log=boxes["log"],
            store=store,
            keys=KeyChanges(
                log=boxes["log"],
                store=store,
                files=files,
                root=key_files.pinned_root(config.keys),
                folder=config.keys.folder,
                provider=provider,
                leads=leads,
                issuer=config.node.issuer,
                clock=clock,
                metrics=metrics,
            ),
            alone=replicator.alone,
            issuer=config.node.issuer,
            clock=clock,
            metrics=metrics,
        )
        revocation = RevocationActor(
            boxes["revocation"],
            log=boxes["log"],
            store=store,
            signer=signers.of("status"),
            past_signer=lambda then: signers.past("status", then),
            status_lists_uri=f"{url}{STATUS_LISTS}",
            clock=clock,
            metrics=metrics,
        )
        verifier = VerifierActor(
            boxes["verifier"],
            replicator=replicator,
            store=store,
            may_answer=lambda: log_actor.forked is None,
            origin=config.log_origin(),
            required=config.verify.required,
            max_age_seconds={one.name: one.max_age_seconds for one in config.dataset},
            max_staleness_seconds=config.verify.max_staleness_seconds,
            proof_verifiers=proof_verifiers,
            resolver_timeout_seconds=config.verify.resolver_timeout_seconds,
            clock=clock,
            metrics=metrics,
            prepare_others=workers.prepare,
        )
        compiler = CompilerActor(
            boxes["compiler"],
            registry=boxes["registry"],
            issuing=Issuing(
                registry=boxes["registry"],
                verifier=boxes["verifier"],
                approvals=boxes["approvals"],
                required=config.approvals.required,
                signer=signers.of("token"),
                objects=store.objects,
                metrics=metrics,
            ),
            planner=Planner(
                store=store,
                library=policies.library,
                library_files=policies.files,
                list_keys={one.name: one.key for one in config.dataset if one.key is not None},
                issuer=config.node.issuer,
                kid=lambda: signers.current("token").kid,
                log_url=url,
                status_lists_uri=f"{url}{STATUS_LISTS}",
            ),
            keep_divergent_in=config.node.data_dir / "divergent",
            builds=store.registry,
            objects=store.objects,
            alone=replicator.alone,
            build_in=config.node.data_dir / "building",
            processes=config.compiler.processes or os.cpu_count() or 1,
            timeout_seconds=config.compiler.timeout_seconds,
            clock=clock,
            metrics=metrics,
        )
        door = IntakeDoor(
            registry=boxes["registry"],
            authorities=pinned.authorities(config),
            places={one.did: one.jurisdictions for one in config.authority},
            max_ttl_sec=config.compiler.max_ttl_sec,
            clock=clock,
            metrics=metrics,
        )
        terms = TermsIntake(door=door, store=store)
        membership = MembershipActor(
            boxes["membership"],
            log=boxes["log"],
            place=place,
            origin=config.log_origin(),
            clock=clock,
        )
        approvals = ApprovalsActor(
            boxes["approvals"],
            log=boxes["log"],
            compiler=boxes["compiler"],
            registry=boxes["registry"],
            membership=boxes["membership"],
            store=store,
            deadline_seconds=config.approvals.deadline_seconds,
            leads=leads,
            clock=clock,
        )
        fetcher = FetcherActor(
            boxes["fetcher"],
            terms=terms,
            snapshots=SnapshotIntake(door=door, egress=egress, store=store, terms=terms),
            datasets=DatasetIntake(
                registry=boxes["registry"],
                egress=egress,
                store=store,
                clock=clock,
                metrics=metrics,
            ),
            waivers=WaiverIntake(
                registry=boxes["registry"],
                store=store,
                approvers=pinned.approvers(config),
                library=policies.library,
                clock=clock,
            ),
            source_configs=config.source,
            dataset_configs=config.dataset,
            leads=leads,
        )
        self._decisions = decisions = DecisionLog(
            store,
            config=config.decisions,
            log=boxes["log"],
            chain=place.decisions_chain,
            actor=config.log_origin(),
            clock=clock,
            figures=metrics.decisions,
            settled=replicator.read_barrier,
        )
        host = config.log_origin().partition("/")[0]
        syslog = Syslog(config.audit, host=host, clock=clock)
        bearers = bearer.configured(config, egress=egress, clock=clock, metrics=metrics)
        neighbours = neighbourhood.meet(
            config,
            log=boxes["log"],
            replicator=replicator,
            store=store,
            provider=provider,
            clock=clock,
            metrics=metrics,
        )
        if neighbours.mailbox is not None:
            boxes["witness"] = neighbours.mailbox
        news = RevocationNews(replicator.feed)
        alerting = Alerting(config, clock, metrics, signers, place)
        self._supervisor = Supervisor(
            [
                Child("log", log_actor.run),
                *neighbours.children(),
                *webhooks.configured(
                    config,
                    log=boxes["log"],
                    replicator=replicator,
                    news=news,
                    store=store,
                    signers=signers,
                    clock=clock,
                    figures=metrics.push,
                ),
                *([Child("issuer_keys", bearers.keys.run)] if bearers is not None else []),
                Child("registry", registry.run),
                Child("revocation", revocation.run),
                Child("verifier", verifier.run),
                Child("compiler", compiler.run),
                Child("membership", membership.run),
                Child("approvals", approvals.run),
                *([Child("syslog", syslog.run)] if config.audit.syslog else []),
                Child("fetcher", fetcher.run),
                # Stopped before the others: its last root goes into the log.
                Child("decisions", decisions.run),
                Child("alerts", alerting.run),
            ],
            Restarts(),
        )
        readiness = Readiness(
            config=config,
            clock=clock,
            store=store,
            supervisor=self._supervisor,
            mailboxes=tuple(boxes.values()),
            log=log_actor,
            compiler=compiler,
            verifier=verifier,
            decisions=decisions,
            neighbours=neighbours,
            fetcher=fetcher,
            workers=workers.checks,
            cluster=place.checks,
            alerts=alerting.lines,
        )
        alerting.watch(readiness, syslog)
        metrics.watch([box.statistics for box in boxes.values()], self._supervisor.statistics)
        metrics.watch([], workers.statistics)
        metrics.others = workers.figures
        metrics.raft.watch(place)
        key_expiry.watch(metrics.key_expires, store)
        trail = AuditTrail(config.node.data_dir / "audit", config.audit, syslog.ship)
        self._desk = Desk(
            config=config,
            clock=clock,
            metrics=metrics,
            access=Access(admin_socket.own_role(config.role), bearers),
            limits=limits,
            store=store,
            verifier=verifier,
            proof_verifiers=proof_verifiers,
            access_rules=rules,
            fetcher=boxes["fetcher"],
            compiler=boxes["compiler"],
            approvals=boxes["approvals"],
            registry=boxes["registry"],
            trail=trail,
            revocation=boxes["revocation"],
            log=boxes["log"],
            news=news,
            receipts=signers.of("receipt"),
            kept=KeptAnswers(
                clock,
                AnswerStore.open(config.node.data_dir / answer_store.DATABASE),
                limit_seconds=config.http.admin_timeout_seconds,
            ),
            witness=neighbours.mailbox,
            witness_key=neighbours.verifier_key,
            heads=ShownHeads(store, neighbours.policy, config.log.witness_mode),
            decisions=decisions,
            readiness=readiness.ready,
            status=readiness.status,
            cluster=place,
            membership=boxes["membership"],
            overview=Overview(readiness, metrics, trail).of,
        )
        self._doors = Doors(self._desk, workers, lambda: log_actor.forked is None)

    async def run(
        self,
        signals: Signals,
        *,
        task_status: trio.TaskStatus[Bound] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Start everything in order, say so, and run until told to stop or to begin anew."""
        async with self._decisions, trio.open_nursery() as nursery:
            nursery.start_soon(end_with, self._place)
            await nursery.start(self._desk.kept.run)
            await nursery.start(self._supervisor.run)
            nursery.start_soon(self._metrics.measure_lag)
            await self._doors.open_until_told(signals, task_status=task_status)
            nursery.cancel_scope.cancel()


def _contradiction(store: Store) -> str | None:
    """Return what was found before and still stops the signing."""
    return next((row.detail for row in store.gossip.open_findings() if row.halts), None)
