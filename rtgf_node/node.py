"""The wiring: the one page that knows every part and who is handed what.

Start order: store, replicator, actors (log first, fetcher last), then the listeners. Stop order is
the reverse: nothing new comes in, what was asked is answered, the store is closed last.
"""

from __future__ import annotations

import secrets
import signal
from functools import partial
from importlib import resources
from pathlib import Path

import structlog
import trio

from rtgf_node import __version__, key_files, telemetry
from rtgf_node import neighbours as neighbourhood
from rtgf_node.actors.build_planner import Planner
from rtgf_node.actors.compiler import CompilerActor
from rtgf_node.actors.dataset_intake import DatasetIntake
from rtgf_node.actors.fetcher import FetcherActor
from rtgf_node.actors.log import LogActor
from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.registry import RegistryActor
from rtgf_node.actors.revocation import RevocationActor
from rtgf_node.actors.snapshot_intake import SnapshotIntake
from rtgf_node.actors.supervisor import Child, Restarts, Supervisor
from rtgf_node.actors.verifier import VerifierActor
from rtgf_node.api import listeners
from rtgf_node.api.access import Access
from rtgf_node.api.app import build_app
from rtgf_node.api.desk import Desk
from rtgf_node.api.heads import ShownHeads
from rtgf_node.api.limits import RateLimits
from rtgf_node.api.listeners import Bound, ServerTls
from rtgf_node.api.metrics import build_app as metrics_app
from rtgf_node.core import times, tree_head
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import KeySet
from rtgf_node.core.policy.templates import Library
from rtgf_node.egress import Egress
from rtgf_node.errors import Code, RtgfError
from rtgf_node.head_guard import HeadGuard
from rtgf_node.key_files import KeyFiles
from rtgf_node.key_provider import FileKeyProvider
from rtgf_node.ops.decision_log import DecisionLog
from rtgf_node.readiness import Readiness
from rtgf_node.replication.solo import SoloReplicator
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.settings import Config
from rtgf_node.store import Store, open_store
from rtgf_node.system_clock import SystemClock

log = structlog.get_logger(__name__)

LOG_WAITING = 1024
"""Commands that may wait for the log: a tenth of a second at what it commits."""

STATUS_LISTS = "/revocations/status-list"
"""Where the status lists are read, each under its number; their URIs stand in every token."""

WAITING = 64
"""Requests that may wait for any other actor: what it does is rare, slow, or both."""


def run(config: Config) -> None:
    """Run the node until SIGTERM or SIGINT. It never creates state: `rtgf init` does.

    Raises:
      RtgfError: the configuration, the keys or the store do not allow a start.
      GaveUpError: an actor kept crashing.
    """
    telemetry.configure()
    trio.run(partial(serve, config, SystemClock()))


