"""Ships the audit trail as RFC 5424 syslog: to the machine's own socket, over TCP, or over TLS.

It never holds anybody up: lines wait in a bounded buffer, and when the collector is away for long,
the oldest are left out. The file of the trail has them all.
"""

from __future__ import annotations

import socket
import ssl
from collections import deque
from pathlib import Path
from typing import Final, NoReturn

import structlog
import trio

from rtgf_node.config import host_and_port
from rtgf_node.core import times
from rtgf_node.core.clock import Clock
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import AuditConfig

log = structlog.get_logger(__name__)

PRIORITY: Final = 13 * 8 + 6
"""Facility 13 (log audit), severity 6 (informational); RFC 5424 §6.2.1."""

TLS: Final = "tls://"
"""Before the host and port of a collector that speaks TLS (RFC 5425)."""

WAITING_MAX: Final = 10_000
"""Lines for a collector that is away; about 5 MB."""

PAUSE_SECONDS: Final = 5.0
"""Between two tries to reach the collector."""

SEND_SECONDS: Final = 10.0
"""After so long a collector that takes nothing is taken for gone."""


class Syslog:
    """Sends lines to a collector.

    Args:
      config: where it is, and for TLS, who vouches for it and what it is shown.
      host: how this node is named.
      clock: for the time of each message.

    Attributes:
      lost: lines that were not sent since this began.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if the certificates cannot be used.
    """

    def __init__(self, config: AuditConfig, *, host: str, clock: Clock) -> None:
        self._config = config
        self._target = config.syslog
        self._host = host
        self._clock = clock
        self._waiting: deque[bytes] = deque(maxlen=WAITING_MAX)
        self._lost = 0
        self.lost = 0
        self._has_come = trio.Event()
        if self._target.startswith(TLS):
            try:
                self._tls()
            except OSError as error:  # ssl.SSLError is one
                raise RtgfError(
                    Code.RTGF_CONFIG_INVALID,
                    f"audit: {config.ca_file}, {config.certificate_file} or {config.key_file} "
                    f"cannot be used: {error.strerror or error}",
                ) from error

    def ship(self, line: bytes) -> None:
        """Let a line be sent, soon."""
        if not self._target:
            return
        if len(self._waiting) == WAITING_MAX:
            self._lost += 1
            self.lost += 1
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
            except* (OSError, trio.BrokenResourceError, trio.TooSlowError) as group:
                told = "; ".join(str(error.__cause__ or error) for error in group.exceptions)
                log.error("audit_trail_not_shipped", waiting=len(self._waiting), detail=told)
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
        stream: trio.abc.Stream
        host, port = host_and_port(self._target.removeprefix(TLS))
        with trio.fail_after(SEND_SECONDS):
            stream = await trio.open_tcp_stream(host, port)
        if self._target.startswith(TLS):
            # The files are read anew each time: certificates are renewed without a restart.
            stream = trio.SSLStream(
                stream, self._tls(), server_hostname=host, https_compatible=True
            )
        async with stream, trio.open_nursery() as nursery:
            if isinstance(stream, trio.SSLStream):
                with trio.fail_after(SEND_SECONDS):
                    await stream.do_handshake()
            nursery.start_soon(_watch, stream)
            while True:
                message = await self._next()
                with trio.fail_after(SEND_SECONDS):
                    # Octet counting (RFC 6587 §3.4.1, RFC 5425 §4.3).
                    await stream.send_all(b"%d %s" % (len(message), message))
                self._sent()

    def _tls(self) -> ssl.SSLContext:
        """Return how TLS is spoken with the collector.

        Raises:
          OSError: a file cannot be used.
        """
        config = self._config
        cafile = None if config.ca_file is None else str(config.ca_file)
        context = ssl.create_default_context(cafile=cafile)
        # Collectors are not ours: RFC 9662 still asks for 1.2.
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if config.certificate_file is not None:
            context.load_cert_chain(config.certificate_file, config.key_file)
        return context

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


async def _watch(stream: trio.abc.Stream) -> NoReturn:
    """Notice that the collector is gone, or refuses our certificate, before lines are lost to it.

    Raises:
      trio.BrokenResourceError: it is.
    """
    while await stream.receive_some(1024):
        pass  # it has nothing to say
    raise trio.BrokenResourceError("the collector has ended the connection")
