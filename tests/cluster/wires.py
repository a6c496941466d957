"""The network between machines: plain loopback, or a namespace each with a wire that can be cut."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Protocol

from rtgf_node.cli.demo_node import free_port

PORT = 7400
_networks = itertools.count(1)


class Wires(Protocol):
    """Where machines get an address."""

    def place(self, raft_id: int) -> tuple[str, tuple[str, ...]]:
        """Return an address for a member, and what its processes are started with."""

    def close(self) -> None:
        """Give everything back."""


class Loopback:
    """All on one machine; nothing can be cut."""

    def place(self, raft_id: int) -> tuple[str, tuple[str, ...]]:
        """Return a port that is free."""
        return f"127.0.0.1:{free_port()}", ()

    def close(self) -> None:
        """Do nothing."""


class Namespaces:
    """One network namespace each, on one bridge. What is dropped is dropped where it arrives."""

    def __init__(self) -> None:
        self._name = f"rtgf{os.getpid()}-{next(_networks)}"
        self._hub = f"{self._name}-hub"
        self._cuts: dict[int, set[int]] = {}
        self._loss: dict[int, int] = {}
        self._shaped: set[int] = set()
        _run("ip", "netns", "add", self._hub)
        self._in(self._hub, "ip", "link", "add", "bridge", "type", "bridge")
        self._in(self._hub, "ip", "link", "set", "bridge", "up")

    def place(self, raft_id: int) -> tuple[str, tuple[str, ...]]:
        """Make a namespace and a wire to it."""
        space, far = self._space(raft_id), f"wire{raft_id}"
        _run("ip", "netns", "add", space)
        self._in(
            self._hub, "ip", "link", "add", far, "type", "veth", "peer", "eth0", "netns", space
        )
        self._in(self._hub, "ip", "link", "set", far, "master", "bridge", "up")
        self._in(space, "ip", "address", "add", f"{_address(raft_id)}/16", "dev", "eth0")
        for device in ("lo", "eth0"):
            self._in(space, "ip", "link", "set", device, "up")
        self._cuts[raft_id] = set()
        return f"{_address(raft_id)}:{PORT}", ("ip", "netns", "exec", space)

    def cut(self, sender: int, receiver: int) -> None:
        """Drop what one sends to another; what comes back is heard."""
        self._cuts[receiver].add(sender)
        self._tell(receiver)

    def separate(self, some: Iterable[int], others: Iterable[int]) -> None:
        """Drop everything between two groups."""
        some, others = set(some), set(others)
        for one in some:
            self._cuts[one] |= others
            self._tell(one)
        for one in others:
            self._cuts[one] |= some
            self._tell(one)

    def lose(self, raft_id: int, percent: int) -> None:
        """Drop so much of what arrives at one."""
        self._loss[raft_id] = percent
        self._tell(raft_id)

    def slow(self, raft_id: int, rate: str) -> None:
        """Let what one sends queue up behind a narrow wire: `100kbit`."""
        self._shape(raft_id, "tbf", "rate", rate, "burst", "8k", "latency", "800ms")

    def delay(self, raft_id: int) -> None:
        """Delay, lose and reorder what one sends; needs a kernel with netem."""
        self._shape(raft_id, "netem", "delay", "40ms", "30ms", "loss", "3%", "reorder", "20%")

    def heal(self) -> None:
        """Let everything through again."""
        for raft_id, cuts in self._cuts.items():
            if cuts or self._loss.pop(raft_id, 0):
                cuts.clear()
                self._tell(raft_id)
        for raft_id in self._shaped:
            self._in(self._space(raft_id), "tc", "qdisc", "del", "dev", "eth0", "root")
        self._shaped.clear()

    def close(self) -> None:
        """Remove the namespaces, and the wires with them."""
        for space in (*map(self._space, self._cuts), self._hub):
            with suppress(subprocess.CalledProcessError):
                _run("ip", "netns", "del", space)

    def _shape(self, raft_id: int, *shape: str) -> None:
        self._in(self._space(raft_id), "tc", "qdisc", "replace", "dev", "eth0", "root", *shape)
        self._shaped.add(raft_id)

    def _tell(self, raft_id: int) -> None:
        """Replace all rules of one, at once."""
        rules = [f"ip saddr {_address(one)} drop" for one in sorted(self._cuts[raft_id])]
        if percent := self._loss.get(raft_id, 0):
            rules.append(f"numgen random mod 100 < {percent} drop")
        told = "\n".join(rules)
        ruleset = (
            "table inet wire\ndelete table inet wire\ntable inet wire {\n"
            f"chain arrives {{ type filter hook input priority 0; policy accept;\n{told}\n}}\n}}\n"
        )
        self._in(self._space(raft_id), "nft", "-f", "-", told=ruleset)

    def _space(self, raft_id: int) -> str:
        return f"{self._name}-{raft_id}"

    def _in(self, space: str, *command: str, told: str = "") -> None:
        _run("ip", "netns", "exec", space, *command, told=told)


def _address(raft_id: int) -> str:
    return f"10.77.0.{raft_id}"


def _run(*command: str, told: str = "") -> None:
    subprocess.run(command, check=True, capture_output=True, input=told.encode())


@cache
def why_no_namespaces() -> str | None:
    """Return why networks cannot be cut here, None if they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [tool for tool in ("ip", "nft", "tc") if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not installed (iproute2, nftables)"
    try:
        wires = Namespaces()
    except subprocess.CalledProcessError as error:
        return f"no network namespaces here: {error.stderr.decode().strip()}"
    try:
        wires.place(1)
        wires.place(2)
        wires.cut(1, 2)
    except subprocess.CalledProcessError as error:
        return f"no packet filter in namespaces here: {error.stderr.decode().strip()}"
    finally:
        wires.close()
    return None


@cache
def has_netem() -> bool:
    """Say whether this kernel can delay and reorder packets."""
    if why_no_namespaces() is not None:
        return False
    wires = Namespaces()
    try:
        wires.place(1)
        wires.delay(1)
    except subprocess.CalledProcessError:
        return False
    finally:
        wires.close()
    return True
