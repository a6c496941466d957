"""What a verifier knows: tokens, their status, keys, and the lists that decisions rest on.

Plain memory, filled from a store or from a node's published material and kept fresh by whoever owns
it. Everything a verdict needs is here, so a verdict waits for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rtgf_node.core import checkpoint, identifiers
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.keys import KeySet
from rtgf_node.core.lists.screening import NameIndex, Party
from rtgf_node.core.policy import decide
from rtgf_node.core.times import SKEW_SECONDS
from rtgf_node.core.tokens import Token
from rtgf_node.errors import Code, RtgfError

PREPARED_LIMIT = 65_536
"""Compiled plans kept, more than a full matrix of live tokens; one is 10 to 50 KB."""


class HeldToken(NamedTuple):
    """A token that the log holds, and since when."""

    token: Token
    leaf_index: int
    logged_at: int


class Change(NamedTuple):
    """A change of a token's status, and when it was committed."""

    at: int
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
        self.fresh_until: dict[str, int] = {}
        """By content digest: after this instant the list is too old to decide with. Its provider
        may have another one by then, that no token rests on yet."""
        self.checked_at: dict[str, int] = {}
        """By content digest: when the list was last its provider's newest."""
        self.feeds: dict[str, Mapping[str, int] | None] = {}
        """By snapshot digest: how old, in seconds, its authority lets each list be; None where that
        cannot be read, and no list is young enough."""
        self._held: dict[str, HeldToken] = {}
        self._issues: dict[str, list[HeldToken]] = {}
        self._newest_of: dict[str, str] = {}
        self._successor: dict[str, str] = {}
        self._changes: dict[str, list[Change]] = {}
        self._prepared: dict[str, decide.Prepared] = {}

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

    def find(self, reference: str, *, as_of: int | None = None) -> HeldToken | None:
        """Return the token with this id; without an issue number, the newest of its version.

        With `as_of`, the newest that was logged by then, or the first.
        """
        held = self._held.get(reference)
        issues = self._issues.get(reference)
        if held is not None or issues is None:
            return held
        then = (one for one in reversed(issues) if as_of is None or one.logged_at <= as_of)
        return next(then, issues[0])

    def log_verifiers(self) -> list[str]:
        """Return the log's keys in C2SP form."""
        return [
            checkpoint.verifier_key(self.origin, key.public)
            for key in self.keys
            if key.use == "log"
        ]

    def set_status(self, token_id: str, status: str, *, at: int, rev_epoch: int) -> None:
        """Record a status change; called in the order of the epochs, one heard before is passed."""
        if rev_epoch > self.rev_epoch:
            self.rev_epoch = rev_epoch
            self._changes.setdefault(token_id, []).append(Change(at, status))

    def withdrawn(self, token_id: str, *, as_of: int | None = None) -> bool:
        """Tell whether the token is revoked or suspended, or was at `as_of`.

        What was withdrawn is so from the moment it is known here: another clock, or one that was
        set back, brings nothing back.
        """
        status = "valid"
        for change in self._changes.get(token_id, ()):
            if as_of is None or change.at <= as_of:
                status = change.status
        return status != "valid"

    def overtaken(self, token: Token, *, at: int, as_of: int | None = None) -> Code | None:
        """Return why later issues leave the token no force, or None.

        A token lives on beside its successor for its ttl, as long as a copy of it may be used
        unasked. It ends at once with a successor that is withdrawn: whoever withdraws the rules of
        a place means all issues of them. What rests on a token ends with it.
        """
        found = None
        for token_id in (token.token_id, *token.derived_from):
            for after in self._successors(token_id):
                begun = after.token.nbf
                if begun > at or (as_of is not None and after.logged_at > as_of):
                    continue
                if self.withdrawn(after.token.token_id, as_of=as_of):
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

    def unusable(self, token: Token, *, at: int) -> Code | None:
        """Return why no signer's key can be used at `at`, or None when one can.

        A revoked key vouches for nothing.
        """
        reason = Code.RTGF_TOKEN_SIGNATURE_INVALID
        for signature in token.signatures:
            try:
                self.keys.get(signature.kid, at=at)
            except RtgfError as error:
                reason = error.code
            else:
                return None
        return reason

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

        Raises:
          KeyError: nobody keeps the list fresh.
        """
        until = self.fresh_until[content_sha256]
        for digest in token.evidence.inputs:
            ages = self.feeds.get(digest, {})
            allowed = 0 if ages is None else ages.get(dataset)
            if allowed is not None:
                until = min(until, self.checked_at[content_sha256] + allowed)
        return until

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

    def resolvers(
        self, token: Token, at: int, *, as_of: int | None = None
    ) -> Mapping[str, decide.Resolver]:
        """Return the resolvers a decision of `token` may use. Each raises when it cannot answer."""
        pinned: dict[str, set[str]] = {}
        for entry in token.evidence.datasets:
            pinned.setdefault(entry.dataset, set()).add(entry.content_sha256)

        def sanctions(arguments: Mapping[str, JsonValue]) -> JsonValue:
            return self._screen(arguments, token, pinned, at)

        def registry(arguments: Mapping[str, JsonValue]) -> JsonValue:
            reference = identifiers.token_reference(str(arguments["token"]))
            held = self.find(reference, as_of=as_of)
            return {
                "found": held is not None,
                "valid": held is not None and self._stands(held, at=at, as_of=as_of),
            }

        return {"sanctions": sanctions, "registry": registry}

    def _stands(self, held: HeldToken, *, at: int, as_of: int | None) -> bool:
        token = held.token
        return (
            token.nbf <= at <= token.exp
            and held.leaf_index < self.tree_size
            and not self.withdrawn(token.token_id, as_of=as_of)
            and self.overtaken(token, at=at, as_of=as_of) is None
            and self.unusable(token, at=at) is None
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
        matches: list[JsonValue] = []
        used: list[JsonValue] = []
        for name in sorted({str(entry) for entry in lists}):
            for digest in sorted(pinned[name]):  # a list that the token does not pin: KeyError
                if self.list_until(token, name, digest) < at:  # nobody keeps it fresh: KeyError
                    raise LookupError(f"the list {name} is older than its maximum age")
                used.append(digest)
                matches += [
                    {"list": name, "record": match.source_id, "score": f"{match.score:.4f}"}
                    for match in self.screens[digest].screen(party, threshold=threshold)
                ]
        return {"listed": bool(matches), "matches": matches, "dataset_digests": used}


def party_of(document: JsonValue) -> Party:
    """Return the screening view of a party of the context.

    Its members `name`, `aliases`, `date_of_birth` and `country` count.

    Raises:
      TypeError: it is not an object with a name.
    """
    if not isinstance(document, dict) or not isinstance(document.get("name"), str):
        raise TypeError("a party needs a name")
    aliases = document.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        raise TypeError("aliases must be a list of names")
    return Party(
        names=(str(document["name"]), *(str(alias) for alias in aliases)),
        birth_dates=_optional_text(document, "date_of_birth"),
        countries=_optional_text(document, "country"),
    )


def _optional_text(document: Mapping[str, JsonValue], member: str) -> tuple[str, ...]:
    value = document.get(member)
    if value is None:
        return ()
    if not isinstance(value, str):
        raise TypeError(f"{member} must be text")
    return (value,)
