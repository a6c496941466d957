"""A member of a cluster as a process without HTTP, which makes the load on itself.

    python -m tests.bench.cluster_member FOLDER NAME ADDRESS PKI

A question is a line of JSON on standard input, its answer one on standard output. The process ends
with its standard input. A folder that is in no cluster is served alone.
"""

from __future__ import annotations

import itertools
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any, Literal

import msgspec
import structlog
import trio

from rtgf_node import cluster
from rtgf_node.actors.log import LogActor
from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Commit, CommitProved
from rtgf_node.doors import THREAD_SECONDS
from rtgf_node.errors import RtgfError
from rtgf_node.guards.head_guard import HeadGuard
from rtgf_node.place import Place
from rtgf_node.replication.commands import AppendEvents, Proposal
from rtgf_node.settings import ClusterConfig, Config, NodeConfig
from rtgf_node.store import Store, open_store
from rtgf_node.store.snapshot_file import SignedState
from rtgf_node.system_clock import SystemClock
from rtgf_node.telemetry import Metrics
from tests.bench import appends

Way = Literal["replicator", "index", "proof"]
"""Whom a load asks: the replicator; or the log actor, for the index or for the proof bundle."""


class Ask(msgspec.Struct, frozen=True):
    """One question.

    Attributes:
      do: `look`, `add`, `promote`; `sign`: run a log actor from now on, which signs heads if it is
        the leader's; or `load`: have events appended and say what each took.
      name: of the member that is added or promoted.
      address: of the one that is added.
      through: whom a load asks.
      in_flight: its askers; each asks again when it was answered.
      count: its events.
      first: the number of its first event.
    """

    do: str
    name: str = ""
    address: str = ""
    through: Way = "replicator"
    in_flight: int = 1
    count: int = 1
    first: int = 0


def settings(folder: Path, name: str, address: str, pki: Path) -> Config:
    """Return the settings of a member, with the times that a node has by default."""
    return Config(
        node=NodeConfig(
            issuer="did:web:bench.example", public_url="https://bench.example", data_dir=folder
        ),
        cluster=ClusterConfig(
            bind=address,
            certificate_file=pki / f"{name}.pem",
            key_file=pki / f"{name}.key",
            ca_file=pki / "ca.pem",
        ),
    )


class Member:
    """Answers questions while the member has its place."""

    def __init__(self, store: Store, place: Place, name: str, nursery: trio.Nursery) -> None:
        self._store = store
        self._place = place
        self._nursery = nursery
        self._numbers = itertools.count(1)
        self._name = f"{name} {time.monotonic_ns()}"
        self._mailbox = Mailbox("log", capacity=max(appends.IN_FLIGHT))

    async def _begin_log(self) -> None:
        actor = LogActor(
            self._mailbox,
            replicator=self._place.replicator,
            reader=self._store.log,
            signer=appends.SIGNER,
            guard=HeadGuard(self._store.folder / "guard" / "head.json"),
            origin="log.example",
            clock=appends.Still(),
            client_id=f"{self._name} log",
            batch_max=appends.BATCH_MAX,
            head_every_seconds=300.0,
            metrics=Metrics(version="bench"),
        )
        await self._nursery.start(actor.run)

    async def answer(self, ask: Ask) -> Any:
        """Return what is asked for."""
        place = self._place
        match ask.do:
            case "look":
                return place.shown()
            case "add":
                return await place.add(ask.name, ask.address)
            case "promote":
                return await place.promote(ask.name)
            case "sign":
                return await self._begin_log()
            case _:
                return await self._load(ask)

    async def _load(self, ask: Ask) -> dict[str, Any]:
        numbers = range(ask.first, ask.first + ask.count)
        entries = iter([appends.numbered(number)[1] for number in numbers])
        taken: list[float] = []

        async def one(entry: bytes) -> None:
            command = AppendEvents((entry,))
            if ask.through == "replicator":
                proposal = Proposal(self._name, next(self._numbers), command)
                await self._place.replicator.propose([proposal])
            elif ask.through == "index":
                await self._mailbox.ask(Commit(command, covered=False))
            else:
                await self._mailbox.ask(CommitProved(command))

        async def asker() -> None:
            for entry in entries:
                began = time.perf_counter()
                await one(entry)
                taken.append(time.perf_counter() - began)

        began = time.perf_counter()
        async with trio.open_nursery() as askers:
            for _ in range(ask.in_flight):
                askers.start_soon(asker)
        return {"seconds": time.perf_counter() - began, "each": sorted(taken)}


class Lines:
    """The lines of standard input, whoever serves meanwhile."""

    def __init__(self) -> None:
        self._stream = trio.lowlevel.FdStream(os.dup(0))
        self._heard = b""

    async def next(self) -> bytes | None:
        """Return the next line, None at the end."""
        while b"\n" not in self._heard:
            data = await self._stream.receive_some()
            if not data:
                return None
            self._heard += data
        line, _, self._heard = self._heard.partition(b"\n")
        return line


async def main(folder: Path, name: str, address: str, pki: Path) -> None:
    """Serve, and begin anew when another member's state was taken."""
    config = settings(folder, name, address, pki)
    lines = Lines()
    goes_on = True
    while goes_on:
        with open_store(folder) as store:
            async with cluster.place(config, store, SystemClock(), check_head=_trust) as place:
                goes_on = await _serve(lines, store, place, name)
        if place.error is not None:
            raise place.error


async def _serve(lines: Lines, store: Store, place: Place, name: str) -> bool:
    """Answer until the input ends; True if another state was taken instead."""
    async with trio.open_nursery() as nursery:

        async def end(event: trio.Event) -> None:
            await event.wait()
            nursery.cancel_scope.cancel()

        nursery.start_soon(end, place.restart_needed)
        nursery.start_soon(end, place.failed)
        member = Member(store, place, name, nursery)
        while (line := await lines.next()) is not None:
            try:
                answer = await member.answer(msgspec.json.decode(line, type=Ask))
            except RtgfError as refused:
                answer = {"refused": str(refused)}
            sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
            sys.stdout.buffer.flush()
        nursery.cancel_scope.cancel()
        return False
    return place.error is None


def _trust(_state: SignedState) -> None:
    """Take every head: what is measured is not whether they are signed."""


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    sys.setswitchinterval(THREAD_SECONDS)
    folder, name, address, pki = sys.argv[1:]
    trio.run(main, Path(folder), name, address, Path(pki))
