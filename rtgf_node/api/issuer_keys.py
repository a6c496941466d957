"""The public keys of the issuer of bearer tokens: fetched ahead, so that a request never waits.

They are fetched in the background: when half of their life is over, and when a token names a key
that is not among them. Keys that could not be fetched again in time are not used any more.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, Final

import structlog
import trio
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, KeySet, OKPKey, RSAKey

from rtgf_node.core.canonical_json import parse_object
from rtgf_node.egress import Egress
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import OauthConfig
from rtgf_node.telemetry import Metrics

log = structlog.get_logger(__name__)

MAX_BYTES: Final = 1 << 20
"""Of a key set; real ones have a few KB."""

RSA_MIN_BITS: Final = 2048
"""A shorter RSA key can be broken (RFC 7518 §3.3), so it is left out."""

RENEW_AFTER: Final = 0.5
"""Of their life: so early keys are fetched again, which leaves time for further tries."""

SigningKey = RSAKey | ECKey | OKPKey
"""A public key that can check a signature. No secret shared with the issuer is one."""


class IssuerKeys:
    """The key set that `jwks_uri` or `jwks_file` gives, as it was when it was last read.

    Attributes:
      edition: counts the key sets that were taken, so that others know when to forget.
    """

    def __init__(self, config: OauthConfig, egress: Egress, metrics: Metrics) -> None:
        self._config = config
        self._metrics = metrics
        self._egress = egress
        self._keys: tuple[SigningKey, ...] = ()
        self._read_at = self._tried_at = -math.inf
        self._wanted = trio.Event()
        self.edition = 0

    def is_in_force(self, edition: int) -> bool:
        """Whether what was checked with this edition still counts."""
        return edition == self.edition and not self._are_old(trio.current_time())

    def _are_old(self, now: float) -> bool:
        return now - self._read_at > self._config.jwks_max_age_seconds

    def find(self, kid: str | None) -> SigningKey:
        """Return the key of this name; without one, the only key of the set.

        Raises:
          RtgfError: RTGF_KID_UNKNOWN if the issuer has no such key; RTGF_UNAVAILABLE if the keys
            are missing or too old, or this one may be there when they are read again, soon.
        """
        now = trio.current_time()
        if self._are_old(now):
            self._want(now)
            raise RtgfError(
                Code.RTGF_UNAVAILABLE, "the keys of the issuer could not be fetched; try again"
            )
        named = [key for key in self._keys if key.kid == kid] if kid is not None else self._keys
        if len(named) == 1:
            return named[0]
        if kid is not None and not named and self._want(now):
            raise RtgfError(
                Code.RTGF_UNAVAILABLE, "the keys of the issuer are being fetched again; try again"
            )
        raise RtgfError(Code.RTGF_KID_UNKNOWN, "no key of the issuer has the kid of the token")

    def _want(self, now: float) -> bool:
        """Have the keys read again, unless that was tried a moment ago; whether it is to come."""
        if now - self._tried_at >= self._config.jwks_refresh_seconds:
            self._wanted.set()
        return self._wanted.is_set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the keys fresh until cancelled. The node starts without them if it must."""
        task_status.started()
        config = self._config
        while True:
            has_read = await self._read()
            self._tried_at = trio.current_time()
            self._wanted = trio.Event()
            rest = config.jwks_max_age_seconds * RENEW_AFTER
            with trio.move_on_after(rest if has_read else config.jwks_refresh_seconds):
                await self._wanted.wait()

    async def _read(self) -> bool:
        began = trio.current_time()
        try:
            keys = signing_keys(parse_object(await self._bytes(), max_bytes=MAX_BYTES))
        except (RtgfError, OSError) as error:
            log.error("issuer_keys_not_read", issuer=self._config.issuer, detail=str(error))
            self._metrics.jwks_fetch.labels("failed").inc()
            return False
        self._keys, self._read_at = keys, began
        self.edition += 1
        self._metrics.jwks_fetch.labels("ok").inc()
        return True

    async def _bytes(self) -> bytes:
        if self._config.jwks_file is not None:
            return await trio.Path(self._config.jwks_file).read_bytes()
        fetched = await self._egress.get(self._config.jwks_uri or "")
        return fetched.body or b""


def signing_keys(document: dict[str, Any]) -> tuple[SigningKey, ...]:
    """Return the keys of a JWK set (RFC 7517 §5) that can check signatures; others are left out.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it is no JWK set, or none of its keys is of use.
    """
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise RtgfError(Code.RTGF_INPUT_INVALID, "a JWK set has an array `keys`", pointer="/keys")
    keys = []
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        try:
            with warnings.catch_warnings(action="ignore"):
                key = JWKRegistry.import_key(entry)
        except (JoseError, ValueError, TypeError):
            continue
        if isinstance(key, (RSAKey, ECKey, OKPKey)) and not key.is_private and _is_strong(key):
            keys.append(key)
    if not keys:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, "no key of the set can check a signature", pointer="/keys"
        )
    KeySet(list(keys))  # gives a name to those that have none
    return tuple(keys)


def _is_strong(key: SigningKey) -> bool:
    public = key.public_key
    return not isinstance(public, RSAPublicKey) or public.key_size >= RSA_MIN_BITS
