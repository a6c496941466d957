"""A network for tests that stays in memory, and names that resolve without a server.

Streams are trio's own in memory, so nothing but the clock is ever waited for, and a test may let it
jump. TLS is real.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import httpcore2
import trio
import trio.testing


class MemoryNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to any address, without sockets.

    Args:
      accept: takes address, port and the far end of each connection.
    """

    def __init__(self, accept: Callable[[str, int, trio.abc.Stream], None]) -> None:
        self._accept = accept

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's own parameter
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        await trio.lowlevel.checkpoint()
        here, there = trio.testing.memory_stream_pair()
        self._accept(host, port, there)
        return _MemoryStream(here)


class _MemoryStream(httpcore2.AsyncNetworkStream):
    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        try:
            return bytes(await self._stream.receive_some(max_bytes))
        except trio.BrokenResourceError as error:
            raise httpcore2.ReadError(error) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        try:
            await self._stream.send_all(buffer)
        except trio.BrokenResourceError as error:
            raise httpcore2.WriteError(error) from error

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore2.AsyncNetworkStream:
        stream = trio.SSLStream(
            self._stream, ssl_context, server_hostname=server_hostname, https_compatible=True
        )
        try:
            await stream.do_handshake()
        except trio.BrokenResourceError as error:
            await self.aclose()
            raise httpcore2.ConnectError(error) from error
        return _MemoryStream(stream)

    def get_extra_info(self, info: str) -> Any:
        return False if info == "is_readable" else None


class Resolver(trio.abc.HostnameResolver):
    """Resolves these names and no others."""

    def __init__(self, names: Mapping[str, Sequence[str]]) -> None:
        self._names = names

    async def getaddrinfo(
        self,
        host: bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the interface's own parameter
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        await trio.lowlevel.checkpoint()
        addresses = self._names.get((host or b"").decode("ascii"), [])
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "no such name in the simulated world")
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (address, int(port or 0)),
            )
            for address in addresses
        ]

    async def getnameinfo(self, sockaddr: Any, flags: int) -> Any:
        raise NotImplementedError("nothing here asks for the name of an address")
