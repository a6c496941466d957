"""The promise: the privileged routes."""

from __future__ import annotations

from typing import Final

from rtgf_node.api.contract import (
    KEY,
    LIMIT,
    ONCE,
    TEXT,
    Area,
    Content,
    Operation,
    Parameter,
    path,
    whole,
)
from rtgf_node.core.manifest import Manifest
from rtgf_node.core.snapshot_document import Snapshot
from rtgf_node.core.terms_document import TermsDocument
from rtgf_node.core.waiver import Waiver
from rtgf_node.errors import Code
from rtgf_node.settings import Role
from rtgf_node.wire import (
    BuildAnswer,
    BuildLine,
    CompileRequest,
    FetchAnswer,
    IntakeAnswer,
    ResumeRequest,
    RevokeAnswer,
    RevokeRequest,
)
from rtgf_node.wire.about import RestartedAnswer, ResumedAnswer
from rtgf_node.wire.approvals import ApprovalAnswer, ApprovalRequest, ApprovalsAnswer
from rtgf_node.wire.decisions import DecisionPage, DecisionProof, DecisionRestartRequest
from rtgf_node.wire.keys import KeyChangeAnswer, KeyChangeRequest
from rtgf_node.wire.waivers import WaiversAnswer

_BODY: Final = (Code.RTGF_JSON_INVALID, Code.RTGF_VERIFY_BAD_REQUEST, Code.RTGF_INPUT_INVALID)
_WATCHERS: Final[tuple[Role, ...]] = ("operator", "approver", "auditor")
_TAKEN: Final = Content(IntakeAnswer)
_BUILD: Final = path("build_id", "its id", TEXT, "build:2026-11-23T00:00:00Z:0")
_SOURCE: Final = path("source", "its name in the settings", TEXT, "un-sc")
_LIST: Final = path("name", "its name in the settings", TEXT, "un-sc")
_WITHDRAW: Final = Content(
    RevokeRequest,
    example={"items": [{"token": "RMT:SG:payments_aml:2026-10.1", "reason": "policy_withdrawn"}]},
)
_WITHDRAW_REFUSED: Final = (*_BODY, Code.RTGF_VERIFY_TOKEN_NOT_FOUND, Code.RTGF_CONFLICT)
_KEY_CHANGE: Final = Content(
    KeyChangeRequest,
    example={"manifest": {"keys": []}, "jwks": "eyJ", "reason": "the yearly plan"},
)
_KEYS_CHANGED: Final = {200: Content(KeyChangeAnswer), 202: Content(KeyChangeAnswer)}
_KEY_CHANGE_REFUSED: Final = (
    *_BODY,
    Code.RTGF_JWKS_SIGNATURE_INVALID,
    Code.RTGF_CONFLICT,
    Code.RTGF_KEY_STORE_LOCKED,
)
_LIST_REFUSED: Final = (
    Code.RTGF_INPUT_INVALID,
    Code.RTGF_CONFLICT,
    Code.RTGF_SANCTIONS_HASH_MISMATCH,
    Code.RTGF_SANCTIONS_UNSIGNED,
    Code.RTGF_SANCTIONS_UNREADABLE,
    Code.RTGF_SANCTIONS_IMPLAUSIBLE,
)


def _once(area: Area) -> Area:
    """Return an area whose writes honour `Idempotency-Key`."""
    return area._replace(
        operations=tuple(
            one
            if one.method == "GET"
            else one._replace(parameters=(*one.parameters, KEY), refusals=(*one.refusals, *ONCE))
            for one in area.operations
        )
    )


