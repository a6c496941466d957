"""A process that does work with one write broken, for all cases of a test file."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.faults.breaker import Answer, Request

ROOT = Path(__file__).parents[2]


class Breaker:
    """Asks the process; one piece of work at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def run(self, job: str, folder: Path, **fault) -> Answer:
        request = Request(job, str(folder), **fault)
        self._process.stdin.write(msgspec.json.encode(request) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the breaker itself died"
        return msgspec.json.decode(line, type=Answer)


@pytest.fixture
def quick_path(tmp_path) -> Iterator[Path]:
    """A folder in memory where there is one: what a process leaves, not a machine, is looked at."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def breaker() -> Iterator[Breaker]:
    command = [sys.executable, "-m", "tests.faults.breaker"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
    ) as process:
        yield Breaker(process)
        process.stdin.close()
