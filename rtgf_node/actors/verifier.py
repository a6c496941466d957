"""The verifier actor: answers from memory, kept fresh by what was applied.

`verify`, `evaluate` and `revoked` are plain calls: no mailbox, no thread, no database on the way of
a warm answer. The memory is loaded from the store at start, changed by the feed of applied commands
before the asker of a change hears of it, and unavailable (fails closed) while it is not whole.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable

import msgspec
import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import PrepareDatasets
from rtgf_node.actors.verifier_memory import SHORT_BYTES, Name, Remembered, VerdictMemory, name_of
from rtgf_node.actors.verifier_notes import note_change, note_feeds
from rtgf_node.actors.verifier_tokens import TokensHeard
from rtgf_node.core import canonical_json, identifiers, remembering, verification
from rtgf_node.core.as_of import AsOf, present
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import KeySet
from rtgf_node.core.lists import record_file
from rtgf_node.core.lists.screening import ListsIndex, NameIndex
from rtgf_node.core.merkle import MAX_TREE_SIZE
from rtgf_node.core.policy import explain
from rtgf_node.core.policy.receipts import PinnedVerifiers
from rtgf_node.core.policy.time_limit import limited
from rtgf_node.core.shapes import read_body, read_body_with_writer
from rtgf_node.core.trust import TrustState
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication import commands
from rtgf_node.replication.commands import Applied, Outcome
from rtgf_node.replication.replicator import Replicator, Subscription
from rtgf_node.store import Store
from rtgf_node.store.database import snapshot
from rtgf_node.store.index_files import IndexFiles
from rtgf_node.telemetry import Metrics
from rtgf_node.wire import (
    EvaluateAnswer,
    EvaluateRequest,
    VerifyRequest,
)


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
        proof_verifiers: PinnedVerifiers,
        resolver_timeout_seconds: float,
        clock: Clock,
        metrics: Metrics,
        prepare_others: Callable[[tuple[str, ...]], Awaitable[None]] | None = None,
    ) -> None:
        self._mailbox = mailbox
        self._replicator = replicator
        self._store = store
        self._may_answer = may_answer
        self._origin = origin
        self._required = required
        self._max_age = max_age_seconds
        self._max_staleness = max_staleness_seconds
        self._proof_verifiers = proof_verifiers
        self._resolver_timeout = resolver_timeout_seconds
        self._clock = clock
        self._metrics = metrics
        metrics.revocation_epoch_drift.set_function(self._drift)
        self._prepare_others = prepare_others
        self._state: TrustState | None = None
        self._whole = False
        self._following: Subscription | None = None
        self._offered: dict[str, str] = {}
        self._in_force: tuple[tuple[int, frozenset[str]], dict[str, int]] = ((-1, frozenset()), {})
        self._version = 0
        self._tokens = TokensHeard()
        self._verdicts = VerdictMemory()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Load, follow what is applied, prepare lists on request; until cancelled."""
        subscription = self._replicator.feed.subscribe("verifier", self._apply)
        self._following = subscription
        try:
            # From here on news reaches the memory, also while its lists are still being indexed.
            with snapshot(self._store.reader):
                self._state = self._read_store()
            for digest in sorted(self._state.lists_in_use(self._clock.now())):
                self._state.screens[digest] = await self._index(digest)
            await self._join(self._state)
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
        state.now = self._clock.now()
        version = (self._version, frozenset(filter(state.ahead, state.checked_at)))
        if version != self._in_force[0]:
            self._in_force = (version, state.lists_in_force(state.now))
        used = self._in_force[1]
        return {
            name: used.get(name, 0 if state.ahead(content) else state.fresh_until.get(content, 0))
            for name, content in self._offered.items()
            if name in self._max_age
        }

    def _drift(self) -> float:
        known = self._state.rev_epoch if self._state is not None else 0
        return self._store.revocation.rev_epoch() - known

    def verify(self, body: bytes, *, at: str | None = None) -> bytes:
        """Return the canonical bytes of the answer to a `POST /verify` body; `at` may be beside it.

        Raises:
          RtgfError: the body cannot be answered with a verdict; see `verification.verify`.
        """
        state = self._fresh_state()
        name = name_of(body)
        known = self._known(name, state) if at is None else None
        if known is not None:
            self._metrics.answers.verify_cache(hit=True)
            self._metrics.answers.verified(known.result)
            return known.answer
        now = self._clock.now()
        self._metrics.answers.verify_cache(hit=False)
        request, write = read_body_with_writer(body, VerifyRequest)
        as_of = self._as_of(request.at, at, now)
        answer = verification.verify(
            request, state, as_of=as_of, now=now, required=self._required, write=write
        )
        encoded = canonical_json.canonical_bytes(msgspec.to_builtins(answer))
        result = "valid" if answer.valid else answer.reason or "invalid"
        self._metrics.answers.verified(result)
        until = remembering.until(request, answer, state, now=now) if at is None else now
        if until > now:
            self._verdicts.keep(name, Remembered(self._version, now, until, encoded, result))
        return encoded

    def recall(self, body: bytes) -> Remembered | None:
        """Return the verdict that `verify` would answer from memory; None if it has to find out.

        Nothing is counted. Of a body longer than `SHORT_BYTES` nothing is recalled.
        """
        if len(body) > SHORT_BYTES:
            return None
        try:
            return self._known(body, self._fresh_state())
        except RtgfError:
            return None

    def _known(self, name: Name, state: TrustState) -> Remembered | None:
        """Return what was answered, while nothing that it rests on can have changed."""
        if state.stale:
            return None
        return self._verdicts.recall(name, version=self._version, now=self._clock.now())

    def evaluate(self, body: bytes, *, explained: bool, at: str | None = None) -> EvaluateAnswer:
        """Return the decision to a `POST /evaluate` body.

        Raises:
          RtgfError: as `verify`; also when the token is not valid, for then it decides nothing.
        """
        state = self._fresh_state()
        request = read_body(body, EvaluateRequest)
        now = self._clock.now()
        as_of = self._as_of(request.at, at, now)
        checked = verification.resolve(request, state, as_of=as_of, now=now)
        if checked.reason is not None:
            raise RtgfError(
                Code.RTGF_CONFLICT,
                f"{checked.token.token_id} is not valid and decides nothing: {checked.reason.name}",
                pointer="/token",
                causes=(RtgfError(checked.reason, "why it is not", pointer="/token"),),
            )
        decision = verification.evaluate(checked.token, request.context, state, as_of=as_of)
        text = explain.text(decision, checked.token.predicate_set or []) if explained else None
        return EvaluateAnswer(
            token=identifiers.token_uri(checked.token.token_id),
            decision=decision.decision,
            error=decision.error,
            reasons=list(decision.reasons),
            controls=list(decision.controls),
            trace=decision.trace,
            trace_digest=decision.trace_digest,
            revEpoch=state.rev_epoch_of(as_of.tree_size),
            explanation=text,
        )

    def withdrawn(self, token_id: str, *, tree_size: int = MAX_TREE_SIZE) -> bool:
        """Tell whether a token is revoked or suspended, as the first `tree_size` entries say."""
        return self._fresh_state().withdrawn(token_id, tree_size=tree_size)

    def _as_of(self, in_body: str | None, beside: str | None, now: int) -> AsOf:
        """Return the state that a question is about: the present one, if it does not say."""
        text, pointer = (in_body, "/at") if beside is None else (beside, "?at")
        if in_body not in {None, text}:
            raise RtgfError(Code.RTGF_VERIFY_BAD_REQUEST, "?at says otherwise", pointer="/at")
        return (
            present(now) if text is None else self._store.log.named(text, now=now, pointer=pointer)
        )

    def _stale(self) -> bool:
        # An old copy of the store does not know what was revoked since.
        behind = self._replicator.staleness_seconds() > self._max_staleness
        return behind or not self._may_answer()

    def _fresh_state(self) -> TrustState:
        lost = self._following is None or self._following.failed.is_set()
        if self._state is None or not self._whole or lost:
            raise RtgfError(Code.RTGF_VERIFY_UNAVAILABLE, "the verifier is loading; try again")
        self._state.stale = self._stale()
        self._state.now = self._clock.now()
        return self._state

    def _read_store(self) -> TrustState:
        """Return the memory as the store has it now, without the name indexes."""
        state = TrustState()
        state.origin = self._origin
        state.proof_verifiers = self._proof_verifiers
        state.limit_resolvers = functools.partial(
            limited, seconds=self._resolver_timeout, stopwatch=time.monotonic
        )
        self._version += 1
        for published in self._store.keys.every_documents():
            keys = KeySet.from_jwks(canonical_json.parse(published.jwks))
            state.replace_keys(keys, leaf_index=published.leaf_index)
        self._tokens = TokensHeard()
        self._tokens.load(state, self._store.registry, self._store.staging)
        for change in self._store.revocation.all_since(0):
            note_change(state, change)
        head = self._store.log.latest_head()
        state.tree_size = head.tree_size if head is not None else 0
        self._offered.clear()
        for row in self._store.intake.snapshots():
            note_feeds(state, row.digest, row.body)
        for name, content_sha256, checked_at in self._store.intake.checked_contents():
            self._note_age(state, name, content_sha256, checked_at)
        return state

    async def _prepare(self, content_digests: tuple[str, ...]) -> None:
        state = self._fresh_state()
        for digest in content_digests:
            if digest not in state.screens:
                state.screens[digest] = await self._index(digest)
        await self._join(state)
        if self._prepare_others is not None:
            await self._prepare_others(content_digests)

    async def _join(self, state: TrustState) -> None:
        """Screen all held lists together from now on; joined in a thread, while others decide."""
        if state.screens.keys() != state.joined.lists.keys():
            held = dict(state.screens)
            state.joined = await trio.to_thread.run_sync(_joined, self._store.indexes, held)
            if self._prepare_others is not None:
                # Of the node's processes only the one that has the others prepared tidies up.
                kept = [*([content] for content in held), ("joined", *held)]
                await trio.to_thread.run_sync(self._store.indexes.keep_only, kept)

    async def _index(self, content_digest: str) -> NameIndex:
        """Return the name index of one dataset version, made in a thread if there is no file."""
        row = self._store.intake.dataset_by_content(content_digest)
        if row is None:
            raise RtgfError(Code.RTGF_NOT_FOUND, f"no dataset {content_digest} is held")
        return await trio.to_thread.run_sync(
            _read_index, self._store, row.records_sha256, content_digest
        )

    def _apply(self, applied: Applied) -> None:
        """Follow one applied command. Runs between two verdicts, never during one."""
        state = self._state
        if state is None or not isinstance(applied.outcome, Outcome):
            return
        # What was decided, told or staged changes no verdict; nor does a head, unless it is the
        # first that covers a token.
        covered = self._tokens.newest_leaf < state.tree_size
        quiet = commands.RecordDecisionRoot | commands.NoteDelivery | commands.StageTokens
        if not (
            isinstance(applied.command, quiet)
            or (covered and isinstance(applied.command, commands.SignedHead))
        ):
            self._version += 1
        match applied.command:
            case commands.PublishBuild() as build:
                # The first entry is the build's own.
                self._tokens.publish(build, applied.outcome.leaf_indexes[1:], state)
                used = state.lists_in_use(self._clock.now())
                for digest in state.screens.keys() - used:
                    del state.screens[digest]
                    state.joined.forget(digest)
            case commands.StageTokens() as staged:
                self._tokens.stage(staged)
            case commands.NoteBuild() as noted:
                self._tokens.forget(noted.build_id)
            case commands.Revoke():
                for change in applied.outcome.revocations:
                    note_change(state, change)
            case commands.SignedHead() as head:
                # What the store told at the start is news once more when the feed comes to it.
                state.tree_size = max(state.tree_size, head.tree_size)
            case commands.RecordKeys() as keys:
                published = KeySet.from_jwks(canonical_json.parse(keys.jwks))
                state.replace_keys(published, leaf_index=applied.outcome.leaf_indexes[-1])
            case commands.TakeSnapshot() as taken:
                note_feeds(state, taken.digest, taken.body)
            case commands.RecordDataset() as dataset:
                self._note_age(state, dataset.name, dataset.content_sha256, dataset.retrieved_at)
            case commands.ConfirmDataset() as confirmed:
                content_sha256 = self._offered[confirmed.name]
                self._note_age(state, confirmed.name, content_sha256, confirmed.at)
            case _:
                pass

    def _note_age(self, state: TrustState, name: str, content_sha256: str, checked_at: int) -> None:
        """Note when the provider last said that this is its list.

        A list that was replaced grows old from then on, however often the new one is confirmed:
        until a build takes the new one up, decisions rest on the old one.
        """
        self._offered[name] = content_sha256
        state.now = self._clock.now()
        if state.ahead(content_sha256):
            # Another word takes the place of a wrong clock's, though it is of an earlier instant.
            del state.checked_at[content_sha256]
            state.fresh_until.pop(content_sha256, None)
        state.checked_at[content_sha256] = max(
            checked_at, state.checked_at.get(content_sha256, checked_at)
        )
        if name in self._max_age:
            until = checked_at + self._max_age[name]
            state.fresh_until[content_sha256] = max(
                until, state.fresh_until.get(content_sha256, until)
            )


async def _crash_with(subscription: Subscription) -> None:
    """End the actor when its memory could not follow: it is started again and loads anew."""
    await subscription.failed.wait()
    raise RuntimeError("the verifier's memory lost its way") from subscription.error


def _read_index(store: Store, records_sha256: str, content_sha256: str) -> NameIndex:
    def make() -> bytes:
        body = store.objects.get(records_sha256)
        return NameIndex.packed(record_file.read(body, content_sha256=content_sha256))

    return store.indexes.opened((content_sha256,), make, NameIndex)


def _joined(indexes: IndexFiles, lists: dict[str, NameIndex]) -> ListsIndex:
    return indexes.opened(
        # One list alone has a file of its own names.
        ("joined", *lists),
        lambda: ListsIndex.packed(lists),
        lambda data: ListsIndex(lists, data),
    )