INTAKE: Final = _once(
    Area(
        "Intake",
        (
            Operation(
                "pushSnapshot",
                "POST",
                "/admin/snapshots",
                "Hand in a policy snapshot, as its authority signed it",
                {200: _TAKEN, 201: _TAKEN},
                body=Content(Snapshot),
                refusals=(
                    *_BODY,
                    Code.RTGF_POL_MATRIX_SCHEMA_INVALID,
                    Code.RTGF_POL_MATRIX_SIGNATURE_INVALID,
                    Code.RTGF_POL_MATRIX_STALE,
                    Code.RTGF_CONFLICT,
                ),
                roles=("regulator",),
            ),
            Operation(
                "pushDataset",
                "POST",
                "/admin/datasets/<name>",
                "Hand in a list, in the form that its reader takes",
                {200: _TAKEN, 201: _TAKEN},
                (_LIST,),
                Content({}, "*/*"),
                _LIST_REFUSED,
                ("regulator",),
            ),
            Operation(
                "releaseDataset",
                "POST",
                "/admin/datasets/<name>/release",
                "Take a list out of quarantine",
                {200: _TAKEN},
                (_LIST,),
                refusals=_LIST_REFUSED,
                roles=("operator",),
            ),
            Operation(
                "records",
                "GET",
                "/admin/datasets/<content_sha256>/records",
                "The records of a list, a line each",
                {200: Content(TEXT, "application/jsonl")},
                (
                    path(
                        "content_sha256",
                        "digest of its content",
                        {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
                        f"sha256:{'0' * 64}",
                    ),
                ),
                roles=("operator", "auditor"),
            ),
            Operation(
                "pushTerms",
                "POST",
                "/admin/terms",
                "Hand in a terms document, as its authority signed it",
                {200: _TAKEN, 201: _TAKEN},
                body=Content(TermsDocument),
                refusals=(
                    *_BODY,
                    Code.RTGF_NOT_FOUND,
                    Code.RTGF_POL_MATRIX_SCHEMA_INVALID,
                    Code.RTGF_POL_MATRIX_SIGNATURE_INVALID,
                    Code.RTGF_POL_MATRIX_STALE,
                ),
                roles=("regulator",),
            ),
            Operation(
                "pushWaiver",
                "POST",
                "/admin/waivers",
                "Hand in a waiver, as its approver signed it",
                {200: _TAKEN, 201: _TAKEN},
                body=Content(Waiver),
                refusals=(
                    *_BODY,
                    Code.RTGF_NOT_FOUND,
                    Code.RTGF_POL_MATRIX_SIGNATURE_INVALID,
                    Code.RTGF_VERIFY_SIGNATURE_INVALID,
                    Code.RTGF_KID_UNKNOWN,
                    Code.RTGF_KID_EXPIRED,
                ),
                roles=("approver",),
            ),
            Operation(
                "waivers",
                "GET",
                "/admin/waivers",
                "The waivers, and what halted the newest halted build",
                {200: Content(WaiversAnswer)},
                roles=_WATCHERS,
            ),
            Operation(
                "fetch",
                "POST",
                "/admin/fetch",
                "Fetch every source now",
                {200: Content(FetchAnswer)},
                roles=("operator",),
            ),
            Operation(
                "fetchOne",
                "POST",
                "/admin/fetch/<source>",
                "Fetch one source now",
                {200: Content(FetchAnswer)},
                (_SOURCE,),
                roles=("operator",),
            ),
        ),
    )
)

BUILDS: Final = _once(
    Area(
        "Builds",
        (
            Operation(
                "compile",
                "POST",
                "/admin/compile",
                "Build what is due; the approver may accept conflicts",
                {202: Content(BuildAnswer)},
                body=Content(CompileRequest, example={"jurisdictions": ["SG"]}),
                refusals=(*_BODY, Code.RTGF_CONFLICT),
                roles=("operator", "approver"),
            ),
            Operation(
                "builds",
                "GET",
                "/admin/builds",
                "The newest builds",
                {200: Content(list[BuildLine])},
                roles=_WATCHERS,
            ),
            Operation(
                "build",
                "GET",
                "/admin/builds/<build_id>",
                "How far a build is, and its log",
                {200: Content(BuildAnswer)},
                (_BUILD,),
                roles=_WATCHERS,
            ),
            Operation(
                "cancelBuild",
                "POST",
                "/admin/builds/<build_id>/cancel",
                "Stop a build",
                {200: Content(BuildAnswer)},
                (_BUILD,),
                refusals=(Code.RTGF_CONFLICT,),
                roles=("operator", "approver"),
            ),
            Operation(
                "manifest",
                "GET",
                "/admin/builds/<build_id>/manifest",
                "Everything that a build depended on, and what came out of it",
                {200: Content(Manifest)},
                (_BUILD,),
                roles=_WATCHERS,
            ),
            Operation(
                "artefact",
                "GET",
                "/admin/builds/<build_id>/artefacts/<path:name>",
                "One of the files that came out of it",
                {200: Content({})},
                (_BUILD, path("name", "as the manifest has it", TEXT, "conflicts.json")),
                roles=_WATCHERS,
            ),
            Operation(
                "approvals",
                "GET",
                "/admin/approvals",
                "What waits for a second person, and how what waited was settled",
                {200: Content(ApprovalsAnswer)},
                roles=_WATCHERS,
            ),
            Operation(
                "settleApproval",
                "POST",
                "/admin/approvals/<approval_id>",
                "Approve or refuse, as the second person",
                {200: Content(ApprovalAnswer)},
                (path("approval_id", "its id", TEXT, "0b7c7a52-6bd3-5f0e-8f5d-1f6a2c4b8d11"),),
                Content(ApprovalRequest, example={"decision": "approve", "reason": "as agreed"}),
                (*_BODY, Code.RTGF_NOT_FOUND, Code.RTGF_CONFLICT),
                ("approver",),
            ),
        ),
    )
)

OPERATION: Final = _once(
    Area(
        "Operation",
        (
            Operation(
                "revoke",
                "POST",
                "/admin/revoke",
                "Withdraw or suspend tokens, all or none of them",
                {200: Content(RevokeAnswer)},
                body=_WITHDRAW,
                refusals=_WITHDRAW_REFUSED,
                roles=("operator",),
            ),
            Operation(
                "reinstate",
                "POST",
                "/admin/reinstate",
                "Lift suspensions, all or none of them",
                {200: Content(RevokeAnswer)},
                body=_WITHDRAW,
                refusals=_WITHDRAW_REFUSED,
                roles=("operator",),
            ),
            Operation(
                "rotateKeys",
                "POST",
                "/admin/keys/rotate",
                "Bring in new online keys that the root has signed; old and new verify for 7 days",
                _KEYS_CHANGED,
                body=_KEY_CHANGE,
                refusals=_KEY_CHANGE_REFUSED,
                roles=("operator",),
            ),
            Operation(
                "revokeKey",
                "POST",
                "/admin/keys/<kid>/revoke",
                "Have an online key vouch for nothing any more, as the root has signed",
                _KEYS_CHANGED,
                (path("kid", "its id", TEXT, "fma.example:ed25519:2026-11:001"),),
                _KEY_CHANGE,
                _KEY_CHANGE_REFUSED,
                ("operator",),
            ),
            Operation(
                "decisions",
                "GET",
                "/admin/decisions",
                "What was answered, by digests and ids, in the order of the chain",
                {200: Content(DecisionPage)},
                (
                    Parameter("since", "number of the first", whole(), 0),
                    LIMIT,
                    Parameter("request_id", "the answers to this request alone", TEXT),
                ),
                roles=("operator", "auditor"),
            ),
            Operation(
                "decisionProof",
                "GET",
                "/admin/decisions/<seq>/proof",
                "The proof that an answer was recorded",
                {200: Content(DecisionProof)},
                (path("seq", "its number", whole(1), 1),),
                refusals=(Code.RTGF_TXP_PROOF_NOT_FOUND,),
                roles=("operator", "auditor"),
            ),
            Operation(
                "restartDecisions",
                "POST",
                "/admin/decisions/restart",
                "Go on with an empty chain of decisions when the kept one is broken",
                {200: Content(RestartedAnswer)},
                body=Content(DecisionRestartRequest, example={"reason": "the disk is lost"}),
                refusals=(*_BODY, Code.RTGF_CONFLICT),
                roles=("approver",),
            ),
            Operation(
                "resumeLog",
                "POST",
                "/admin/log/resume",
                "Sign again from a store that the guard refuses",
                {200: Content(ResumedAnswer)},
                body=Content(ResumeRequest, example={"reason": "restored from Monday's backup"}),
                refusals=(*_BODY, Code.RTGF_CONFLICT),
                roles=("approver",),
            ),
        ),
    )
)
