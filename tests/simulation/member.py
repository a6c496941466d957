"""One member: a process that dies and begins anew over a disk that stays."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import trio

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.raft import RaftReplicator
from rtgf_node.replication.raftcore.core import RaftPanicError
from rtgf_node.replication.starts import Starts
from rtgf_node.replication.state_files import FOLDER, Manifest
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import Store, open_store

if TYPE_CHECKING:
    from tests.simulation.world import World

T = TypeVar("T")

PIECES = 3
"""In which a state travels."""
PIECE_SECONDS = 0.02
COPY_SECONDS = 0.2
"""How long an object may travel."""
HOLD_SECONDS = 1.0
"""How long a majority may take to hold an object."""


class KilledError(Exception):
    """The process was killed here."""


class DiskError(sqlite3.OperationalError):
    """The disk did not take it."""


class SimulatedMember:
    """One member of the cluster. It is its own object holding, and its own writer.

    Attributes:
      raft_id: its id.
      wanted: False once it is to be gone for good.
      alive: whether its process runs.
      boots: how often it began.
      kill_at: the step at which it is to be killed.
      disk_fails: whether the next write is to fail.
      stalls_until: before this time its disk takes nothing.
      down_seconds: how long it is dead the next time.
      gone: set when it is dead for good.
    """

    store: Store
    replicator: RaftReplicator

    def __init__(self, world: World, raft_id: int, folder: Path) -> None:
        self.world = world
        self.raft_id = raft_id
        self.folder = folder
        self.wanted = True
        self.alive = False
        self.boots = 0
        self.kill_at: str | None = None
        self.disk_fails = False
        self.stalls_until = 0.0
        self.down_seconds = 0.0
        self.gone = trio.Event()
        self._scope = trio.CancelScope()
        self._state_times = 0

    # --- the process ----------------------------------------------------------------------------

    async def live(self) -> None:
        """Begin, die and begin anew, until it is not wanted any more."""
        while self.wanted:
            self._open()
            try:
                with trio.CancelScope() as self._scope:
                    await self._run()
            finally:
                self._close()
            with trio.move_on_after(self.down_seconds):
                await self.world.healing.wait()
            self.down_seconds = 0.0
        self.gone.set()

    def kill(self, seconds: float) -> None:
        """End the process now, for a while."""
        self.down_seconds = seconds
        self._scope.cancel()

    def leave(self) -> None:
        """End the process for good."""
        self.wanted = False
        self._scope.cancel()

    async def stop(self) -> None:
        """End the process as its operator does."""
        self.wanted = False
        await self.replicator.aclose()

    def _open(self) -> None:
        world = self.world
        self.store = open_store(self.folder)
        self.store.conn.execute("PRAGMA synchronous = OFF")
        self.boots += 1
        world.trace.note("begin", self.raft_id, self.boots)
        world.trace.seen["start"] += 1
        self.replicator = RaftReplicator(
            StateMachine(self.store),
            self.store,
            transport=world.network.end(self.raft_id),
            objects=self,
            fetch_state=self._fetch_state,
            check_head=lambda _document: None,
            incident=lambda found: found.incident("", at=0, actor="simulation"),
            starts=Starts(b"%d.%d" % (self.raft_id, self.boots)),
            settings=world.scenario.settings,
            writer=self,
            step=self._step,
        )
        self.replicator.feed.subscribe("promises", world.promises.hear)
        world.promises.look(self)
        world.network.boxes[self.raft_id] = self.replicator
        self.alive = True

    async def _run(self) -> None:
        replicator, trace = self.replicator, self.world.trace
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._leave_when_removed)
            try:
                await replicator.run()
            except DiskError:
                trace.note("no disk", self.raft_id)
            except (RtgfError, RaftPanicError) as error:
                trace.violation(f"member {self.raft_id} cannot begin: {error}")
            nursery.cancel_scope.cancel()
        if replicator.waiting:
            trace.violation(f"member {self.raft_id} ended and left askers without an answer")
        if replicator.failed.is_set():
            if not isinstance(replicator.error, KilledError | DiskError):
                trace.violation(f"member {self.raft_id} failed: {replicator.error!r}")
        elif replicator.restart_needed.is_set():
            trace.seen["state taken"] += 1
            trace.note("anew", self.raft_id)

    async def _leave_when_removed(self) -> None:
        await self.replicator.removed.wait()
        self.world.trace.note("removed", self.raft_id)
        await trio.sleep(self.world.chance.random())
        self.leave()

    def _close(self) -> None:
        self.alive = False
        self.world.network.boxes.pop(self.raft_id, None)
        self.world.trace.note("end", self.raft_id)
        self.store.close()

    def _step(self, name: str) -> None:
        world = self.world
        world.trace.note("step", self.raft_id, name)
        if name in ("after_save", "after_take"):
            world.promises.look(self, taken=name == "after_take")
        elif name == "after_apply":
            world.trace.seen["round"] += 1
            world.promises.fresh(self)
        self.pass_by(name)

    def pass_by(self, name: str) -> None:
        """Die here, if it is to."""
        if self.kill_at == name:
            self.kill_at = None
            self.world.trace.fault(f"killed at {name}", self.raft_id)
            raise KilledError(name)

    # --- its writer -----------------------------------------------------------------------------

    async def run(self, work: Callable[[], T]) -> T:
        """Do what blocks, perhaps slowly; see `Writer`."""
        await self._wait_for_disk()
        if self.disk_fails:
            self.disk_fails = False
            self.world.trace.fault("disk error", self.raft_id)
            raise DiskError("disk I/O error")
        result = work()
        await self._wait_for_disk()
        return result

    async def aside(self, work: Callable[[], T]) -> T:
        """Do what blocks beside; see `Writer`."""
        await self._wait_for_disk()
        result = work()
        self._age_state_files()
        await self._wait_for_disk()
        return result

    async def aclose(self) -> None:
        """Do nothing; see `Writer`."""

    async def _wait_for_disk(self) -> None:
        weather, chance = self.world.network.weather, self.world.chance
        now = trio.current_time()
        if now < self.stalls_until:
            await trio.sleep_until(self.stalls_until)
        elif chance.random() < weather.slow_disk:
            self.world.trace.fault("disk slow", self.raft_id)
            await trio.sleep(chance.random() * weather.slow_seconds)

    def _age_state_files(self) -> None:
        """Give state files times of their own: the disk's are too coarse to tell them apart."""
        folder = self.folder / FOLDER
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if path.stat().st_mtime_ns > self._state_times + 1_000_000_000:
                    self._state_times += 1
                    os.utime(path, ns=(self._state_times, self._state_times))

    # --- large bytes ----------------------------------------------------------------------------

    def has(self, digest: str) -> bool:
        """Say whether an object is here; see `ObjectHolding`."""
        return self.store.objects.has(digest)

    async def hold(self, digests: Collection[str]) -> None:
        """Have a majority of the voters hold objects; see `ObjectHolding`."""
        world = self.world
        voters = {
            raft_id for raft_id, one in self.replicator.members().items() if one.role == "voter"
        }
        present = voters & set(world.members)
        others = [world.members[one] for one in sorted(present - {self.raft_id})]
        world.chance.shuffle(others)
        with trio.move_on_after(HOLD_SECONDS):
            while True:
                holders = int(self.raft_id in voters)
                for other in others:
                    # No more than are needed, so that some have to fetch it later.
                    if holders <= len(voters) // 2:
                        await self._copy(self, other, digests)
                        holders += other.alive and all(map(other.has, digests))
                if holders > len(voters) // 2:
                    return
                await trio.sleep(0.05)
        raise RtgfError(Code.RTGF_UNAVAILABLE, "no majority holds the objects")

    async def fetch(self, digests: Collection[str]) -> None:
        """Get objects from other members; see `ObjectHolding`."""
        world = self.world
        for digest in digests:
            for raft_id, other in sorted(world.members.items()):
                if self.has(digest):
                    break
                if world.network.reaches(self.raft_id, raft_id) and other.has(digest):
                    await self._copy(other, self, (digest,))
            if not self.has(digest):
                raise RtgfError(Code.RTGF_NOT_FOUND, f"nobody gives {digest}")
        world.trace.seen["objects fetched"] += 1

    async def _copy(
        self, source: SimulatedMember, target: SimulatedMember, digests: Collection[str]
    ) -> None:
        network = self.world.network
        await trio.sleep(network.weather.delay + self.world.chance.random() * COPY_SECONDS)
        for digest in digests:
            if self.world.chance.random() < network.weather.broken_fetch:
                self.world.trace.fault("object transfer broken")
            elif network.reaches(source.raft_id, target.raft_id) and source.has(digest):
                target.store.objects.put(source.store.objects.get(digest))

    async def _fetch_state(self, manifest: Manifest, sender: int) -> Path:
        world, weather = self.world, self.world.network.weather
        source = world.members.get(sender)
        data = b""
        for _ in range(PIECES):
            await trio.sleep(PIECE_SECONDS + weather.delay)
            if source is None or not world.network.reaches(self.raft_id, sender):
                raise RtgfError(Code.RTGF_UNAVAILABLE, f"{sender} does not answer")
            if world.chance.random() < weather.broken_fetch:
                world.trace.fault("state transfer broken")
                raise RtgfError(Code.RTGF_UNAVAILABLE, "the transfer broke off")
            path = source.replicator._rounds.files.path(manifest.sha256)
            if path is None:
                raise RtgfError(Code.RTGF_NOT_FOUND, "the state is not there any more")
            data = path.read_bytes()
        if world.chance.random() < weather.spoilt_fetch:
            world.trace.fault("state spoilt")
            place = world.chance.randrange(len(data))
            data = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        return _written(self.folder / "fetched", data)


def _written(path: Path, data: bytes) -> Path:
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return path


def wipe(folder: Path) -> None:
    """Lose a disk."""
    shutil.rmtree(folder)
