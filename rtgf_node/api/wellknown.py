"""Who this node is: `/.well-known/*`, the key set, the policy matrix."""

from __future__ import annotations

from rtgf_node import __version__
from rtgf_node.api import contract
from rtgf_node.api.answers import IMMUTABLE, document, kept, ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered, Views
from rtgf_node.api.parameters import Query
from rtgf_node.core import checkpoint, times
from rtgf_node.core.as_of import AsOf
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.envelope import SCHEMA_VERSION
from rtgf_node.core.keys import KeySet
from rtgf_node.core.merkle import MAX_TREE_SIZE
from rtgf_node.core.policy import receipts
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.key_manifest_store import KeyDocuments
from rtgf_node.wire.about import (
    AboutAnswer,
    DatasetAnswer,
    Freshness,
    LogAbout,
    MatrixAnswer,
    MatrixEntry,
    MatrixTermsEntry,
    ProofType,
    ProofTypesAnswer,
    ProofVerifier,
    ReceiptForm,
    Versions,
    WitnessAbout,
)

MAX_AGE = 300
"""Seconds a cache may hold the description of the node and its keys."""


def issuer_of(held: bytes) -> str:
    """Return who issued a document that is held; one that names nobody is a fault of ours."""
    document = parse(held)
    assert isinstance(document, dict)
    return str(document["issuer"])


