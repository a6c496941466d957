"""One run of a build: a queue of pieces, and the processes that take them as they become free."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import trio

import rtgf_node
from rtgf_node.building.pieces import Pieces
from rtgf_node.building.worker import LENGTH, Answer, Problem, framed
from rtgf_node.core import digests
from rtgf_node.core.build import Note, Part
from rtgf_node.core.build_inputs import Place
from rtgf_node.core.build_inputs import pieces as cut
from rtgf_node.core.manifest import Inputs, RmtTarget
from rtgf_node.errors import Code, RtgfError

# Bytes of one answer: a piece has at most the corridors of one place in one domain.
MAX_ANSWER_BYTES: Final = 256 << 20
# Characters of a crashed worker's last words that go into the error.
MAX_LAST_WORDS: Final = 2_000

_encode = msgspec.msgpack.Encoder().encode
_answer = msgspec.msgpack.Decoder(Answer).decode


def worker_command() -> list[str]:
    """Return the command of a worker: no working directory, no user's packages on its path."""
    return [sys.executable, "-P", "-s", "-m", "rtgf_node.building.worker"]


class Written:
    """Where two runs have written their artefacts: of what is equal, one copy.

    It reads what it wrote itself and nothing else: what an earlier build left in the folders is not
    this one's.
    """

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, Path]] = {}

    def write(self, folder: Path, artefacts: Mapping[str, bytes]) -> dict[str, str]:
        """Write what no other folder has yet, and return the digest of each."""
        found = {name: digests.sha256(content) for name, content in artefacts.items()}
        for name, digest in found.items():
            held, where = self._held.setdefault(name, (digest, folder))
            if where is folder or held != digest:
                write(folder, name, artefacts[name])
        return found

    def adopt(self, folders: Sequence[Path], artefacts: Mapping[str, str]) -> bool:
        """Take what lies in these folders for written, if it has these digests by name."""
        found: dict[str, tuple[str, Path]] = {}
        for name, digest in artefacts.items():
            where = next((one for one in folders if _digest_in(one, name) == digest), None)
            if where is None:
                return False
            found[name] = digest, where
        self._held = {**found, **self._held}
        return True

    def read(self, name: str) -> bytes:
        """Return an artefact, of two that differ the first.

        Raises:
          KeyError: nobody wrote it.
          RtgfError: RTGF_BUILD_HASH_MISMATCH if it was altered since.
        """
        digest, folder = self._held[name]
        content = (folder / name).read_bytes()
        if digests.sha256(content) != digest:
            raise RtgfError(
                Code.RTGF_BUILD_HASH_MISMATCH,
                f"{name} was altered on disk since it was built; look who else writes to {folder},"
                " then build again",
            )
        return content


