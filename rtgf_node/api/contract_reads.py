"""The promise: who the node is, and what it has issued."""

from __future__ import annotations

from typing import Final

from rtgf_node.api.answers import TOKEN_TYPE
from rtgf_node.api.contract import (
    AT,
    CORRIDOR,
    HTML,
    LIMIT,
    NAME,
    PLACE,
    REFERENCE,
    TEXT,
    TYPE,
    Area,
    Content,
    Operation,
    Parameter,
    path,
    whole,
)
from rtgf_node.core.envelope import Token
from rtgf_node.core.identifiers import JURISDICTION_TYPES
from rtgf_node.core.snapshot_document import Snapshot
from rtgf_node.core.terms_document import TermsDocument
from rtgf_node.errors import Code
from rtgf_node.wire import Catalog, Document, ReadyAnswer
from rtgf_node.wire.about import (
    AboutAnswer,
    AliveAnswer,
    DatasetAnswer,
    JwkSet,
    MatrixAnswer,
    ProofTypesAnswer,
)

_INPUT: Final = (Code.RTGF_INPUT_INVALID,)
_TOKEN: Final = Content(Token, TOKEN_TYPE)
_NO_TOKEN: Final = (Code.RTGF_INPUT_INVALID, Code.RTGF_VERIFY_TOKEN_NOT_FOUND)
_KEYS: Final = (Code.RTGF_INPUT_INVALID, Code.RTGF_NOT_FOUND)
_JWKS: Final = Content(JwkSet, "application/jwk-set+json")
_CATALOG: Final = (
    Parameter("type", "of the tokens, in any case", TYPE, "RMT"),
    Parameter("jurisdiction", "one end of the corridor, or the place of an RMT", PLACE, "SG"),
    Parameter("domain", "of the tokens", NAME, "payments_aml"),
    Parameter("corridor", "of the tokens", CORRIDOR, "EU-SG"),
    Parameter("cursor", "where the page begins: what the page before it gave", whole()),
    LIMIT,
    AT,
)
_EXAMPLES: Final = {
    "RMT": ("SG", "payments_aml"),
    "IMT": ("EU-SG", "payments_aml"),
    "CORT": ("EU-SG", "sepa_fast"),
    "PSRT": ("EU-SG", "sepa_fast"),
    "RRMT": ("SG", "sepa_fast"),
}


def _newest(kind: str) -> Operation:
    """Return the route of the newest token of a type."""
    of_one = kind in JURISDICTION_TYPES
    place, name = _EXAMPLES[kind]
    return Operation(
        f"get{kind.capitalize()}",
        "GET",
        f"/{kind.lower()}/<place>/<name>",
        f"The newest valid {kind}",
        {200: _TOKEN},
        (
            path(
                "place",
                "a jurisdiction" if of_one else "a corridor",
                PLACE if of_one else CORRIDOR,
                place,
            ),
            path("name", "a domain" if kind in {"RMT", "IMT"} else "a route", NAME, name),
            Parameter("version", "this one, whatever its state: 2026-10 or 2026-10.1", TEXT),
            AT,
        ),
        refusals=_NO_TOKEN,
    )


