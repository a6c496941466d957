"""The alerts actor: looks at the node at a fixed pace, and tells what needs a human.

Nothing of it can stop the node: a look or a message that fails is an alert itself.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from rtgf_node.alerts.board import Board
from rtgf_node.alerts.delivery import Delivery
from rtgf_node.alerts.seen import Seen
from rtgf_node.core.clock import Clock
from rtgf_node.figures.alerts import AlertFigures

log = structlog.get_logger(__name__)

FIRST_SECONDS = 1.0
"""Before the first look: the last of the actors has started by then."""


class AlertsActor:
    """Owns when the node is looked at, and when somebody is told.

    Args:
      look: returns the node as it is.
      board: which alerts stand.
      delivery: the channels.
    """

    def __init__(
        self,
        *,
        look: Callable[[], Seen],
        board: Board,
        delivery: Delivery,
        every_seconds: float,
        clock: Clock,
        figures: AlertFigures,
    ) -> None:
        self._look = look
        self._board = board
        self._delivery = delivery
        self._every = every_seconds
        self._clock = clock
        self._figures = figures
        self._shown: frozenset[str] = frozenset()
        self._fault: str | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look and tell until cancelled; a slow channel delays no look."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_looking)
            nursery.start_soon(self._delivery.keep_telling, self._board.standing)
            task_status.started()

    async def _keep_looking(self) -> None:
        await trio.sleep(FIRST_SECONDS)
        while True:
            self._look_once()
            await trio.sleep(self._every)

    def _look_once(self) -> None:
        board, at = self._board, self._clock.now()
        gaps = board.gaps
        try:
            board.take(self._look(), at)
            self._fault = None
        except Exception as error:
            reason = type(error).__name__
            if reason != self._fault:
                log.exception("alerts_not_judged")
            self._fault = reason
            board.fail(reason, at)
        self._figures.gaps.inc(board.gaps - gaps)
        self._figures.looked.set(at)
        self._tell_of_changes()

    def _tell_of_changes(self) -> None:
        standing = {one.alert.name: one for one in self._board.standing()}
        for name in sorted(standing.keys() - self._shown):
            one = standing[name]
            log.warning("alert", alert=name, severity=one.alert.severity, detail=one.detail)
        for name in sorted(self._shown - standing.keys()):
            log.info("alert_over", alert=name)
        self._shown = frozenset(standing)
        self._figures.show(self._shown)
