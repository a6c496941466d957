"""How much one client may ask: a token bucket each, for a bounded number of clients.

Where several processes answer, each tells the others whom it let in (`spent`), and takes that from
its own buckets (`owe_all`): between two such words a client may have more than its burst, which it
then owes.

Time is handed in (seconds of any steady clock), so that the same calls give the same answers.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

from rtgf_node.api.access import Caller
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import LimitsConfig

IPV6_PREFIX: Final = 64
"""Bits. One subscriber holds at least a /64, so single addresses of it are not single clients."""

RouteClass: TypeAlias = Literal["reads", "verify", "admin"]
"""What a request is for. Each has its own bucket: a flood of one leaves the others alone."""

POLICY_HEADER: Final = "RateLimit-Policy"
LEFT_HEADER: Final = "RateLimit"
"""Of draft-ietf-httpapi-ratelimit-headers-10."""

MAX_RETRY_AFTER_SECONDS: Final = 3600
"""Nobody is told to stay away for longer than this."""


class RateLimitedError(RtgfError):
    """A client asked too often. It knows when to come back.

    Attributes:
      retry_after_seconds: whole seconds, at least 1.
      told: headers that say what limit it was.
    """

    def __init__(self, retry_after_seconds: int, told: Mapping[str, str]) -> None:
        super().__init__(
            Code.RTGF_VERIFY_RATE_LIMIT, f"too many requests; wait {retry_after_seconds} s"
        )
        self.retry_after_seconds = retry_after_seconds
        self.told = told


class Spending(NamedTuple):
    """What one client was let in with.

    Attributes:
      route: of this class of routes.
      is_named: whether it has an identity.
      client: its identity, else its network.
      cost: in requests.
    """

    route: RouteClass
    is_named: bool
    client: str
    cost: int


class TokenBuckets:
    """One bucket for each client: `burst` requests at once, then `per_second` for ever."""

    def __init__(self, name: str, *, per_second: float, burst: int, max_clients: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._max_clients = max_clients
        self._name = name
        self._policy = f'"{name}";q={burst};w={math.ceil(burst / per_second)}'
        begun = f'{POLICY_HEADER}: {self._policy}\r\n{LEFT_HEADER}: "{name}"'
        self._lines = begun.encode() + b";r=%d;t=%d\r\n"
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
        left = self._enough(client, now, cost)
        self._remember(client, left - cost, now)

    def look(self, client: str, *, now: float) -> None:
        """Take nothing, but refuse what `take` would.

        Raises:
          RateLimitedError: as `take`.
        """
        self._enough(client, now, 1)

    def told(self, client: str) -> dict[str, str]:
        """Return headers: the limit, what was left of it, and the seconds until it is whole."""
        left, seconds = self._standing(client)
        return {
            POLICY_HEADER: self._policy,
            LEFT_HEADER: f'"{self._name}";r={left};t={seconds}',
        }

    def lines(self, client: str) -> bytes:
        """Return what `told` does, as it goes out."""
        return self._lines % self._standing(client)

    def _standing(self, client: str) -> tuple[int, int]:
        held = self._buckets.get(client)
        left = held[0] if held is not None else float(self._burst)
        seconds = math.ceil((self._burst - left) / self._per_second)
        return int(left) if left > 0 else 0, seconds

    def owe(self, client: str, *, now: float, cost: int) -> None:
        """Take `cost` from the client's bucket even if it does not hold so much: a debt."""
        self._remember(client, self._left(client, now) - cost, now)

    def _enough(self, client: str, now: float, cost: int) -> float:
        left = self._left(client, now)
        needed = min(cost, self._burst)
        if left < needed:
            # The bucket stays as it is: asking again too early makes nobody wait longer.
            wait = math.ceil((needed - left) / self._per_second)
            self._remember(client, left, now)
            seconds = min(max(wait, 1), MAX_RETRY_AFTER_SECONDS)
            raise RateLimitedError(seconds, self.told(client))
        return left

    def _left(self, client: str, now: float) -> float:
        held = self._buckets.get(client)
        if held is None:
            return float(self._burst)
        left, since = held
        if now > since:
            left += (now - since) * self._per_second
        return left if left < self._burst else float(self._burst)

    def _remember(self, client: str, left: float, now: float) -> None:
        self._buckets[client] = (left, now)
        self._buckets.move_to_end(client)
        if len(self._buckets) > self._max_clients:
            # Whoever was not seen for longest has the fullest bucket to lose.
            self._buckets.popitem(last=False)


