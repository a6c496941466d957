"""Who calls, and what they may do: certificates to identities, identities to roles.

The identity comes from the TLS session itself (`listeners.py`), never from a header.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import Role, RoleConfig


class Caller(NamedTuple):
    """Who made a request.

    Attributes:
      identity: the SAN URI of the client certificate, or None without one.
      address: the address of the other end of the connection.
      roles: what the configuration lets the identity do.
    """

    identity: str | None
    address: str
    roles: frozenset[Role]


class Access:
    """The roles that the configuration gives to identities."""

    def __init__(self, roles: Iterable[RoleConfig]) -> None:
        self._roles = {entry.uri: frozenset(entry.roles) for entry in roles}

    def caller(self, scope: Mapping[str, Any]) -> Caller:
        """Return who stands behind an ASGI scope, or a connection state."""
        state = scope.get("state", scope)
        identity = state.get("client")
        # Whatever else stands there (ASGI's own (host, port), say) is not an identity.
        known = identity if isinstance(identity, str) else None
        roles = self._roles.get(known, frozenset()) if known is not None else frozenset()
        return Caller(known, str(state.get("address", "")), roles)

    def require(self, scope: Mapping[str, Any], *roles: Role) -> str:
        """Return the identity of a caller who has at least one of `roles`.

        Raises:
          RtgfError: RTGF_UNAUTHENTICATED without a client certificate that names somebody;
            RTGF_FORBIDDEN if none of the roles is theirs.
        """
        caller = self.caller(scope)
        wanted = " or ".join(roles)
        if caller.identity is None:
            raise RtgfError(
                Code.RTGF_UNAUTHENTICATED,
                f"this needs a client certificate with the role {wanted}, with a URI such as "
                "urn:rtgf:operator:alice among its alternative names",
            )
        if caller.roles.isdisjoint(roles):
            raise RtgfError(
                Code.RTGF_FORBIDDEN,
                f"{caller.identity} has not the role {wanted}; ask for a [[role]] in the settings",
            )
        return caller.identity
