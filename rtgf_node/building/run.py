"""One run of a build: a queue of pieces, and the processes that take them as they become free."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import trio

from rtgf_node.building.pieces import Pieces
from rtgf_node.building.processes import Program, Standby, WorkerProcess
from rtgf_node.building.worker import Answer, Problem
from rtgf_node.core import digests
from rtgf_node.core.build import Note, Part
from rtgf_node.core.build_inputs import Place
from rtgf_node.core.build_inputs import pieces as cut
from rtgf_node.core.manifest import Inputs, RmtTarget
from rtgf_node.errors import Code, RtgfError

_encode = msgspec.msgpack.Encoder().encode
_answer = msgspec.msgpack.Decoder(Answer).decode


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
      of: what its processes run.
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
        of: Program,
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
        self._program = of
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

    async def work(self, standby: Standby) -> None:
        """Have one process work until the queue is empty; on cancellation it is ended.

        Raises:
          RtgfError: RTGF_INTERNAL if it crashed.
        """
        if not self._queue:
            return
        worker = await standby.take(self._program)
        try:
            await self._feed(worker)
        except (trio.BrokenResourceError, EOFError, msgspec.MsgspecError):
            raise await worker.crashed() from None
        except BaseException:
            await worker.end()
            raise
        await standby.keep(self._program, worker)

    async def _feed(self, worker: WorkerProcess) -> None:
        await worker.send(self._request)
        while (piece := self._next()) is not None:
            began = trio.current_time()
            await worker.send(_encode(piece))
            answer = _answer(await worker.receive())
            if self._is_rmt(piece):
                self._mapped(trio.current_time() - began)
            await self._take(piece, answer)
        await worker.finish()

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
    if path is None:
        return
    try:
        path.write_bytes(content)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _digest_in(folder: Path, name: str) -> str | None:
    path = _place(folder, name)
    return digests.sha256(path.read_bytes()) if path is not None and path.is_file() else None


def _place(folder: Path, name: str) -> Path | None:
    parts = name.split("/")
    return None if "" in parts or ".." in parts else folder / name
