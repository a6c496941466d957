"""Ports that several processes of one node listen on: the kernel deals out the connections."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Final, TypeAlias

import trio

from rtgf_node.config import host_and_port
from rtgf_node.errors import Code, RtgfError

BACKLOG: Final = 1024
"""Connections that may wait to be accepted, of each process."""

Address: TypeAlias = tuple[int, str, int]
"""The family, the host and the port."""


def reserve(bind: str) -> list[socket.socket]:
    """Return sockets that hold the addresses of `bind` and never listen.

    While they are open, only processes of the same user can listen there (SO_REUSEPORT, socket(7)),
    and the port stays ours while a process that listens is being replaced.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if it cannot listen there, or somebody does already.
    """
    host, port = host_and_port(bind)
    held: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in found[: 1 if port == 0 else None]:
            # Without sharing first, which fails if anybody else is there, sharing or not.
            _bound(family, address, is_shared=False).close()
            held.append(_bound(family, address, is_shared=True))
    except OSError as error:
        for sock in held:
            sock.close()
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID, f"cannot listen on {bind}: {error.strerror or error}"
        ) from error
    return held


def addresses(held: Sequence[socket.socket]) -> list[Address]:
    """Return what `reserve` holds."""
    return [(int(sock.family), *sock.getsockname()[:2]) for sock in held]


def listen(reserved: Sequence[Address]) -> list[trio.SocketListener]:
    """Listen on addresses that a process of this user reserved.

    Raises:
      OSError: nobody did.
    """
    listeners = []
    for family, host, port in reserved:
        sock = _bound(family, (host, port), is_shared=True)
        sock.listen(BACKLOG)
        sock.setblocking(False)
        listeners.append(trio.SocketListener(trio.socket.from_stdlib_socket(sock)))
    return listeners


def _bound(family: int, address: tuple[object, ...], *, is_shared: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
