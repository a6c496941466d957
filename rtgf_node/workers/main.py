"""A worker: `python -m rtgf_node.workers.main`, started by its node with two sockets.

It answers reads and verifications on the node's port, from the store, which it only reads, and from
a verifier's memory of its own, which follows what the node applies. It opens no key store and signs
nothing. What it cannot answer goes to the node (`api/hop.py`, `Questions`).

It ends when the node tells it to, or is gone; the signals that a terminal or a service manager
sends to all processes are the node's to hear.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import structlog
import trio

from rtgf_node import telemetry
from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import PrepareDatasets
from rtgf_node.actors.verifier import VerifierActor
from rtgf_node.api import (
    authzen,
    batch,
    bearer,
    health,
    listeners,
    ports,
    problems,
    registry,
    tiles,
    verify,
)
from rtgf_node.api.access import Access
from rtgf_node.api.answers import always
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered, Asked, Handler
from rtgf_node.api.front import Front
from rtgf_node.api.heads import ShownHeads
from rtgf_node.api.hop import Hop
from rtgf_node.api.limits import RateLimits
from rtgf_node.api.room import Room
from rtgf_node.api.server_tls import ServerTls
from rtgf_node.core.witness_policy import WitnessPolicy
from rtgf_node.egress import Egress
from rtgf_node.errors import Code, RtgfError
from rtgf_node.figures import summed
from rtgf_node.keys import pinned
from rtgf_node.settings import Config
from rtgf_node.store import Store, follow_store
from rtgf_node.system_clock import SystemClock
from rtgf_node.workers import frames
from rtgf_node.workers.following import Decisions, Following, Questions
from rtgf_node.workers.frames import Channel, framed

log = structlog.get_logger(__name__)

HERE: Final = (health, registry, tiles, verify, batch, authzen)
"""Routes that need nothing but the store and the verifier's memory."""

HEALTH: Final = "/healthz"
"""Says that the process that was reached lives."""

NOT_HERE: Final = frozenset({"/readyz"})
"""Says how the whole node is."""

FIGURES_EVERY_SECONDS: Final = 1.0
"""So much of what a killed worker counted is lost."""

USE_EVERY_SECONDS: Final = 0.1
"""So long the others do not know whom this worker has let in, and who is connected to it."""

DRAIN_SECONDS: Final = 2.0
"""For the last decisions to be kept."""

WAITING: Final = 64
"""Requests that may wait for the verifier: the node has one list prepared at a time."""


