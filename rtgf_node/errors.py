"""Every failure this project raises on purpose, as one enumeration.

A deliberate failure is an `RtgfError` that carries a `Code`. The code fixes the HTTP status, the
exit status of the command line and the title; the error adds the detail of this case. Anything
that is not an `RtgfError` is a bug: it crashes its actor and is logged with a traceback.

Codes are public API: partners match on them, so a code never changes once released.
Exit codes follow the cause: 10 signature, 11 expired, 12 revoked, 13 not in the log, 14 denied by
policy, 65 bad input, 66 not found, 69 refused (access), 70 bug, 73 conflict, 74 damaged data,
75 try again, 78 configuration.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import NamedTuple


class Failure(NamedTuple):
    """What a code means to the outside."""

    status: int
    exit_code: int
    title: str


@unique
class Code(Enum):
    """The error catalogue. A member's name is the code on the wire."""

    # Policy snapshots and terms, at the door.
    RTGF_POL_MATRIX_SIGNATURE_INVALID = Failure(422, 10, "The snapshot's signature is not valid")
    RTGF_POL_MATRIX_SCHEMA_INVALID = Failure(422, 65, "The snapshot does not fit its schema")
    RTGF_POL_MATRIX_STALE = Failure(409, 73, "A newer snapshot is already held")

    # Sanctions lists and other datasets.
    RTGF_SANCTIONS_HASH_MISMATCH = Failure(422, 65, "The dataset does not have the pinned digest")
    RTGF_SANCTIONS_FETCH_FAILED = Failure(502, 75, "The dataset could not be fetched")
    RTGF_SANCTIONS_UNSIGNED = Failure(422, 10, "The dataset is unsigned where a signature is due")
    RTGF_SANCTIONS_UNREADABLE = Failure(422, 65, "The dataset cannot be read")
    RTGF_SANCTIONS_IMPLAUSIBLE = Failure(409, 65, "The dataset is not plausible and is quarantined")

    # Clauses to predicates.
    RTGF_MAP_UNSUPPORTED_CLAUSE = Failure(422, 65, "No template maps this clause")
    RTGF_MAP_PREDICATE_TEMPLATE_MISSING = Failure(422, 65, "The named template does not exist")
    RTGF_MAP_CONTROL_UNKNOWN = Failure(422, 65, "The control is not in the catalogue")
    RTGF_MAP_RULE_CONFLICT = Failure(409, 65, "Two rules cannot both hold")
    RTGF_MAP_EXPRESSION_INVALID = Failure(422, 65, "The expression is not well formed")

    # Builds.
    RTGF_BUILD_SNAPSHOT_INVALID = Failure(422, 65, "The build's snapshot is not valid")
    RTGF_BUILD_PLAN_DIVERGENCE = Failure(500, 74, "Two builds of the same inputs differ")
    RTGF_BUILD_SIGNING_ERROR = Failure(503, 75, "Signing failed")
    RTGF_BUILD_HASH_MISMATCH = Failure(422, 65, "A build input does not have its stated digest")
    RTGF_BUILD_TRANSPARENCY_FAIL = Failure(503, 75, "The build could not be logged")
    RTGF_PIPELINE_DETERMINISM_FAIL = Failure(500, 74, "The build is not deterministic")
    RTGF_PIPELINE_SNAPSHOT_FAIL = Failure(422, 65, "The pipeline stopped at its snapshots")
    RTGF_PIPELINE_QA_FAIL = Failure(422, 65, "A scenario of the snapshot fails")
    RTGF_PIPELINE_PUBLISH_FAIL = Failure(503, 75, "The build could not be published")
    RTGF_PIPELINE_TRANSPARENCY_FAIL = Failure(503, 75, "The log did not take the build")

    # Tokens.
    RTGF_TOKEN_CANONICAL_MISMATCH = Failure(422, 65, "The token is not what its hash says")
    RTGF_TOKEN_SCHEMA_INVALID = Failure(422, 65, "The token does not fit its schema")
    RTGF_TOKEN_SIGNATURE_INVALID = Failure(422, 10, "The token's signature is not valid")
    RTGF_TOKEN_TYPE_UNSUPPORTED = Failure(422, 65, "The token's type is not supported")
    RTGF_TOKEN_REVOCATION_STALE = Failure(200, 75, "The revocation state is too old to trust")

    # Verification answers.
    RTGF_VERIFY_MISSING_TOKEN = Failure(400, 65, "A required token is missing")
    RTGF_VERIFY_BAD_REQUEST = Failure(400, 65, "The request does not fit its schema")
    RTGF_VERIFY_TOKEN_NOT_FOUND = Failure(404, 66, "No such token here")
    RTGF_VERIFY_SIGNATURE_INVALID = Failure(422, 10, "A signature is not valid")
    RTGF_VERIFY_REVOKED = Failure(200, 12, "The token is revoked")
    RTGF_VERIFY_EXPIRED = Failure(200, 11, "The token has expired")
    RTGF_VERIFY_NOT_YET_VALID = Failure(200, 11, "The token is not valid yet")
    RTGF_VERIFY_CHAIN_MISMATCH = Failure(200, 13, "The tokens do not rest on each other")
    RTGF_VERIFY_CORRIDOR_MISMATCH = Failure(200, 14, "The tokens are not for this corridor")
    RTGF_VERIFY_POLICY_DENY = Failure(200, 14, "The policy denies it")
    RTGF_VERIFY_RATE_LIMIT = Failure(429, 75, "Too many requests")
    RTGF_VERIFY_UNAVAILABLE = Failure(503, 75, "The verifier cannot answer now")
    RTGF_VERIFY_INTERNAL = Failure(500, 70, "Internal error")

    # Keys.
    RTGF_JWKS_FETCH_FAILED = Failure(502, 75, "The key set could not be fetched")
    RTGF_JWKS_SIGNATURE_INVALID = Failure(422, 10, "The key set's signature is not valid")
    RTGF_KID_EXPIRED = Failure(422, 11, "The signing key has expired")
    RTGF_KID_UNKNOWN = Failure(422, 10, "The signing key is unknown")
    RTGF_KEY_STORE_LOCKED = Failure(500, 78, "The key store cannot be opened")

    # Transparency log.
    RTGF_TXP_EVENT_INVALID = Failure(422, 65, "The event is not valid")
    RTGF_TXP_APPEND_VIOLATION = Failure(409, 74, "The log holds other bytes under this event id")
    RTGF_TXP_PROOF_NOT_FOUND = Failure(404, 66, "The log has no such entry")
    RTGF_TXP_PROOF_INVALID = Failure(422, 13, "The proof does not hold")
    RTGF_TXP_ROOT_SIGNATURE_INVALID = Failure(500, 74, "The tree head's signature is not valid")
    RTGF_TXP_GOSSIP_INCONSISTENT = Failure(500, 74, "Two tree heads cannot both be true")
    RTGF_TXP_STORE_DAMAGED = Failure(500, 74, "The stored log contradicts itself")

    # Operation.
    RTGF_TLSA_MISMATCH = Failure(502, 75, "The peer's certificate is not the published one")
    RTGF_OP_SLO_BREACH = Failure(500, 75, "An objective is missed")
    RTGF_OP_DATA_GAP = Failure(500, 75, "Metrics have a gap")
    RTGF_OP_ALERT_SUPPRESSED = Failure(500, 75, "An alert was not delivered")
    RTGF_OP_LOG_DROP = Failure(500, 75, "Log lines were dropped")

    # The front door in general.
    RTGF_BAD_REQUEST = Failure(400, 65, "The request cannot be read")
    RTGF_INPUT_INVALID = Failure(400, 65, "The input is not valid")
    RTGF_JSON_INVALID = Failure(400, 65, "The JSON is not acceptable")
    RTGF_UNAUTHENTICATED = Failure(401, 69, "Nothing shows who asks")
    RTGF_FORBIDDEN = Failure(403, 69, "This role may not do that")
    RTGF_NOT_FOUND = Failure(404, 66, "Not found")
    RTGF_METHOD_NOT_ALLOWED = Failure(405, 65, "Method not allowed")
    RTGF_CONFLICT = Failure(409, 73, "It conflicts with what is held")
    RTGF_IDEMPOTENCY_MISMATCH = Failure(
        422, 65, "The Idempotency-Key was sent with another request"
    )
    RTGF_REQUEST_TIMEOUT = Failure(408, 75, "The request did not arrive in time")
    RTGF_BODY_TOO_LARGE = Failure(413, 65, "The body is too large")
    RTGF_MEDIA_TYPE = Failure(415, 65, "The media type is not supported")
    RTGF_HEAD_TOO_LARGE = Failure(431, 65, "The head of the request is too large")
    RTGF_UNAVAILABLE = Failure(503, 75, "The node cannot answer now")
    RTGF_OVERLOADED = Failure(503, 75, "The node is overloaded")
    RTGF_ACTOR_CRASHED = Failure(503, 75, "The part that held this request stopped")
    RTGF_UNREACHABLE = Failure(502, 4, "The node cannot be reached")
    RTGF_EXISTS = Failure(409, 73, "It exists already")
    RTGF_CONFIG_INVALID = Failure(500, 78, "The configuration is not valid")
    RTGF_INTERNAL = Failure(500, 70, "Unexpected failure")


class RtgfError(Exception):
    """A failure on purpose.

    Attributes:
      code: what kind of failure; fixes status, exit code and title.
      detail: what was expected, what came, and what to do, for this case. Never a secret, never
        personal data.
      pointer: JSON Pointer (RFC 6901) or `line:column` of the offending place, where there is one.
      causes: the failures inside this one, outermost first.
    """

    def __init__(
        self,
        code: Code,
        detail: str,
        *,
        pointer: str | None = None,
        causes: tuple[RtgfError, ...] = (),
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.pointer = pointer
        self.causes = causes

    @property
    def sentence(self) -> str:
        """Place and detail in one line, for where the code stands beside it."""
        return f"at {self.pointer}: {self.detail}" if self.pointer else self.detail

    def __str__(self) -> str:
        """Return one line: code, place, detail."""
        where = f" at {self.pointer}" if self.pointer else ""
        return f"{self.code.name}{where}: {self.detail}"
