"""Every alert there is. Its name is public: runbook, Prometheus rule and message carry it.

`docs/runbooks/<name>.md` says what to do; in Prometheus it is `Rtgf` and the name in CamelCase.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from rtgf_node.errors import Code

Severity = Literal["P0", "P1", "P2"]
"""P0 wakes somebody up; P1 is dealt with today; P2 this week."""

MINUTE: Final = 60


class Alert(NamedTuple):
    """One kind of alert.

    Attributes:
      sentence: what stands when it stands; never with data of a case.
      screen: of the dashboard, that has more.
      hold_seconds: for how long it must have been so before it is an alert.
      code: the error code that says the same, where there is one.
    """

    name: str
    severity: Severity
    sentence: str
    screen: str
    hold_seconds: int = 0
    code: Code | None = None

    @property
    def runbook(self) -> str:
        """Where it says what to do, in the project's folder."""
        return f"docs/runbooks/{self.name}.md"

    @property
    def prometheus(self) -> str:
        """The name of its rule."""
        return "Rtgf" + "".join(word.capitalize() for word in self.name.split("_"))


_ALL: Final = (
    Alert(
        "availability",
        "P0",
        "So many requests fail that the month's error budget is used up within days",
        "overview",
        code=Code.RTGF_OP_SLO_BREACH,
    ),
    Alert(
        "append_violation",
        "P0",
        "What is stored is not what was appended or signed; the log takes in or signs nothing",
        "log",
        code=Code.RTGF_TXP_APPEND_VIOLATION,
    ),
    Alert(
        "gossip_inconsistency",
        "P0",
        "Somebody holds a signed head that cannot be true beside another",
        "log",
        code=Code.RTGF_TXP_GOSSIP_INCONSISTENT,
    ),
    Alert(
        "root_signature_invalid",
        "P0",
        "The signature on the newest head of the log does not hold",
        "log",
        code=Code.RTGF_TXP_ROOT_SIGNATURE_INVALID,
    ),
    Alert(
        "head_late",
        "P0",
        "Entries of the log wait for a signed head, or the newest head is too old",
        "log",
        hold_seconds=MINUTE,
    ),
    Alert(
        "revocation_stale",
        "P1",
        "The revocation state is too old to trust, so that no token is found valid",
        "revocation",
        hold_seconds=MINUTE // 2,
        code=Code.RTGF_TOKEN_REVOCATION_STALE,
    ),
    Alert(
        "no_leader",
        "P1",
        "The cluster has no leader: nothing can be written",
        "cluster",
        hold_seconds=MINUTE // 2,
    ),
    Alert(
        "key_expiring",
        "P1",
        "A signing key ends within seven days, or has ended",
        "safety",
        code=Code.RTGF_KID_EXPIRED,
    ),
    Alert(
        "certificate_expiring",
        "P1",
        "A certificate of the node ends within seven days, or has ended",
        "safety",
    ),
    Alert(
        "signing_failing",
        "P1",
        "Artefacts could not be signed",
        "builds",
        code=Code.RTGF_BUILD_SIGNING_ERROR,
    ),
    Alert(
        "build_unpublished",
        "P1",
        "A build could not be published in three tries",
        "builds",
        code=Code.RTGF_PIPELINE_PUBLISH_FAIL,
    ),
    Alert(
        "decisions_unrecorded",
        "P1",
        "Decisions cannot be recorded, so that none is given",
        "safety",
        hold_seconds=MINUTE // 2,
        code=Code.RTGF_VERIFY_UNAVAILABLE,
    ),
    Alert(
        "source_failed",
        "P2",
        "A source of snapshots or a list was not taken in when it was fetched last",
        "sources",
        code=Code.RTGF_SANCTIONS_FETCH_FAILED,
    ),
    Alert(
        "list_stale",
        "P2",
        "A list is older than it may be, quarantined or missing: what rests on it is denied",
        "sources",
    ),
    Alert(
        "snapshot_stale",
        "P2",
        "A source of policy snapshots was not read for more than 24 hours",
        "sources",
    ),
    Alert(
        "disk_low",
        "P2",
        "Less than a tenth of the disk is free",
        "safety",
        hold_seconds=MINUTE,
    ),
    Alert(
        "build_failed",
        "P2",
        "The newest build failed",
        "builds",
    ),
    Alert(
        "verify_slow",
        "P2",
        "More than one in twenty answers of /verify takes over 100 ms",
        "verify",
        hold_seconds=5 * MINUTE,
        code=Code.RTGF_OP_SLO_BREACH,
    ),
    Alert(
        "proof_slow",
        "P2",
        "More than one in twenty proofs takes over 500 ms",
        "log",
        hold_seconds=5 * MINUTE,
        code=Code.RTGF_OP_SLO_BREACH,
    ),
    Alert(
        "build_slow",
        "P2",
        "More than one in twenty builds takes over five minutes",
        "builds",
        code=Code.RTGF_OP_SLO_BREACH,
    ),
    Alert(
        "revocation_burst",
        "P2",
        "A jurisdiction withdraws far more tokens than it ever did in such a time",
        "revocation",
    ),
    Alert(
        "data_gap",
        "P2",
        "The node did not look at itself for a while: what happened then, no alert tells",
        "actors",
        code=Code.RTGF_OP_DATA_GAP,
    ),
    Alert(
        "alert_suppressed",
        "P2",
        "An alert did not reach its first channel",
        "safety",
        code=Code.RTGF_OP_ALERT_SUPPRESSED,
    ),
    Alert(
        "member_lost",
        "P2",
        "A member of the cluster does not answer, or this node is behind the others",
        "cluster",
        hold_seconds=MINUTE,
    ),
    Alert(
        "actor_restarting",
        "P2",
        "A part of the node, or a worker, crashed and was started again, or does not run",
        "actors",
    ),
    Alert(
        "neighbour_missing",
        "P2",
        "Too few witnesses cosign, or a peer's log cannot be looked at",
        "log",
        hold_seconds=5 * MINUTE,
    ),
    Alert(
        "webhook_behind",
        "P2",
        "A partner's webhook was not told of a revocation for five minutes",
        "revocation",
    ),
    Alert(
        "audit_lines_lost",
        "P2",
        "Lines of the audit trail did not reach the collector",
        "events",
        code=Code.RTGF_OP_LOG_DROP,
    ),
)

CATALOGUE: Final = MappingProxyType({one.name: one for one in _ALL})
"""By name, the worst first."""
