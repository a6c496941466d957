"""The part of an audit that everything else rests on: the node's keys and its log, proved anew.

From the pinned root follow the online keys, from the log's key the head, and from the head every
event. Nothing of the node's own word is used: the tree is rebuilt from the events it lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, ParamSpec, TypeVar

from rtgf_node.audit.material import Finding, Material
from rtgf_node.core import (
    canonical_json,
    checkpoint,
    digests,
    event,
    jose,
    merkle,
    signed_keys,
    tree_head,
)
from rtgf_node.core.checkpoint import Checkpoint
from rtgf_node.core.event import Event
from rtgf_node.core.keys import KeySet
from rtgf_node.core.proof_bundle import hash_of
from rtgf_node.core.tree_head import TreeHead
from rtgf_node.errors import Code, RtgfError

P = ParamSpec("P")
T = TypeVar("T")

MANIFEST_TYP: Final = "rtgf-key-manifest+jws"
MAX_DOCUMENT_BYTES: Final = 32 << 20
"""A revocation list of a hundred thousand entries with its signature is about this."""


class Findings:
    """What does not hold, collected while the audit goes on."""

    def __init__(self, found: Iterable[Finding] = ()) -> None:
        self.found: list[Finding] = list(found)

    def add(self, check: str, subject: str, detail: str) -> None:
        """Write a finding down."""
        self.found.append(Finding(check, subject, detail))

    def attempt(
        self,
        check: str,
        subject: str,
        step: Callable[P, T],
        *arguments: P.args,
        **named: P.kwargs,
    ) -> T | None:
        """Return what `step` returns; a refusal in it is a finding, and None is returned."""
        try:
            return step(*arguments, **named)
        except RtgfError as error:
            self.add(check, subject, str(error))
            return None


class ProvedLog:
    """The node's keys and events as far as they could be proved.

    Attributes:
      keys: the online keys that the root signed; none when that failed.
      head: the newest head, as served; None when it is not one.
      extends: size of the remembered tree that this one was proved to extend.
    """

    def __init__(self, material: Material, root_public: bytes, findings: Findings) -> None:
        self._material = material
        self._root_public = root_public
        self._findings = findings
        self.keys = KeySet()
        self.head: TreeHead | None = None
        self._events: list[Event | None] = []
        self._leaves: list[bytes] = []
        self._roots: dict[int, bytes] = {}
        findings.attempt("keys", "jwks.jws", self._read_keys)
        findings.attempt("keys", "key-manifest.json", self._check_manifest)
        self._read_events()
        findings.attempt("head", "roots/latest", self._check_head)
        self.extends = findings.attempt("consistency", "remembered head", self._check_memory)
        self._check_key_events()

    @property
    def size(self) -> int:
        """The number of leaves that were shown."""
        return len(self._leaves)

    @property
    def origin(self) -> str:
        """The log's name."""
        return "" if self.head is None else self.head.origin

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` leaves, rebuilt from the events."""
        if size not in self._roots:
            self._roots[size] = merkle.root_hash(self._leaves[:size])
        return self._roots[size]

    def leaf(self, index: int) -> bytes:
        """Return the hash of the leaf at `index`."""
        return self._leaves[index]

    def events(self, type_: str) -> Iterator[tuple[int, Event]]:
        """Yield index and event of every event of this type, in the order of the log."""
        for index, entry in enumerate(self._events):
            if entry is not None and entry.type == type_:
                yield index, entry

    def check_note(self, note: str, size: int, root: bytes) -> None:
        """Return if `note` is a checkpoint of this log, signed by its key, for this size and root.

        Raises:
          RtgfError: it is not.
        """
        verifiers = [
            checkpoint.verifier_key(self.origin, key.public)
            for key in self.keys
            if key.use == "log"
        ]
        if checkpoint.open_note(note.encode(), verifiers) != Checkpoint(self.origin, size, root):
            raise RtgfError(
                Code.RTGF_TXP_GOSSIP_INCONSISTENT, "the checkpoint says otherwise than the proof"
            )

    def _read_keys(self) -> None:
        """Take the key set that the root signed; nothing else makes a key a key of this node."""
        material = self._material
        signed = signed_keys.verify(material.signed_jwks, self._root_public)
        self.keys = KeySet.from_jwks(canonical_json.parse(signed))
        if canonical_json.canonical_bytes(canonical_json.parse(material.jwks)) != signed:
            self._findings.add("keys", "jwks.json", "it is not the key set that the root signed")

    def _check_manifest(self) -> None:
        document = as_object(self._material.key_manifest)
        signatures = document.get("signatures")
        first = signatures[0] if isinstance(signatures, list) and signatures else {}
        kid = first.get("kid") if isinstance(first, dict) else ""
        root = signed_keys.pinned(self._root_public, kid)
        jose.verify_document(document, root, at=self._material.at, typ=MANIFEST_TYP)
        entries = document.get("keys")
        stated = {
            (entry.get("kid"), entry.get("purpose"))
            for entry in (entries if isinstance(entries, list) else [])
            if isinstance(entry, dict)
        }
        for key in self.keys:
            if (key.kid, key.use) not in stated:
                self._findings.add("keys", key.kid, f"the manifest does not name it for {key.use}")

    def _read_events(self) -> None:
        """Canonicalise and hash every event again, and see that each is what its id says."""
        for number, entry in enumerate(self._material.entries):
            try:
                data = canonical_json.canonical_bytes(entry.event)
                self._events.append(event.parse(data))
            except RtgfError as error:
                # Something must stand for the leaf; the rebuilt root then shows that it is wrong.
                self._findings.add("log", f"leaf {number}", str(error))
                self._events.append(None)
                data = canonical_json.canonical_bytes(str(entry.event))
            self._leaves.append(merkle.leaf_hash(data))
            if entry.index != number:
                self._findings.add("log", f"leaf {number}", f"it is served as leaf {entry.index}")

    def _check_head(self) -> None:
        self.head = head = tree_head.from_document(canonical_json.parse(self._material.head))
        tree_head.verify(head, self.keys, at=self._material.at)
        if head.tree_size != self.size:
            self._findings.add(
                "log", "transparency", f"{self.size} of {head.tree_size} events are shown"
            )
        elif head.root() != self.root(self.size):
            self._findings.add("head", "root_hash", "the root rebuilt from the events is another")

    def _check_memory(self) -> int | None:
        """The tree extends the one that an earlier audit saw."""
        old, served = self._material.remembered, self._material.consistency
        if old is None:
            return None
        problem = None
        if old.origin != self.origin:
            problem = f"the log was called {old.origin} and is now called {self.origin}"
        elif old.tree_size > self.size:
            problem = f"the log had {old.tree_size} events and has {self.size} now"
        elif f"sha256:{self.root(old.tree_size).hex()}" != old.root_hash:
            problem = "the log's first events are no longer those of the remembered head"
        if problem is not None:
            raise RtgfError(Code.RTGF_TXP_GOSSIP_INCONSISTENT, problem)
        if served is not None:
            merkle.verify_consistency(
                old_size=old.tree_size,
                new_size=self.size,
                old_root=self.root(old.tree_size),
                new_root=self.root(self.size),
                proof=[hash_of(text) for text in served.proof],
            )
        return old.tree_size

    def _check_key_events(self) -> None:
        """The served key set is the newest that was logged; a newer one may have come meanwhile."""
        digest = digests.sha256(self._material.jwks)
        newest: list[Event] = []
        for index, entry in self.events("jwks_publish"):
            newest = [entry] if index < self._material.settled_size else [*newest, entry]
        if digest not in {entry.digest for entry in newest}:
            self._findings.add(
                "keys", "jwks.json", f"the newest jwks_publish event is not of {digest}"
            )


def as_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object in `data`, parsed strictly.

    Raises:
      RtgfError: RTGF_JSON_INVALID if it is none.
    """
    document = canonical_json.parse(data, max_bytes=MAX_DOCUMENT_BYTES)
    if not isinstance(document, dict):
        raise RtgfError(Code.RTGF_JSON_INVALID, "it is not a JSON object")
    return document
