"""A member of a cluster, as a process without HTTP: a store, the replicator, mTLS between members.

    python -m tests.cluster.member

It is told to start by a line on stdin, and does so in a fork of itself, so that a start does not
wait for imports; the fork then answers the questions on stdin with lines on stdout, and when it is
gone, the parent says so and takes the next start. The parent never loads the Raft core.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import structlog
import trio

from rtgf_node import cluster
from rtgf_node.errors import RtgfError
from rtgf_node.place import Place
from rtgf_node.replication.commands import Command, Outcome, Proposal
from rtgf_node.replication.raftcore.core import RaftPanicError
from rtgf_node.settings import ClusterConfig, Config, NodeConfig
from rtgf_node.store import Store, open_store
from rtgf_node.system_clock import SystemClock
from tests.cluster.breaks import Break, install
from tests.replication import samples

REFUSED, FAILED = 65, 70
"""It would not start with what it holds; it had to stop (sysexits.h: EX_DATAERR, EX_SOFTWARE)."""


class Start(msgspec.Struct, frozen=True):
    """How to start.

    Attributes:
      folder: the data folder.
      name: its certificate is `<pki>/<name>.pem`.
      bind: where it listens for its peers.
      compact_every: so often are states written, when somebody lags.
      broken: where to break off.
      forgets: what was not synced is forgotten when it ends by SIGUSR1, or breaks off by `power`.
      verbose: what it logs goes to stderr.
    """

    folder: str
    name: str
    bind: str
    pki: str
    tick_milliseconds: int = 30
    election_ticks: int = 10
    compact_every: int = 60
    broken: Break | None = None
    forgets: bool = False
    verbose: bool = False

    def config(self) -> Config:
        """Return the settings of a node."""
        pki = Path(self.pki)
        return Config(
            node=NodeConfig(
                issuer="did:web:fault.example",
                public_url="https://fault.example",
                data_dir=Path(self.folder),
            ),
            cluster=ClusterConfig(
                bind=self.bind,
                certificate_file=pki / f"{self.name}.pem",
                key_file=pki / f"{self.name}.key",
                ca_file=pki / "ca.pem",
                tick_milliseconds=self.tick_milliseconds,
                election_ticks=self.election_ticks,
                compact_every=self.compact_every,
            ),
        )


class Ask(msgspec.Struct, frozen=True):
    """One question: `append`, `dataset`, `read`, `look`, `entries`, `add`, `promote`, `remove`,
    `transfer` or `stop`."""

    id: int
    do: str
    client: str = ""
    seq: int = 0
    count: int = 1
    name: str = ""
    address: str = ""
    start: int = 0


def command_of(do: str, client: str, seq: int, count: int) -> Command:
    """Return the command of a client's number; whoever makes it makes the same."""
    subject = f"{client}:{seq}"
    if do == "dataset":
        return samples.dataset(subject)
    return samples.append(*(f"{subject}:{place}" for place in range(count)))


def say(**told: Any) -> None:
    """Write one line, whole: a pipe takes less than 4 KiB at once or not at all."""
    line = msgspec.json.encode(told) + b"\n"
    while line:
        line = line[os.write(1, line) :]


class Answering:
    """Answers questions while the member has its place."""

    def __init__(self, store: Store, place: Place) -> None:
        self._store = store
        self._place = place

    async def answer(self, ask: Ask) -> None:
        """Answer one, with what it is or with the code of an error."""
        try:
            answer = await self._found(ask)
        except RtgfError as error:
            answer = {"error": error.code.name, "detail": error.detail}
        say(id=ask.id, **answer)

    async def _found(self, ask: Ask) -> dict[str, Any]:
        place, log = self._place, self._store.log
        match ask.do:
            case "append" | "dataset":
                return await self._propose(ask)
            case "read":
                await place.replicator.read_barrier()
                size = log.size
                newest = _hash(log.entry(size - 1)) if size else None
                return {"size": size, "root": log.root_at(size).hex(), "newest": newest}
            case "look":
                return self._look()
            case "entries":
                return {"entries": [_hash(one) for one in log.entries(ask.start)]}
            case "add":
                return {"seat": await place.add(ask.name, ask.address)}
            case "promote":
                return {"shown": await place.promote(ask.name)}
            case "remove":
                return {"shown": await place.remove(ask.name)}
            case _:
                return {"shown": await place.transfer(ask.name or None)}

    async def _propose(self, ask: Ask) -> dict[str, Any]:
        command = command_of(ask.do, ask.client, ask.seq, ask.count)
        if ask.do == "dataset":
            for data in (command.version, f"records {command.version}"):  # type: ignore[union-attr]
                await trio.to_thread.run_sync(self._store.objects.put, data.encode())
        [applied] = await self._place.replicator.propose([Proposal(ask.client, ask.seq, command)])
        if not isinstance(applied.outcome, Outcome):
            raise applied.outcome
        return {"leaves": applied.outcome.leaf_indexes}

    def _look(self) -> dict[str, Any]:
        shown = self._place.shown()
        [commands] = self._store.reader.execute(
            "SELECT coalesce(max(idx), 0) FROM command_log"
        ).fetchone()
        size = self._store.log.size
        return {
            "role": shown.role,
            "leader": shown.leader,
            "term": shown.term,
            "commit": shown.commit,
            "applied": shown.applied,
            "size": size,
            "root": self._store.log.root_at(size).hex(),
            "commands": commands,
            "clock": time.time(),
            "stale": shown.staleness_seconds,
            "members": shown.members,
        }


