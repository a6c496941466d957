"""What a verifier without a network knows, and how it learns it: step by step, each proved.

`learning` asks nobody. It yields questions and is sent their answers, so that a thread and a task
learn alike; what it returns is taken in by `take` at once, or not at all. What is believed:

- keys, because the pinned root has signed the set;
- the log's head, because a log key has signed it and it extends the one that was known;
- a token, because its key signed it and the log holds its issue event;
- revocations, because a status key signed the list, and no epoch is missing in it;
- rules on the age of lists, and lists, because tokens name their digests.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from rtgf_node import wire
from rtgf_node.client import operator_questions, questions
from rtgf_node.client.exchange import Question
from rtgf_node.core import (
    canonical_json,
    evidence,
    feeds,
    jose,
    merkle,
    signed_keys,
    snapshot,
    times,
    tokens,
)
from rtgf_node.core import tree_head as heads
from rtgf_node.core.envelope import DatasetEvidence
from rtgf_node.core.evidence_entry import check_included, event_of, require
from rtgf_node.core.keys import KeySet
from rtgf_node.core.lists import record_file
from rtgf_node.core.lists.screening import NameIndex
from rtgf_node.core.tokens import Token
from rtgf_node.core.tree_head import TreeHead
from rtgf_node.core.trust import TrustState
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire.about import RevocationsAnswer

Steps = Generator[Question[Any], Any, "Learned"]

LIST_TYP: Final = "rtgf-revocations+jws"
HEAD_SECONDS: Final = 300
"""A log signs a head at least this often (`log.head_every_seconds` is bounded so)."""


class NewToken(NamedTuple):
    """A token that was not known, where the log has it and since when."""

    token: Token
    leaf_index: int
    logged_at: int


class NewLists(NamedTuple):
    """By digest: rules on the age of lists, lists, when each was last the newest."""

    feeds: dict[str, Mapping[str, int] | None]
    screens: dict[str, NameIndex]
    checked_at: dict[str, int]


class Learned(NamedTuple):
    """What one round of learning found; all of it holds since `asked_at` at least."""

    asked_at: float
    keys: KeySet
    head: TreeHead
    tokens: list[NewToken]
    changes: list[wire.RevocationEntry]
    lists: NewLists


class Knowledge:
    """The memory of a verifier.

    Args:
      state: what verdicts are given from; changed by `take` alone.
      root_public: the node's pinned root key, 32 bytes.
      list_max_age_seconds: by dataset name, how old a list may be to decide with; None to hold no
        lists, for which the client's certificate needs a role.
    """

    def __init__(
        self,
        state: TrustState,
        *,
        root_public: bytes,
        list_max_age_seconds: Mapping[str, int] | None = None,
    ) -> None:
        self.state = state
        self._root_public = root_public
        self._max_age = list_max_age_seconds
        self._head: TreeHead | None = None
        self._next_leaf = 0
        self._rounds = 0
        self._sources: dict[str, DatasetEvidence] = {}

    @property
    def holds_lists(self) -> bool:
        """Whether parties can be screened here."""
        return self._max_age is not None

    def learning(self, *, now: int, stopwatch: Callable[[], float]) -> Steps:
        """Ask for what is new.

        Args:
          now: the time.
          stopwatch: tells when it was asked what is withdrawn.

        Raises:
          RtgfError: the first thing that is not as it must be; nothing of the round is taken in.
        """
        found: list[NewToken] = []
        named: dict[str, str] = {}
        listed = yield from self._listed()
        if listed:
            keys = keys_of((yield questions.signed_jwks()), self._root_public)
        for entry in listed:
            file = evidence.parse((yield questions.evidence(entry.uri)))
            found.append(_issued(file, keys, entry))
            for source in file.snapshots:
                event = event_of(source)
                named[event.digest] = event.subject
        lists = yield from self._lists(found, named, now)
        # What may be withdrawn comes last: it must be young, however long the rest took.
        asked_at = stopwatch()
        keys = keys_of((yield questions.signed_jwks()), self._root_public)
        head = yield from self._new_head(keys, now)
        changes = yield from self._changes(keys, now)
        return Learned(asked_at, keys, head, found, changes, lists)

    def take(self, learned: Learned) -> bool:
        """Know it, and tell whether anything changed that a verdict may rest on."""
        state, before = self.state, self._head
        same_keys = before is not None and list(learned.keys) == list(state.keys)
        all_covered = before is not None and self._next_leaf <= before.tree_size
        checked_at = dict(state.checked_at)
        state.origin, state.keys = learned.head.origin, learned.keys
        state.tree_size, self._head = learned.head.tree_size, learned.head
        for new in learned.tokens:
            state.add(new.token, leaf_index=new.leaf_index, at=new.logged_at)
            self._next_leaf = max(self._next_leaf, new.leaf_index + 1)
        for change in learned.changes:
            # Only the present is judged here, so that it is no matter where the log has it.
            state.set_status(
                change.token_id, change.status, leaf_index=0, rev_epoch=change.revEpoch
            )
        state.feeds.update(learned.lists.feeds)
        state.screens.update(learned.lists.screens)
        state.checked_at.update(learned.lists.checked_at)
        for digest, at in learned.lists.checked_at.items():
            state.fresh_until[digest] = at + (self._max_age or {})[self._sources[digest].dataset]
        nothing_new = not (learned.tokens or learned.changes or learned.lists.screens)
        return not (same_keys and all_covered and nothing_new and checked_at == state.checked_at)

    def _listed(self) -> Generator[Question[Any], Any, list[wire.CatalogEntry]]:
        listed: list[wire.CatalogEntry] = []
        cursor: str | None = str(self._next_leaf)
        while cursor is not None:
            page: wire.Catalog = yield questions.catalog(
                cursor=cursor, limit=questions.PAGE_ENTRIES
            )
            listed += page.tokens
            if page.cursor is not None and int(page.cursor) <= int(cursor):
                raise RtgfError(Code.RTGF_INTERNAL, "the catalogue does not go on")
            cursor = page.cursor
        return listed

    def _new_head(self, keys: KeySet, now: int) -> Generator[Question[Any], Any, TreeHead]:
        """Return the log's head, which must be young and extend the one that is known."""
        head = heads.from_document(canonical_json.parse((yield questions.head())))
        heads.verify(head, keys, at=now)
        if now - times.parse(head.issued_at) > HEAD_SECONDS + times.SKEW_SECONDS:
            raise RtgfError(
                Code.RTGF_TOKEN_REVOCATION_STALE,
                f"the newest head of {head.origin} is of {head.issued_at}; a log signs one every"
                f" {HEAD_SECONDS} s at least",
            )
        before = self._head
        if before is None:
            return head
        if head.origin != before.origin or head.tree_size < before.tree_size:
            raise RtgfError(
                Code.RTGF_TXP_GOSSIP_INCONSISTENT,
                f"the log {before.origin} had {before.tree_size} entries, now {head.origin} has"
                f" {head.tree_size}",
            )
        proof: list[bytes] = []
        if head.tree_size > before.tree_size:
            told: wire.ConsistencyProof = yield questions.consistency(
                before.tree_size, head.tree_size
            )
            proof = [bytes.fromhex(node) for node in told.proof]
        merkle.verify_consistency(
            old_size=before.tree_size,
            new_size=head.tree_size,
            old_root=before.root(),
            new_root=head.root(),
            proof=proof,
        )
        return head

    def _changes(
        self, keys: KeySet, now: int
    ) -> Generator[Question[Any], Any, list[wire.RevocationEntry]]:
        """Return the changes of status that are new; their epochs leave no gap."""
        known = self.state.rev_epoch
        body: bytes = yield questions.revocations(since=known)
        return changes_of(body, keys, known=known, now=now)

    def _lists(
        self, found: list[NewToken], named: Mapping[str, str], now: int
    ) -> Generator[Question[Any], Any, NewLists]:
        """Learn the lists that the newest tokens are decided with, and how old they may be."""
        lists = NewLists({}, {}, {})
        if self._max_age is None:
            return lists
        for digest, subject in named.items():
            if digest not in self.state.feeds and subject.startswith("snapshot:"):
                body: bytes = yield questions.snapshot(subject)
                require(snapshot.parse(body).policy_snapshot_hash == digest, f"not {subject}")
                lists.feeds[digest] = feeds.ages(body)
        wanted = self.state.lists_in_use(now)
        for new in found:
            for one in new.token.evidence.datasets:
                self._sources[one.content_sha256] = one
                if new.token.exp >= now:
                    wanted.add(one.content_sha256)
        for digest in sorted(wanted):
            source = self._sources[digest]
            if source.dataset not in self._max_age:
                continue
            about: wire.Document = yield questions.dataset(source.dataset, source.version)
            if about.get("content_sha256") == digest and "checked_at" in about:
                lists.checked_at[digest] = times.parse(str(about["checked_at"]))
            if digest not in self.state.screens:
                data: bytes = yield operator_questions.dataset_records(digest)
                records = record_file.read(data, content_sha256=digest)
                lists.screens[digest] = NameIndex.build(records)
        return lists