def main() -> None:
    """Run until the node ends this worker."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    telemetry.configure()
    talk, door = (socket.socket(fileno=int(text)) for text in sys.argv[1:3])
    trio.run(Worker(Channel(talk), door).run)


class Worker:
    """One life of a worker process."""

    def __init__(self, channel: Channel, door: socket.socket) -> None:
        self._channel = channel
        self._door = door
        self._metrics = telemetry.Metrics()
        self._mailbox = Mailbox("verifier", capacity=WAITING)
        self._questions = Questions(channel)
        self._begin: frames.Begin | None = None
        self._following: Following | None = None
        self._decisions: Decisions | None = None
        self._tls: ServerTls | None = None
        self._limits: RateLimits | None = None
        self._room: Room | None = None
        self._addresses: list[ports.Address] = []
        self._begun, self._opened, self._told_to_stop = trio.Event(), trio.Event(), trio.Event()
        self._preparing: trio.Nursery | None = None
        self._lists: tuple[str, ...] = ()

    async def run(self) -> None:
        """Load, answer, and end when told."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen)
            nursery.start_soon(self._channel.send)
            await self._begun.wait()
            assert self._begin is not None
            structlog.contextvars.bind_contextvars(worker=self._begin.worker)
            config = frames.unpack_config(self._begin.config)
            with follow_store(config.node.data_dir) as store:
                await self._serve(config, store, nursery)
            nursery.cancel_scope.cancel()

    async def _listen(self) -> None:
        await self._channel.listen(self._take)
        log.error("node_gone")
        # At once: without its node it cannot know what is withdrawn, nor record what it answers.
        os._exit(1)

    def _take(self, body: bytes) -> None:
        frame = frames.from_node(body)
        if isinstance(frame, frames.Begin):
            self._begin, self._lists = frame, frame.lists
            config = frames.unpack_config(frame.config)
            self._following = Following(config.workers.max_lag_seconds, frame.number)
            self._decisions = Decisions(config.decisions, self._channel, self._following)
            self._limits = RateLimits(config.limits, is_shared=True)
            self._room = Room(config.http, is_shared=True)
            self._begun.set()
            return
        assert self._following is not None
        assert self._decisions is not None
        assert self._limits is not None
        assert self._room is not None
        match frame:
            case frames.News():
                self._following.hear(frame)
                self._channel.put(framed(frames.Heard(frame.number)))
            case frames.Beat():
                self._following.feel(frame)
                self._channel.put(framed(frames.Heard(self._following.heard)))
            case frames.Kept():
                self._decisions.kept(frame)
            case frames.Spent(spent):
                self._limits.owe_all(spent, at=trio.current_time())
            case frames.Connected(worker, changes):
                self._room.hear(worker, changes)
            case frames.Reply():
                self._questions.answered(frame)
            case frames.Prepare(number, content_digests):
                if self._preparing is None:
                    self._lists = content_digests
                else:
                    self._preparing.start_soon(self._prepare, number, content_digests)
            case frames.Open(addresses):
                self._addresses = addresses
                self._opened.set()
            case frames.ReadCertificates():
                self._read_certificates()
            case frames.Stop():
                self._told_to_stop.set()

    async def _serve(self, config: Config, store: Store, nursery: trio.Nursery) -> None:
        assert self._following is not None
        assert self._decisions is not None
        verifier = self._verifier(config, store, self._following)
        self._preparing = nursery
        await nursery.start(verifier.run)
        nursery.start_soon(self._decisions.send)
        nursery.start_soon(self._metrics.measure_lag)
        if self._lists:
            await self._index(self._lists)
        egress = Egress(config.fetch)
        bearers = bearer.configured(
            config, egress=egress, clock=SystemClock(), metrics=self._metrics
        )
        if bearers is not None:
            await nursery.start(bearers.keys.run)
        front = self._front(config, store, verifier, Access(config.role, bearers))
        self._channel.put(framed(frames.Loaded()))
        await self._opened.wait()
        files = config.tls
        self._tls = ServerTls(files.certificate_file, files.key_file, files.client_ca_file)
        following = self._following
        async with trio.open_nursery() as serving:
            serving.start_soon(self._tell_figures)
            serving.start_soon(self._tell_use)
            await serving.start(
                partial(
                    listeners.serve,
                    Hop(self._door, lambda: not following.is_lagging),
                    config.http,
                    tls=self._tls,
                    bind=ports.listen(self._addresses),
                    hot=front,
                    public_url=config.node.public_url,
                    room=self._room,
                )
            )
            self._channel.put(framed(frames.Listening()))
            await self._told_to_stop.wait()
            serving.cancel_scope.cancel()
        with trio.move_on_after(DRAIN_SECONDS):
            await self._decisions.drain()
        self._put_figures()
        while not self._channel.is_sent:
            await trio.lowlevel.checkpoint()

    def _verifier(self, config: Config, store: Store, following: Following) -> VerifierActor:
        return VerifierActor(
            self._mailbox,
            replicator=following,
            store=store,
            may_answer=lambda: following.may_answer,
            origin=config.log_origin(),
            required=config.verify.required,
            max_age_seconds={one.name: one.max_age_seconds for one in config.dataset},
            max_staleness_seconds=config.verify.max_staleness_seconds,
            proof_verifiers=pinned.proof_verifiers(config),
            resolver_timeout_seconds=config.verify.resolver_timeout_seconds,
            clock=SystemClock(),
            metrics=self._metrics,
        )

    def _front(
        self, config: Config, store: Store, verifier: VerifierActor, access: Access
    ) -> Doorkeeper:
        """Return the hot routes; each is answered here or by the node."""
        assert self._begin is not None
        assert self._following is not None
        witnesses = [one.verifier_key for one in config.witness]
        policy = WitnessPolicy.of(witnesses, config.log.witness_quorum)
        clock = SystemClock()
        here: dict[str, Any] = {
            "config": config,
            "clock": clock,
            "metrics": self._metrics,
            "access": access,
            "access_rules": self._begin.rules,
            "limits": self._limits,
            "store": store,
            "verifier": verifier,
            "heads": ShownHeads(store, policy, config.log.witness_mode),
            "decisions": self._decisions,
        }
        # The rest is the node's alone; routes that need it are answered there.
        desk = Desk(**{**dict.fromkeys(Desk._fields), **here})
        own = {(route.method, route.rule): route for one in HERE for route in one.routes(desk)}
        routes = []
        for method, rule, is_kept in self._begin.routes:
            route = own.get((method, rule))
            if route is None or rule in NOT_HERE:
                routes.append(self._questions.asked(method, rule, is_kept=is_kept))
            elif rule == HEALTH:
                routes.append(route)
            else:
                routes.append(self._questions.asked_at_times(route))
        front = Front(desk, routes, self._following.feed)
        return Doorkeeper(front, self._following, self._hear, store, config.node.public_url)

    def _hear(self) -> None:
        self._channel.hear(self._take)

    async def _prepare(self, number: int, content_digests: tuple[str, ...]) -> None:
        await self._index(content_digests)
        self._channel.put(framed(frames.Prepared(number)))

    async def _index(self, content_digests: tuple[str, ...]) -> None:
        try:
            await self._mailbox.ask(PrepareDatasets(content_digests))
        except RtgfError as error:
            # What rests on such a list is denied.
            log.error("list_not_prepared", detail=error.detail)

    def _read_certificates(self) -> None:
        try:
            if self._tls is not None:
                self._tls.reload()
        except RtgfError as error:
            log.error("certificates_not_reloaded", detail=error.detail)

    async def _tell_figures(self) -> None:
        while True:
            await trio.sleep(FIGURES_EVERY_SECONDS)
            self._put_figures()

    async def _tell_use(self) -> None:
        assert self._limits is not None
        assert self._room is not None
        assert self._begin is not None
        while True:
            await trio.sleep(USE_EVERY_SECONDS)
            if spent := self._limits.spent():
                self._channel.put(framed(frames.Spent(spent)))
            if changes := self._room.changes():
                self._channel.put(framed(frames.Connected(self._begin.worker, changes)))

    def _put_figures(self) -> None:
        found = summed.read(self._metrics.registry)
        samples = [(name, labels, value) for (name, labels), value in found.items()]
        self._channel.put(framed(frames.Figures(samples)))