def _hash(entry: bytes) -> str:
    return hashlib.sha256(b"\x00" + entry).hexdigest()


class Member:
    """One life of a process."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._stopped = trio.Event()
        self._answering: Answering | None = None

    async def run(self) -> None:
        """Take part until told to stop; begin anew when another member's state was taken.

        Raises:
          RtgfError: it refuses to start, or had to stop.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, nursery)
            while not self._stopped.is_set():
                await self._live()
            nursery.cancel_scope.cancel()

    async def _live(self) -> None:
        with open_store(Path(self._start.folder)) as store:
            async with cluster.place(
                self._start.config(), store, SystemClock(), check_head=lambda _state: None
            ) as place:
                self._answering = Answering(store, place)
                say(ready=os.getpid())
                async with trio.open_nursery() as ends:
                    for event in (place.failed, place.restart_needed, self._stopped):
                        ends.start_soon(self._until, event, ends.cancel_scope)
                self._answering = None
                error = place.error
        if error is not None:
            raise error

    async def _until(self, event: trio.Event, ends: trio.CancelScope) -> None:
        await event.wait()
        ends.cancel()

    async def _listen(self, nursery: trio.Nursery) -> None:
        heard = b""
        stdin = trio.lowlevel.FdStream(os.dup(0))
        async for data in stdin:
            *lines, heard = (heard + data).split(b"\n")
            for line in lines:
                ask = msgspec.json.decode(line, type=Ask)
                if ask.do == "stop":
                    self._stopped.set()
                elif self._answering is None:
                    say(id=ask.id, error="RTGF_UNAVAILABLE", detail="it begins or ends")
                else:
                    nursery.start_soon(self._answering.answer, ask)
        self._stopped.set()


def _live(start: Start) -> int:
    if not start.verbose:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    else:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    folder = Path(start.folder)
    cut = install(start.broken, folder, forgets=start.forgets, tell=lambda at: say(broken=at))
    signal.signal(signal.SIGUSR1, lambda *_: cut())
    say(pid=os.getpid())
    try:
        trio.run(Member(start).run)
    except BaseException as error:  # noqa: BLE001  told, and the process ends
        causes = list(_leaves(error))
        refused = [one for one in causes if isinstance(one, RtgfError)]
        if start.verbose:
            sys.excepthook(type(error), error, error.__traceback__)
        if refused and len(refused) == len(causes):
            say(refused=[one.code.name for one in refused], detail=str(refused[0]))
            return REFUSED
        panics = any(isinstance(one, RaftPanicError) for one in causes)
        say(failed=[repr(one)[:1000] for one in causes], panics=panics)
        return FAILED
    return 0


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error


def main() -> None:
    """Start members, one after the other, as told."""
    # What is here stays: forks need not copy it.
    gc.freeze()
    heard = b""
    while data := os.read(0, 1 << 16):
        *lines, heard = (heard + data).split(b"\n")
        for line in lines:
            try:
                start = msgspec.json.decode(line, type=Start)
            except msgspec.MsgspecError:
                continue  # a question to one that is gone
            child = os.fork()
            if not child:
                os._exit(_live(start))
            _, status = os.waitpid(child, 0)
            # The fork shares the pipe, and what it set there.
            os.set_blocking(0, True)
            say(ended=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
