"""Which addresses the node may connect to, and a network that connects to no others.

The address that was checked is the address that is connected to: the name is resolved once, so one
that resolves anew cannot lead into a private network between the check and the connection.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import httpcore2
import trio

from rtgf_node.errors import Code, RtgfError

CONNECT_SECONDS = 10.0
"""For one address; then the host's next one is tried. TCP repeats its SYN after 1, 3 and 7 s."""

ADDRESSES_MAX = 8
"""Tried of one host; publishers behind a delivery network name up to six."""

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 addresses as networks without IPv4 write them (RFC 6052 §2.1)."""

PROTOCOL_ASSIGNMENTS = ipaddress.IPv4Network("192.0.0.0/24")
"""Of the local network by their purpose, though single ones count as global (RFC 6890 §2.2.2)."""


class TransientError(Exception):
    """A failure that another attempt may not meet."""


def is_public(address: str) -> bool:
    """Return whether `address` belongs to the public Internet, also inside an IPv6 wrapping.

    Private, loopback, link-local, shared, multicast and reserved addresses do not.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        wrapped = ip.ipv4_mapped or ip.sixtofour
        if wrapped is None and ip in NAT64:
            wrapped = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if wrapped is not None:
            return is_public(str(wrapped))
        if ip.is_site_local:
            return False
    elif ip in PROTOCOL_ASSIGNMENTS:
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


class GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Resolves a host, and connects to those of its addresses that are allowed.

    Args:
      inner: what connects to an address; it is never given a name.
    """

    def __init__(self, inner: httpcore2.AsyncNetworkBackend, *, allow_private: bool) -> None:
        self._inner = inner
        self._allow_private = allow_private

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's own parameter
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first allowed address that answers.

        Raises:
          TransientError: the name does not resolve.
          RtgfError: RTGF_SANCTIONS_FETCH_FAILED if none of its addresses is allowed.
          httpcore2.NetworkError, httpcore2.TimeoutException: the last address did not answer.
        """
        allowance = CONNECT_SECONDS if timeout is None else min(timeout, CONNECT_SECONDS)
        failure: Exception | None = None
        for address in await self._allowed_addresses(host, port):
            try:
                return await self._inner.connect_tcp(
                    address, port, allowance, local_address, socket_options
                )
            except (httpcore2.NetworkError, httpcore2.TimeoutException) as error:
                failure = error
        if failure is not None:
            raise failure
        raise RtgfError(
            Code.RTGF_SANCTIONS_FETCH_FAILED,
            f"{host} has no public address; set fetch.allow_private_addresses if that is meant",
        )

    async def _allowed_addresses(self, host: str, port: int) -> list[str]:
        try:
            found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise TransientError(f"{host} does not resolve: {error}") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        allowed = [each for each in addresses if self._allow_private or is_public(each)]
        return allowed[:ADDRESSES_MAX]