class RateLimits:
    """The limits of the configuration: of each route class by identity, else by address.

    Args:
      config: the limits.
      is_shared: whether other processes answer the same clients, so that `spent` is kept for them.
    """

    def __init__(self, config: LimitsConfig, *, is_shared: bool = False) -> None:
        def buckets(name: str, per_second: float, burst: int) -> TokenBuckets:
            return TokenBuckets(
                name, per_second=per_second, burst=burst, max_clients=config.max_clients
            )

        public = (config.public_per_second, config.public_burst)
        partner = (config.partner_per_second, config.partner_burst)
        admin = buckets("admin", config.admin_per_second, config.admin_burst)
        self._public: dict[RouteClass, TokenBuckets] = {
            "reads": buckets("reads", *public),
            "verify": buckets(
                "verify",
                config.verify_public_per_second or public[0],
                config.verify_public_burst or public[1],
            ),
            "admin": admin,
        }
        self._named: dict[RouteClass, TokenBuckets] = {
            "reads": buckets("reads", *partner),
            "verify": buckets(
                "verify",
                config.verify_partner_per_second or partner[0],
                config.verify_partner_burst or partner[1],
            ),
            "admin": admin,
        }
        self._is_shared = is_shared
        self._spent: dict[tuple[RouteClass, bool, str], int] = {}

    def admit(
        self, caller: Caller, *, at: float, cost: int = 1, route: RouteClass = "reads"
    ) -> None:
        """Take `cost` from the caller's bucket of this class of routes.

        Raises:
          RateLimitedError: RTGF_VERIFY_RATE_LIMIT, with the seconds to wait.
        """
        buckets, client = self._bucket(route, caller.identity, caller.address)
        buckets.take(client, now=at, cost=cost)
        if self._is_shared:
            self._note(route, caller.identity is not None, client, cost)

    def look(self, caller: Caller, *, at: float, route: RouteClass) -> None:
        """Refuse a request that `admit` would refuse; take nothing.

        Raises:
          RateLimitedError: as `admit`.
        """
        buckets, client = self._bucket(route, caller.identity, caller.address)
        buckets.look(client, now=at)

    def owe(self, caller: Caller, *, at: float, cost: int, route: RouteClass) -> None:
        """Count what an admitted request turned out to cost; later ones wait for it."""
        buckets, client = self._bucket(route, caller.identity, caller.address)
        buckets.owe(client, now=at, cost=cost)
        if self._is_shared:
            self._note(route, caller.identity is not None, client, cost)

    def told(self, path: str, identity: str | None, address: str) -> dict[str, str]:
        """Return what a client is told of its limits with an answer."""
        buckets, client = self._bucket(route_class(path), identity, address)
        return buckets.told(client)

    def lines(self, path: str, identity: str | None, address: str) -> bytes:
        """Return what `told` does, as it goes out."""
        buckets, client = self._bucket(route_class(path), identity, address)
        return buckets.lines(client)

    def spent(self) -> list[Spending]:
        """Return what was let in since this was asked last."""
        spent, self._spent = self._spent, {}
        return [Spending(*whose, cost) for whose, cost in spent.items()]

    def owe_all(self, spent: Iterable[Spending], *, at: float) -> None:
        """Count what other processes let in."""
        for route, is_named, client, cost in spent:
            (self._named if is_named else self._public)[route].owe(client, now=at, cost=cost)

    def _bucket(
        self, route: RouteClass, identity: str | None, address: str
    ) -> tuple[TokenBuckets, str]:
        if identity is not None:
            return self._named[route], identity
        return self._public[route], client_network(address)

    def _note(self, route: RouteClass, is_named: bool, client: str, cost: int) -> None:
        whose = (route, is_named, client)
        self._spent[whose] = self._spent.get(whose, 0) + cost


@lru_cache(maxsize=256)
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
