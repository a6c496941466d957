"""The promise: what enforcement points ask in the AuthZEN Authorization API 1.0."""

from __future__ import annotations

from typing import Final

from rtgf_node.api.contract import Area, Content, Either, Operation
from rtgf_node.errors import Code
from rtgf_node.wire.authzen import (
    AccessAnswer,
    AccessAnswers,
    AccessBatch,
    AccessConfiguration,
    AccessRequest,
)

_SUBJECT: Final = {"type": "customer", "id": "4711"}
_ACTION: Final = {"name": "transfer"}
_RESOURCE: Final = {"type": "token", "id": "IMT:EU-SG:payments_aml:2026-10.1"}
_CONTEXT: Final = {
    "amount": {"value": "250.00", "currency": "EUR"},
    "instrument": "credit_transfer",
}
_REFUSED: Final = (
    Code.RTGF_BAD_REQUEST,
    Code.RTGF_JSON_INVALID,
    Code.RTGF_VERIFY_BAD_REQUEST,
)

AUTHZEN: Final = Area(
    "AuthZEN",
    (
        Operation(
            "accessEvaluation",
            "POST",
            "/access/v1/evaluation",
            "May this subject do this?",
            {200: Content(AccessAnswer)},
            (),
            Content(
                AccessRequest,
                example={
                    "subject": _SUBJECT,
                    "action": _ACTION,
                    "resource": _RESOURCE,
                    "context": _CONTEXT,
                },
            ),
            _REFUSED,
        ),
        Operation(
            "accessEvaluations",
            "POST",
            "/access/v1/evaluations",
            "Up to 1,000 such requests, answered in order",
            {200: Content(Either((AccessAnswers, AccessAnswer)))},
            (),
            Content(
                AccessBatch,
                example={
                    "subject": _SUBJECT,
                    "action": _ACTION,
                    "resource": _RESOURCE,
                    "evaluations": [{"context": _CONTEXT}],
                },
            ),
            _REFUSED,
        ),
        Operation(
            "authzenConfiguration",
            "GET",
            "/.well-known/authzen-configuration",
            "Where these routes are",
            {200: Content(AccessConfiguration)},
        ),
    ),
)
