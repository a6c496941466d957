"""What the counter may reach: mailboxes to ask, memory and read-only stores to look into."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.verifier import VerifierActor
from rtgf_node.api.access import Access, Caller
from rtgf_node.api.heads import ShownHeads
from rtgf_node.api.limits import RateLimits
from rtgf_node.api.once import KeptAnswers
from rtgf_node.core.authzen import Rules
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import Signer
from rtgf_node.core.policy.receipts import PinnedVerifiers
from rtgf_node.ops.audit_trail import AuditTrail
from rtgf_node.ops.decision_log import DecisionLog
from rtgf_node.place import Place
from rtgf_node.replication.revocation_news import RevocationNews
from rtgf_node.settings import Config
from rtgf_node.store import Store
from rtgf_node.telemetry import Metrics
from rtgf_node.wire import ReadyAnswer, StatusAnswer
from rtgf_node.wire.overview import OverviewAnswer


class Desk(NamedTuple):
    """Handed to every route. The store is for reading only: whatever changes goes to an actor."""

    config: Config
    clock: Clock
    metrics: Metrics
    access: Access
    limits: RateLimits
    store: Store
    verifier: VerifierActor
    proof_verifiers: PinnedVerifiers
    access_rules: Rules
    fetcher: Mailbox
    compiler: Mailbox
    approvals: Mailbox
    registry: Mailbox
    trail: AuditTrail
    revocation: Mailbox
    log: Mailbox
    news: RevocationNews
    receipts: Signer
    kept: KeptAnswers
    witness: Mailbox | None
    witness_key: str | None
    heads: ShownHeads
    decisions: DecisionLog
    readiness: Callable[[], ReadyAnswer]
    status: Callable[[], StatusAnswer]
    cluster: Place
    membership: Mailbox
    overview: Callable[[Caller], OverviewAnswer]
