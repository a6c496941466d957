"""What the operator tells the process by signals, heard from its first moment to its last."""

from __future__ import annotations

import signal
from collections.abc import Callable

import trio


class Signals:
    """SIGTERM and SIGINT say stop; SIGHUP says that the certificates are others now.

    Attributes:
      stop: set for good when the process is told to stop.
    """

    def __init__(self) -> None:
        self.stop = trio.Event()
        self._hung_up = trio.Event()

    async def listen(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Hear them until cancelled; a signal that nobody hears ends the process as it stands."""
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            async for received in signals:
                told = self._hung_up if received == signal.SIGHUP else self.stop
                told.set()

    async def at_hang_up(self, read: Callable[[], None]) -> None:
        """Call `read` at each SIGHUP, also for one that came before this; until cancelled."""
        while True:
            await self._hung_up.wait()
            self._hung_up = trio.Event()
            read()
