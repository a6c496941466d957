"""What a node says of itself over HTTP, as types: who it is, its keys, what it holds.

See `wire` for how these types are read.
"""

from __future__ import annotations

from rtgf_node.core.jose import Signature
from rtgf_node.wire import Answer, RevocationEntry, VerifyAnswer


class AliveAnswer(Answer, frozen=True):
    """`GET /healthz`."""

    status: str


class LogAbout(Answer, frozen=True):
    """The name of the log, and its keys as C2SP verifier keys."""

    origin: str
    keys: list[str]


class Freshness(Answer, frozen=True):
    """How old what this node says may be."""

    head_every_seconds: int
    revocation_max_staleness_seconds: int


class Versions(Answer, frozen=True):
    """Of the program, of the tokens, and of this interface."""

    node: str
    schema: str
    api: str


class WitnessAbout(Answer, frozen=True):
    """This node as a witness: its verifier key, and below which address it takes checkpoints."""

    key: str
    submission_prefix: str


class AboutAnswer(Answer, frozen=True, omit_defaults=True):
    """`GET /.well-known/rtgf`; `witness` is there if this node is one."""

    issuer: str
    dids: list[str]
    jwks_uri: str
    signed_jwks_uri: str
    registry: str
    verify: str
    revocations: str
    domains: list[str]
    jurisdictions: list[str]
    corridors: list[str]
    log: LogAbout
    freshness: Freshness
    versions: Versions
    witness: WitnessAbout | None = None


class ProofVerifier(Answer, frozen=True):
    """Who is believed for a type of proof."""

    did: str
    kids: list[str]


class ProofType(Answer, frozen=True):
    """A type of external proof that this node understands."""

    type: str
    verifiers: list[ProofVerifier]


class ReceiptForm(Answer, frozen=True):
    """The form of a proof receipt."""

    format: str
    typ: str


class ProofTypesAnswer(Answer, frozen=True):
    """`GET /.well-known/mandala.json`."""

    receipt: ReceiptForm
    proof_types: list[ProofType]


class Jwk(Answer, frozen=True, omit_defaults=True):
    """A public key (RFC 8037), with its life."""

    kty: str
    crv: str
    alg: str
    kid: str
    use: str
    x: str
    createdAt: str  # noqa: N815 - the member's name on the wire, as those below
    expiresAt: str  # noqa: N815
    revoked: bool
    revokedAt: str | None = None  # noqa: N815
    purpose: str | None = None


class JwkSet(Answer, frozen=True):
    """`GET /jwks.json` (RFC 7517 §5)."""

    keys: list[Jwk]


class MatrixEntry(Answer, frozen=True):
    """The newest snapshot of a jurisdiction and domain, and where it is."""

    jurisdiction: str
    domain: str
    source_uri: str
    issuing_authority_did: str
    last_updated: str


class MatrixTermsEntry(Answer, frozen=True):
    """The newest terms document of an operation, a route or a jurisdiction, and where it is."""

    type: str
    place: str
    name: str
    source_uri: str
    issuing_authority_did: str
    last_updated: str


class MatrixAnswer(Answer, frozen=True):
    """`GET /policy-matrix/index.jsonld`."""

    snapshots: list[MatrixEntry]
    terms: list[MatrixTermsEntry]


class DatasetAnswer(Answer, frozen=True, omit_defaults=True):
    """`GET /datasets/{name}/{version}`: what is known of a version of a list."""

    name: str
    version: str
    provider: str
    reader: str
    raw_sha256: str
    content_sha256: str
    record_count: int
    published: str | None
    retrieved_at: str
    authenticity: str
    leafIndex: int  # noqa: N815 - the contract's spelling
    checked_at: str | None = None


class ReceiptedAnswer(Answer, frozen=True):
    """`POST /verify?receipt=1`: the answer, and a compact JWS over its digest."""

    answer: VerifyAnswer
    receipt: str


class RevocationsAnswer(Answer, frozen=True, omit_defaults=True):
    """`GET /revocations`: the signed list of status changes, of one type if `type` is there."""

    revEpoch: int  # noqa: N815 - the contract's spelling
    treeSize: int  # noqa: N815 - the contract's spelling
    since: int
    entries: list[RevocationEntry]
    signatures: list[Signature]
    type: str | None = None


class ResumedAnswer(Answer, frozen=True):
    """`POST /admin/log/resume`."""

    resumed: bool


class RestartedAnswer(Answer, frozen=True):
    """`POST /admin/decisions/restart`: `kept` is the file that what was there went to."""

    restarted: bool
    kept: str