class Doorkeeper:
    """Lets requests to the hot routes while the worker is sure of what it says."""

    def __init__(
        self,
        front: Front,
        following: Following,
        hear: Callable[[], None],
        store: Store,
        public_url: str,
    ) -> None:
        self._front = front
        self._following = following
        self._hear = hear
        self._store = store
        self._url = public_url

    def find(self, method: str, path: str) -> Handler | None:
        """Return who answers this, or None for the node."""
        following = self._following
        # Nothing is answered before what has come from the node is heard, however many ask.
        self._hear()
        if following.is_lagging:
            return self._unsure
        if following.is_behind:
            following.is_behind = False
            self._store.log.refresh()
        return self._front.find(method, path)

    def turned_away(self, asked: Asked) -> Answered | None:
        """Return the refusal of a request whose client may not ask the node now, or None."""
        return self._unsure(asked) if self._following.is_lagging else self._front.turned_away(asked)

    def refused(self, status: int) -> None:
        """Count a request that could not be read."""
        self._front.refused(status)

    def _unsure(self, asked: Asked) -> Answered:
        is_verify = asked.path.startswith(("/verify", "/evaluate", "/access/"))
        error = RtgfError(
            Code.RTGF_VERIFY_UNAVAILABLE if is_verify else Code.RTGF_UNAVAILABLE,
            "this worker has not heard from its node for too long; try again",
        )
        answered = problems.answered(error, asked.request_id, self._url)
        self._front.refused(answered.status)
        headers = {
            **answered.headers,
            "X-Request-ID": asked.request_id,
            **always(asked.method, asked.path),
        }
        return answered._replace(headers=headers)


if __name__ == "__main__":
    main()
