"""Build twice, in fresh processes that have nothing in common but the request.

Hash seed, time zone and locale differ between the two runs, so that whatever a build might read of
them shows as a difference. Each run may be spread over several processes, which take pieces of it
as they become free; the bytes are the same for any number of them. Only what both runs gave is
passed on; where they differ, both are kept for people to compare, and nothing is published.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import trio

from rtgf_node.building.pieces import Pieces
from rtgf_node.building.processes import Standby, program, worker_command
from rtgf_node.building.run import Run, Written, write
from rtgf_node.building.worker import Problem, decode_inputs, error_of
from rtgf_node.core import digests
from rtgf_node.core.build import BuildOutput, UnbuildableError, finish
from rtgf_node.core.build_inputs import Place
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.errors import Code, RtgfError

# The second is east of Greenwich by five and three quarter hours: no usual shift hides there.
ENVIRONMENTS: tuple[Mapping[str, str], Mapping[str, str]] = (
    {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
    {"PYTHONHASHSEED": "2", "TZ": "Asia/Kathmandu", "LC_ALL": "C"},
)
NAMES = ("first", "second")
MANIFEST = "build_manifest.json"
REFUSALS = "refusals.json"
REQUEST = "request.msgpack"

# Seconds. A full matrix of 14,400 tokens takes under a minute on two cores.
TIMEOUT_SECONDS = 1_800.0
# Targets that are worth a process of their own: it takes a tenth of a second to start.
TARGETS_PER_PROCESS = 200


_Refusals = dict[tuple[Place, int] | None, Problem]
"""Why entries cannot be built; under None, why nothing can."""


class Files(Mapping[str, bytes]):
    """The artefacts of two runs that agree, read from the folder where they were written."""

    def __init__(self, written: Written, names: Iterable[str]) -> None:
        self._written = written
        self._names = dict.fromkeys(sorted(names))

    def __getitem__(self, name: str) -> bytes:
        return self._written.read(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def nobody(done: int, total: int) -> None:
    """Listen to no progress."""


def unmeasured(seconds: float) -> None:
    """Measure nothing."""


async def build_twice(
    request: bytes,
    *,
    folder: Path,
    keep_in: Path,
    processes: int = 2,
    progress: Callable[[int, int], None] = nobody,
    mapped: Callable[[float], None] = unmeasured,
    commands: Sequence[Sequence[str]] | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    key: bytes | None = None,
    resumed: Callable[[int, int], None] = nobody,
    standby: Standby | None = None,
) -> BuildOutput:
    """Return the build that two runs agree on, byte for byte.

    Both run at the same time; on cancellation all processes are ended. If `folder` is what a
    process left that was killed while it built the same request with the same key, the pieces that
    were finished then are not made again.

    Args:
      request: from `worker.encode_request`.
      folder: where the artefacts are written, and read from by whoever looks into the output;
        what is in it of another build is removed first, and the caller removes all of it.
      keep_in: a folder; two differing runs are moved to a new folder in it.
      processes: how many to use for both runs together; each has one at least.
      progress: told how many of the targets both runs have behind them.
      mapped: told how many seconds each snapshot took in either run.
      commands: the worker of each run, for a program that is not started as `python -m`.
      timeout_seconds: after it all are ended.
      key: a secret of this request, with which finished pieces are sealed; without it none is kept.
      resumed: told how many of the targets both runs had behind them, if a build is gone on with.
      standby: where processes wait between builds; without it they end with this one.

    Raises:
      UnbuildableError: some entries cannot be built; both runs say so.
      RtgfError: the refusal that both gave; RTGF_PIPELINE_DETERMINISM_FAIL, caused by
        RTGF_BUILD_PLAN_DIVERGENCE naming the artefacts, if they differ; RTGF_INTERNAL if a worker
        crashed; RTGF_PIPELINE_PUBLISH_FAIL if they took too long.
    """
    document, inputs = decode_inputs(request)
    going_on = await trio.to_thread.run_sync(_prepare, folder, request, key)
    total = len(inputs.targets)
    count = min(max(1, processes // 2), 1 + total // TARGETS_PER_PROCESS)
    written = Written()
    runs: list[Run] = []
    for name, environment, command in zip(
        NAMES, ENVIRONMENTS, commands or (worker_command(), worker_command()), strict=True
    ):
        runs.append(
            Run(
                request,
                inputs,
                folder=folder / name,
                of=program(command, environment),
                written=written,
                pieces=None if key is None else Pieces(folder, name, key),
                stepped=lambda: progress(sum(run.done for run in runs) // 2, total),
                mapped=mapped,
            )
        )
    if going_on:
        for run in runs:
            await trio.to_thread.run_sync(run.resume, [folder / name for name in NAMES])
        resumed(sum(run.done for run in runs) // 2, total)
    async with AsyncExitStack() as leaving:
        if standby is None:
            standby = await leaving.enter_async_context(Standby())
        await _work(runs, count, standby, timeout_seconds)
    judged = _Judge(runs, document, written, folder)
    refused = judged.divergence()
    if refused is not None:
        kept = await trio.to_thread.run_sync(judged.keep, keep_in, request)
        raise RtgfError(
            Code.RTGF_PIPELINE_DETERMINISM_FAIL,
            f"two builds of the same inputs differ; nothing is published, both are kept in {kept}",
            causes=(RtgfError(Code.RTGF_BUILD_PLAN_DIVERGENCE, refused),),
        )
    return judged.output()


async def _work(runs: Iterable[Run], count: int, standby: Standby, timeout_seconds: float) -> None:
    """Have each run worked on by `count` processes until it is done."""
    crashed: RtgfError | None = None
    with trio.move_on_after(timeout_seconds) as scope:
        try:
            async with trio.open_nursery() as nursery:
                for run in runs:
                    for _ in range(count):
                        nursery.start_soon(run.work, standby)
        except* RtgfError as group:
            crashed = _first(group)
    if crashed is not None:
        raise crashed
    if scope.cancelled_caught:
        raise RtgfError(
            Code.RTGF_PIPELINE_PUBLISH_FAIL,
            f"the build took longer than {timeout_seconds:g} s; build fewer targets at once",
        )


def left_in(folder: Path) -> bytes | None:
    """Return the request of the build that a folder is left of, None if there is none."""
    try:
        return (folder / REQUEST).read_bytes()
    except OSError:
        return None


def _prepare(folder: Path, request: bytes, key: bytes | None) -> bool:
    """Have a folder for a request; tell whether it is what a build of the same left."""
    if key is not None and left_in(folder) == request:
        return True
    # What another build left is not to be kept with this one's, should the runs differ.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / REQUEST).write_bytes(request)
    return False


class _Judge:
    """Holds two finished runs against each other."""

    def __init__(
        self,
        runs: Sequence[Run],
        document: dict[str, JsonValue],
        written: Written,
        folder: Path,
    ) -> None:
        self._runs = runs
        self._written = written
        self._folder = folder
        self._refusals = [_refusal(run) for run in runs]
        first, second = runs
        made = finish(document, first.artefacts, first.notes)
        # What is put together of the same is the same.
        same = _given(first) == _given(second)
        self._made = [made, made if same else finish(document, second.artefacts, second.notes)]

    def divergence(self) -> str | None:
        """Return in words how the runs differ, None if they do not."""
        first, second = self._refusals
        if first != second:
            return f"one process gave {_words(first)}, the other {_words(second)}"
        if first or self._made[0] == self._made[1]:
            return None
        names = self._differing()
        return f"the two processes differ in {', '.join(names)}"

    def output(self) -> BuildOutput:
        """Return what both gave.

        Raises:
          UnbuildableError: some entries cannot be built.
          RtgfError: nothing can be built.
        """
        (first, _), (made, notes) = self._refusals, self._made[0]
        if None in first:
            raise error_of(first[None])
        if first:
            raise UnbuildableError({key: error_of(first[key]) for key in first if key is not None})
        self._written.write(self._folder / NAMES[0], notes)
        return BuildOutput(made, Files(self._written, [*self._runs[0].artefacts, *notes]))

    def keep(self, keep_in: Path, request: bytes) -> Path:
        """Move both to a folder named by the request's digest; what is equal is there once."""
        for name, refusal, (made, notes) in zip(NAMES, self._refusals, self._made, strict=True):
            given = {MANIFEST: made, **notes}
            if refusal:
                given = {REFUSALS: msgspec.json.format(msgspec.json.encode(list(refusal.values())))}
            for file, content in given.items():
                write(self._folder / name, file, content)
        kept = keep_in / digests.sha256(request).removeprefix("sha256:")[:16]
        shutil.rmtree(kept, ignore_errors=True)
        keep_in.mkdir(parents=True, exist_ok=True)
        shutil.move(self._folder, kept)
        return kept

    def _differing(self) -> list[str]:
        one_notes, two_notes = (notes for _, notes in self._made)
        first, second = (run.artefacts for run in self._runs)
        names = {
            name for name in first.keys() | second.keys() if first.get(name) != second.get(name)
        }
        names |= {name for name in one_notes if one_notes[name] != two_notes[name]}
        return sorted(names) or [MANIFEST]


def _given(run: Run) -> tuple[dict[str, str], bytes]:
    """Return what a run gave; notes as bytes, for to Python `True` is 1."""
    notes = sorted(run.notes, key=lambda note: note.target)
    return run.artefacts, msgspec.msgpack.encode(notes)


def _refusal(run: Run) -> _Refusals:
    if run.fatal is not None:
        return {None: run.fatal}
    return {key: run.failures[key] for key in sorted(run.failures)}


def _words(refusals: _Refusals) -> str:
    problem = next(iter(refusals.values()), None)
    return "a build" if problem is None else str(error_of(problem))


def _first(group: BaseExceptionGroup[RtgfError]) -> RtgfError:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, RtgfError)
    return found
