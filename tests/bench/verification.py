"""Checking a token that nobody has checked before, against libsodium's signature check alone."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from nacl import bindings

from rtgf_node.core import tokens
from tests import worlds
from tests.bench.measure import Row, alternate, ratio, text

TOKEN_BYTES = 3000
"""What a payments RMT with a dozen clauses has."""


def token_of(size: int) -> bytes:
    """Return a signed RMT of about this many bytes, filled with controls."""
    signers = worlds.node().signers
    controls: list[dict[str, object]] = []
    data = b""
    while len(data) < size:
        number = len(controls)
        controls.append(
            {
                "control_id": f"control-{number}",
                "clause_id": f"clause-{number}",
                "citation": {"ref": "law-1", "article": str(number)},
            }
        )
        data = tokens.sign(tokens.seal(worlds.token(controls=controls)), signers)
    return data


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield the row."""
    token = token_of(TOKEN_BYTES)
    keys = worlds.node().keys
    public, secret = bindings.crypto_sign_seed_keypair(bytes(range(32)))
    signed = bindings.crypto_sign(token, secret)
    tokens.check(token, keys=keys, at=worlds.NOW)

    def check(count: int) -> None:
        for _ in range(count):
            tokens.check(token, keys=keys, at=worlds.NOW)

    def bare(count: int) -> None:
        for _ in range(count):
            bindings.crypto_sign_open(signed, public)

    found = alternate({"check": check, "bare": bare}, rounds=3 if quick else 9)
    yield Row(
        f"uncached verification of a token of {len(token):,} bytes (`core.tokens.check`)",
        text(statistics.median(found["check"])),
        f"libsodium Ed25519 verify of as many bytes: {text(statistics.median(found['bare']))}",
        ratio(found["check"], found["bare"]),
    )
