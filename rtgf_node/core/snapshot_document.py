"""What a policy snapshot looks like: its members, their types and bounds (JSON-LD, one context).

Only the form is here. Whether a snapshot agrees with itself is `snapshot_agreement`, whether it may
come in is `snapshot`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from rtgf_node.core.jose import MAX_SIGNATURES, Signature

# The one JSON-LD context a snapshot may name. It is part of the program: a context fetched from the
# network could change what the members mean.
CONTEXT = "urn:rtgf:context:policy-matrix:1"
TYPE = "policy:Snapshot"

MAX_CLAUSES = 2_000  # a build's work grows with it; real rule books map to dozens
MAX_REFERENCES = 1_000
MAX_SCENARIOS = 1_000  # each is decided at every build

Text = Annotated[str, Meta(min_length=1, max_length=1_000)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}$")]
# No dot: a token's `<version>.<issue>` must be readable in one way only.
Version = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}(-[0-9]{2})?$")]
Sha256 = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}$")]
Duration = Annotated[
    str, Meta(pattern=r"^P(?=.)([0-9]{1,5}(Y|M|W|D|BD)){0,4}(T(?=.)([0-9]{1,6}[HMS]){1,3})?$")
]
AssuranceLevel = Literal["low", "substantial", "high"]
Ttl = Annotated[int, Meta(ge=1, le=2**31)]


class _Part(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all parts of a snapshot share: they do not change, and unknown members are refused."""


class InForce(_Part, frozen=True, rename={"from_": "from"}):
    """The days on which an instrument is law; without `to` it still is."""

    from_: Text
    to: Text | None = None


class NormativeReference(_Part, frozen=True):
    """An instrument of law that clauses cite."""

    id: Name
    instrument: Text
    title: Text
    in_force: InForce
    provision: Text | None = None
    uri: Text | None = None
    version_date: Text | None = None


class Citation(_Part, frozen=True):
    """Where in a normative reference a clause comes from."""

    ref: Name
    article: Text
    paragraph: Text | None = None


class Clause(_Part, frozen=True):
    """One rule: a template of the predicate library with its parameters, and the law it is from."""

    clause_id: Name
    kind: Literal["obligation", "prohibition", "control"]
    template: Name
    params: dict[str, Any]
    applies_to: Literal["originator", "beneficiary", "both"]
    citation: Citation
    applies_when: dict[str, Any] | None = None
    exception_of: Name | None = None
    holder: Text | None = None
    counterparty: Text | None = None
    deadline: Duration | None = None
    valid_from: Text | None = None
    valid_to: Text | None = None
    control_id: Name | None = None


class DataResidency(_Part, frozen=True):
    """Where data may be kept, and by which mechanisms it may leave."""

    allowed: Annotated[tuple[Text, ...], Meta(max_length=300)]
    mechanisms: Annotated[tuple[Text, ...], Meta(max_length=100)] = ()


class Pin(_Part, frozen=True):
    """Exactly this version of a dataset."""

    content_sha256: Sha256


class Feed(_Part, frozen=True):
    """The newest plausible version of a dataset, not older than `max_age`."""

    max_age: Duration
    min_records: Annotated[int, Meta(ge=0, le=10**9)]
    signer: Text | None = None


class EvidenceSource(_Part, frozen=True):
    """A dataset the rules rest on: pinned to one version, or followed as a feed."""

    provider: Text
    dataset: Name
    authenticity: Literal["signed", "checksum", "tls_only"]
    pin: Pin | None = None
    feed: Feed | None = None


class Expectation(_Part, frozen=True):
    """What a scenario must decide."""

    decision: Literal["PERMIT", "PERMIT_WITH_CONTROLS", "DENY"]
    reasons: tuple[Text, ...] = ()


class Scenario(_Part, frozen=True):
    """A signed test: this context must be decided so, at every build."""

    name: Text
    context: dict[str, Any]
    expect: Expectation
    corridor: Text | None = None


class Snapshot(_Part, frozen=True, rename={"context": "@context", "type": "@type"}):
    """A policy snapshot, as its authority signed it."""

    context: Literal["urn:rtgf:context:policy-matrix:1"]
    type: Literal["policy:Snapshot"]
    id: Text
    version: Version
    jurisdiction: Text
    domain: Text
    effective_date: Text
    expires_at: Text
    issuer: Annotated[str, Meta(pattern=r"^did:web:[A-Za-z0-9._%:-]{1,256}$")]
    normative_references: Annotated[
        tuple[NormativeReference, ...], Meta(min_length=1, max_length=MAX_REFERENCES)
    ]
    clauses: Annotated[tuple[Clause, ...], Meta(min_length=1, max_length=MAX_CLAUSES)]
    assurance_level: AssuranceLevel
    ttl_sec: Ttl
    policy_max_ttl: Ttl
    status: Literal["official", "illustrative"]
    policy_snapshot_hash: Sha256
    # Absent means unsigned, which is a failed signature and not a malformed snapshot.
    signatures: Annotated[tuple[Signature, ...], Meta(max_length=MAX_SIGNATURES)] = ()
    data_residency: DataResidency | None = None
    evidence_sources: Annotated[tuple[EvidenceSource, ...], Meta(max_length=100)] = ()
    scenarios: Annotated[tuple[Scenario, ...], Meta(max_length=MAX_SCENARIOS)] = ()
    signature_threshold: Annotated[int, Meta(ge=1, le=MAX_SIGNATURES)] = 1
