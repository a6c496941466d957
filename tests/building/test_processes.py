"""Processes wait for the next build, and nothing of one build is there in the next."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from rtgf_node.building import processes
from rtgf_node.building.processes import Standby, WorkerProcess, program
from rtgf_node.building.twice import build_twice
from rtgf_node.core.build import BuildOutput
from rtgf_node.errors import Code, RtgfError
from tests.bench import full_matrix
from tests.nodes import PATIENCE_SECONDS

# A worker that writes down its own number, its parent's, and the builds that it remembers.
TELLING = """
import os, sys
from rtgf_node.building import worker as build_worker
real = build_worker.begin
builds = []
def begin(data):
    builds.append(1)
    with open({notes!r}, "a") as notes:
        notes.write(f"{{os.getppid()}} {{os.getpid()}} {{len(builds)}}\\n")
    return real(data)
build_worker.begin = begin
sys.exit(build_worker.main())
"""
# Two processes that hold a lock as long as one of them lives, and say so.
LOCKING = """
import fcntl, os, sys, time
lock = open({lock!r}, "w")
fcntl.flock(lock, fcntl.LOCK_EX)
if os.fork():
    sys.stdout.buffer.write(bytes(4))
    sys.stdout.buffer.flush()
time.sleep(600)
"""


class Builder:
    """Builds the same again and again, by a worker that tells of itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._notes = folder / "notes"
        self._request, _ = full_matrix.request(folder, full_matrix.PLACES[:2])
        code = TELLING.format(notes=str(self._notes))
        self._command = [sys.executable, "-P", "-s", "-c", code]

    async def build(self, standby: Standby | None, **options: float) -> BuildOutput:
        output = await build_twice(
            self._request,
            folder=self._folder / "building",
            keep_in=self._folder / "kept",
            commands=[self._command, self._command],
            standby=standby,
            **options,
        )
        return BuildOutput(output.manifest, dict(output.artefacts))

    def told(self) -> list[tuple[int, ...]]:
        lines = self._notes.read_text().splitlines()
        return [tuple(int(number) for number in line.split()) for line in lines]


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_builds_one_after_another_share_processes_and_nothing_else(builder: Builder) -> None:
    """RTGF-CT-20: each build is a child's, that is gone when the build is over."""

    async def run() -> list[BuildOutput]:
        async with Standby() as standby:
            return [await builder.build(standby) for _ in range(5)]

    outputs = trio.run(run)
    assert all(output == outputs[0] for output in outputs)
    told = builder.told()
    assert len({parent for parent, _, _ in told}) == 2
    assert len({child for _, child, _ in told}) == 2 * 5
    assert {builds for _, _, builds in told} == {1}
    assert not any(is_running(parent) for parent, _, _ in told)


def test_without_a_standby_the_processes_end_with_the_build(builder: Builder) -> None:
    trio.run(builder.build, None)
    assert not any(is_running(parent) for parent, _, _ in builder.told())


def test_a_process_that_waited_too_long_is_not_used(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STANDBY_SECONDS", 0.0)

    async def run() -> None:
        async with Standby() as standby:
            for _ in range(2):
                await builder.build(standby)

    trio.run(run)
    assert len({parent for parent, _, _ in builder.told()}) == 2 * 2


def test_a_build_that_is_cancelled_leaves_no_process(builder: Builder) -> None:
    async def run() -> None:
        async with Standby() as standby:
            with pytest.raises(RtgfError) as caught:
                await builder.build(standby, timeout_seconds=0.0)
            assert caught.value.code is Code.RTGF_PIPELINE_PUBLISH_FAIL
            assert await builder.build(standby) == await builder.build(None)

    trio.run(run)


def test_a_process_is_ended_with_its_child(tmp_path: Path) -> None:
    lock = tmp_path / "lock"

    async def run() -> None:
        code = LOCKING.format(lock=str(lock))
        process = await WorkerProcess.start(program([sys.executable, "-c", code], {}))
        assert not await process.receive()
        await process.end()

    trio.run(run)
    with lock.open() as held:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with suppress(BlockingIOError):
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            time.sleep(0.02)
    pytest.fail("the child still holds the lock")
