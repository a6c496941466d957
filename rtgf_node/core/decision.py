"""Decisions as evidence: a chain of entries, and the Merkle root of an interval of them in the log.

An entry is the canonical JSON of what was asked and answered, by digests and ids; its hash is the
SHA-256 of those bytes, and each entry holds the hash of the one before it. The roots are those of
RFC 6962 over the 32-byte hashes of an interval's entries. One entry is therefore proved by the path
to its interval's root, the `decision_root` event that states that root, and the event's own proof.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Final, NamedTuple, NoReturn

import msgspec

from rtgf_node.core import event, merkle, proof_bundle, times
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.checkpoint import Checkpoint
from rtgf_node.core.event import Event
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire.decisions import DecisionEntry, DecisionProof

EVENT_TYPE: Final = "decision_root"

GENESIS: Final = "sha256:" + "0" * 64
"""What the first entry of a chain has for the hash of the one before it."""

PARTS_KEPT: Final = 4096
"""Answers of which the text of an entry is ready, about 1 KB each: the same are given again."""

TIMES_KEPT: Final = 16
"""Seconds of which the text is ready: a batch is of one or two."""

_Sequence = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
_Sha256 = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}$")]


class Draft(NamedTuple):
    """A decision before it has its place in the chain; the members are those of its entry."""

    at: int
    request_id: str
    client: str | None
    route: str
    request_digest: str | None
    answer_digest: str
    tokens: tuple[str, ...] = ()
    decision: str | None = None
    valid: bool | None = None
    reason: str | None = None
    rev_epoch: int | None = None
    trace_digest: str | None = None


class Interval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a `decision_root` event states of the entries from `first_seq` to `last_seq`.

    Attributes:
      root: the Merkle root over their hashes.
      head: the hash of the last of them.
      begun_anew: why the chain goes on without its past; such an interval is empty, and its `head`
        is what the next entry names as the one before it.
    """

    first_seq: _Sequence
    last_seq: _Sequence
    count: _Sequence
    root: _Sha256
    head: _Sha256
    begun_anew: str | None = None


class Chained(NamedTuple):
    """An entry in its place: its canonical bytes and their hash."""

    seq: int
    request_id: str
    body: bytes
    hash: bytes


class Chain:
    """The growing end of a chain of decisions, and the interval that no root covers yet.

    Attributes:
      seq: the number of the newest entry, 0 before the first.
      head: the hash of that entry.
    """

    def __init__(self, seq: int = 0, head: str = GENESIS) -> None:
        self.seq = seq
        self.head = head
        self._begun = seq
        self._frontier = merkle.Frontier()

    @property
    def open_count(self) -> int:
        """How many entries the interval has that no root covers yet."""
        return self._frontier.size

    def add(self, draft: Draft) -> Chained:
        """Give a decision its place, and return it."""
        parts = _parts(draft.client, draft.route, *draft[5:])
        body = b'%b%b%b%b%b%b,"request_id":%b%b%d%b' % (
            parts.answer,
            _time(draft.at),
            parts.client,
            self.head.encode(),
            parts.reason,
            canonical_bytes(draft.request_digest),
            canonical_bytes(draft.request_id),
            parts.route,
            self.seq + 1,
            parts.tokens,
        )
        hashed = digest_bytes(body)
        self._move(hashed)
        return Chained(self.seq, draft.request_id, body, hashed)

    def take(self, seq: int, body: bytes, hashed: bytes) -> None:
        """Take up an entry that was stored, which must follow the one before it.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if it does not, or is not what its hash says.
        """
        entry = read_entry(body)
        if digest_bytes(body) != hashed:
            _damaged(f"decision {seq} does not have the hash that is kept beside it")
        if not seq == entry.seq == self.seq + 1:
            _damaged(f"decision {self.seq + 1} is missing; {seq} comes in its place")
        if entry.prev != self.head:
            _damaged(f"decision {seq} does not follow decision {self.seq} as that one is kept")
        self._move(hashed)

    def seal(self) -> Interval | None:
        """End the open interval and return what its root states; None if it has no entry."""
        if not self._frontier.size:
            return None
        interval = Interval(
            first_seq=self._begun + 1,
            last_seq=self.seq,
            count=self._frontier.size,
            root=_text(self._frontier.root()),
            head=self.head,
        )
        self._begun = self.seq
        self._frontier = merkle.Frontier()
        return interval

    def copy(self) -> Chain:
        """Return a chain that grows by itself from here."""
        twin = Chain(self.seq, self.head)
        twin._begun = self._begun
        twin._frontier = merkle.Frontier(self._frontier.size, self._frontier.hashes)
        return twin

    def _move(self, hashed: bytes) -> None:
        self._frontier.append(merkle.leaf_hash(hashed))
        self.seq += 1
        self.head = _text(hashed)


class _Parts(NamedTuple):
    """The canonical text of an entry, between the members that are another in each."""

    answer: bytes
    client: bytes
    reason: bytes
    route: bytes
    tokens: bytes