async def serve(
    config: Config,
    clock: Clock,
    *,
    task_status: trio.TaskStatus[Bound] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the node in the caller's trio; reports where it listens when it is ready."""
    provider = FileKeyProvider.open(config.keys.folder, _secret(config.keys.passphrase_file))
    with open_store(config.node.data_dir) as store:
        async with SoloReplicator(StateMachine(store)) as replicator:
            node = Node(config, clock, store, replicator, provider)
            await node.run(task_status=task_status)


class Node:
    """All parts of one node, wired. Makes nothing up: what is here was handed in or configured."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        store: Store,
        replicator: SoloReplicator,
        provider: FileKeyProvider,
    ) -> None:
        self._config = config
        self._replicator = replicator
        files = key_files.load(config.keys, at=clock.now())
        _check_head(store, files, clock.now())
        library_files = _library_files()
        boxes = {
            name: Mailbox(name, capacity=LOG_WAITING if name == "log" else WAITING)
            for name in ("log", "registry", "revocation", "verifier", "compiler", "fetcher")
        }
        self._metrics = metrics = telemetry.Metrics(version=__version__)
        url = config.node.public_url.rstrip("/")
        egress = Egress(config.fetch, jitter=lambda: secrets.randbelow(1000) / 1000)
        log_actor = LogActor(
            boxes["log"],
            replicator=replicator,
            reader=store.log,
            signer=provider.signer("log"),
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
            key_files=files,
            issuer=config.node.issuer,
            clock=clock,
            metrics=metrics,
        )
        revocation = RevocationActor(
            boxes["revocation"],
            log=boxes["log"],
            store=store,
            signer=provider.signer("status"),
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
            clock=clock,
            metrics=metrics,
        )
        compiler = CompilerActor(
            boxes["compiler"],
            registry=boxes["registry"],
            verifier=boxes["verifier"],
            planner=Planner(
                store=store,
                library=Library.load(library_files),
                library_files=library_files,
                issuer=config.node.issuer,
                kid=provider.signer("token").kid,
                log_url=url,
                status_lists_uri=f"{url}{STATUS_LISTS}",
            ),
            signer=provider.signer("token"),
            keep_divergent_in=config.node.data_dir / "divergent",
            timeout_seconds=config.compiler.timeout_seconds,
            clock=clock,
            metrics=metrics,
        )
        fetcher = FetcherActor(
            boxes["fetcher"],
            snapshots=SnapshotIntake(
                registry=boxes["registry"],
                egress=egress,
                store=store,
                authorities=_pinned(config),
                places={one.did: one.jurisdictions for one in config.authority},
                max_ttl_sec=config.compiler.max_ttl_sec,
                clock=clock,
                metrics=metrics,
            ),
            datasets=DatasetIntake(
                registry=boxes["registry"],
                egress=egress,
                store=store,
                clock=clock,
                metrics=metrics,
            ),
            source_configs=config.source,
            dataset_configs=config.dataset,
        )
        self._decisions = decisions = DecisionLog(
            store,
            config=config.decisions,
            log=boxes["log"],
            chain=config.node.issuer,
            actor=config.log_origin(),
            clock=clock,
            figures=metrics.decisions,
        )
        neighbours = neighbourhood.meet(
            config,
            log=boxes["log"],
            replicator=replicator,
            store=store,
            provider=provider,
            files=files,
            clock=clock,
            metrics=metrics,
        )
        if neighbours.mailbox is not None:
            boxes["witness"] = neighbours.mailbox
        self._supervisor = Supervisor(
            [
                Child("log", log_actor.run),
                *neighbours.children(),
                Child("registry", registry.run),
                Child("revocation", revocation.run),
                Child("verifier", verifier.run),
                Child("compiler", compiler.run),
                Child("fetcher", fetcher.run),
                # Stopped first: its last root goes into the log.
                Child("decisions", decisions.run),
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
            verifier=verifier,
            decisions=decisions,
            neighbours=neighbours,
            fetcher=fetcher,
        )
        metrics.watch([box.statistics for box in boxes.values()], self._supervisor.statistics)
        self._desk = Desk(
            config=config,
            clock=clock,
            metrics=metrics,
            access=Access(config.role),
            limits=RateLimits(config.limits),
            store=store,
            verifier=verifier,
            fetcher=boxes["fetcher"],
            compiler=boxes["compiler"],
            revocation=boxes["revocation"],
            log=boxes["log"],
            witness=neighbours.mailbox,
            witness_key=neighbours.verifier_key,
            heads=ShownHeads(store, neighbours.policy, config.log.witness_mode),
            decisions=decisions,
            readiness=readiness.ready,
            status=readiness.status,
        )

    async def run(self, *, task_status: trio.TaskStatus[Bound]) -> None:
        """Start everything in order, say so, and run until told to stop."""
        async with self._decisions, trio.open_nursery() as nursery:
            nursery.start_soon(self._end_with_the_store)
            await nursery.start(self._supervisor.run)
            nursery.start_soon(self._metrics.measure_lag)
            await self._answer_until_told(task_status)
            nursery.cancel_scope.cancel()

    async def _answer_until_told(self, task_status: trio.TaskStatus[Bound]) -> None:
        """Open the doors; at the signal close them, and return when what was asked is answered."""
        config = self._config
        async with trio.open_nursery() as nursery:
            if config.metrics.bind:
                scraped = metrics_app(self._metrics)
                await nursery.start(
                    partial(
                        listeners.serve, scraped, config.http, tls=None, bind=config.metrics.bind
                    )
                )
            files = config.tls
            tls = ServerTls(files.certificate_file, files.key_file, files.client_ca_file)
            bound: Bound = await nursery.start(
                partial(
                    listeners.serve,
                    build_app(self._desk),
                    config.http,
                    tls=tls,
                    bind=config.http.bind,
                    public_url=config.node.public_url,
                )
            )
            log.info(
                "node_ready",
                url=self._config.node.public_url,
                port=bound.port,
                issuer=self._config.node.issuer,
                version=__version__,
            )
            task_status.started(bound)
            await _wait_stop_signal(tls)
            log.info("node_stopping")
            nursery.cancel_scope.cancel()

    async def _end_with_the_store(self) -> None:
        """A store that failed takes nothing more: end the process, so that it is opened anew."""
        await self._replicator.failed.wait()
        raise RuntimeError("the store failed") from self._replicator.error


def _check_head(store: Store, files: KeyFiles, now: int) -> None:
    """Refuse to start on a head that our log key did not sign.

    Raises:
      RtgfError: RTGF_TXP_ROOT_SIGNATURE_INVALID.
    """
    held = store.log.latest_head()
    if held is not None:
        head = tree_head.from_document(parse(held.document))
        tree_head.verify(
            head, KeySet.from_jwks(parse(files.jwks)), max(now, times.parse(head.issued_at))
        )


def _contradiction(store: Store) -> str | None:
    """Return what was found before and still stops the signing."""
    return next((row.detail for row in store.gossip.open_findings() if row.halts), None)


async def _wait_stop_signal(tls: ServerTls) -> None:
    """Return at SIGTERM or SIGINT; at SIGHUP take the certificates anew."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for received in signals:
            if received != signal.SIGHUP:
                return
            try:
                tls.reload()
            except RtgfError as error:
                log.error("certificates_not_reloaded", detail=str(error))
            else:
                log.info("certificates_reloaded")


def _secret(path: Path) -> bytes:
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise RtgfError(
            Code.RTGF_KEY_STORE_LOCKED, f"the passphrase file cannot be read: {error.strerror}"
        ) from error


def _library_files() -> dict[str, bytes]:
    folder = resources.files("rtgf_node.core.policy") / "library"
    return {
        entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.name.endswith(".json")
    }


def _pinned(config: Config) -> dict[str, KeySet]:
    """Return each authority's pinned keys."""
    pinned = {}
    for authority in config.authority:
        try:
            pinned[authority.did] = KeySet.from_jwks(parse(authority.jwks_file.read_bytes()))
        except OSError as error:
            raise RtgfError(
                Code.RTGF_CONFIG_INVALID,
                f"the keys of {authority.did}: {authority.jwks_file}: {error.strerror}",
            ) from error
    return pinned
