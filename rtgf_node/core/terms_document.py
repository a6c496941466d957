"""A terms document is the signed statement that a CORT, a PSRT or an RRMT is made from.

It comes in by the same door as a policy snapshot: strict JSON, its schema, the digest of its own
content, agreement with itself, and enough signatures of an authority that may speak for the place.
What it says of the corridor, the route or the prices is its member `terms` (`terms`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

from msgspec import Meta, Struct

from rtgf_node.core import canonical_json, identifiers, snapshot, terms
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.jose import MAX_SIGNATURES, Signature
from rtgf_node.core.keys import KeySet
from rtgf_node.core.shapes import fit, pointer
from rtgf_node.core.snapshot_agreement import of_texts, of_window
from rtgf_node.core.snapshot_document import AssuranceLevel, Sha256, Text, Ttl, Version
from rtgf_node.errors import Code, RtgfError

MAX_TERMS_BYTES: Final = 1 << 20
"""Bytes of one document: its token, which repeats `terms`, may have as many."""

TOKEN_TYPES: Final = {
    "terms:Corridor": "CORT",
    "terms:PaymentRoute": "PSRT",
    "terms:RevenueRules": "RRMT",
}
"""Which token is made from a document of which `@type`."""

MEMBERS: Final = {
    "CORT": ("corridor", "name"),
    "PSRT": ("corridor", "name", "rests_on"),
    "RRMT": ("jurisdiction",),
}
"""Which of the optional members each has; it must have them, and none of the others'."""

_OF_SOME: Final = ("corridor", "jurisdiction", "name", "rests_on")
_SCHEMA: Final = Code.RTGF_POL_MATRIX_SCHEMA_INVALID


class Subject(NamedTuple):
    """What terms are of: one version at a time is in force."""

    type: str
    place: str
    name: str

    def __str__(self) -> str:
        """Return it as a token id begins."""
        return f"{self.type}:{self.place}:{self.name}"


class TermsDocument(
    Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename={"context": "@context", "type": "@type"},
):
    """A terms document, as its authority signed it.

    Attributes:
      domain: whose rules the terms stand under; an RRMT's name.
      name: of the corridor's operation or the payment route; more than one may be in a corridor.
      rests_on: the name of the CORT of the same corridor that a payment route uses.
    """

    context: Literal["urn:rtgf:context:policy-matrix:1"]
    type: Literal["terms:Corridor", "terms:PaymentRoute", "terms:RevenueRules"]
    id: Text
    version: Version
    domain: Text
    effective_date: Text
    expires_at: Text
    issuer: Annotated[str, Meta(pattern=r"^did:web:[A-Za-z0-9._%:-]{1,256}$")]
    assurance_level: AssuranceLevel
    ttl_sec: Ttl
    policy_max_ttl: Ttl
    status: Literal["official", "illustrative"]
    terms: dict[str, Any]
    policy_snapshot_hash: Sha256
    # Absent means unsigned, which is a failed signature and not a malformed document.
    signatures: Annotated[tuple[Signature, ...], Meta(max_length=MAX_SIGNATURES)] = ()
    signature_threshold: Annotated[int, Meta(ge=1, le=MAX_SIGNATURES)] = 1
    corridor: Text | None = None
    jurisdiction: Text | None = None
    name: Text | None = None
    rests_on: Text | None = None

    @property
    def subject(self) -> Subject:
        """What the terms are of."""
        return Subject(
            TOKEN_TYPES[self.type],
            self.corridor or self.jurisdiction or "",
            self.name or self.domain,
        )

    @property
    def ends(self) -> tuple[str, ...]:
        """The jurisdictions that it concerns: one, or the two of its corridor."""
        return tuple(self.subject.place.split("-"))


def is_terms(document: object) -> bool:
    """Tell whether this says of itself that it is a terms document."""
    kind = document.get("@type") if isinstance(document, dict) else None
    return isinstance(kind, str) and kind.startswith("terms:")


def terms_id(subject: Subject, version: str) -> str:
    """Return the id of the document, `terms:<type>:<place>:<name>:<version>` in lower case."""
    return f"terms:{subject}:{version}".lower()


