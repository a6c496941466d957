"""Ships the audit trail as RFC 5424 syslog: to the machine's own socket, or over TCP.

It never holds anybody up: lines wait in a bounded buffer, and when the collector is away for long,
the oldest are left out. The file of the trail has them all.
"""

from __future__ import annotations

import socket
from collections import deque
from pathlib import Path
from typing import Final

import structlog
import trio

from rtgf_node.config import host_and_port
from rtgf_node.core import times
from rtgf_node.core.clock import Clock

log = structlog.get_logger(__name__)

PRIORITY: Final = 13 * 8 + 6
"""Facility 13 (log audit), severity 6 (informational); RFC 5424 §6.2.1."""

WAITING_MAX: Final = 10_000
"""Lines for a collector that is away; about 5 MB."""

PAUSE_SECONDS: Final = 5.0
"""Between two tries to reach the collector."""

SEND_SECONDS: Final = 10.0
"""After so long a collector that takes nothing is taken for gone."""


class Syslog:
    """Sends lines to a collector.

    Args:
      target: the path of a datagram socket such as /dev/log, or host:port for TCP; "" for nowhere.
      host: how this node is named.
      clock: for the time of each message.
    """

    def __init__(self, target: str, *, host: str, clock: Clock) -> None:
        self._target = target
        self._host = host
        self._clock = clock
        self._waiting: deque[bytes] = deque(maxlen=WAITING_MAX)
        self._lost = 0
        self._has_come = trio.Event()

    def ship(self, line: bytes) -> None:
        """Let a line be sent, soon."""
        if not self._target:
            return
        if len(self._waiting) == WAITING_MAX:
            self._lost += 1
        self._waiting.append(self._message(line))
        self._has_come.set()

    def _message(self, line: bytes) -> bytes:
        at = times.to_text(self._clock.now())
        return f"<{PRIORITY}>1 {at} {self._host} rtgf-node - audit - ".encode() + line

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send what comes until cancelled."""
        task_status.started()
        while True:
            try:
                if self._target.startswith("/"):
                    await self._send_datagrams()
                else:
                    await self._send_stream()
            except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
                log.error("audit_trail_not_shipped", waiting=len(self._waiting), detail=str(error))
            await trio.sleep(PAUSE_SECONDS)

    async def _send_datagrams(self) -> None:
        with trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            await sock.connect(str(Path(self._target)))
            while True:
                message = await self._next()
                with trio.fail_after(SEND_SECONDS):
                    await sock.send(message)
                self._sent()

    async def _send_stream(self) -> None:
        host, port = host_and_port(self._target)
        with trio.fail_after(SEND_SECONDS):
            stream = await trio.open_tcp_stream(host, port)
        async with stream:
            while True:
                message = await self._next()
                with trio.fail_after(SEND_SECONDS):
                    # Octet counting (RFC 6587 §3.4.1).
                    await stream.send_all(b"%d %s" % (len(message), message))
                self._sent()

    async def _next(self) -> bytes:
        while not self._waiting:
            self._has_come = trio.Event()
            await self._has_come.wait()
        return self._waiting[0]

    def _sent(self) -> None:
        self._waiting.popleft()
        if self._lost:
            log.error("audit_trail_lines_not_shipped", lines=self._lost)
            self._lost = 0
