"""The verifier actor: answers from memory, kept fresh by what was applied.

`verify`, `evaluate` and `revoked` are plain calls: no mailbox, no thread, no database on the way of
a warm answer. The memory is loaded from the store at start, changed by the feed of applied commands
before the asker of a change hears of it, and unavailable (fails closed) while it is not whole.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import PrepareDatasets
from rtgf_node.core import canonical_json, identifiers, snapshot, tokens, verification
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import KeySet
from rtgf_node.core.lists import record_file
from rtgf_node.core.lists.screening import NameIndex
from rtgf_node.core.policy import duration, explain
from rtgf_node.core.shapes import read_body
from rtgf_node.core.trust import TrustState
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication import commands
from rtgf_node.replication.commands import Applied, Outcome
from rtgf_node.replication.replicator import Replicator, Subscription
from rtgf_node.store import Store
from rtgf_node.store.objects import ObjectStore
from rtgf_node.telemetry import Metrics
from rtgf_node.wire import (
    EvaluateAnswer,
    EvaluateRequest,
    VerifyAnswer,
    VerifyRequest,
)

CACHE_LIMIT = 20_000
"""Verdicts remembered, about 1 KB each."""


class Remembered(NamedTuple):
    """A verdict, good while nothing was applied and no boundary of time was passed."""

    version: int
    until: int
    answer: bytes
    result: str


class VerifierActor:
    """Owns the memory that verdicts are given from."""

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        replicator: Replicator,
        store: Store,
        may_answer: Callable[[], bool],
        origin: str,
        required: tuple[str, ...],
        max_age_seconds: dict[str, int],
        max_staleness_seconds: float,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._mailbox = mailbox
        self._replicator = replicator
        self._store = store
        self._may_answer = may_answer
        self._origin = origin
        self._required = required
        self._max_age = max_age_seconds
        self._max_staleness = max_staleness_seconds
        self._clock = clock
        self._metrics = metrics
        self._state: TrustState | None = None
        self._whole = False
        self._following: Subscription | None = None
        self._offered: dict[str, str] = {}
        self._in_force: tuple[int, dict[str, int]] = (-1, {})
        self._version = 0
        self._newest_leaf = -1
        self._cache: OrderedDict[bytes, Remembered] = OrderedDict()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Load, follow what is applied, prepare lists on request; until cancelled."""
        subscription = self._replicator.feed.subscribe("verifier", self._apply)
        self._following = subscription
        try:
            # From here on news reaches the memory, also while its lists are still being indexed.
            self._state = self._read_store()
            for digest in sorted(self._state.lists_in_use(self._clock.now())):
                self._state.screens[digest] = await self._index(digest)
            self._whole = True
            task_status.started()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_crash_with, subscription)
                async for envelope in self._mailbox:
                    with self._mailbox.answering(envelope):
                        match envelope.request:
                            case PrepareDatasets(content_digests):
                                envelope.reply(await self._prepare(content_digests))
                            case unknown:
                                raise TypeError(f"not a verifier request: {unknown!r}")
        finally:
            # A memory that no longer follows must not answer.
            self._state, self._whole = None, False
            self._replicator.feed.unsubscribe(subscription)

    @property
    def ready(self) -> bool:
        """Whether the memory is whole and fresh."""
        return self._whole and not self._stale()

    @property
    def fresh_until(self) -> dict[str, int]:
        """By dataset name, when it becomes too old to decide with.

        What counts is the list that the newest tokens rest on, which may be older than the one that
        is held: then a build is overdue.
        """
        state = self._state
        if state is None:
            return {}
        version, used = self._in_force
        if version != self._version:
            used = state.lists_in_force(self._clock.now())
            self._in_force = (self._version, used)
        return {
            name: used.get(name, state.fresh_until.get(content, 0))
            for name, content in self._offered.items()
            if name in self._max_age
        }

    def verify(self, body: bytes) -> bytes:
        """Return the canonical bytes of the answer to a `POST /verify` body.

        Raises:
          RtgfError: the body cannot be answered with a verdict; see `verification.verify`.
        """
        state, now = self._fresh_state(), self._clock.now()
        key = hashlib.sha256(body).digest()
        known = self._cache.get(key)
        fresh = known is not None and known.version == self._version and now < known.until
        if known is not None and fresh and not state.stale:
            self._metrics.verify_cache(hit=True)
            self._metrics.verified(known.result)
            return known.answer
        self._metrics.verify_cache(hit=False)
        request = read_body(body, VerifyRequest)
        answer = verification.verify(request, state, at=now, required=self._required)
        encoded = canonical_json.canonical_bytes(msgspec.to_builtins(answer))
        result = "valid" if answer.valid else answer.reason or "invalid"
        self._metrics.verified(result)
        until = self._until(request, answer, state, now)
        if until > now:
            self._cache[key] = Remembered(self._version, until, encoded, result)
            if len(self._cache) > CACHE_LIMIT:
                self._cache.popitem(last=False)
        return encoded

    def evaluate(self, body: bytes, *, explained: bool) -> EvaluateAnswer:
        """Return the decision to a `POST /evaluate` body.

        Raises:
          RtgfError: as `verify`; also when the token is not valid, for then it decides nothing.
        """
        state = self._fresh_state()
        request = read_body(body, EvaluateRequest)
        now = self._clock.now()
        at = verification.moment_of(request.at, now)
        checked = verification.resolve(request, state, now=now)
        if checked.reason is not None:
            raise RtgfError(
                Code.RTGF_CONFLICT,
                f"{checked.token.token_id} is not valid and decides nothing: {checked.reason.name}",
                pointer="/token",
            )
        as_of = at if at < now else None
        decision = verification.evaluate(checked.token, request.context, state, at=at, as_of=as_of)
        text = explain.text(decision, checked.token.predicate_set or []) if explained else None
        return EvaluateAnswer(
            token=identifiers.token_uri(checked.token.token_id),
            decision=decision.decision,
            error=decision.error,
            reasons=list(decision.reasons),
            controls=list(decision.controls),
            trace=decision.trace,
            trace_digest=decision.trace_digest,
            revEpoch=state.rev_epoch,
            explanation=text,
        )

    def withdrawn(self, token_id: str) -> bool:
        """Tell whether a token is revoked or suspended now."""
        return self._fresh_state().withdrawn(token_id)

    def _stale(self) -> bool:
        # An old copy of the store does not know what was revoked since.
        behind = self._replicator.staleness_seconds() > self._max_staleness
        return behind or not self._may_answer()

    def _fresh_state(self) -> TrustState:
        lost = self._following is None or self._following.failed.is_set()
        if self._state is None or not self._whole or lost:
            raise RtgfError(Code.RTGF_VERIFY_UNAVAILABLE, "the verifier is loading; try again")
        self._state.stale = self._stale()
        return self._state

    def _until(
        self, request: VerifyRequest, answer: VerifyAnswer, state: TrustState, now: int
    ) -> int:
        """Return the next instant at which time alone could change the answer."""
        if request.at is not None or state.stale:
            return now
        boundaries: list[int] = []
        for verdict in answer.tokens:
            held = state.find(verdict.uri.removeprefix("urn:rtgf:token:"))
            if held is None:
                return now
            token = held.token
            if request.context is not None and state.prepared(token).timed:
                return now
            boundaries += state.turning_points(token)
            boundaries += [until + 1 for until in state.list_limits(token).values()]
        return min((boundary for boundary in boundaries if boundary > now), default=now)

    def _read_store(self) -> TrustState:
        """Return the memory as the store has it now, without the name indexes."""
        state = TrustState()
        state.origin = self._origin
        self._version += 1
        registry, revocation = self._store.registry, self._store.revocation
        documents = self._store.keys.documents()
        if documents is not None:
            state.keys = KeySet.from_jwks(canonical_json.parse(documents.jwks))
        issued_at = {build.build_id: build.at for build in registry.published_builds()}
        for issued in registry.tokens():
            state.add(
                tokens.parse(issued.token.body),
                leaf_index=issued.leaf_index,
                at=issued_at[issued.build_id],
            )
            self._newest_leaf = issued.leaf_index
        for change in revocation.all_since(0):
            state.set_status(
                change.token_id, change.status, at=change.at, rev_epoch=change.rev_epoch
            )
        head = self._store.log.latest_head()
        state.tree_size = head.tree_size if head is not None else 0
        self._offered.clear()
        for row in self._store.intake.snapshots():
            self._note_feeds(state, row.digest, row.body)
        for name, content_sha256, checked_at in self._store.intake.checked_contents():
            self._note_age(state, name, content_sha256, checked_at)
        return state

    async def _prepare(self, content_digests: tuple[str, ...]) -> None:
        state = self._fresh_state()
        for digest in content_digests:
            if digest not in state.screens:
                state.screens[digest] = await self._index(digest)

    async def _index(self, content_digest: str) -> NameIndex:
        """Build the name index of one dataset version in a thread."""
        row = self._store.intake.dataset_by_content(content_digest)
        if row is None:
            raise RtgfError(Code.RTGF_NOT_FOUND, f"no dataset {content_digest} is held")
        return await trio.to_thread.run_sync(
            _build_index, self._store.objects, row.records_sha256, content_digest
        )

    def _apply(self, applied: Applied) -> None:
        """Follow one applied command. Runs between two verdicts, never during one."""
        state = self._state
        if state is None or not isinstance(applied.outcome, Outcome):
            return
        # What was decided changes no verdict; nor does a head, unless it is the first that covers
        # a token.
        covered = self._newest_leaf < state.tree_size
        quiet = isinstance(applied.command, commands.RecordDecisionRoot)
        if not (quiet or (covered and isinstance(applied.command, commands.SignedHead))):
            self._version += 1
        match applied.command:
            case commands.PublishBuild() as build:
                # The first entry is the build's own.
                indexes = applied.outcome.leaf_indexes[1:]
                for row, index in zip(build.tokens, indexes, strict=True):
                    state.add(tokens.parse(row.body), leaf_index=index, at=build.at)
                self._newest_leaf = max([self._newest_leaf, *indexes])
                used = state.lists_in_use(self._clock.now())
                for digest in state.screens.keys() - used:
                    del state.screens[digest]
            case commands.Revoke():
                for change in applied.outcome.revocations:
                    state.set_status(
                        change.token_id, change.status, at=change.at, rev_epoch=change.rev_epoch
                    )
            case commands.SignedHead() as head:
                # What the store told at the start is news once more when the feed comes to it.
                state.tree_size = max(state.tree_size, head.tree_size)
            case commands.RecordKeys() as keys:
                state.keys = KeySet.from_jwks(canonical_json.parse(keys.jwks))
            case commands.TakeSnapshot() as taken:
                self._note_feeds(state, taken.digest, taken.body)
            case commands.RecordDataset() as dataset:
                self._note_age(state, dataset.name, dataset.content_sha256, dataset.retrieved_at)
            case commands.ConfirmDataset() as confirmed:
                content_sha256 = self._offered[confirmed.name]
                self._note_age(state, confirmed.name, content_sha256, confirmed.at)
            case _:
                pass

    @staticmethod
    def _note_feeds(state: TrustState, digest: str, body: bytes) -> None:
        """Note how old an authority lets its lists be."""
        try:
            sources = snapshot.parse(body).evidence_sources
        except RtgfError:
            # The store was edited, or is another version's: what rests on it is not decided.
            state.feeds[digest] = None
            return
        state.feeds[digest] = {
            source.dataset: _least_seconds(source.feed.max_age)
            for source in sources
            if source.feed is not None
        }

    def _note_age(self, state: TrustState, name: str, content_sha256: str, checked_at: int) -> None:
        """Note when the provider last said that this is its list.

        A list that was replaced grows old from then on, however often the new one is confirmed:
        until a build takes the new one up, decisions rest on the old one.
        """
        self._offered[name] = content_sha256
        state.checked_at[content_sha256] = max(
            checked_at, state.checked_at.get(content_sha256, checked_at)
        )
        if name in self._max_age:
            until = checked_at + self._max_age[name]
            state.fresh_until[content_sha256] = max(
                until, state.fresh_until.get(content_sha256, until)
            )


def _least_seconds(text: str) -> int:
    """Return how long a stated age is at least; none at all where it has no definite length."""
    try:
        return duration.least_seconds(duration.parse(text))
    except ValueError:
        return 0


async def _crash_with(subscription: Subscription) -> None:
    """End the actor when its memory could not follow: it is started again and loads anew."""
    await subscription.failed.wait()
    raise RuntimeError("the verifier's memory lost its way") from subscription.error


def _build_index(objects: ObjectStore, records_sha256: str, content_sha256: str) -> NameIndex:
    body = objects.get(records_sha256)
    return NameIndex.build(record_file.read(body, content_sha256=content_sha256))