@lru_cache(maxsize=PARTS_KEPT)
def _parts(
    client: str | None,
    route: str,
    answer_digest: str,
    tokens: tuple[str, ...],
    decision: str | None,
    valid: bool | None,
    reason: str | None,
    rev_epoch: int | None,
    trace_digest: str | None,
) -> _Parts:
    """Return the text around what is new in each entry; the members are in canonical order."""
    text = canonical_bytes
    return _Parts(
        answer=b'{"answer_digest":%b,"at":"' % text(answer_digest),
        client=b'","client":%b,"decision":%b,"prev":"' % (text(client), text(decision)),
        reason=b'","reason":%b,"request_digest":' % text(reason),
        route=b',"revEpoch":%b,"route":%b,"seq":' % (text(rev_epoch), text(route)),
        tokens=b',"tokens":%b,"trace_digest":%b,"valid":%b}'
        % (text(list(tokens)), text(trace_digest), text(valid)),
    )


@lru_cache(maxsize=TIMES_KEPT)
def _time(at: int) -> bytes:
    return times.to_text(at).encode()


def read_entry(body: bytes) -> DecisionEntry:
    """Return the entry that was stored as `body`.

    Raises:
      RtgfError: RTGF_TXP_STORE_DAMAGED if it is none.
    """
    try:
        return msgspec.json.decode(body, type=DecisionEntry)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        _damaged(f"a decision cannot be read: {error}")


def entry_hash(entry: DecisionEntry) -> bytes:
    """Return the hash of an entry: the SHA-256 of its canonical JSON."""
    return digest_bytes(canonical_bytes(msgspec.to_builtins(entry)))


def check_links(entries: Sequence[DecisionEntry]) -> None:
    """Return if each of these entries follows the one before it.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID naming the first that does not.
    """
    for before, entry in pairwise(entries):
        if entry.seq != before.seq + 1 or entry.prev != _text(entry_hash(before)):
            raise RtgfError(
                Code.RTGF_TXP_PROOF_INVALID,
                f"decision {entry.seq} does not follow decision {before.seq}; one of the two was "
                "changed, or one between them is hidden",
            )


def root_event(interval: Interval, *, chain: str, at: int, actor: str) -> Event:
    """Return the event that puts an interval's root into the log; `chain` names who decided."""
    stated = msgspec.structs.asdict(interval)
    payload = {name: value for name, value in stated.items() if value is not None}
    return event.make(
        type=EVENT_TYPE,
        at=at,
        subject=chain,
        digest=interval.root,
        refs={},
        actor=actor,
        payload=payload,
    )


def begin_anew(last_seq: int, reason: str) -> Interval:
    """Return the empty interval with which a chain goes on after `last_seq` without its past."""
    return Interval(
        first_seq=last_seq + 1,
        last_seq=last_seq,
        count=0,
        root=_text(merkle.EMPTY_ROOT),
        head=GENESIS,
        begun_anew=reason,
    )


def read_root(logged: Event) -> Interval:
    """Return what a `decision_root` event states.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID if it is of another type or contradicts itself.
    """
    if logged.type != EVENT_TYPE:
        _refuse(f"the event is a {logged.type}, not a {EVENT_TYPE}")
    try:
        interval = msgspec.convert(logged.payload, Interval)
    except msgspec.ValidationError as error:
        _refuse(f"the root's event does not fit: {error}")
    if interval.count != interval.last_seq - interval.first_seq + 1:
        _refuse("the root's event counts other entries than it names")
    if interval.root != logged.digest:
        _refuse("the root's event has another digest than root")
    return interval


def path_of(hashes: Sequence[bytes], index: int) -> list[str]:
    """Return the audit path of one entry among an interval's hashes, in hex."""
    leaves = [merkle.leaf_hash(hashed) for hashed in hashes]
    return [node.hex() for node in merkle.inclusion_proof(leaves, index)]


def root_of(hashes: Sequence[bytes]) -> str:
    """Return the Merkle root over an interval's hashes."""
    return _text(merkle.root_hash(merkle.leaf_hash(hashed) for hashed in hashes))


def verify_proof(proof: DecisionProof, *, verifier_keys: Sequence[str]) -> Checkpoint:
    """Return the signed checkpoint under which `proof` proves that the decision was made.

    Nothing but the log's keys is trusted: entry to interval root, root to event, event to tree.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID or RTGF_TXP_EVENT_INVALID for what does not hold,
        RTGF_TXP_ROOT_SIGNATURE_INVALID for the checkpoint.
    """
    data = canonical_bytes(proof.event)
    interval = read_root(event.parse(data))
    merkle.verify_inclusion(
        leaf_hash=merkle.leaf_hash(entry_hash(proof.entry)),
        index=proof.entry.seq - interval.first_seq,
        tree_size=interval.count,
        proof=[proof_bundle.hash_of(node) for node in proof.path],
        root=proof_bundle.hash_of(interval.root),
    )
    return proof_bundle.verify(
        proof.bundle, leaf_hash=merkle.leaf_hash(data), verifier_keys=verifier_keys
    )


def digest_bytes(body: bytes) -> bytes:
    """Return the hash of an entry that is held as its canonical bytes."""
    return hashlib.sha256(body).digest()


def _text(hashed: bytes) -> str:
    return f"sha256:{hashed.hex()}"


def _refuse(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_TXP_PROOF_INVALID, detail)


def _damaged(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_TXP_STORE_DAMAGED, detail)
