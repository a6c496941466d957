"""Who calls, and what they may do: certificates to identities, identities to roles.

The identity of a certificate comes from the TLS session itself (`listeners.py`). The only header
that names anybody is a bearer token of the configured issuer, and it opens no privileged route.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rtgf_node.api.bearer import BearerTokens
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import Role, RoleConfig


class Caller(NamedTuple):
    """Who made a request.

    Attributes:
      identity: the SAN URI of the client certificate, else `oauth:<issuer>#<subject>` of a bearer
        token, else None.
      address: the address of the other end of the connection.
      roles: what the configuration lets the identity do.
      by_token: whether a bearer token names the caller.
    """

    identity: str | None
    address: str
    roles: frozenset[Role]
    by_token: bool = False


class Access:
    """The roles that the configuration gives to identities.

    Args:
      roles: of certificates.
      bearers: checks bearer tokens; without it none is looked at.
    """

    def __init__(self, roles: Iterable[RoleConfig], bearers: BearerTokens | None = None) -> None:
        self._roles = {entry.uri: frozenset(entry.roles) for entry in roles}
        self._bearers = bearers

    def caller(self, scope: Mapping[str, Any]) -> Caller:
        """Return who stands behind an ASGI scope, or a connection state.

        Raises:
          RtgfError: as `named` does.
        """
        state = scope.get("state", scope)
        identity = state.get("client")
        # Whatever else stands there (ASGI's own (host, port), say) is not an identity.
        known = identity if isinstance(identity, str) else None
        return self.named(known, str(state.get("address", "")), _authorization(scope))

    def named(self, client: str | None, address: str, authorization: str | None) -> Caller:
        """Return who calls; a certificate goes before a bearer token.

        Args:
          client: the SAN URI of the verified certificate.
          address: of the other end.
          authorization: the header of this name.

        Raises:
          BearerError: a bearer token is shown that is not taken.
          RtgfError: RTGF_UNAVAILABLE while bearer tokens cannot be checked.
        """
        if client is not None:
            return Caller(client, address, self._roles.get(client, frozenset()))
        if self._bearers is not None and authorization is not None:
            bearer = self._bearers.identify(authorization)
            if bearer is not None:
                return Caller(bearer.identity, address, bearer.roles, by_token=True)
        return Caller(None, address, frozenset())

    def require(self, scope: Mapping[str, Any], *roles: Role) -> str:
        """Return the identity of a caller who has at least one of `roles`.

        Raises:
          RtgfError: RTGF_UNAUTHENTICATED without a client certificate that names somebody;
            RTGF_FORBIDDEN if none of the roles is theirs.
        """
        caller = self.caller(scope)
        wanted = " or ".join(roles)
        if caller.identity is None or caller.by_token:
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


def _authorization(scope: Mapping[str, Any]) -> str | None:
    """Return the header of an ASGI scope; several are joined, which makes no token of them."""
    given = [value for name, value in scope.get("headers", ()) if name == b"authorization"]
    return b", ".join(given).decode("latin-1") if given else None
