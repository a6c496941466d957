"""Checking a token that nobody has checked before, against libsodium's signature check alone."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from nacl import bindings

from rtgf_node import partner_kit
from rtgf_node.client.kit import KitVerifier
from rtgf_node.core import tokens
from rtgf_node.system_clock import SystemClock
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


def _offline(*, quick: bool) -> Iterator[Row]:
    """Yield the rows of a verifier without a node."""
    with tempfile.TemporaryDirectory() as folder:
        at = SystemClock().now()
        partner_kit.make(Path(folder) / "kit", at=at, seed=lambda: bytes(range(32)))
        verifier = KitVerifier(Path(folder) / "kit")
        asked = {one.question: verifier.question(one) for one in verifier.expected()}
    known, whole = asked["good-pair.json"], asked["good-whole.json"]
    memory = verifier._memory

    def warm(count: int) -> None:
        answer = verifier.answer
        for _ in range(count):
            answer(known)

    def looked_up(count: int) -> None:
        answers = {known: verifier.answer(known)}
        for _ in range(count):
            answers.get(known)
            time.monotonic()
            int(time.time())

    def judged(count: int) -> None:
        for _ in range(count):
            memory._known.clear()
            verifier.answer(whole)

    public, secret = bindings.crypto_sign_seed_keypair(bytes(range(32)))
    signed = bindings.crypto_sign(whole, secret)

    def bare(count: int) -> None:
        for _ in range(count):
            bindings.crypto_sign_open(signed, public)

    contenders = {"warm": warm, "looked up": looked_up, "judged": judged, "bare": bare}
    found = alternate(contenders, rounds=3 if quick else 9)
    yield Row(
        "a question that `client.Verifier` remembers, in process",
        text(statistics.median(found["warm"])),
        f"a dict and two clocks: {text(statistics.median(found['looked up']))}",
        ratio(found["warm"], found["looked up"]),
    )
    yield Row(
        f"a new question with a whole token, {len(whole):,} bytes, to `client.Verifier`",
        text(statistics.median(found["judged"])),
        f"libsodium Ed25519 verify of as many bytes: {text(statistics.median(found['bare']))}",
        ratio(found["judged"], found["bare"]),
    )


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
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
    yield from _offline(quick=quick)
    yield Row(
        f"uncached verification of a token of {len(token):,} bytes (`core.tokens.check`)",
        text(statistics.median(found["check"])),
        f"libsodium Ed25519 verify of as many bytes: {text(statistics.median(found['bare']))}",
        ratio(found["check"], found["bare"]),
    )
