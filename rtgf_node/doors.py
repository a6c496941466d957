"""The listeners of a node: open until it is told to stop, or is to begin anew."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from functools import partial

import structlog
import trio

from rtgf_node import __version__
from rtgf_node.api import admin_socket, listeners
from rtgf_node.api.app import build_app, hot_routes
from rtgf_node.api.behind import Framework
from rtgf_node.api.desk import Desk
from rtgf_node.api.front import Front
from rtgf_node.api.listeners import Bound
from rtgf_node.api.metrics import build_app as metrics_app
from rtgf_node.api.server_tls import ServerTls
from rtgf_node.errors import RtgfError
from rtgf_node.process_signals import Signals
from rtgf_node.workers.pool import Workers

log = structlog.get_logger(__name__)

THREAD_SECONDS = 0.001
"""For so long a thread that computes may hold up whoever answers (CPython's own: 5 ms)."""


class Doors:
    """The listeners for partners, for Prometheus, and for the operator on this machine.

    Args:
      desk: what is answered from.
      workers: the further processes that answer, if there are any.
      may_answer: whether the log contradicts nobody.
    """

    def __init__(self, desk: Desk, workers: Workers, may_answer: Callable[[], bool]) -> None:
        self._desk = desk
        self._config = desk.config
        self._workers = workers
        self._may_answer = may_answer

    async def open_until_told(
        self,
        signals: Signals,
        *,
        task_status: trio.TaskStatus[Bound] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Open the doors; once told, close them, and return when what was asked is answered."""
        config = self._config
        async with trio.open_nursery() as nursery:
            if config.metrics.bind:
                scraped = metrics_app(self._desk.metrics)
                await nursery.start(
                    partial(
                        listeners.serve, scraped, config.http, tls=None, bind=config.metrics.bind
                    )
                )
            files = config.tls
            tls = ServerTls(files.certificate_file, files.key_file, files.client_ca_file)
            routes = hot_routes(self._desk)
            framework = Framework(build_app(self._desk), config.http, config.node.public_url)
            if config.workers.count:
                serve = partial(
                    self._workers.run, framework, routes, self._desk.decisions, self._may_answer
                )
            else:
                serve = partial(
                    listeners.serve,
                    framework,
                    config.http,
                    tls=tls,
                    bind=config.http.bind,
                    hot=Front(self._desk, routes, self._desk.cluster.replicator.feed),
                    public_url=config.node.public_url,
                )
            if config.http.admin_socket is not None:
                here = admin_socket.listen(config.http.admin_socket)
                await nursery.start(
                    partial(listeners.serve, framework, config.http, tls=None, bind=here)
                )
            bound: Bound = await nursery.start(serve)
            # What is loaded stays: looking through all of it again and again would hold up answers.
            gc.collect()
            gc.freeze()
            sys.setswitchinterval(THREAD_SECONDS)
            log.info(
                "node_ready",
                url=self._config.node.public_url,
                port=bound.port,
                issuer=self._config.node.issuer,
                version=__version__,
            )
            task_status.started(bound)
            try:
                await self._wait_told(signals, tls)
            finally:
                gc.unfreeze()  # a node that begins anew leaves all of this behind
            log.info("node_stopping")
            self._desk.news.end()
            await framework.retire()
            nursery.cancel_scope.cancel()

    async def _wait_told(self, signals: Signals, tls: ServerTls) -> None:
        """Return when told to stop, or to begin anew; at a SIGHUP take the certificates anew."""
        async with trio.open_nursery() as nursery:

            async def until(told: trio.Event) -> None:
                await told.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(until, signals.stop)
            nursery.start_soon(until, self._desk.cluster.restart_needed)
            nursery.start_soon(signals.at_hang_up, partial(self._read_certificates, tls))

    def _read_certificates(self, tls: ServerTls) -> None:
        try:
            tls.reload()
            self._desk.cluster.reload()
            self._workers.read_certificates()
        except RtgfError as error:
            log.error("certificates_not_reloaded", detail=str(error))
        else:
            log.info("certificates_reloaded")
