"""The promise: what is asked of the node."""

from __future__ import annotations

from typing import Any, Final

from rtgf_node.api.batch import BATCH_MAX
from rtgf_node.api.contract import AT, KEY, ONCE, TEXT, Area, Content, Either, Operation, Parameter
from rtgf_node.errors import Code
from rtgf_node.wire import EvaluateAnswer, EvaluateRequest, Problem, VerifyAnswer, VerifyRequest
from rtgf_node.wire.about import ReceiptedAnswer

_CONTEXT: Final = {
    "amount": {"value": "250.00", "currency": "EUR"},
    "instrument": "credit_transfer",
}
_RECEIPT: Final = Parameter(
    "receipt", "1: also a signed receipt, as evidence to keep", {"enum": ["0", "1"]}
)
_HANDED_IN: Final = (
    Code.RTGF_INPUT_INVALID,
    Code.RTGF_JSON_INVALID,
    Code.RTGF_VERIFY_BAD_REQUEST,
    Code.RTGF_VERIFY_TOKEN_NOT_FOUND,
    Code.RTGF_TOKEN_CANONICAL_MISMATCH,
    Code.RTGF_TOKEN_SCHEMA_INVALID,
    Code.RTGF_TOKEN_TYPE_UNSUPPORTED,
    Code.RTGF_VERIFY_SIGNATURE_INVALID,
    Code.RTGF_KID_UNKNOWN,
    Code.RTGF_KID_EXPIRED,
)

QUESTIONS: Final = Area(
    "Asking",
    (
        Operation(
            "verify",
            "POST",
            "/verify",
            "Is this token set valid, now, and may I do this?",
            {200: Content(Either((VerifyAnswer, ReceiptedAnswer)))},
            (AT, _RECEIPT, KEY),
            Content(
                VerifyRequest,
                example={
                    "tokens": {
                        "rmt": "RMT:SG:payments_aml:2026-10.1",
                        "imt": "urn:rtgf:token:IMT:EU-SG:payments_aml:2026-10.1",
                    },
                    "corridor": "EU-SG",
                    "domain": "payments_aml",
                    "context": _CONTEXT,
                },
            ),
            (*_HANDED_IN, Code.RTGF_VERIFY_MISSING_TOKEN, *ONCE),
        ),
        Operation(
            "verifyBatch",
            "POST",
            "/verify/batch",
            "Up to 1,000 verify requests, answered in order, each as if alone",
            {200: Content(Either((VerifyAnswer, Problem), BATCH_MAX))},
            (AT, KEY),
            Content(
                # Whatever is no verify request is answered with a problem in its place.
                Either((VerifyRequest, Any), BATCH_MAX),
                example=[{"tokens": {"rmt": "RMT:SG:payments_aml:2026-10.1"}}],
            ),
            (
                Code.RTGF_INPUT_INVALID,
                Code.RTGF_JSON_INVALID,
                Code.RTGF_VERIFY_BAD_REQUEST,
                *ONCE,
            ),
        ),
        Operation(
            "evaluate",
            "POST",
            "/evaluate",
            "What does a token decide of a context, and why?",
            {200: Content(EvaluateAnswer)},
            (Parameter("explain", "`text`: also in words", TEXT, "text"), AT),
            Content(
                EvaluateRequest,
                example={"token": "IMT:EU-SG:payments_aml:2026-10.1", "context": _CONTEXT},
            ),
            (*_HANDED_IN, Code.RTGF_CONFLICT),
        ),
    ),
)
