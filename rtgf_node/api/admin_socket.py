"""The Unix socket for who works on this machine: no TLS, and the kernel says who is there.

The identity of a client is `unix:uid:<uid>`, from the credentials that the kernel keeps of whoever
connected (SO_PEERCRED); nothing that a client sends can say it. Only the node's own user can open
the socket (and the superuser, whom nothing stops here).
"""

from __future__ import annotations

import os
import socket
import stat
import struct
from pathlib import Path
from typing import Final

import trio

from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import RoleConfig

PREFIX: Final = "unix:uid:"
"""Of the identities; no certificate gives one of them."""

BACKLOG: Final = 64
"""Connections that may wait to be accepted."""

_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid: unix(7)


def identity(peer: socket.socket) -> str:
    """Return who is at the other end of a connection."""
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(raw)
    return f"{PREFIX}{uid}"


def own_role(roles: tuple[RoleConfig, ...]) -> tuple[RoleConfig, ...]:
    """Return the roles, with this process's user as operator if nothing else is said of them."""
    own = f"{PREFIX}{os.getuid()}"
    if any(role.uri == own for role in roles):
        return roles
    return (*roles, RoleConfig(uri=own, roles=("operator",)))


def listen(path: Path) -> list[trio.SocketListener]:
    """Return what listens at `path`, for its owner alone. A socket that a crash left is replaced.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if it cannot listen there, or something else is there.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.exists() or path.is_symlink():
            if not stat.S_ISSOCK(path.lstat().st_mode):
                raise OSError("something that is no socket is there")
            path.unlink()
        before = os.umask(0o177)
        try:
            sock.bind(str(path))
        finally:
            os.umask(before)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID,
            f"http.admin_socket: cannot listen on {path}: {error.strerror or error}",
        ) from error
    return [trio.SocketListener(trio.socket.from_stdlib_socket(sock))]
