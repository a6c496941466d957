"""The evidence file: everything that is needed to judge one token with no network, years later.

It is one canonical JSON document. Whoever holds it and the public key of the issuer's offline root
can tell what the token says, that it was signed and logged, from which law and lists it was made,
and what its status was when the file was written. `evidence_check` does so; a second checker, in
another language, stands in `docs/checker`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from rtgf_node.core.canonical_json import JsonValue, canonical_bytes, parse_canonical
from rtgf_node.core.event import Event
from rtgf_node.core.shapes import fit
from rtgf_node.core.tokens import MAX_TOKEN_BYTES, Token
from rtgf_node.errors import Code, RtgfError

FORMAT: Final = "rtgf-evidence/1"
MEDIA_TYPE: Final = "application/json"

MAX_BYTES: Final = 4 * MAX_TOKEN_BYTES
"""Bytes of a file: the largest token, its key set and status list, and a hundred entries or so."""

MAX_PATH: Final = 63
"""Hashes of one proof: the height of the largest tree there can be."""

MAX_SOURCES: Final = 256
"""Snapshots, or lists, that one token may rest on. A corridor has two and a dozen."""

MAX_TERMS: Final = 2
"""Terms documents that one token may rest on: a payment route's own and its corridor's."""

MAX_REVOCATIONS: Final = 1000
"""Changes of one token's status. A corridor that is suspended daily reaches it in a year."""

# What these say is judged after the proof that the log holds them.
_EVENT_MEMBERS: Final = frozenset(Event.__struct_fields__)

Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Path = Annotated[list[Hash], Meta(max_length=MAX_PATH)]


class _Part(Struct, frozen=True, forbid_unknown_fields=True):
    """What all parts share: they do not change, and unknown members are refused."""


class Entry(_Part, frozen=True):
    """An event of the log and the proof that it is in the tree of the file's head.

    Attributes:
      event: whole; its canonical bytes are the log's entry.
      index: where it stands.
      path: the inclusion proof (RFC 9162 §2.1.3), in hex.
    """

    event: dict[str, Any]
    index: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    path: Path


class Keys(_Part, frozen=True):
    """The issuer's keys: the key set as the root signed it, and the event that logged it."""

    entry: Entry
    jws: str


class Status(_Part, frozen=True):
    """The token's status: the signed status list, as of exactly the file's tree.

    Attributes:
      entry: the newest revocation that changed the list, or None while it is as it began.
      list: the status list JWT.
    """

    entry: Entry | None
    list: str


class Evidence(_Part, frozen=True):
    """An evidence file.

    Attributes:
      format: `rtgf-evidence/1`.
      token: the token, whole; its canonical bytes are those that the node serves.
      keys: what its signatures, the head and the status list are checked with.
      head: the signed tree head, whose tree all entries are in.
      checkpoint: the same head as a C2SP signed note, with the cosignatures of its witnesses.
      issue: the token_issue event.
      build: the build event.
      snapshots: the policy_snapshot events of the rules it was made from.
      terms: of a CORT the `terms` event of its terms; of a PSRT that, then its CORT's; else none.
      datasets: the dataset events of its lists, in the order in which the token names them.
      anchor: the proof that the head's tree extends the one that the token names as its anchor.
      revocations: every revocation event of this token, in order.
      status: the status list.
    """

    format: Literal["rtgf-evidence/1"]
    token: dict[str, Any]
    keys: Keys
    head: dict[str, Any]
    checkpoint: str
    issue: Entry
    build: Entry
    snapshots: Annotated[list[Entry], Meta(min_length=1, max_length=MAX_SOURCES)]
    terms: Annotated[list[Entry], Meta(max_length=MAX_TERMS)]
    datasets: Annotated[list[Entry], Meta(max_length=MAX_SOURCES)]
    anchor: Path
    revocations: Annotated[list[Entry], Meta(max_length=MAX_REVOCATIONS)]
    status: Status

    def sources(self) -> list[Entry]:
        """Return the entries of all that the token was made from."""
        return [*self.snapshots, *self.terms, *self.datasets]

    def entries(self) -> list[Entry]:
        """Return every entry of the log that the file holds."""
        found = [self.keys.entry, self.issue, self.build, *self.sources(), *self.revocations]
        return found if self.status.entry is None else [*found, self.status.entry]


def terms_of(token: Token) -> list[str]:
    """Return the ids of the terms that a token and the CORT below it were made from.

    Those of an RRMT are its rules, and stand among the snapshots.
    """
    made = [token.token_id, *token.derived_from]
    return [
        f"terms:{token_id.rpartition('.')[0]}".lower()
        for token_id in made
        if token_id.startswith(("CORT:", "PSRT:"))
    ]


def to_bytes(evidence: Evidence) -> bytes:
    """Return the canonical bytes of an evidence file."""
    document: JsonValue = msgspec.to_builtins(evidence)
    return canonical_bytes(document)


def parse(data: bytes) -> Evidence:
    """Return what an evidence file says; nothing is verified.

    Raises:
      RtgfError: RTGF_JSON_INVALID if it is too large or not canonical JSON, RTGF_INPUT_INVALID
        with a JSON Pointer if it has not exactly the members of an evidence file.
    """
    document = parse_canonical(data, max_bytes=MAX_BYTES)
    found = fit(document, Evidence, code=Code.RTGF_INPUT_INVALID)
    for entry in found.entries():
        if entry.event.keys() != _EVENT_MEMBERS:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID, f"entry {entry.index} has not the members of an event"
            )
    return found
