"""How much one client may ask: a token bucket each, for a bounded number of clients.

Time is handed in (seconds of any steady clock), so that the same calls give the same answers.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from rtgf_node.api.access import Caller
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import LimitsConfig

IPV6_PREFIX: Final = 64
"""Bits. One subscriber holds at least a /64, so single addresses of it are not single clients."""

RouteClass: TypeAlias = Literal["reads", "verify", "admin"]
"""What a request is for. Each has its own bucket: a flood of one leaves the others alone."""

MAX_RETRY_AFTER_SECONDS: Final = 3600
"""Nobody is told to stay away for longer than this."""


class RateLimitedError(RtgfError):
    """A client asked too often. It knows when to come back.

    Attributes:
      retry_after_seconds: whole seconds, at least 1.
    """

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            Code.RTGF_VERIFY_RATE_LIMIT, f"too many requests; wait {retry_after_seconds} s"
        )
        self.retry_after_seconds = retry_after_seconds


class TokenBuckets:
    """One bucket for each client: `burst` requests at once, then `per_second` for ever."""

    def __init__(self, *, per_second: float, burst: int, max_clients: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._max_clients = max_clients
        # By client: what is left, and when that was so. The one seen last is at the end.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, client: str, *, now: float, cost: int = 1) -> None:
        """Take `cost` from the client's bucket, or nothing if it does not hold so much.

        A request that costs more than a full bucket is served when the bucket is full, and leaves
        a debt: else it could never be served.

        Raises:
          RateLimitedError: with the whole seconds after which it may ask again.
        """
        left, since = self._buckets.get(client, (float(self._burst), now))
        left = min(float(self._burst), left + max(0.0, now - since) * self._per_second)
        needed = min(cost, self._burst)
        if left < needed:
            # The bucket stays as it is: asking again too early makes nobody wait longer.
            wait = math.ceil((needed - left) / self._per_second)
            self._remember(client, left, now)
            raise RateLimitedError(min(max(wait, 1), MAX_RETRY_AFTER_SECONDS))
        self._remember(client, left - cost, now)

    def owe(self, client: str, *, now: float, cost: int) -> None:
        """Take `cost` from the client's bucket even if it does not hold so much: a debt."""
        left, since = self._buckets.get(client, (float(self._burst), now))
        left = min(float(self._burst), left + max(0.0, now - since) * self._per_second)
        self._remember(client, left - cost, now)

    def _remember(self, client: str, left: float, now: float) -> None:
        self._buckets[client] = (left, now)
        self._buckets.move_to_end(client)
        if len(self._buckets) > self._max_clients:
            # Whoever was not seen for longest has the fullest bucket to lose.
            self._buckets.popitem(last=False)


class RateLimits:
    """The limits of the configuration: of each route class by identity, else by address."""

    def __init__(self, config: LimitsConfig) -> None:
        def buckets(per_second: float, burst: int) -> TokenBuckets:
            return TokenBuckets(per_second=per_second, burst=burst, max_clients=config.max_clients)

        public = (config.public_per_second, config.public_burst)
        partner = (config.partner_per_second, config.partner_burst)
        admin = buckets(config.admin_per_second, config.admin_burst)
        self._public: dict[RouteClass, TokenBuckets] = {
            "reads": buckets(*public),
            "verify": buckets(
                config.verify_public_per_second or public[0],
                config.verify_public_burst or public[1],
            ),
            "admin": admin,
        }
        self._named: dict[RouteClass, TokenBuckets] = {
            "reads": buckets(*partner),
            "verify": buckets(
                config.verify_partner_per_second or partner[0],
                config.verify_partner_burst or partner[1],
            ),
            "admin": admin,
        }

    def admit(
        self, caller: Caller, *, at: float, cost: int = 1, route: RouteClass = "reads"
    ) -> None:
        """Take `cost` from the caller's bucket of this class of routes.

        Raises:
          RateLimitedError: RTGF_VERIFY_RATE_LIMIT, with the seconds to wait.
        """
        if caller.identity is not None:
            self._named[route].take(caller.identity, now=at, cost=cost)
        else:
            self._public[route].take(client_network(caller.address), now=at, cost=cost)

    def owe(self, caller: Caller, *, at: float, cost: int, route: RouteClass) -> None:
        """Count what an admitted request turned out to cost; later ones wait for it."""
        if caller.identity is not None:
            self._named[route].owe(caller.identity, now=at, cost=cost)
        else:
            self._public[route].owe(client_network(caller.address), now=at, cost=cost)


def route_class(path: str) -> RouteClass:
    """Return which limits a path counts against."""
    if path.startswith("/admin"):
        return "admin"
    return "verify" if path.startswith(("/verify", "/evaluate", "/access/")) else "reads"


@lru_cache(maxsize=4096)
def client_network(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 of an IPv6 address.

    Anything else, such as the peer of a Unix socket, counts as one client under its own name.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), IPV6_PREFIX), strict=False))