class Run:
    """A run under way: what its processes have given so far.

    Args:
      request: what every process is given first.
      inputs: the same, read.
      folder: where its artefacts go.
      environment: of its processes; nothing else is in it.
      command: the worker.
      written: shared by the runs that should agree.
      pieces: where finished pieces are kept, if they are.
      stepped: called after each piece.
      mapped: told how many seconds each snapshot took, with its scenarios and its RMT.

    Attributes:
      artefacts: digests by name.
      notes: of all pieces, as they came.
      fatal: why nothing can be built.
      done: targets of the pieces that were answered.
    """

    def __init__(
        self,
        request: bytes,
        inputs: Inputs,
        *,
        folder: Path,
        environment: Mapping[str, str],
        command: Sequence[str],
        written: Written,
        pieces: Pieces | None,
        stepped: Callable[[], None],
        mapped: Callable[[float], None],
    ) -> None:
        self.artefacts: dict[str, str] = {}
        self.notes: list[Note] = []
        self.fatal: Problem | None = None
        self.done = 0
        self._request = request
        self._inputs = inputs
        self._queue = deque(cut(inputs.targets))
        self._pieces = pieces
        self._folder = folder
        self._environment = {**environment, "PYTHONPATH": _package_parent()}
        self._command = list(command)
        self._written = written
        self._stepped = stepped
        self._mapped = mapped
        # A failed RMT ends the run before its corridors; how many of them were tried by then is
        # chance, so that they are kept apart.
        self._failed_rmts: dict[tuple[Place, int], Problem] = {}
        self._failed_corridors: dict[tuple[Place, int], Problem] = {}

    @property
    def failures(self) -> dict[tuple[Place, int], Problem]:
        """Why entries cannot be built, each at the number of the target that showed it."""
        return self._failed_rmts or self._failed_corridors

    def resume(self, folders: Sequence[Path]) -> None:
        """Take the pieces that were finished before; the others stay in the queue.

        Args:
          folders: where their artefacts may be: of what was equal, one run alone has a copy.
        """
        assert self._pieces is not None
        for piece in list(self._queue):
            finished = self._pieces.recall(piece)
            if finished is not None and self._written.adopt(folders, finished.artefacts):
                self._queue.remove(piece)
                self.artefacts |= finished.artefacts
                self.notes += finished.notes
                self.done += len(piece)

    async def work(self) -> None:
        """Run one process until the queue is empty; on cancellation it is ended.

        Raises:
          RtgfError: RTGF_INTERNAL if it crashed.
        """
        if not self._queue:
            return
        with tempfile.TemporaryFile() as said:
            process: trio.Process = await trio.lowlevel.open_process(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                cwd="/",
                env=self._environment,
            )
            try:
                await self._feed(process)
            except (trio.BrokenResourceError, EOFError, msgspec.MsgspecError):
                with trio.CancelScope(shield=True):
                    process.kill()
                    status = await process.wait()
                raise _crashed(status, said) from None
            finally:
                with trio.CancelScope(shield=True):
                    process.kill()
                    await process.wait()
                    await _close(process)

    async def _feed(self, process: trio.Process) -> None:
        assert process.stdin is not None
        await process.stdin.send_all(framed(self._request))
        while (piece := self._next()) is not None:
            began = trio.current_time()
            await process.stdin.send_all(framed(_encode(piece)))
            answer = _answer(await _message(process))
            if self._is_rmt(piece):
                self._mapped(trio.current_time() - began)
            await self._take(piece, answer)

    def _next(self) -> list[int] | None:
        if self.fatal is not None or not self._queue:
            return None
        if self._failed_rmts and not self._is_rmt(self._queue[0]):
            return None
        return self._queue.popleft()

    def _is_rmt(self, piece: Sequence[int]) -> bool:
        return isinstance(self._inputs.targets[piece[0]], RmtTarget)

    async def _take(self, piece: Sequence[int], answer: Answer) -> None:
        if answer.part is None:
            self.fatal = answer.error
            return
        failed = self._failed_rmts if self._is_rmt(piece) else self._failed_corridors
        for each in answer.failures:
            failed[Place(each.jurisdiction, each.domain), each.target] = each.problem
        found = await trio.to_thread.run_sync(self._keep, piece, answer.part, not answer.failures)
        self.artefacts |= found
        self.notes += answer.part.notes
        self.done += len(piece)
        self._stepped()

    def _keep(self, piece: Sequence[int], part: Part, whole: bool) -> dict[str, str]:
        found = self._written.write(self._folder, part.artefacts)
        if self._pieces is not None and whole:
            self._pieces.keep(piece, found, part.notes)
        return found


def write(folder: Path, name: str, content: bytes) -> None:
    """Write an artefact; the worker is this program, but no name leads out of the folder."""
    path = _place(folder, name)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _digest_in(folder: Path, name: str) -> str | None:
    path = _place(folder, name)
    return digests.sha256(path.read_bytes()) if path is not None and path.is_file() else None


def _place(folder: Path, name: str) -> Path | None:
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder.resolve()) else None


async def _message(process: trio.Process) -> bytes:
    assert process.stdout is not None
    (size,) = LENGTH.unpack(await _exactly(process.stdout, LENGTH.size))
    if size > MAX_ANSWER_BYTES:
        raise EOFError
    return await _exactly(process.stdout, size)


async def _exactly(stream: trio.abc.ReceiveStream, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        some = await stream.receive_some(size - len(data))
        if not some:
            raise EOFError
        data += some
    return bytes(data)


async def _close(process: trio.Process) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            await stream.aclose()


def _crashed(status: int, said: BinaryIO) -> RtgfError:
    said.seek(0)
    last_words = said.read().decode("utf-8", "replace")[-MAX_LAST_WORDS:].strip()
    return RtgfError(
        Code.RTGF_INTERNAL,
        f"a build worker ended with status {status} and no answer: {last_words}",
    )


def _package_parent() -> str:
    return str(Path(rtgf_node.__file__).resolve().parents[1])
