"""What a verifier knows: tokens, their status, keys, and the lists that decisions rest on.

Plain memory, filled from a store or from a node's published material and kept fresh by whoever owns
it. Everything a verdict needs is here, so a verdict waits for nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from rtgf_node.core import checkpoint, identifiers
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.keys import KeySet
from rtgf_node.core.lists.screening import ListsIndex, NameIndex
from rtgf_node.core.merkle import MAX_TREE_SIZE
from rtgf_node.core.policy import decide
from rtgf_node.core.policy.receipts import PinnedVerifiers
from rtgf_node.core.screened_party import party_of
from rtgf_node.core.times import SKEW_SECONDS
from rtgf_node.core.tokens import Token
from rtgf_node.errors import Code, RtgfError

PREPARED_LIMIT = 65_536
"""Compiled plans kept, more than a full matrix of live tokens; one is 10 to 50 KB."""


Resolvers: TypeAlias = Mapping[str, decide.Resolver]


class HeldToken(NamedTuple):
    """A token that the log holds, and since when."""

    token: Token
    leaf_index: int
    logged_at: int


class Change(NamedTuple):
    """A change of a token's status, and the log entry that says so."""

    leaf_index: int
    status: str


class TrustState:
    """The owner changes it between verdicts, never during one; it is not shared between threads."""

    def __init__(self) -> None:
        self.keys = KeySet(())
        self.rev_epoch = 0
        self.tree_size = 0
        self.stale = False
        self.origin = ""
        """The name of the log that the tokens must be in."""
        self.screens: dict[str, NameIndex] = {}
        """Name index by the content digest of its dataset."""
        self.joined = ListsIndex({})
        """The name indexes that are screened together; joined anew when one of them is missing."""
        self.fresh_until: dict[str, int] = {}
        """By content digest: after this instant the list is too old to decide with. Its provider
        may have another one by then, that no token rests on yet."""
        self.checked_at: dict[str, int] = {}
        """By content digest: when the list was last its provider's newest."""
        self.now: int | None = None
        """The owner's clock, if it has one: a list that was checked later than this was checked by
        a wrong clock, and is not fresh. Not the instant that a question is about."""
        self.feeds: dict[str, Mapping[str, int] | None] = {}
        """By snapshot digest: how old, in seconds, its authority lets each list be; None where that
        cannot be read, and no list is young enough."""
        self.proof_verifiers = PinnedVerifiers()
        self.limit_resolvers: Callable[[Resolvers], Resolvers] = lambda resolvers: resolvers
        """Puts a limit of time on the resolvers of one decision."""
        self._replaced: list[tuple[int, KeySet]] = []
        self._change_leaves: list[int] = []
        self._held: dict[str, HeldToken] = {}
        self._issues: dict[str, list[HeldToken]] = {}
        self._newest_of: dict[str, str] = {}
        self._successor: dict[str, str] = {}
        self._changes: dict[str, list[Change]] = {}
        self._prepared: dict[str, decide.Prepared] = {}
        self._unasked: dict[str, bool] = {}

    def __len__(self) -> int:
        return len(self._held)

    def add(self, token: Token, *, leaf_index: int, at: int) -> None:
        """Know a token that was logged at `leaf_index` at `at`; called in the order of the log.

        One that is known already changes nothing.
        """
        if token.token_id in self._held:
            return
        lineage = token.token_id.rpartition(":")[0]
        before = self._newest_of.get(lineage)
        if before is not None:
            self._successor[before] = token.token_id
        self._newest_of[lineage] = token.token_id
        held = HeldToken(token, leaf_index, at)
        self._held[token.token_id] = held
        self._issues.setdefault(token.token_id.rpartition(".")[0], []).append(held)

    def replace_keys(self, keys: KeySet, *, leaf_index: int) -> None:
        """Know the key set that the log published at `leaf_index`; one heard before is passed."""
        if not self._replaced or leaf_index > self._replaced[-1][0]:
            self._replaced.append((leaf_index, self.keys))
            self.keys = keys

    def keys_of(self, tree_size: int) -> KeySet:
        """Return the key set that was the newest among the first `tree_size` entries."""
        later = (keys for leaf_index, keys in self._replaced if tree_size <= leaf_index)
        return next(later, self.keys)

    def find(self, reference: str, *, tree_size: int = MAX_TREE_SIZE) -> HeldToken | None:
        """Return the token with this id; without an issue number, the newest of its version.

        With `tree_size`, the newest among so many entries, or the first.
        """
        held = self._held.get(reference)
        issues = self._issues.get(reference)
        if held is not None or issues is None:
            return held
        then = (one for one in reversed(issues) if one.leaf_index < tree_size)
        return next(then, issues[0])

    def log_verifiers(self) -> list[str]:
        """Return the log's keys in C2SP form."""
        return [
            checkpoint.verifier_key(self.origin, key.public)
            for key in self.keys
            if key.use == "log"
        ]

    def set_status(self, token_id: str, status: str, *, leaf_index: int, rev_epoch: int) -> None:
        """Record a status change; called in the order of the epochs, one heard before is passed."""
        if rev_epoch > self.rev_epoch:
            self.rev_epoch = rev_epoch
            self._change_leaves.append(leaf_index)
            self._changes.setdefault(token_id, []).append(Change(leaf_index, status))

    def rev_epoch_of(self, tree_size: int) -> int:
        """Return how many status changes are among the first `tree_size` entries."""
        return bisect_left(self._change_leaves, tree_size)

    def withdrawn(self, token_id: str, *, tree_size: int = MAX_TREE_SIZE) -> bool:
        """Tell whether the token is revoked or suspended, as the first `tree_size` entries say.

        What was withdrawn is so from the moment it is known here: another clock, or one that was
        set back, brings nothing back.
        """
        status = "valid"
        for change in self._changes.get(token_id, ()):
            if change.leaf_index < tree_size:
                status = change.status
        return status != "valid"

    def overtaken(self, token: Token, *, at: int, tree_size: int = MAX_TREE_SIZE) -> Code | None:
        """Return why later issues leave the token no force, or None.

        A token lives on beside its successor for its ttl, as long as a copy of it may be used
        unasked. It ends at once with a successor that is withdrawn: whoever withdraws the rules of
        a place means all issues of them. What rests on a token ends with it.
        """
        found = None
        for token_id in (token.token_id, *token.derived_from):
            for after in self._successors(token_id):
                begun = after.token.nbf
                if begun > at or after.leaf_index >= tree_size:
                    continue
                if self.withdrawn(after.token.token_id, tree_size=tree_size):
                    return Code.RTGF_VERIFY_REVOKED
                if max(begun, after.logged_at) + self._held[token_id].token.ttl_sec < at:
                    found = Code.RTGF_VERIFY_EXPIRED
        return found

    def turning_points(self, token: Token) -> list[int]:
        """Return the first seconds from which time alone may change what is found of the token."""
        found = [token.nbf - SKEW_SECONDS, token.exp + SKEW_SECONDS + 1]
        for token_id in (token.token_id, *token.derived_from):
            for after in self._successors(token_id):
                begun = max(after.token.nbf, after.logged_at)
                found += [after.token.nbf, begun + self._held[token_id].token.ttl_sec + 1]
        for key in self.keys:
            found += [key.created_at - SKEW_SECONDS, key.expires_at + SKEW_SECONDS + 1]
            if key.revoked_at is not None:
                found.append(key.revoked_at)
        return found

    def _successors(self, token_id: str) -> Iterator[HeldToken]:
        """Yield every later issue of the same rules."""
        while (after := self._successor.get(token_id)) is not None:
            yield self._held[after]
            token_id = after

    def unusable(self, token: Token, *, at: int, tree_size: int = MAX_TREE_SIZE) -> Code | None:
        """Return why too few signers' keys can be used at `at`, or None when enough can.

        A revoked key vouches for nothing.
        """
        reason = Code.RTGF_TOKEN_SIGNATURE_INVALID
        keys = self.keys_of(tree_size)
        usable: set[bytes] = set()
        for signature in token.signatures:
            try:
                usable.add(keys.get(signature.kid, at=at).public)
            except RtgfError as error:
                reason = error.code
        return None if len(usable) >= token.signature_threshold else reason

    def lists_in_use(self, at: int) -> set[str]:
        """Return the content digests that decisions may still rest on at `at`.

        Those of the newest token of each place and domain, and of what was not overtaken by it yet.
        """
        used: set[str] = set()
        for token_id in self._newest_of.values():
            used |= self._lists(token_id, at)
        for token_id in self._successor:
            if self.overtaken(self._held[token_id].token, at=at) is None:
                used |= self._lists(token_id, at)
        return used

    def list_until(self, token: Token, dataset: str, content_sha256: str) -> int:
        """Return the last instant at which `token` may be decided with this version of a list.

        The first instant of all, 0, if its age is unknown because it was checked in the future.

        Raises:
          KeyError: nobody keeps the list fresh.
        """
        until = 0 if self.ahead(content_sha256) else self.fresh_until[content_sha256]
        for digest in token.evidence.inputs:
            ages = self.feeds.get(digest, {})
            allowed = 0 if ages is None else ages.get(dataset)
            if allowed is not None:
                until = min(until, self.checked_at[content_sha256] + allowed)
        return until

    def ahead(self, content_sha256: str) -> bool:
        """Tell whether the list was checked by a clock that was ahead of the owner's."""
        checked_at = self.checked_at.get(content_sha256, 0)
        return self.now is not None and checked_at > self.now + SKEW_SECONDS

    def lists_in_force(self, at: int) -> dict[str, int]:
        """Return, by dataset name, until when the newest tokens may be decided with their lists."""
        found: dict[str, int] = {}
        for token_id in self._newest_of.values():
            token = self._held[token_id].token
            if token.exp + SKEW_SECONDS >= at:
                for name, until in self.list_limits(token).items():
                    found[name] = min(until, found.get(name, until))
        return found

    def list_limits(self, token: Token) -> dict[str, int]:
        """Return, by dataset name, until when this token may be decided with its lists."""
        found: dict[str, int] = {}
        for one in token.evidence.datasets:
            try:
                until = self.list_until(token, one.dataset, one.content_sha256)
            except KeyError:
                until = 0
            found[one.dataset] = min(until, found.get(one.dataset, until))
        return found

    def _lists(self, token_id: str, at: int) -> set[str]:
        token = self._held[token_id].token
        if token.exp + SKEW_SECONDS < at:
            return set()
        return {dataset.content_sha256 for dataset in token.evidence.datasets}

    def prepared(self, token: Token) -> decide.Prepared:
        """Return the token's compiled plan; compiled at its first use."""
        prepared = self._prepared.get(token.canonical_hash)
        if prepared is None:
            prepared = decide.prepare(token.predicate_set or [], token.eval_plan or {})
            if len(self._prepared) >= PREPARED_LIMIT:
                self._prepared.clear()
            self._prepared[token.canonical_hash] = prepared
        return prepared

    def changes_unasked(self, token: Token) -> bool:
        """Tell whether time alone may change a decision: a rule reads it, or what has an end."""
        known = self._unasked.get(token.canonical_hash)
        if known is None:
            asked = {name for rule in token.predicate_set or () for name in _resolvers_in(rule)}
            known = self.prepared(token).timed or bool(asked - {"sanctions"})
            if len(self._unasked) >= PREPARED_LIMIT:
                self._unasked.clear()
            self._unasked[token.canonical_hash] = known
        return known

    def resolvers(self, token: Token, at: int, *, tree_size: int = MAX_TREE_SIZE) -> Resolvers:
        """Return the resolvers a decision of `token` may use. Each raises when it cannot answer."""
        pinned: dict[str, set[str]] = {}
        for entry in token.evidence.datasets:
            pinned.setdefault(entry.dataset, set()).add(entry.content_sha256)

        def sanctions(arguments: Mapping[str, JsonValue]) -> JsonValue:
            return self._screen(arguments, token, pinned, at)

        def registry(arguments: Mapping[str, JsonValue]) -> JsonValue:
            reference = identifiers.token_reference(str(arguments["token"]))
            held = self.find(reference, tree_size=tree_size)
            return {
                "found": held is not None,
                "valid": held is not None and self._stands(held, at=at, tree_size=tree_size),
            }

        def proof(arguments: Mapping[str, JsonValue]) -> JsonValue:
            return self.proof_verifiers.resolve(arguments, at=at)

        return self.limit_resolvers({"sanctions": sanctions, "registry": registry, "proof": proof})

    def _stands(self, held: HeldToken, *, at: int, tree_size: int) -> bool:
        token = held.token
        return (
            token.nbf <= at <= token.exp
            and held.leaf_index < min(self.tree_size, tree_size)
            and not self.withdrawn(token.token_id, tree_size=tree_size)
            and self.overtaken(token, at=at, tree_size=tree_size) is None
            and self.unusable(token, at=at, tree_size=tree_size) is None
        )

    def _screen(
        self,
        arguments: Mapping[str, JsonValue],
        token: Token,
        pinned: Mapping[str, set[str]],
        at: int,
    ) -> JsonValue:
        """Screen one party against the lists named, as the token pins them by content digest."""
        party = party_of(arguments["party"])
        threshold = float(str(arguments["threshold"]))
        lists = arguments["lists"]
        if not isinstance(lists, list) or not lists:
            raise TypeError("lists must be a list of dataset names")
        asked: list[tuple[str, str]] = []
        for name in sorted({str(entry) for entry in lists}):
            for digest in sorted(pinned[name]):  # a list that the token does not pin: KeyError
                if self.list_until(token, name, digest) < at:  # nobody keeps it fresh: KeyError
                    raise LookupError(f"the list {name} is older than its maximum age")
                asked.append((name, digest))
        indexes = {digest: self.screens[digest] for _, digest in asked}
        if any(self.joined.lists.get(digest) is not index for digest, index in indexes.items()):
            self.joined = ListsIndex(self.screens)
        found = self.joined.screen(party, indexes, threshold=threshold)
        matches: list[JsonValue] = [
            {"list": name, "record": match.source_id, "score": f"{match.score:.4f}"}
            for name, digest in asked
            for match in found[digest]
        ]
        used: list[JsonValue] = [digest for _, digest in asked]
        return {"listed": bool(matches), "matches": matches, "dataset_digests": used}


def _resolvers_in(tree: JsonValue) -> Iterator[str]:
    """Yield the name of each resolver that a predicate asks."""
    if isinstance(tree, dict):
        if tree.get("op") == "LOOKUP":
            yield str(tree.get("resolver"))
        for member in tree.values():
            yield from _resolvers_in(member)
    elif isinstance(tree, list):
        for item in tree:
            yield from _resolvers_in(item)
