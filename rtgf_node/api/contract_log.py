"""The promise: the log, the evidence, and what is withdrawn."""

from __future__ import annotations

from typing import Final

from rtgf_node.api.contract import (
    AT,
    BINARY,
    LIMIT,
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
from rtgf_node.core import evidence, status_list, tlog_proof
from rtgf_node.core.add_checkpoint import SIZE_TYPE
from rtgf_node.core.evidence import Evidence
from rtgf_node.core.tree_head import TreeHead
from rtgf_node.errors import Code
from rtgf_node.wire import ConsistencyProof, LogPage, ProofBundle
from rtgf_node.wire.about import RevocationsAnswer

_NOT_LOGGED: Final = (Code.RTGF_INPUT_INVALID, Code.RTGF_TXP_PROOF_NOT_FOUND)
_PLAIN: Final = Content(TEXT, "text/plain")
_SHA256_HEX: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_TILE: Final = {
    "type": "string",
    "pattern": (
        r"^(entries|[0-9]{1,2})(/x[0-9]{3}){0,5}/[0-9]{3}(\.p/([1-9]|[1-9][0-9]|1[0-9]{2}"
        r"|2[0-4][0-9]|25[0-5]))?$"
    ),
}

LOG: Final = Area(
    "Log",
    (
        Operation(
            "latestRoot",
            "GET",
            "/roots/latest",
            "The newest signed head",
            {200: Content(TreeHead)},
            (AT,),
            refusals=_NOT_LOGGED,
        ),
        Operation(
            "checkpoint", "GET", "/checkpoint", "The same as a C2SP signed note", {200: _PLAIN}
        ),
        Operation(
            "consistency",
            "GET",
            "/proofs/consistency",
            "The proof that a tree extends an earlier one (RFC 9162)",
            {200: Content(ConsistencyProof)},
            (
                Parameter("from", "size of the earlier tree", whole(1), 1),
                Parameter("to", "size of the later one, else of the newest head", whole(1)),
            ),
        ),
        Operation(
            "proof",
            "GET",
            "/proofs/<event_id>",
            "The proof that the log holds an event",
            {200: Content(ProofBundle)},
            (
                path("event_id", "of the event", TEXT, "evt:token_issue:2026-11-23T00:00:00Z:0"),
                Parameter("from", "also prove consistency from a tree of this size", whole()),
                Parameter("format", "JSON, or a C2SP tlog-proof", {"enum": ["json", "tlog-proof"]}),
                AT,
            ),
            refusals=_NOT_LOGGED,
            media=(Content(TEXT, tlog_proof.MEDIA_TYPE),),
        ),
        Operation(
            "transparency",
            "GET",
            "/transparency",
            "The events, in order",
            {200: Content(LogPage)},
            (Parameter("since", "index of the first", whole(), 0), LIMIT),
        ),
        Operation(
            "tile",
            "GET",
            "/tile/<path:place>",
            "The log as files (C2SP tlog-tiles)",
            {200: Content(BINARY, "application/octet-stream")},
            (path("place", "a tile or a bundle of entries", _TILE, "entries/000.p/1"),),
            refusals=_NOT_LOGGED,
        ),
        Operation(
            "evidence",
            "GET",
            "/evidence/<reference>",
            "One file with which a token can be judged offline, years later",
            {200: Content(Evidence, evidence.MEDIA_TYPE)},
            (path("reference", "token id or URI", REFERENCE, "RMT:SG:payments_aml:2026-10.1"),),
            refusals=(*_NOT_LOGGED, Code.RTGF_VERIFY_TOKEN_NOT_FOUND),
        ),
        Operation(
            "addCheckpoint",
            "POST",
            "/add-checkpoint",
            "Have this node cosign the checkpoint of another log (C2SP tlog-witness)",
            {200: _PLAIN, 409: Content(TEXT, SIZE_TYPE)},
            body=Content(TEXT, "text/plain"),
            refusals=(
                Code.RTGF_NOT_FOUND,
                Code.RTGF_INPUT_INVALID,
                Code.RTGF_TXP_PROOF_INVALID,
            ),
        ),
        Operation(
            "witnessed",
            "GET",
            "/witnessed/<origin_hash>/checkpoint",
            "The newest checkpoint of a log that this node has cosigned",
            {200: _PLAIN},
            (path("origin_hash", "sha256 of the log's origin", _SHA256_HEX, "0" * 64),),
        ),
    ),
)

REVOCATION: Final = Area(
    "Revocation",
    (
        Operation(
            "revocations",
            "GET",
            "/revocations",
            "The signed list of status changes",
            {200: Content(RevocationsAnswer)},
            (
                Parameter("since", "changes after this epoch", whole(), 0),
                Parameter("type", "of the tokens, in any case", TYPE, "IMT"),
                AT,
            ),
            refusals=(Code.RTGF_INPUT_INVALID,),
        ),
        Operation(
            "revocationStream",
            "GET",
            "/revocations/stream",
            "Every revocation as it commits, as server-sent events",
            {200: Content({}, "text/event-stream")},
            (
                Parameter("since", "begin after this epoch", whole(), 0),
                Parameter(
                    "Last-Event-ID",
                    "of the last event that came: go on after it",
                    {"type": "string", "pattern": "^[0-9]{0,16}$"},
                    is_header=True,
                ),
            ),
        ),
        Operation(
            "statusList",
            "GET",
            "/revocations/status-list/<number>",
            "A Token Status List, as wallets read it",
            {200: Content(TEXT, status_list.MEDIA_TYPE)},
            (
                path("number", "of the list", whole(0, 999_999_999), 0),
                Parameter("time", "the list of then, in seconds since 1970", whole()),
                AT,
            ),
            refusals=(Code.RTGF_INPUT_INVALID,),
        ),
    ),
)