def _issued(file: evidence.Evidence, keys: KeySet, entry: wire.CatalogEntry) -> NewToken:
    """Return the token of an evidence file, which its key signed and the log holds.

    Whether it may still be relied upon is the verdict's to say, key by key.
    """
    head = heads.from_document(file.head)
    heads.verify(head, keys, at=times.parse(head.issued_at))
    check_included(file.issue, head)
    issue = event_of(file.issue, "token_issue")
    issued_at = times.parse(issue.at)
    token = tokens.check(file.token, keys=_unrevoked(keys), at=issued_at, window=False)
    require(
        (issue.subject, issue.digest) == (token.token_id, token.canonical_hash)
        and entry.uri.endswith(f":{token.token_id}"),
        f"the log has another token under the name of {entry.uri}",
    )
    return NewToken(token, file.issue.index, issued_at)


def _unrevoked(keys: KeySet) -> KeySet:
    """Return the keys as they were before one was revoked, which may be dated back."""
    return KeySet(msgspec.structs.replace(key, revoked_at=None) for key in keys)


def keys_of(jws: str, root_public: bytes) -> KeySet:
    """Return the key set that the root has signed.

    Raises:
      RtgfError: RTGF_JWKS_SIGNATURE_INVALID if it has not.
    """
    try:
        return KeySet.from_jwks(canonical_json.parse(signed_keys.verify(jws, root_public)))
    except RtgfError as error:
        raise RtgfError(
            Code.RTGF_JWKS_SIGNATURE_INVALID,
            f"the key set is not one that the pinned root signed: {error.detail}",
            causes=(error,),
        ) from error


def changes_of(body: bytes, keys: KeySet, *, known: int, now: int) -> list[wire.RevocationEntry]:
    """Return the changes of a signed list that begins after the epoch `known`.

    Raises:
      RtgfError: no status key signed it; RTGF_TOKEN_REVOCATION_STALE if an epoch is missing in it.
    """
    document = canonical_json.parse_object(body, max_bytes=len(body))
    jose.verify_document(document, keys, at=now, typ=LIST_TYP, uses=("status",))
    told = msgspec.convert(document, RevocationsAnswer)
    epochs = [one.revEpoch for one in told.entries]
    if told.since != known or epochs != [*range(known + 1, told.revEpoch + 1)]:
        raise RtgfError(
            Code.RTGF_TOKEN_REVOCATION_STALE,
            f"the list of revocations from {told.since} to {told.revEpoch} has"
            f" {len(epochs)} entries; {known} was known",
        )
    return told.entries
