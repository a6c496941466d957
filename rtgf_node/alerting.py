"""The alerts of a node, wired: what looks, what stands, who is told."""

from __future__ import annotations

import trio

from rtgf_node.actors.alerts import AlertsActor
from rtgf_node.alerts import channels
from rtgf_node.alerts.board import Board
from rtgf_node.alerts.delivery import Delivery
from rtgf_node.alerts.messages import Sender
from rtgf_node.alerts.sight import Sight
from rtgf_node.core.clock import Clock
from rtgf_node.keys.signers import Signers
from rtgf_node.ops.syslog import Syslog
from rtgf_node.place import Place
from rtgf_node.readiness import Readiness
from rtgf_node.settings import Config
from rtgf_node.telemetry import Metrics
from rtgf_node.wire import AlertLine


class Alerting:
    """Made before the parts that it watches; `watch` comes before `run`.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if a channel cannot be used.
    """

    def __init__(
        self, config: Config, clock: Clock, metrics: Metrics, signers: Signers, place: Place
    ) -> None:
        # Each member of a cluster has a chain of decisions of its own, named after it.
        sender = Sender(config.node.issuer, place.decisions_chain)
        self._every = config.alerts.every_seconds
        self._clock = clock
        self._metrics = metrics
        self._place = place
        self._board = Board(self._every)
        self._delivery = Delivery(
            channels.configured(config, sender, signers), clock, metrics.alerts
        )
        self._sight: Sight

    def watch(self, readiness: Readiness, syslog: Syslog) -> None:
        """Look at these parts from now on."""
        self._sight = Sight(
            readiness,
            self._metrics,
            self._place,
            lines_lost=lambda: syslog.lost,
            undelivered=lambda: self._delivery.undelivered,
        )

    def lines(self) -> tuple[AlertLine, ...]:
        """Return the alerts that stand, the worst first."""
        return tuple(one.line() for one in self._board.standing())

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look and tell until cancelled."""
        actor = AlertsActor(
            look=self._sight.look,
            board=self._board,
            delivery=self._delivery,
            every_seconds=self._every,
            clock=self._clock,
            figures=self._metrics.alerts,
        )
        await actor.run(task_status=task_status)
