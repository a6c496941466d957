"""What a verifier knows: tokens, their status, keys, and the lists that decisions rest on.

Plain memory, filled from a store or from a node's published material and kept fresh by whoever owns
it. Everything a verdict needs is here, so a verdict waits for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rtgf_node.core import checkpoint, identifiers
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.keys import KeySet
from rtgf_node.core.lists.screening import NameIndex, Party
from rtgf_node.core.policy import decide
from rtgf_node.core.times import SKEW_SECONDS
from rtgf_node.core.tokens import Token

PREPARED_LIMIT = 65_536
"""Compiled plans kept, more than a full matrix of live tokens; one is 10 to 50 KB."""


class HeldToken(NamedTuple):
    """A token that the log holds."""

    token: Token
    leaf_index: int


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
        """By dataset name: after this instant the list is too old to decide with."""
        self._held: dict[str, HeldToken] = {}
        self._newest: dict[str, str] = {}
        self._newest_of: dict[str, str] = {}
        self._superseded_at: dict[str, int] = {}
        self._changes: dict[str, list[Change]] = {}
        self._prepared: dict[str, decide.Prepared] = {}

    def __len__(self) -> int:
        return len(self._held)

    def add(self, token: Token, *, leaf_index: int, at: int) -> None:
        """Know a token that was logged at `leaf_index` at `at`; called in the order of the log."""
        lineage = token.token_id.rpartition(":")[0]
        before = self._newest_of.get(lineage)
        if before is not None and before != token.token_id:
            self._superseded_at[before] = at
        self._newest_of[lineage] = token.token_id
        self._held[token.token_id] = HeldToken(token, leaf_index)
        self._newest[token.token_id.rpartition(".")[0]] = token.token_id

    def find(self, reference: str) -> HeldToken | None:
        """Return the token with this id; without an issue number, the newest of its version."""
        return self._held.get(reference) or self._held.get(self._newest.get(reference, ""))

    def log_verifiers(self) -> list[str]:
        """Return the log's keys in C2SP form."""
        return [
            checkpoint.verifier_key(self.origin, key.public)
            for key in self.keys
            if key.use == "log"
        ]

    def set_status(self, token_id: str, status: str, *, at: int) -> None:
        """Record a status change; called in the order of the epochs."""
        self._changes.setdefault(token_id, []).append(Change(at, status))

    def withdrawn(self, token_id: str, *, at: int) -> bool:
        """Tell whether the token was revoked or suspended at `at`."""
        changes = self._changes.get(token_id)
        if not changes:
            return False
        status = "valid"
        for change in changes:
            if change.at <= at:
                status = change.status
        return status != "valid"

    def lists_in_use(self, at: int) -> set[str]:
        """Return the content digests that decisions may still rest on at `at`.

        Those of the newest token of each place and domain, and of what it superseded for as long
        as a cached copy of that may be used.
        """
        used = [self._held[token_id].token for token_id in self._newest_of.values()]
        for token_id, since in self._superseded_at.items():
            token = self._held[token_id].token
            if since + token.ttl_sec >= at:
                used.append(token)
        return {
            dataset.content_sha256
            for token in used
            if token.exp + SKEW_SECONDS >= at
            for dataset in token.evidence.datasets
        }

    def prepared(self, token: Token) -> decide.Prepared:
        """Return the token's compiled plan; compiled at its first use."""
        prepared = self._prepared.get(token.canonical_hash)
        if prepared is None:
            prepared = decide.prepare(token.predicate_set or [], token.eval_plan or {})
            if len(self._prepared) >= PREPARED_LIMIT:
                self._prepared.clear()
            self._prepared[token.canonical_hash] = prepared
        return prepared

    def resolvers(self, token: Token, at: int) -> Mapping[str, decide.Resolver]:
        """Return the resolvers a decision of `token` may use. Each raises when it cannot answer."""
        digests = {entry.dataset: entry.content_sha256 for entry in token.evidence.datasets}

        def sanctions(arguments: Mapping[str, JsonValue]) -> JsonValue:
            return self._screen(arguments, digests, at)

        def registry(arguments: Mapping[str, JsonValue]) -> JsonValue:
            held = self.find(identifiers.token_reference(str(arguments["token"])))
            valid = (
                held is not None
                and held.token.nbf <= at <= held.token.exp
                and not self.withdrawn(held.token.token_id, at=at)
            )
            return {"found": held is not None, "valid": valid}

        return {"sanctions": sanctions, "registry": registry}

    def _screen(
        self, arguments: Mapping[str, JsonValue], digests: Mapping[str, str], at: int
    ) -> JsonValue:
        """Screen one party against the lists named, as the token pins them by content digest."""
        party = party_of(arguments["party"])
        threshold = float(str(arguments["threshold"]))
        lists = arguments["lists"]
        if not isinstance(lists, list):
            raise TypeError("lists must be a list of dataset names")
        matches: list[JsonValue] = []
        used: list[JsonValue] = []
        for name in sorted(str(entry) for entry in lists):
            digest = digests[name]
            if self.fresh_until[name] < at:  # a list that nobody keeps fresh is a KeyError
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
