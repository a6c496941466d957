"""Outgoing fetches: only where the configuration allows, bounded in size, time and number.

HTTPS with certificate checks; plain HTTP and `file:` only where configured; only hosts on the
allow-list, redirects only inside it. The address that was checked is the address that is connected
to, so a name that resolves anew cannot lead to a private network.
"""

from __future__ import annotations

import ipaddress
import ssl
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

import httpcore2
import trio
from httpcore2._backends.base import SOCKET_OPTION  # the type of a parameter we pass on

from rtgf_node.config import FetchConfig
from rtgf_node.errors import Code, RtgfError

TRIES = 3
"""Attempts in all; a provider that fails three times in a row is down, not slow."""

FIRST_PAUSE_SECONDS = 0.5
"""Before the second attempt; doubled before the third, each with up to as much jitter again."""

REDIRECTS_MAX = 5
CHUNK_BYTES = 65_536

GZIP_MAGIC = b"\x1f\x8b"


class Fetched(NamedTuple):
    """What came back. `body` is None when the provider said that nothing changed (304)."""

    body: bytes | None
    etag: str | None
    last_modified: str | None


class _UnreachableError(Exception):
    """A failure that another attempt may not meet."""


class _GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that are allowed, and to no others."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._inner = httpcore2.TrioBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's own parameter
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
        except OSError as error:
            raise _UnreachableError(f"{host} does not resolve: {error}") from error
        for *_, address in found:
            ip = ipaddress.ip_address(str(address[0]).partition("%")[0])
            if self._allow_private or ip.is_global:
                return await self._inner.connect_tcp(
                    str(address[0]), port, timeout, local_address, socket_options
                )
        raise RtgfError(
            Code.RTGF_SANCTIONS_FETCH_FAILED,
            f"{host} resolves to private addresses only; "
            "set fetch.allow_private_addresses if that is meant",
        )


class Egress:
    """Fetches what the configuration names.

    Args:
      jitter: gives a number in [0, 1) for the pause between attempts.
    """

    def __init__(self, config: FetchConfig, *, jitter: Callable[[], float]) -> None:
        self._config = config
        self._jitter = jitter
        cafile = str(config.ca_file) if config.ca_file is not None else None
        self._tls = ssl.create_default_context(cafile=cafile)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._backend = _GuardedBackend(allow_private=config.allow_private_addresses)

    async def get(
        self, uri: str, *, etag: str | None = None, last_modified: str | None = None
    ) -> Fetched:
        """Return the body behind `uri`, decompressed; conditional where a validator is given.

        Raises:
          RtgfError: RTGF_SANCTIONS_FETCH_FAILED, with every attempt's reason in `causes`.
        """
        if urlsplit(uri).scheme == "file":
            body = await trio.to_thread.run_sync(self._read_file, uri)
            return Fetched(self._decompressed(body, uri), None, None)
        causes: list[RtgfError] = []
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(1, TRIES + 1):
            try:
                with trio.fail_after(self._config.timeout_seconds):
                    return await self._follow(uri, etag, last_modified)
            except (_UnreachableError, trio.TooSlowError, httpcore2.NetworkError,
                    httpcore2.TimeoutException, httpcore2.ProtocolError) as error:  # fmt: skip
                reason = str(error) or type(error).__name__
                causes.append(
                    RtgfError(Code.RTGF_SANCTIONS_FETCH_FAILED, f"attempt {attempt}: {reason}")
                )
            if attempt < TRIES:
                await trio.sleep(pause * (1 + self._jitter()))
                pause *= 2
        raise RtgfError(
            Code.RTGF_SANCTIONS_FETCH_FAILED,
            f"{uri} failed {TRIES} times, last: {causes[-1].detail}",
            causes=tuple(causes),
        )

    async def _follow(self, uri: str, etag: str | None, last_modified: str | None) -> Fetched:
        headers = [(b"User-Agent", b"rtgf-node"), (b"Accept-Encoding", b"identity")]
        if etag is not None:
            headers.append((b"If-None-Match", etag.encode("latin-1")))
        if last_modified is not None:
            headers.append((b"If-Modified-Since", last_modified.encode("latin-1")))
        async with httpcore2.AsyncConnectionPool(
            ssl_context=self._tls, network_backend=self._backend, max_connections=1
        ) as pool:
            for _ in range(REDIRECTS_MAX + 1):
                self._check_target(uri)
                async with pool.stream("GET", uri, headers=headers) as response:
                    told = {
                        name.lower(): value.decode("latin-1") for name, value in response.headers
                    }
                    if response.status in {301, 302, 303, 307, 308} and b"location" in told:
                        uri = urljoin(uri, told[b"location"])
                        continue
                    if response.status == 304:
                        return Fetched(None, etag, last_modified)
                    if response.status != 200:
                        raise _UnreachableError(f"{uri} answered {response.status}")
                    body = await self._read_bounded(response, uri)
                    return Fetched(
                        self._decompressed(body, uri),
                        told.get(b"etag"),
                        told.get(b"last-modified"),
                    )
        raise _failed(f"more than {REDIRECTS_MAX} redirects")

    def _check_target(self, uri: str) -> None:
        parts = urlsplit(uri)
        if parts.scheme != "https" and not (
            parts.scheme == "http" and self._config.allow_plain_http
        ):
            raise _failed(f"{uri}: only https is fetched (fetch.allow_plain_http is off)")
        if parts.hostname not in self._config.allowed_hosts:
            raise _failed(f"{uri}: the host is not in fetch.allowed_hosts")

    async def _read_bounded(self, response: httpcore2.Response, uri: str) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_stream():
            body += chunk
            if len(body) > self._config.max_bytes:
                raise _failed(f"{uri} is larger than {self._config.max_bytes} bytes")
        return bytes(body)

    def _read_file(self, uri: str) -> bytes:
        parts = urlsplit(uri)
        if not self._config.allow_file or parts.netloc not in {"", "localhost"}:
            raise _failed(f"{uri}: files are read only with fetch.allow_file and no host")
        try:
            with Path(unquote(parts.path)).open("rb") as file:
                body = file.read(self._config.max_bytes + 1)
        except OSError as error:
            raise _failed(f"{uri}: {error.strerror}") from error
        if len(body) > self._config.max_bytes:
            raise _failed(f"{uri} is larger than {self._config.max_bytes} bytes")
        return body

    def _decompressed(self, body: bytes, uri: str) -> bytes:
        if not body.startswith(GZIP_MAGIC):
            return body
        limit = self._config.max_decompressed_bytes
        inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            plain = inflater.decompress(body, limit + 1)
        except zlib.error as error:
            raise _failed(f"{uri} is not valid gzip: {error}") from error
        if len(plain) > limit:
            raise _failed(f"{uri} is larger than {limit} bytes when decompressed")
        if not inflater.eof or inflater.unused_data:
            raise _failed(f"{uri} is a truncated or trailing gzip file")
        return plain


def _failed(detail: str) -> RtgfError:
    return RtgfError(Code.RTGF_SANCTIONS_FETCH_FAILED, detail)
