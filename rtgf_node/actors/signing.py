"""Signing the tokens of a build, with patience for the device that holds the key."""

from __future__ import annotations

import trio

from rtgf_node.core import tokens
from rtgf_node.core.canonical_json import canonical_bytes, parse_object
from rtgf_node.core.keys import Signer
from rtgf_node.errors import Code, RtgfError
from rtgf_node.telemetry import Metrics

SIGN_TRIES = 3
"""A key provider may be a device that hiccups; it gets this many chances a token."""

SIGN_PAUSE_SECONDS = 0.2
"""Before the next try, times the number of tries so far."""


class Signing:
    """Signs tokens one after another; others get their turn between them."""

    def __init__(self, signer: Signer, metrics: Metrics) -> None:
        self._signer = signer
        self._metrics = metrics

    async def sign(self, body: bytes) -> bytes:
        """Return the signed bytes of a token.

        Raises:
          RtgfError: RTGF_BUILD_SIGNING_ERROR with the cause of every try.
        """
        causes: list[RtgfError] = []
        for attempt in range(1, SIGN_TRIES + 1):
            await trio.lowlevel.checkpoint()
            try:
                signed = tokens.signed(parse_object(body), [self._signer])
            except RtgfError as error:
                self._metrics.signed("error")
                causes.append(error)
                await trio.sleep(SIGN_PAUSE_SECONDS * attempt)
            else:
                self._metrics.signed("ok")
                began = trio.current_time()
                data = canonical_bytes(signed)
                self._metrics.token_canonical_duration.observe(trio.current_time() - began)
                return data
        raise RtgfError(
            Code.RTGF_BUILD_SIGNING_ERROR,
            f"signing failed {SIGN_TRIES} times; nothing was published",
            causes=tuple(causes),
        )
