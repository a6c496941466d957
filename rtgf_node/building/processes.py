"""The processes of builds: started, spoken with, ended, and kept for the next build.

One that has finished a build stands by for a while. It has read nothing itself: whatever a build
hands it is read by a child that lives as long as that build, so that nothing of one is there in
another; see `worker.main`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Self

import trio

import rtgf_node
from rtgf_node.building.worker import LENGTH, STANDBY_SECONDS
from rtgf_node.errors import Code, RtgfError

# Bytes of one answer: a piece has at most the corridors of one place in one domain.
MAX_ANSWER_BYTES: Final = 256 << 20
# Characters of a crashed worker's last words that go into the error.
MAX_LAST_WORDS: Final = 2_000
# Bytes that are read at once: what a pipe holds.
_PIPE_BYTES: Final = 1 << 16


class Program(NamedTuple):
    """What a process runs, and all that is in its environment."""

    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]


def program(command: Sequence[str], environment: Mapping[str, str]) -> Program:
    """Return a worker with this environment, in which it finds this program's modules."""
    parent = Path(rtgf_node.__file__).resolve().parents[1]
    whole = {**environment, "PYTHONPATH": str(parent)}
    return Program(tuple(command), tuple(sorted(whole.items())))


def worker_command() -> list[str]:
    """Return the command of a worker: no working directory, no user's packages on its path."""
    return [sys.executable, "-P", "-s", "-m", "rtgf_node.building.worker"]


class WorkerProcess:
    """A process that serves one build after another."""

    def __init__(self, process: trio.Process, said: BinaryIO) -> None:
        self._process = process
        self._said = said

    @classmethod
    async def start(cls, of: Program) -> WorkerProcess:
        """Start a process of this program."""
        said = tempfile.TemporaryFile()  # noqa: SIM115 - its end closes it
        try:
            process: trio.Process = await trio.lowlevel.open_process(
                of.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                cwd="/",
                env=dict(of.environment),
                process_group=0,
            )
        except BaseException:
            said.close()
            raise
        return cls(process, said)

    async def send(self, message: bytes) -> None:
        """Send it a message.

        Raises:
          trio.BrokenResourceError: it reads no more.
        """
        assert self._process.stdin is not None
        await self._process.stdin.send_all(LENGTH.pack(len(message)))
        await self._process.stdin.send_all(message)

    async def receive(self) -> bytearray:
        """Return its next message.

        Raises:
          EOFError: it says no more.
        """
        (size,) = LENGTH.unpack(await self._exactly(LENGTH.size))
        if size > MAX_ANSWER_BYTES:
            raise EOFError
        return await self._exactly(size)

    async def finish(self) -> None:
        """Tell it that the build is over; after that it can serve another.

        Raises:
          trio.BrokenResourceError, EOFError: it has ended.
        """
        await self.send(b"")
        if await self.receive():
            raise EOFError

    async def _exactly(self, size: int) -> bytearray:
        assert self._process.stdout is not None
        data = bytearray()
        while len(data) < size:
            some = await self._process.stdout.receive_some(min(size - len(data), _PIPE_BYTES))
            if not some:
                raise EOFError
            data += some
        return data

    async def end(self) -> None:
        """End it with its child, whatever they are at; nobody can cut that short."""
        await self._end()
        self._said.close()

    async def crashed(self) -> RtgfError:
        """End it, and return how it is told that it gave no answer."""
        await self._end()
        self._said.seek(0)
        last_words = self._said.read().decode("utf-8", "replace")[-MAX_LAST_WORDS:].strip()
        self._said.close()
        return RtgfError(
            Code.RTGF_INTERNAL,
            f"a build worker ended with status {self._process.returncode} and no answer:"
            f" {last_words}",
        )

    async def _end(self) -> None:
        with trio.CancelScope(shield=True):
            # What has ended by itself is still known under its number until it is waited for.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    await stream.aclose()
            await self._process.wait()


class Standby:
    """Processes that wait for the next build, one of each program at most."""

    def __init__(self) -> None:
        self._waiting: dict[Program, tuple[WorkerProcess, float]] = {}

    async def __aenter__(self) -> Self:
        """Return this."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all that wait."""
        while self._waiting:
            of = next(iter(self._waiting))
            await self._waiting.pop(of)[0].end()

    async def take(self, of: Program) -> WorkerProcess:
        """Return a process of this program: the one that waits, or a new one."""
        waiting = self._waiting.pop(of, None)
        if waiting is not None:
            process, since = waiting
            # Long before it ends by itself.
            if trio.current_time() - since < STANDBY_SECONDS / 2:
                return process
            await process.end()
        return await WorkerProcess.start(of)

    async def keep(self, of: Program, process: WorkerProcess) -> None:
        """Let a process wait that has finished a build."""
        if of in self._waiting:
            await process.end()
        else:
            self._waiting[of] = process, trio.current_time()