ABOUT: Final = Area(
    "About the node",
    (
        Operation(
            "about", "GET", "/.well-known/rtgf", "Who this node is", {200: Content(AboutAnswer)}
        ),
        Operation(
            "jwks",
            "GET",
            "/.well-known/jwks.json",
            "The online keys as a JWK set",
            {200: _JWKS},
            (AT,),
            refusals=_KEYS,
        ),
        Operation(
            "jwksPlain", "GET", "/jwks.json", "The same", {200: _JWKS}, (AT,), refusals=_KEYS
        ),
        Operation(
            "signedJwks",
            "GET",
            "/.well-known/jwks.jws",
            "The key set as a compact JWS of the root key",
            {200: Content(TEXT, "application/jose")},
            (AT,),
            refusals=_KEYS,
        ),
        Operation(
            "keyManifest",
            "GET",
            "/key-manifest.json",
            "Which online keys there are and for what, signed by the root key",
            {200: Content(Document)},
            (AT,),
            refusals=_KEYS,
        ),
        Operation(
            "proofTypes",
            "GET",
            "/.well-known/mandala.json",
            "Which external proofs this node understands",
            {200: Content(ProofTypesAnswer)},
        ),
        Operation("alive", "GET", "/healthz", "Is it alive?", {200: Content(AliveAnswer)}),
        Operation(
            "ready",
            "GET",
            "/readyz",
            "Is it ready, and if not, why?",
            {200: Content(ReadyAnswer), 503: Content(ReadyAnswer)},
        ),
        Operation("openapi", "GET", "/openapi.json", "This document", {200: Content(Document)}),
        Operation("docs", "GET", "/docs", "This document as a page", {200: HTML}),
        Operation("errors", "GET", "/errors", "Every code of a problem", {200: HTML}),
        Operation(
            "error",
            "GET",
            "/errors/<name>",
            "What one code means, and what to do",
            {200: HTML},
            (path("name", "a code", TEXT, "RTGF_VERIFY_REVOKED"),),
        ),
    ),
)

REGISTRY: Final = Area(
    "Registry",
    (
        Operation(
            "catalog",
            "GET",
            "/catalog",
            "Every issued token, in the order of the log",
            {200: Content(Catalog)},
            _CATALOG,
            refusals=_INPUT,
        ),
        Operation(
            "catalogWellKnown",
            "GET",
            "/.well-known/rtgf/catalog.json",
            "The same",
            {200: Content(Catalog)},
            _CATALOG,
            refusals=_INPUT,
        ),
        Operation(
            "tokenByUri",
            "GET",
            "/tokens",
            "A token by its URI or id: the bytes that were signed",
            {200: _TOKEN},
            (
                Parameter(
                    "uri",
                    "of the token; without an issue number, the newest issue",
                    REFERENCE,
                    "urn:rtgf:token:RMT:SG:payments_aml:2026-10.1",
                    is_required=True,
                ),
                AT,
            ),
            refusals=_NO_TOKEN,
        ),
        Operation(
            "tokenBySlug",
            "GET",
            "/tokens/<type_>/<slug>",
            "A token by type and slug",
            {200: _TOKEN},
            (
                path("type_", "of the token, in any case", TYPE, "rmt"),
                path("slug", "the rest of its id", TEXT, "sg-payments_aml-2026-10.1"),
                AT,
            ),
            refusals=_NO_TOKEN,
        ),
        *(_newest(kind) for kind in _EXAMPLES),
        Operation(
            "policyMatrix",
            "GET",
            "/policy-matrix/index.jsonld",
            "The newest snapshots and terms documents, and where they are",
            {200: Content(MatrixAnswer)},
            (AT,),
            refusals=_INPUT,
        ),
        Operation(
            "snapshot",
            "GET",
            "/snapshots/<snapshot_id>",
            "A policy snapshot as its authority signed it",
            {200: Content(Snapshot, "application/ld+json")},
            (path("snapshot_id", "its id", TEXT, "snapshot:sg:payments_aml:2026-10"), AT),
            refusals=_INPUT,
        ),
        Operation(
            "terms",
            "GET",
            "/terms/<terms_id>",
            "A terms document as its authority signed it",
            {200: Content(TermsDocument, "application/ld+json")},
            (path("terms_id", "its id", TEXT, "terms:psrt:eu-sg:sepa_fast:2026-10"), AT),
            refusals=_INPUT,
        ),
        Operation(
            "dataset",
            "GET",
            "/datasets/<name>/<version>",
            "What is known of a version of a list",
            {200: Content(DatasetAnswer)},
            (
                path("name", "of the list", TEXT, "un-sc"),
                path("version", "of the list", TEXT, "2026-11-20"),
                AT,
            ),
            refusals=_INPUT,
        ),
    ),
)
