"""Who comes in: the caller's name and the limits, the same for both lanes."""

from __future__ import annotations

from rtgf_node.api.access import Access, Caller
from rtgf_node.api.limits import RateLimits, route_class
from rtgf_node.errors import RtgfError


class Door:
    """Names callers and counts what they ask."""

    def __init__(self, access: Access, limits: RateLimits) -> None:
        self._access = access
        self._limits = limits

    def admit(
        self,
        client: str | None,
        address: str,
        authorization: str | None,
        *,
        path: str,
        at: float,
    ) -> Caller:
        """Return who asks for `path`, once it is counted against the limits.

        Args:
          client: the SAN URI of the verified certificate.
          address: of the other end.
          authorization: the header of this name.
          path: what is asked for, which says what class of limits it counts against.
          at: the time of a steady clock, in seconds.

        Raises:
          RateLimitedError: RTGF_VERIFY_RATE_LIMIT.
          BearerError: the bearer token is not taken; the try counts against the address.
          RtgfError: RTGF_UNAVAILABLE while bearer tokens cannot be checked.
        """
        route = route_class(path)
        try:
            caller = self._access.named(client, address, authorization)
        except RtgfError:
            self._limits.admit(Caller(None, address, frozenset()), at=at, route=route)
            raise
        self._limits.admit(caller, at=at, route=route)
        return caller

    def look(
        self,
        client: str | None,
        address: str,
        authorization: str | None,
        *,
        path: str,
        at: float,
    ) -> None:
        """Refuse whom `admit` would refuse for its limits, and count nothing.

        Raises:
          RateLimitedError: RTGF_VERIFY_RATE_LIMIT.
        """
        try:
            caller = self._access.named(client, address, authorization)
        except RtgfError:
            caller = Caller(None, address, frozenset())
        self._limits.look(caller, at=at, route=route_class(path))
