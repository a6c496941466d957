"""Does a piece of work over and over, each time in a process of its own with one write broken.

    python -m tests.faults.breaker

It reads one request a line and answers each with one line. The processes are forks of this one, so
that a case does not wait for imports; this one never opens what they write.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog
import trio

from tests.faults import file_work, log_work
from tests.faults.breaking import How, Steps, install
from tests.faults.log_work import Report

PATIENCE_SECONDS = 300
"""For one piece of work; one that waits for ever is killed and found out."""


def _job(request: Request, tell: Callable[[Report], None]) -> None:
    folder = Path(request.folder)
    match request.job.split(" "):
        case ["log", "prepare"]:
            trio.run(log_work.fill, folder)
        case ["log", "do"]:
            trio.run(log_work.do, folder, tell)
        case ["log", "again"]:
            trio.run(log_work.again, folder, tell)
        case [piece, "prepare"]:
            file_work.PIECES[piece].prepare(folder)
        case [piece, "do"]:
            file_work.PIECES[piece].do(folder, lambda note: tell(Report(note=note)))
        case [piece, "again"]:
            file_work.PIECES[piece].again(folder, request.told)


class Request(msgspec.Struct, frozen=True):
    """A piece of work; without `how` nothing stands between it and the disk.

    Attributes:
      label: of the write to be broken; with `how` and without it, writes are counted only.
      turn: which one of those with this label, from 1 on.
      told: what the broken process told, for the one that looks at what it left.
    """

    job: str
    folder: str
    how: How | None = None
    label: str | None = None
    turn: int = 1
    told: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """How the process ended, what it told, and its writes in their order.

    Attributes:
      status: the exit code; minus the number of the signal that ended it.
      broken: whether a write was broken.
      steps: empty if it was killed.
    """

    status: int
    reports: tuple[Report, ...]
    broken: bool
    steps: tuple[str, ...]
    complaint: str


class _Line(msgspec.Struct, frozen=True):
    report: Report | None = None
    broken: bool = False
    steps: tuple[str, ...] = ()
    complaint: str = ""


def run(request: Request) -> Answer:
    """Fork, do the work there, and return what became of it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os._exit(_work(request, writing))
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        lines = [msgspec.json.decode(line, type=_Line) for line in file]
    _, status = os.waitpid(child, 0)
    return Answer(
        status=os.waitstatus_to_exitcode(status),
        reports=tuple(line.report for line in lines if line.report is not None),
        broken=any(line.broken for line in lines),
        steps=next((line.steps for line in lines if line.steps), ()),
        complaint="".join(line.complaint for line in lines),
    )


def _work(request: Request, descriptor: int) -> int:
    signal.alarm(PATIENCE_SECONDS)
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    plain = os.write

    def say(line: _Line) -> None:
        # One write of a line: a pipe takes it whole or not at all.
        plain(descriptor, msgspec.json.encode(line) + b"\n")

    folder = Path(request.folder)
    seen: list[str] = []
    if request.how is not None:
        steps = Steps(
            folder,
            label=request.label,
            turn=request.turn,
            how=request.how,
            broken=lambda: say(_Line(broken=True)),
        )
        install(steps)
        seen = steps.seen
    try:
        _job(request, lambda report: say(_Line(report=report)))
    except BaseException:  # noqa: BLE001  told, and the process ends
        say(_Line(complaint=traceback.format_exc()))
        return 1
    say(_Line(steps=tuple(seen)))
    return 0


def main() -> None:
    # What is here stays: forks need not copy it.
    gc.freeze()
    for line in sys.stdin.buffer:
        answer = run(msgspec.json.decode(line, type=Request))
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
