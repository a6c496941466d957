"""Build twice, in two fresh processes that have nothing in common but the request.

Hash seed, time zone and locale differ between the two, so that whatever a build might read of them
shows as a difference. Only bytes that both gave are passed on; where they differ, both answers are
kept for people to compare, and nothing is published.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import trio

import rtgf_node
from rtgf_node.build_worker import EXIT_BUILT, EXIT_REFUSED, decode_answer
from rtgf_node.core import digests, manifest
from rtgf_node.core.build import BuildOutput
from rtgf_node.errors import Code, RtgfError

# The second is east of Greenwich by five and three quarter hours: no usual shift hides there.
ENVIRONMENTS: tuple[Mapping[str, str], Mapping[str, str]] = (
    {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
    {"PYTHONHASHSEED": "2", "TZ": "Asia/Kathmandu", "LC_ALL": "C"},
)

# Seconds. A full matrix of 14,400 tokens takes a few minutes on one core.
TIMEOUT_SECONDS = 1_800.0
# Characters of a crashed worker's last words that go into the error.
MAX_LAST_WORDS = 2_000


def worker_command() -> list[str]:
    """Return the command of a worker: no working directory, no user's packages on its path."""
    return [sys.executable, "-P", "-s", "-m", "rtgf_node.build_worker"]


async def build_twice(
    request: bytes,
    *,
    keep_in: Path,
    commands: Sequence[Sequence[str]] | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> BuildOutput:
    """Return the build that two fresh processes agree on, byte for byte.

    Both run at the same time; on cancellation both are ended.

    Args:
      request: from `build_worker.encode_request`.
      keep_in: a folder; two differing answers are written to a new folder in it.
      commands: the two workers, for a program that is not started as `python -m`.
      timeout_seconds: after it both are ended.

    Raises:
      RtgfError: the refusal that both gave; RTGF_PIPELINE_DETERMINISM_FAIL, caused by
        RTGF_BUILD_PLAN_DIVERGENCE naming the artefacts, if they differ; RTGF_INTERNAL if a worker
        crashed; RTGF_PIPELINE_PUBLISH_FAIL if they took too long.
    """
    first_command, second_command = commands or (worker_command(), worker_command())
    answers: dict[int, subprocess.CompletedProcess[bytes]] = {}

    async def work(which: int, command: Sequence[str]) -> None:
        answers[which] = await trio.run_process(
            list(command),
            stdin=request,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            cwd="/",
            env={**ENVIRONMENTS[which], "PYTHONPATH": _package_parent()},
        )

    with trio.move_on_after(timeout_seconds) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work, 0, first_command)
            nursery.start_soon(work, 1, second_command)
    if scope.cancelled_caught:
        raise RtgfError(
            Code.RTGF_PIPELINE_PUBLISH_FAIL,
            f"the build took longer than {timeout_seconds:g} s; build fewer targets at once",
        )
    for which in (0, 1):
        _check_worker(answers[which])
    first, second = answers[0].stdout, answers[1].stdout
    if first != second:
        kept = await trio.to_thread.run_sync(_keep, keep_in, request, (first, second))
        raise _divergence(first, second, kept)
    return decode_answer(first)


def _package_parent() -> str:
    return str(Path(rtgf_node.__file__).resolve().parents[1])


def _check_worker(worker: subprocess.CompletedProcess[bytes]) -> None:
    if worker.returncode not in {EXIT_BUILT, EXIT_REFUSED} or not worker.stdout:
        last_words = worker.stderr.decode("utf-8", "replace")[-MAX_LAST_WORDS:].strip()
        raise RtgfError(
            Code.RTGF_INTERNAL,
            f"a build worker ended with status {worker.returncode} and no answer: {last_words}",
        )


def _keep(keep_in: Path, request: bytes, answers: Sequence[bytes]) -> Path:
    """Write both answers and the request to a folder named by the request's digest."""
    folder = keep_in / digests.sha256(request).removeprefix("sha256:")[:16]
    for name, answer in zip(("first", "second"), answers, strict=True):
        _keep_answer(folder / name, answer)
    (folder / "request.msgpack").write_bytes(request)
    return folder


def _keep_answer(folder: Path, answer: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "answer.msgpack").write_bytes(answer)
    output = _output(answer).output
    if output is None:
        return
    (folder / "build_manifest.json").write_bytes(output.manifest)
    for name, content in output.artefacts.items():
        # The worker is this program, but names it gave never lead out of the folder.
        path = (folder / name).resolve()
        if path.is_relative_to(folder.resolve()):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


class _Told(NamedTuple):
    """What a worker answered: a build, or a refusal in words."""

    output: BuildOutput | None
    refusal: str


def _output(answer: bytes) -> _Told:
    try:
        return _Told(decode_answer(answer), "")
    except RtgfError as error:
        return _Told(None, str(error))
    except msgspec.DecodeError:
        return _Told(None, "an answer that cannot be read")


def _divergence(first: bytes, second: bytes, kept: Path) -> RtgfError:
    one, two = _output(first), _output(second)
    if one.output is None or two.output is None:
        detail = f"one process gave {_words(one)}, the other {_words(two)}"
    else:
        names = _differing(one.output, two.output)
        detail = f"the two processes differ in {', '.join(names)}"
    return RtgfError(
        Code.RTGF_PIPELINE_DETERMINISM_FAIL,
        f"two builds of the same inputs differ; nothing is published, both are kept in {kept}",
        causes=(RtgfError(Code.RTGF_BUILD_PLAN_DIVERGENCE, detail),),
    )


def _words(told: _Told) -> str:
    return "a build" if told.output is not None else told.refusal


def _differing(one: BuildOutput, two: BuildOutput) -> list[str]:
    """Return the artefacts that differ by their bytes; a manifest could be wrong about them."""
    names = {
        name
        for name in one.artefacts.keys() | two.artefacts.keys()
        if one.artefacts.get(name) != two.artefacts.get(name)
    }
    if one.manifest != two.manifest:
        try:
            names.update(manifest.compare(one.manifest, two.manifest))
        except RtgfError:
            names.add("build_manifest.json")
    return sorted(names) or ["build_manifest.json"]
