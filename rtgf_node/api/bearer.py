"""Bearer tokens of an OAuth 2.0 or OIDC issuer (RFC 6750, RFC 9068): whom they name, as what.

A token is a JWT that the configured issuer signed for this node. It opens no privileged route: it
says who asks for reads and verdicts, so that partners without a certificate have their own limits
and their own name in the decision log.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from joserfc import jws
from joserfc.jws import JWSRegistry

from rtgf_node.api.issuer_keys import IssuerKeys
from rtgf_node.core.canonical_json import parse_object
from rtgf_node.core.clock import Clock
from rtgf_node.egress import Egress
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import Config, OauthConfig, TokenRole
from rtgf_node.telemetry import Metrics

PREFIX: Final = "oauth:"
"""Of the identities; no certificate gives one of them."""

SCHEME: Final = "bearer"
"""The authentication scheme, in lower case."""

MAX_TOKEN_CHARACTERS: Final = 16 << 10
"""As much as a whole head may have by default."""

REMEMBERED: Final = 1024
"""Tokens whose signature was checked and need not be checked again for the next request."""

TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""What the header may call the token, in lower case (RFC 9068 §2.1); others are not for access."""

REALM: Final = "rtgf"

Numeric: TypeAlias = int | float


class BearerError(RtgfError):
    """A bearer token that is not taken.

    Attributes:
      challenge: the value of `WWW-Authenticate` (RFC 6750 §3).
    """

    def __init__(self, code: Code, error: str, detail: str) -> None:
        super().__init__(code, detail)
        self.challenge = f'Bearer realm="{REALM}", error="{error}", error_description="{detail}"'


class Bearer(NamedTuple):
    """Whom a token names.

    Attributes:
      identity: `oauth:<issuer>#<subject>`.
      roles: what the settings give to the values of its roles claim.
    """

    identity: str
    roles: frozenset[TokenRole]


class _Claims(msgspec.Struct, frozen=True):
    """The claims that count (RFC 7519 §4.1, RFC 9068 §2.2)."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: Numeric
    nbf: Numeric | None = None
    iat: Numeric | None = None


class _Checked(NamedTuple):
    edition: int
    starts: Numeric
    ends: Numeric
    bearer: Bearer


class _Registry(JWSRegistry):
    """The algorithms of the settings, all of public keys; `none` and HMAC cannot be set."""

    max_header_length = 4096

    def get_alg(self, name: str) -> Any:  # noqa: ANN401 - joserfc exports no type for it
        """Return the algorithm. joserfc would warn each time that `EdDSA` has a newer name."""
        if name not in (self.allowed or ()):
            raise _invalid("the token is signed with an algorithm that is not allowed here")
        return self.algorithms[name]


class BearerTokens:
    """Checks tokens without waiting. `keys.run` has to run beside it."""

    def __init__(
        self, config: OauthConfig, *, audience: str, keys: IssuerKeys, clock: Clock
    ) -> None:
        self.keys = keys
        self._config = config
        self._audience = audience
        self._clock = clock
        self._registry = _Registry(algorithms=config.algorithms, strict_check_header=False)
        self._checked: OrderedDict[str, _Checked] = OrderedDict()

    def identify(self, authorization: str) -> Bearer | None:
        """Return whom an `Authorization` header names; None if it is of another scheme.

        Raises:
          BearerError: the token is not valid (401), or gives no role here (403).
          RtgfError: RTGF_UNAVAILABLE while the keys of the issuer are not at hand.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != SCHEME:
            return None
        token = token.strip(" ")
        now = self._clock.now()
        held = self._checked.get(token)
        if held is None or not self.keys.is_in_force(held.edition):
            held = self._check(token)
            self._checked[token] = held
            if len(self._checked) > REMEMBERED:
                self._checked.popitem(last=False)
        skew = self._config.skew_seconds
        if now >= held.ends + skew:
            raise _invalid("the token has expired")
        if now < held.starts - skew:
            raise _invalid("the token is not valid yet")
        return held.bearer

    def _check(self, token: str) -> _Checked:
        if not token.isascii() or not 1 <= len(token) <= MAX_TOKEN_CHARACTERS:
            raise _invalid("the token is not a signed JWT")
        try:
            signed = jws.extract_compact(token.encode("ascii"), registry=self._registry)
            header = signed.headers()
            typ, kid = header.get("typ", "jwt"), header.get("kid")
            if not isinstance(typ, str) or typ.lower() not in TYPES:
                raise _invalid("the token is not an access token by its typ")
            key = self.keys.find(kid if isinstance(kid, str) else None)
            if not jws.validate_compact(signed, key, registry=self._registry):
                raise _invalid("the signature of the token is not valid")
            document = parse_object(signed.payload)
            claims = msgspec.convert(document, _Claims)
        except BearerError:
            raise
        except RtgfError as error:
            if error.code is Code.RTGF_UNAVAILABLE:
                raise
            raise _invalid("the token is not one of the issuer's") from error
        except Exception as error:
            # Whatever the library stumbles over in a stranger's text, that text is no token.
            raise _invalid(
                "the token is not a signed JWT with the claims that are needed"
            ) from error
        return self._judged(claims, document)

    def _judged(self, claims: _Claims, document: dict[str, Any]) -> _Checked:
        config = self._config
        if claims.iss != config.issuer:
            raise _invalid("the token is of another issuer")
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if self._audience not in audiences:
            raise _invalid("the token is for another audience")
        if not claims.sub or not claims.sub.isprintable() or len(claims.sub) > 255:
            raise _invalid("the token names nobody")
        said = _values(document, config.roles_claim)
        roles = frozenset(role for value in said for role in config.roles.get(value, ()))
        if not roles:
            raise BearerError(
                Code.RTGF_FORBIDDEN, "insufficient_scope", "the token gives no role at this node"
            )
        starts = max(claims.nbf or 0, claims.iat or 0)
        bearer = Bearer(f"{PREFIX}{claims.iss}#{claims.sub}", roles)
        return _Checked(self.keys.edition, starts, claims.exp, bearer)


def configured(
    config: Config, *, egress: Egress, clock: Clock, metrics: Metrics
) -> BearerTokens | None:
    """Return what checks bearer tokens, None if the settings name no issuer."""
    oauth = config.oauth
    if oauth.issuer is None:
        return None
    return BearerTokens(
        oauth,
        audience=oauth.audience or config.node.public_url,
        keys=IssuerKeys(oauth, egress, metrics),
        clock=clock,
    )


def _values(document: dict[str, Any], path: tuple[str, ...]) -> list[str]:
    """Return the words of a claim: a list of text, or text with words between blanks."""
    value: Any = document
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, str):
        return value.split(" ")
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _invalid(detail: str) -> BearerError:
    return BearerError(Code.RTGF_UNAUTHENTICATED, "invalid_token", detail)
