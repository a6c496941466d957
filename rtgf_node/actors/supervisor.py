"""Keep the actors running; give up loudly when that does not help.

Children start in the order given and stop in the reverse order. A child that crashes is started
again on its own (one for one). More than `intensity` crashes within `period_seconds` raise
`GaveUpError`, which ends the process: the service manager decides what happens next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum

import msgspec
import structlog
import trio

log = structlog.get_logger(__name__)

Run = Callable[..., Awaitable[object]]

LAST_ERROR_CHARACTERS = 300  # what a line of the dashboard can show; the log has the whole


class GaveUpError(Exception):
    """A child kept crashing. Not an `RtgfError`: nobody should handle it."""


class Child(msgspec.Struct, frozen=True):
    """How to run one actor.

    Attributes:
      name: what it is called in logs and metrics.
      run: an async function that takes `task_status`, calls `started()` once it is ready, and then
        runs until it is cancelled.
      stop_within_seconds: how long it may take to stop before the next one is stopped too.
    """

    name: str
    run: Run
    stop_within_seconds: float = 5.0


class Restarts(msgspec.Struct, frozen=True):
    """How many crashes to put up with: a burst of 5, then one every 6 s."""

    intensity: int = 5
    period_seconds: float = 30.0
    pauses_seconds: tuple[float, ...] = (0.0, 0.5, 2.0)


class ChildState(Enum):
    """Where a child is in its life. The value is what people read."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    CRASHED = "crashed"
    STOPPING = "stopping"
    STOPPED = "stopped"


class ChildStatistics(msgspec.Struct, frozen=True):
    """What the dashboard and the metrics may know about one child."""

    name: str
    state: ChildState
    restarts_total: int
    last_error: str | None


class _Life:
    """One child and what has become of it. Owned by the task that keeps it running."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.scope = trio.CancelScope()
        self.stopped = trio.Event()
        self.state = ChildState.WAITING
        self.announced = False
        self.restarts = 0
        self.last_error: str | None = None
        self.crashes: deque[float] = deque()


class Supervisor:
    """Runs children, restarts those that crash, and stops them last started first."""

    def __init__(self, children: Sequence[Child], restarts: Restarts | None = None) -> None:
        self._restarts = restarts or Restarts()
        self._lives = [_Life(child) for child in children]

    def statistics(self) -> tuple[ChildStatistics, ...]:
        """Return the state of each child, in start order."""
        return tuple(
            ChildStatistics(life.child.name, life.state, life.restarts, life.last_error)
            for life in self._lives
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the children until cancelled, then stop them. Call it once.

        `started()` is reported when every child has started. On cancellation each child is
        cancelled only after the one started after it has stopped, or has used up its time. A child
        that ignores its cancellation holds up the return of this function: a task cannot be
        killed, only the process can.

        Raises:
          ExceptionGroup: holds a `GaveUpError` if a child crashed too often.
        """
        begun: list[_Life] = []
        async with trio.open_nursery() as nursery:
            try:
                for life in self._lives:
                    begun.append(life)
                    await nursery.start(self._keep_running, life)
                    # From here on only this supervisor stops the child, in order. Not sooner: a
                    # start that hangs must stay cancellable.
                    life.scope.shield = True
                task_status.started()
                await trio.sleep_forever()
            finally:
                for life in reversed(begun):
                    await _stop(life)

    async def _keep_running(self, life: _Life, *, task_status: trio.TaskStatus[None]) -> None:
        try:
            with life.scope:
                while True:
                    crash = await self._run_once(life, task_status)
                    if life.scope.cancel_called:
                        break
                    await trio.sleep(self._count_crash(life, crash))
                    life.restarts += 1
            life.state = ChildState.STOPPED
        except Exception as error:
            if not life.scope.cancel_called:
                raise
            # It crashed in the same moment in which it was told to stop. The others still stop
            # in order.
            life.last_error = _line(_sole(error))
            life.state = ChildState.STOPPED
            log.exception("actor_crashed_while_stopping", actor=life.child.name)
        finally:
            life.stopped.set()

    async def _run_once(self, life: _Life, task_status: trio.TaskStatus[None]) -> Exception:
        """Run the child until it ends; return why, and never let a crash pass."""
        name = life.child.name
        life.state = ChildState.STARTING
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(life.child.run)
                life.state = ChildState.RUNNING
                if not life.announced:
                    life.announced = True
                    task_status.started()
        except Exception as error:
            log.exception("actor_crashed", actor=name)
            return _sole(error)
        log.error("actor_returned", actor=name)
        return RuntimeError("the actor returned, which it never should")

    def _count_crash(self, life: _Life, crash: Exception) -> float:
        """Note the crash and return how long to pause before the next start."""
        life.state = ChildState.CRASHED
        life.last_error = _line(crash)
        now = trio.current_time()
        life.crashes.append(now)
        while life.crashes[0] < now - self._restarts.period_seconds:
            life.crashes.popleft()
        recent = len(life.crashes)
        if recent > self._restarts.intensity:
            raise GaveUpError(
                f"the {life.child.name} actor crashed {recent} times "
                f"in {self._restarts.period_seconds:g} s; its last error: {life.last_error}"
            ) from crash
        pauses = self._restarts.pauses_seconds
        return pauses[min(recent, len(pauses)) - 1]


async def _stop(life: _Life) -> None:
    if not life.stopped.is_set():
        life.state = ChildState.STOPPING
    life.scope.cancel()
    with trio.move_on_after(life.child.stop_within_seconds, shield=True) as limit:
        await life.stopped.wait()
    if limit.cancelled_caught:
        log.error("actor_stop_timed_out", actor=life.child.name)


def _sole(error: Exception) -> Exception:
    """Take the wrapping groups off an exception that is alone in them."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:LAST_ERROR_CHARACTERS]