def routes(desk: Desk) -> Views:
    """Return the routes."""
    blueprint = Views("wellknown", __name__)
    url = desk.config.node.public_url.rstrip("/")

    def state(query: Query) -> AsOf:
        return query.as_of(desk.store.log, now=desk.clock.now())

    def keys(tree_size: int = MAX_TREE_SIZE) -> KeyDocuments:
        documents = desk.store.keys.documents(before_leaf=tree_size)
        if documents is None and tree_size < MAX_TREE_SIZE:
            raise RtgfError(Code.RTGF_NOT_FOUND, "no key set was published then", pointer="?at")
        if documents is None:
            raise RtgfError(Code.RTGF_UNAVAILABLE, "the key set is not logged yet; try again")
        return documents

    @blueprint.get("/.well-known/rtgf")
    async def about() -> Answered:
        Query()
        origin = desk.config.log_origin()
        snapshots = desk.store.intake.newest_snapshots()
        places = {(row.domain, row.jurisdiction) for row in snapshots}
        corridors = sorted(
            f"{a}-{b}" for domain, a in places for d, b in places if d == domain and a != b
        )
        log_keys = [key for key in KeySet.from_jwks(parse(keys().jwks)) if key.use == "log"]
        witness = (
            None
            if desk.witness_key is None
            else WitnessAbout(key=desk.witness_key, submission_prefix=url)
        )
        answer = AboutAnswer(
            issuer=desk.config.node.issuer,
            dids=[desk.config.node.issuer],
            jwks_uri=f"{url}/.well-known/jwks.json",
            signed_jwks_uri=f"{url}/.well-known/jwks.jws",
            registry=url,
            verify=f"{url}/verify",
            revocations=f"{url}/revocations",
            domains=sorted({domain for domain, _ in places}),
            jurisdictions=sorted({jurisdiction for _, jurisdiction in places}),
            corridors=sorted(set(corridors)),
            log=LogAbout(
                origin=origin,
                keys=[checkpoint.verifier_key(origin, key.public) for key in log_keys],
            ),
            freshness=Freshness(
                head_every_seconds=int(desk.config.log.head_every_seconds),
                revocation_max_staleness_seconds=int(desk.config.verify.max_staleness_seconds),
            ),
            versions=Versions(node=__version__, schema=SCHEMA_VERSION, api=contract.VERSION),
            witness=witness,
        )
        return document(answer, max_age=MAX_AGE)

    @blueprint.get("/.well-known/mandala.json")
    async def proofs() -> Answered:
        Query()
        types = [
            ProofType(
                type=proof,
                verifiers=[
                    ProofVerifier(did=one.did, kids=sorted(key.kid for key in one.keys))
                    for one in verifiers
                ],
            )
            for proof, verifiers in desk.proof_verifiers.types().items()
        ]
        form = ReceiptForm(format="compact JWS", typ=receipts.SIGNATURE_TYPE)
        return document(ProofTypesAnswer(receipt=form, proof_types=types), max_age=MAX_AGE)

    @blueprint.get("/.well-known/jwks.json")
    @blueprint.get("/jwks.json")
    async def jwks() -> Answered:
        as_of = state(Query("at"))
        return ready(
            keys(as_of.tree_size).jwks,
            cache=kept(MAX_AGE, settled=as_of.settled),
            content_type="application/jwk-set+json",
        )

    @blueprint.get("/.well-known/jwks.jws")
    async def signed_jwks() -> Answered:
        as_of = state(Query("at"))
        return ready(
            keys(as_of.tree_size).jwks_jws.encode(),
            cache=kept(MAX_AGE, settled=as_of.settled),
            content_type="application/jose",
        )

    @blueprint.get("/key-manifest.json")
    async def manifest() -> Answered:
        as_of = state(Query("at"))
        cache = kept(MAX_AGE, settled=as_of.settled)
        return ready(keys(as_of.tree_size).manifest, cache=cache)

    @blueprint.get("/policy-matrix/index.jsonld")
    async def matrix() -> Answered:
        as_of = state(Query("at"))
        snapshots = [
            MatrixEntry(
                jurisdiction=row.jurisdiction,
                domain=row.domain,
                source_uri=f"{url}/snapshots/{row.snapshot_id}",
                issuing_authority_did=issuer_of(row.body),
                last_updated=row.at,
            )
            for row in desk.store.intake.newest_snapshots(before_leaf=as_of.tree_size)
        ]
        terms = [
            MatrixTermsEntry(
                type=row.type,
                place=row.place,
                name=row.name,
                source_uri=f"{url}/terms/{row.terms_id}",
                issuing_authority_did=issuer_of(row.body),
                last_updated=row.at,
            )
            for row in desk.store.terms.in_force(before_leaf=as_of.tree_size)
        ]
        return document(MatrixAnswer(snapshots, terms), max_age=MAX_AGE, settled=as_of.settled)

    @blueprint.get("/snapshots/<snapshot_id>")
    async def snapshot(snapshot_id: str) -> Answered:
        as_of = state(Query("at"))
        row = desk.store.intake.snapshot(snapshot_id)
        if row is None or row.leaf_index >= as_of.tree_size:
            raise RtgfError(Code.RTGF_NOT_FOUND, "no snapshot of this id is held here")
        return ready(row.body, cache=IMMUTABLE, content_type="application/ld+json")

    @blueprint.get("/datasets/<name>/<version>")
    async def dataset(name: str, version: str) -> Answered:
        as_of = state(Query("at"))
        row = desk.store.intake.dataset(name, version, before_leaf=as_of.tree_size)
        if row is None:
            raise RtgfError(Code.RTGF_NOT_FOUND, "no dataset of this name and version is held here")
        # That a provider still has the same list is no event: of then, nobody knows it.
        is_of_now = as_of.tree_size == MAX_TREE_SIZE
        known = DatasetAnswer(
            name=row.name,
            version=row.version,
            provider=row.provider,
            reader=row.reader,
            raw_sha256=row.raw_sha256,
            content_sha256=row.content_sha256,
            record_count=row.record_count,
            published=row.published,
            retrieved_at=times.to_text(row.retrieved_at),
            authenticity=row.signature_state,
            leafIndex=row.leaf_index,
            checked_at=times.to_text(row.checked_at) if is_of_now else None,
        )
        return document(known, max_age=MAX_AGE, settled=as_of.settled)

    return blueprint
