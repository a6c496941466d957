"""A node's processes as the system sees them: which are its workers, which of them has whom."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from tests.nodes import PATIENCE_SECONDS, TestNode

T = TypeVar("T")


def until(look: Callable[[], T]) -> T:
    """Return what `look` returns as soon as it returns something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come about")


def main_process(node: TestNode) -> int:
    """Return the id of the process that holds the node's folder."""
    return int((node.folder / "data" / "lock").read_text())


def own_clock(pid: int) -> Callable[[], float]:
    """Return what tells how much processor time a process has taken, in seconds."""
    # As clock_getcpuclockid(3) makes it: of the whole process, as the scheduler counts.
    clock = ~pid << 3 | 2
    return lambda: time.clock_gettime(clock)


def workers(parent: int) -> list[int]:
    """Return the ids of a process's workers."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError, IndexError):
            if folder.name.isdigit() and b"rtgf_node.workers.main" in _bytes(folder / "cmdline"):
                # What follows the name, which may hold anything, is: state, parent, ...
                fields = _bytes(folder / "stat").rpartition(b")")[2].split()
                if int(fields[1]) == parent and fields[0] != b"Z":
                    found.append(int(folder.name))
    return sorted(found)


def is_running(pid: int) -> bool:
    """Return whether a process is there and has not ended."""
    try:
        return _bytes(Path(f"/proc/{pid}/stat")).rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def owner(connection: socket.socket, among: list[int]) -> int | None:
    """Return which of these processes has the other end of a TCP connection."""
    ours = connection.getsockname()[1]
    theirs = connection.getpeername()[1]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = tuple(int(fields[at].rpartition(":")[2], 16) for at in (1, 2))
        if ports == (theirs, ours):
            name = f"socket:[{fields[9]}]"
            for pid in among:
                with suppress(OSError):
                    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                        with suppress(OSError):
                            if os.readlink(descriptor) == name:
                                return pid
    return None


@contextmanager
def one_each(
    node: TestNode, pids: list[int], role: str | None = "partner"
) -> Iterator[dict[int, ssl.SSLSocket]]:
    """Open a connection to each of these processes, which share the node's port."""
    with ExitStack() as stack:
        found: dict[int, ssl.SSLSocket] = {}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while set(found) != set(pids):
            assert time.monotonic() < deadline, f"only {sorted(found)} of {pids} are reached"
            stream = stack.enter_context(node.socket(role))
            pid = owner(stream, pids)
            if pid is not None:
                found.setdefault(pid, stream)
        yield found


def _bytes(path: Path) -> bytes:
    return path.read_bytes()