def accept(
    data: bytes,
    *,
    keys: KeySet,
    issuers: Collection[str],
    at: int,
    max_ttl_sec: int,
    places: Mapping[str, Collection[str]],
    held_of: Callable[[Subject], TermsDocument | None],
) -> TermsDocument:
    """Return the terms in `data` if everything they must fulfil at the door holds.

    An authority may state terms for a corridor if it may speak for one of its ends: it is pinned
    for it, or, pinned for none, nobody is. What one pinned authority states, no other replaces. It
    may ask for fewer signatures than the version it supersedes only with as many as that one asks.

    Args:
      data: the bytes as received.
      keys: the pinned authority keys.
      issuers: the DIDs whose terms this source may bring.
      at: now, in epoch seconds.
      max_ttl_sec: how old a cached copy may be at most.
      places: the jurisdictions that each pinned authority is pinned for, by its DID.
      held_of: the terms that are held of a subject.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SCHEMA_INVALID with a JSON Pointer, or
        RTGF_POL_MATRIX_SIGNATURE_INVALID.
    """
    document, stated = read(data, max_ttl_sec=max_ttl_sec)
    held = held_of(stated.subject)
    threshold = stated.signature_threshold
    if held is not None and held.issuer == stated.issuer:
        threshold = max(threshold, held.signature_threshold)
    snapshot.check_signatures(
        document, stated, keys=keys, issuers=issuers, at=at, threshold=threshold
    )
    _check_place(stated, places, held)
    return stated


def read(data: bytes, *, max_ttl_sec: int) -> tuple[dict[str, JsonValue], TermsDocument]:
    """Return the document and the terms in `data`, all checked but the signatures.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SCHEMA_INVALID with a JSON Pointer.
    """
    document = _document(data)
    stated = fit(document, TermsDocument, code=_SCHEMA)
    computed = snapshot.digest(document)
    if computed != stated.policy_snapshot_hash:
        raise RtgfError(
            _SCHEMA,
            f"the content has the digest {computed}, the document states"
            f" {stated.policy_snapshot_hash}; fetch it again or ask the authority",
            pointer="/policy_snapshot_hash",
        )
    for error in disagreements(stated, max_ttl_sec=max_ttl_sec):
        raise error
    return document, stated


def parse(data: bytes) -> TermsDocument:
    """Return the terms in bytes that were accepted before: their schema alone is checked.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SCHEMA_INVALID with a JSON Pointer.
    """
    return fit(_document(data), TermsDocument, code=_SCHEMA)


def disagreements(stated: TermsDocument, *, max_ttl_sec: int) -> Iterator[RtgfError]:
    """Yield everything in `stated` that does not fit the rest, each with a JSON Pointer."""
    wrong = list(_members(stated))
    yield from wrong
    if not wrong:
        expected = terms_id(stated.subject, stated.version)
        if stated.id != expected:
            yield _refuse(f"id must be {expected!r} for these terms and this version", "id")
    yield from of_texts(stated)
    yield from of_window(stated, max_ttl_sec=max_ttl_sec)
    try:
        terms.read(TOKEN_TYPES[stated.type], stated.terms, code=_SCHEMA)
    except RtgfError as error:
        yield error


def _members(stated: TermsDocument) -> Iterator[RtgfError]:
    due = MEMBERS[TOKEN_TYPES[stated.type]]
    for member in _OF_SOME:
        if (getattr(stated, member) is not None) != (member in due):
            verb = "needs" if member in due else "may not have"
            yield _refuse(f"{stated.type} {verb} the member {member!r}", member)
    for member, normal in (
        ("corridor", identifiers.corridor),
        ("jurisdiction", identifiers.jurisdiction),
        ("domain", identifiers.domain),
        ("name", identifiers.domain),
        ("rests_on", identifiers.domain),
        ("version", identifiers.snapshot_version),
    ):
        text = getattr(stated, member)
        if text is None:
            continue
        try:
            written = normal(text)
        except RtgfError as error:
            yield RtgfError(_SCHEMA, error.detail, pointer=pointer(member), causes=(error,))
            continue
        if written != text:
            yield _refuse(f"write {member} as {written!r}, not {text!r}", member)


def _check_place(
    stated: TermsDocument, places: Mapping[str, Collection[str]], held: TermsDocument | None
) -> None:
    issuer, own = stated.issuer, places.get(stated.issuer, ())
    reason = None
    if own:
        if not set(own) & set(stated.ends):
            reason = f"it is pinned for {', '.join(sorted(own))}"
    else:
        pinned = sorted(did for did, their in places.items() if set(their) & set(stated.ends))
        if pinned:
            reason = f"{', '.join(pinned)} is pinned for it"
    if reason is None and held is not None and held.issuer != issuer and held.issuer in places:
        reason = f"{held.id} of {held.issuer} is held"
    if reason is not None:
        raise RtgfError(
            Code.RTGF_POL_MATRIX_SIGNATURE_INVALID,
            f"{issuer} may not state terms for {stated.subject.place}: {reason}; who may is the"
            " operator's to say",
            pointer="/corridor" if stated.corridor else "/jurisdiction",
        )


def _document(data: bytes) -> dict[str, JsonValue]:
    try:
        return canonical_json.parse_object(data, max_bytes=MAX_TERMS_BYTES)
    except RtgfError as error:
        raise RtgfError(_SCHEMA, error.detail, pointer=error.pointer, causes=(error,)) from error


def _refuse(detail: str, *place: str | int) -> RtgfError:
    return RtgfError(_SCHEMA, detail, pointer=pointer(*place))
