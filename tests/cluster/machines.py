"""Machines of a test: a process host each, in which a member lives, dies, and lives again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import trio

from tests.cluster.breaks import Break
from tests.cluster.member import Start

ROOT = Path(__file__).parents[2]
START_SECONDS = 180.0
"""After so long something is wrong."""


class Machine:
    """One machine, and the member on it.

    Attributes:
      raft_id, name, address: of the member.
      folder: its data folder.
      ended: the status of the process that ended last; negative for a signal.
      broken_at: the step at which the member broke off, of this life.
      told: what it said of why it ended, of this life.
      held: it is being started, stopped or repaired by somebody.
      paused: it got SIGSTOP.
    """

    def __init__(
        self, raft_id: int, address: str, folder: Path, pki: Path, *, prefix: Sequence[str] = ()
    ) -> None:
        self.raft_id = raft_id
        self.name = f"n{raft_id}"
        self.address = address
        self.folder = folder
        self.prefix = tuple(prefix)
        self.environment: dict[str, str] = {}
        self.compact_every = 60
        self.election_ticks = 10
        self.ended: int | None = None
        self.broken_at: str | None = None
        self.told: dict[str, Any] = {}
        self.held = False
        self.paused = False
        self.gone = False
        self.lives = 0
        self._pki = pki
        self._pid: int | None = None
        self._ready = trio.Event()
        self._over = trio.Event()
        self._over.set()
        self._asked = 0
        self._answers: dict[int, tuple[trio.Event, list[dict[str, Any]]]] = {}
        self._host: trio.Process | None = None

    @property
    def alive(self) -> bool:
        """Whether its process is there."""
        return not self._over.is_set()

    @property
    def serving(self) -> bool:
        """Whether it may be asked."""
        return self.alive and self._ready.is_set() and not self.paused

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Switch the machine on, until cancelled."""
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": "/tmp",
        }
        self._host = await trio.lowlevel.open_process(
            [*self.prefix, sys.executable, "-m", "tests.cluster.member"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environment | self.environment,
        )
        try:
            task_status.started()
            await self._hear(self._host)
        finally:
            self._signal(signal.SIGKILL)
            with suppress(ProcessLookupError):
                self._host.kill()
            with trio.CancelScope(shield=True):
                await self._host.wait()
                for stream in (self._host.stdin, self._host.stdout):
                    assert stream is not None
                    await stream.aclose()

    async def start(
        self, broken: Break | None = None, *, forgets: bool = False, wait: bool = True
    ) -> bool:
        """Start the member; with `wait`, say whether it came to answer."""
        assert self._over.is_set()
        self._over, self._ready = trio.Event(), trio.Event()
        self.ended, self.broken_at, self.told, self.paused = None, None, {}, False
        self.lives += 1
        start = Start(
            folder=str(self.folder),
            name=self.name,
            bind=self.address,
            pki=str(self._pki),
            election_ticks=self.election_ticks,
            compact_every=self.compact_every,
            broken=broken,
            forgets=forgets,
            verbose=bool(os.environ.get("RTGF_FAULTS_VERBOSE")),
        )
        await self._write(msgspec.json.encode(start))
        if wait:
            with trio.fail_after(START_SECONDS):
                await self._ready.wait()
        return self.alive

    async def ask(self, do: str, patience: float = 60.0, **more: Any) -> dict[str, Any] | None:
        """Ask the member; None if it did not answer in `patience`, or is not there."""
        if not self.alive:
            return None
        self._asked += 1
        number = self._asked
        answered = trio.Event()
        answers: list[dict[str, Any]] = []
        self._answers[number] = (answered, answers)
        try:
            with trio.move_on_after(patience):
                await self._write(msgspec.json.encode({"id": number, "do": do, **more}))
                await answered.wait()
        finally:
            del self._answers[number]
        return answers[0] if answers else None

    async def kill(self) -> None:
        """End the member as a power supply ends it that leaves the disk alone."""
        await self._end_by(signal.SIGKILL)

    async def power_cut(self) -> None:
        """End it, and what it had not synced is gone; it was started with `forgets`."""
        await self._end_by(signal.SIGUSR1)

    def pause(self) -> None:
        """Let it stand still."""
        self.paused = True
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on, as if no time had passed."""
        self.paused = False
        self._signal(signal.SIGCONT)

    async def stop(self) -> None:
        """End it as a service manager does."""
        with trio.move_on_after(START_SECONDS):
            await self._write(b'{"id":0,"do":"stop"}')
            await self._over.wait()
            return
        await self.kill()

    async def wait_ended(self, seconds: float = START_SECONDS) -> int:
        """Wait until its process ends by itself, and return its status."""
        with trio.fail_after(seconds):
            await self._over.wait()
        assert self.ended is not None
        return self.ended

    def wipe(self) -> None:
        """Lose the disk."""
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    async def _end_by(self, number: signal.Signals) -> None:
        while self.alive and self._pid is None:  # noqa: ASYNC110  until its first word
            await trio.sleep(0.01)
        self._signal(number)
        await self._over.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._pid is not None and self.alive:
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)

    async def _write(self, line: bytes) -> None:
        assert self._host is not None
        assert self._host.stdin is not None
        assert isinstance(self._host.stdin, trio.lowlevel.FdStream)
        while True:
            try:
                # Whole or not at all, as of any pipe with less than 4 KiB.
                os.write(self._host.stdin.fileno(), line + b"\n")
                return
            except BlockingIOError:
                await trio.sleep(0.02)  # it stands still, and the pipe is full

    async def _hear(self, host: trio.Process) -> None:
        assert host.stdout is not None
        heard = b""
        async for data in host.stdout:
            *lines, heard = (heard + data).split(b"\n")
            for line in lines:
                self._take(msgspec.json.decode(line))

    def _take(self, told: Mapping[str, Any]) -> None:
        match told:
            case {"id": number}:
                if number in self._answers:
                    answered, answers = self._answers[number]
                    answers.append(dict(told))
                    answered.set()
            case {"pid": pid}:
                self._pid = pid
            case {"ready": _}:
                self._ready.set()
            case {"broken": at}:
                self.broken_at = at
            case {"ended": status}:
                self.ended, self._pid = status, None
                self._ready.set()
                self._over.set()
            case _:
                self.told.update(told)
