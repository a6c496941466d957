"""Verdicts with no network: what both verifiers answer from.

A question that was asked before is answered by looking up its bytes. Any other is judged by
`core.verification`, as the node judges it, from what was last learned; the answer has the same
bytes. When nothing was learned for too long, nothing is valid.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Collection, Mapping
from hashlib import sha256
from typing import Final, TypedDict, Unpack

import msgspec

from rtgf_node.client.answers import decode
from rtgf_node.client.knowledge import Knowledge, Learned, Steps
from rtgf_node.core import canonical_json, remembering, verification
from rtgf_node.core.as_of import present
from rtgf_node.core.clock import Clock
from rtgf_node.core.policy.node import Resolver
from rtgf_node.core.policy.receipts import PinnedVerifiers
from rtgf_node.core.policy.time_limit import limited
from rtgf_node.core.shapes import read_body_with_writer
from rtgf_node.core.trust import TrustState
from rtgf_node.errors import Code, RtgfError
from rtgf_node.system_clock import SystemClock
from rtgf_node.wire import VerifyAnswer, VerifyRequest

MAX_STALENESS_SECONDS: Final = 60.0
"""So old may be what is known; a node allows itself as much."""

REFRESH_SECONDS: Final = 5.0
"""Between two rounds of learning: a cache may hold the list of revocations as long."""

RESOLVER_SECONDS: Final = 1.0
"""The questions of one decision may take so long together."""

REMEMBERED: Final = 20_000
"""Verdicts, about 1 KB each."""

LOOKED_UP_BYTES: Final = 1024
"""A longer question is looked up by its digest."""


class Options(TypedDict, total=False):
    """How a verifier judges.

    Attributes:
      required: the kinds of token that every question must bring, as the node's `verify.required`.
      list_max_age_seconds: by dataset name, how old a list may be to decide with; needs the
        operator's or auditor's certificate. Without it, what asks about lists is not decided here.
      proof_verifiers: who is believed for external proofs; without, what asks for one is not
        decided here.
      max_staleness_seconds: how old what is known may be.
      clock: tells the time.
      stopwatch: seconds that never run backwards.
    """

    required: Collection[str]
    list_max_age_seconds: Mapping[str, int]
    proof_verifiers: PinnedVerifiers
    max_staleness_seconds: float
    clock: Clock
    stopwatch: Callable[[], float]


class Memory:
    """What verdicts are given from, and how old it is.

    Args:
      root_public: the node's pinned root key, 32 bytes.
      options: see `Options`.
    """

    def __init__(
        self,
        *,
        root_public: bytes,
        **options: Unpack[Options],
    ) -> None:
        state = TrustState()
        self._knows_proofs = "proof_verifiers" in options
        state.proof_verifiers = options.get("proof_verifiers", PinnedVerifiers())
        state.limit_resolvers = self._resolvers
        self._knowledge = Knowledge(
            state,
            root_public=root_public,
            list_max_age_seconds=options.get("list_max_age_seconds"),
        )
        self._required = options.get("required", ("rmt",))
        self._max_staleness = options.get("max_staleness_seconds", MAX_STALENESS_SECONDS)
        self._clock = options.get("clock", SystemClock())
        self._stopwatch = options.get("stopwatch", time.monotonic)
        # Held while the state changes or is judged from; a remembered answer needs neither.
        self._lock = threading.Lock()
        # By question: from when until when it is answered so, and the answer.
        self._known: dict[bytes, tuple[int, int, bytes]] = {}
        self._fresh_until: float | None = None
        self._not_held: str | None = None
        self.failure: RtgfError | None = None

    @property
    def fresh(self) -> bool:
        """Whether what is known is young enough to call anything valid."""
        return self._fresh_until is not None and self._stopwatch() < self._fresh_until

    def now(self) -> int:
        """Return the time, as verdicts have it."""
        return self._clock.now()

    @property
    def rev_epoch(self) -> int:
        """The newest change of a status that is known."""
        return self._knowledge.state.rev_epoch

    def learning(self) -> Steps:
        """Ask for what is new; see `Knowledge.learning`."""
        return self._knowledge.learning(now=self._clock.now(), stopwatch=self._stopwatch)

    def take(self, learned: Learned) -> None:
        """Know what a round of learning found."""
        with self._lock:
            if self._knowledge.take(learned):
                self._known = {}
            self._fresh_until = learned.asked_at + self._max_staleness
            self.failure = None

    def verify(self, request: VerifyRequest) -> VerifyAnswer:
        """Return the verdict on a question; see `answer`."""
        return decode(self.answer(msgspec.json.encode(request)), VerifyAnswer)

    def answer(self, body: bytes) -> bytes:
        """Return the bytes that the node answers to `POST /verify` with this body.

        Raises:
          RtgfError: as the node refuses the question; RTGF_VERIFY_UNAVAILABLE where only a node can
            tell: before the first round of learning, about an earlier state (`at`), and where a
            rule asks about lists or proofs that are not held here.
        """
        key = body if len(body) <= LOOKED_UP_BYTES else sha256(body).digest()
        known = self._known.get(key)
        if known is not None and self.fresh and known[0] <= self._clock.now() < known[1]:
            return known[2]
        with self._lock:
            return self._judged(body, key)

    def _judged(self, body: bytes, key: bytes) -> bytes:
        if self._fresh_until is None:
            raise self._unavailable("nothing was learned yet")
        request, write = read_body_with_writer(body, VerifyRequest)
        if request.at is not None:
            raise self._unavailable("an earlier state is not known here", pointer="/at")
        state, now = self._knowledge.state, self._clock.now()
        state.stale, state.now = not self.fresh, now
        self._not_held = None
        answer = verification.verify(
            request, state, as_of=present(now), now=now, required=self._required, write=write
        )
        if self._not_held is not None:
            raise self._unavailable(f"{self._not_held} are not held here", pointer="/context")
        encoded = canonical_json.canonical_bytes(msgspec.to_builtins(answer))
        until = remembering.until(request, answer, state, now=now)
        if until > now:
            if len(self._known) >= REMEMBERED:
                self._known = {}
            self._known[key] = now, until, encoded
        return encoded

    def _resolvers(self, resolvers: Mapping[str, Resolver]) -> Mapping[str, Resolver]:
        """Have a decision that asks what is not held here fail, and not be taken for a denial."""
        missing = {} if self._knowledge.holds_lists else {"sanctions": "the lists"}
        if not self._knows_proofs:
            missing["proof"] = "the verifiers of external proofs"

        def not_held(what: str, _: object) -> None:
            self._not_held = what

        held = {
            name: functools.partial(not_held, missing[name]) if name in missing else resolver
            for name, resolver in resolvers.items()
        }
        return limited(held, seconds=RESOLVER_SECONDS, stopwatch=self._stopwatch)

    @staticmethod
    def _unavailable(why: str, *, pointer: str | None = None) -> RtgfError:
        detail = f"{why}; ask the node"
        return RtgfError(Code.RTGF_VERIFY_UNAVAILABLE, detail, pointer=pointer)
