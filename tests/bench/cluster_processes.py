"""Clusters of members without HTTP, each a process, which are asked over pipes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from rtgf_node import cluster_seat
from rtgf_node.cli.demo_node import free_port
from rtgf_node.keys import pki
from rtgf_node.store import create_store
from rtgf_node.wire.cluster import ClusterAnswer, JoinDocument
from tests.bench.cluster_member import Ask, settings

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.02


class RefusedError(Exception):
    """What a member said instead of an answer."""


class Process:
    """One member; leaving the context ends it."""

    def __init__(self, folder: Path, name: str, address: str, keys: Path) -> None:
        self.name = name
        self.address = address
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.cluster_member", folder, name, address, keys],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def ask(self, do: str, **more: object) -> Any:
        """Return the answer.

        Raises:
          RefusedError: the member does not do it, or not now.
          RuntimeError: the process is gone.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        question = msgspec.json.encode(Ask(do, **more))  # type: ignore[arg-type]  # as it has them
        self._process.stdin.write(question + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"member {self.name} ended")
        answer = msgspec.json.decode(line)
        if answer and "refused" in answer:
            raise RefusedError(answer["refused"])
        return answer

    def look(self) -> ClusterAnswer:
        """Return how it sees the cluster."""
        return msgspec.convert(self.ask("look"), ClusterAnswer)


class Processes:
    """A node alone and a cluster, as far as they are asked for; leaving the context ends them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._ca = pki.create_ca("Bench CA", now=int(time.time()))
        pki.write(self._ca, folder / "ca.pem", folder / "ca.key")
        self.members: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def alone(self) -> Process:
        """Return a node that stands alone."""
        folder = self._folder / "alone"
        with create_store(folder):
            pass
        return self._stack.enter_context(Process(folder, "alone", "", self._folder))

    def begin(self) -> Process:
        """Return the first member, which leads."""
        name, address = "n1", f"127.0.0.1:{free_port()}"
        with create_store(self._folder / name) as store:
            cluster_seat.found(store, name=name, address=address)
        first = self._start(name, address)
        self.until(lambda: first.look().role == "leader")
        return first

    def join(self, *, voter: bool = True) -> Process:
        """Return a further member once it holds all that the first one holds."""
        first, name = self.members[0], f"n{len(self.members) + 1}"
        address = f"127.0.0.1:{free_port()}"
        seat = msgspec.convert(first.ask("add", name=name, address=address), JoinDocument)
        with create_store(self._folder / name) as store:
            told = settings(self._folder / name, name, address, self._folder)
            cluster_seat.join(store, seat, cluster=told.log_origin())
        made = self._start(name, address)
        self.until(lambda: made.look().applied >= first.look().commit)
        if voter:
            # Refused until the first one knows that it holds everything.
            self.until(lambda: bool(first.ask("promote", name=name)))
        return made

    def by_role(self) -> tuple[Process, Process]:
        """Return who leads, and somebody who follows."""
        roles = {}

        def there_is_one() -> bool:
            roles.update({member.look().role: member for member in self.members})
            return {"leader", "follower"} <= roles.keys()

        self.until(there_is_one)
        return roles["leader"], roles["follower"]

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is so.

        Raises:
          RuntimeError: it is not, for long.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with suppress(RefusedError):
                if true():
                    return
            time.sleep(POLL_SECONDS)
        raise RuntimeError(f"not within {PATIENCE_SECONDS:g} seconds")

    def _start(self, name: str, address: str) -> Process:
        uri = pki.identity_uri("node", name)
        now = int(time.time())
        made = pki.issue(self._ca, name, san_uris=[uri], now=now, client=True, server=True)
        pki.write(made, self._folder / f"{name}.pem", self._folder / f"{name}.key")
        process = self._stack.enter_context(
            Process(self._folder / name, name, address, self._folder)
        )
        self.members.append(process)
        return process
