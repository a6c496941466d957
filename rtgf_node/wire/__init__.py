"""What goes over HTTP: request bodies and answers as types, shared by the API and the client.

Request bodies refuse unknown members; answers may gain members in a later version. Times are
RFC 3339 text, digests and ids are strings, byte strings are lower-case hex unless said otherwise.
"""

from rtgf_node.wire.builds import (
    BuildAnswer,
    BuildLine,
    BuildProgress,
    BuildStage,
    CompileRequest,
    FetchAnswer,
    FetchItem,
    IntakeAnswer,
)
from rtgf_node.wire.log import (
    Catalog,
    CatalogEntry,
    ConsistencyProof,
    LogEntry,
    LogPage,
    ProofBundle,
    ResumeRequest,
)
from rtgf_node.wire.problem import Problem, ProblemDetail
from rtgf_node.wire.revocation import RevocationEntry, RevokeAnswer, RevokeItem, RevokeRequest
from rtgf_node.wire.shapes import Answer, Body, Document
from rtgf_node.wire.status import (
    ActorStatus,
    AlertLine,
    Check,
    DatasetStatus,
    KeyAnswer,
    QuarantinedFile,
    ReadyAnswer,
    StatusAnswer,
)
from rtgf_node.wire.verify import (
    Basis,
    EvaluateAnswer,
    EvaluateRequest,
    TokenVerdict,
    VerifyAnswer,
    VerifyRequest,
    VerifyTokens,
)

__all__ = [
    "ActorStatus",
    "AlertLine",
    "Answer",
    "Basis",
    "Body",
    "BuildAnswer",
    "BuildLine",
    "BuildProgress",
    "BuildStage",
    "Catalog",
    "CatalogEntry",
    "Check",
    "CompileRequest",
    "ConsistencyProof",
    "DatasetStatus",
    "Document",
    "EvaluateAnswer",
    "EvaluateRequest",
    "FetchAnswer",
    "FetchItem",
    "IntakeAnswer",
    "KeyAnswer",
    "LogEntry",
    "LogPage",
    "Problem",
    "ProblemDetail",
    "ProofBundle",
    "QuarantinedFile",
    "ReadyAnswer",
    "ResumeRequest",
    "RevocationEntry",
    "RevokeAnswer",
    "RevokeItem",
    "RevokeRequest",
    "StatusAnswer",
    "TokenVerdict",
    "VerifyAnswer",
    "VerifyRequest",
    "VerifyTokens",
]
