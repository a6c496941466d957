"""The demonstration's node: a real `rtgf serve` in a process of its own."""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from rtgf_node.client import Node
from rtgf_node.errors import Code, RtgfError

START_SECONDS = 60.0
"""An empty node is up in about two seconds; a loaded machine may need many more."""

STOP_SECONDS = 60.0
"""It drains what is asked and closes the store; then it is killed."""

POLL_SECONDS = 0.1
_LOG_TAIL_BYTES = 4096


_PORTS = range(10_240, 32_000)
"""Below those that a system gives to outgoing connections, which come and go at any time."""


def free_port() -> int:
    """Return a port of this machine that nobody listens on now."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def need_port(port: int) -> None:
    """Refuse a port of this machine that a node could not listen on now.

    Raises:
      RtgfError: RTGF_INPUT_INVALID, with the reason of the operating system.
    """
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, f"port {port} cannot be had: {error.strerror}; choose another"
        ) from error


class RunningNode:
    """A served node folder. Leaving the context stops the node and waits until it has ended."""

    def __init__(self, settings: Path, log: Path) -> None:
        self._settings = settings
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the process; `wait_ready` says when it answers."""
        with self._log.open("ab") as log:
            # The arguments are ours: this interpreter, this program, a path.
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "rtgf_node", "serve", "--config", str(self._settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it as a service manager would: SIGTERM, and only then SIGKILL.

        Raises:
          RtgfError: RTGF_UNREACHABLE if a step failed because the node had ended by itself.
        """
        process = self._process
        if process is None:
            return
        if process.poll() is not None:
            if isinstance(error, RtgfError) and error.code is Code.RTGF_UNREACHABLE:
                raise self._ended() from error
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def wait_ready(self, node: Node) -> None:
        """Return when the node answers.

        Raises:
          RtgfError: RTGF_UNREACHABLE if it ended, or does not answer in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise self._ended()
            with suppress(RtgfError):
                node.healthy()
                return
            time.sleep(POLL_SECONDS)
        raise RtgfError(
            Code.RTGF_UNREACHABLE,
            f"the node does not answer after {START_SECONDS:g} s; it said:\n{self._last_words()}",
        )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        if self._process is not None:
            self._process.send_signal(number)

    def wait(self, seconds: float | None = None) -> int:
        """Wait until the process has ended, and return its exit code.

        Raises:
          subprocess.TimeoutExpired: it goes on after so many seconds.
        """
        return self._process.wait(seconds) if self._process is not None else 0

    def wait_end(self) -> None:
        """Wait until the node ends by itself or by Ctrl-C, which it is sent too."""
        if self._process is not None:
            with suppress(KeyboardInterrupt):
                self._process.wait()

    def _ended(self) -> RtgfError:
        return RtgfError(
            Code.RTGF_UNREACHABLE, f"the node ended by itself; it said:\n{self._last_words()}"
        )

    def _last_words(self) -> str:
        data = self._log.read_bytes()
        return data[-_LOG_TAIL_BYTES:].decode("utf-8", errors="replace")
