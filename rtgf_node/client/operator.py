"""What a client with a certificate may ask a node, synchronously."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

from rtgf_node import wire
from rtgf_node.client import operator_questions
from rtgf_node.client.exchange import Question
from rtgf_node.client.questions import PAGE_ENTRIES
from rtgf_node.wire.approvals import ApprovalAnswer, ApprovalRequest, ApprovalsAnswer
from rtgf_node.wire.audit_trail import AuditTrailPage
from rtgf_node.wire.cluster import (
    ClusterAnswer,
    LeadershipRequest,
    MemberRequest,
    MembershipAnswer,
)
from rtgf_node.wire.decisions import DecisionPage, DecisionProof, DecisionRestartRequest
from rtgf_node.wire.keys import KeyChangeAnswer, KeyChangeRequest
from rtgf_node.wire.overview import CorridorsAnswer, OverviewAnswer, RevocationsPage
from rtgf_node.wire.waivers import WaiversAnswer

T = TypeVar("T")


class Operator(ABC):
    """The privileged routes; `Node` says how they are asked."""

    @abstractmethod
    def ask(self, question: Question[T]) -> T:
        """Return the answer to a question."""

    def fetch(self, source: str | None = None) -> wire.FetchAnswer:
        """`POST /admin/fetch[/{source}]`: fetch now; answers when all of it is done."""
        return self.ask(operator_questions.fetch(source))

    def release(self, name: str) -> wire.IntakeAnswer:
        """`POST /admin/datasets/{name}/release`: put the quarantined file of a list in force."""
        return self.ask(operator_questions.release(name))

    def compile(self, request: wire.CompileRequest) -> wire.BuildAnswer:
        """`POST /admin/compile`: start a build; ask `build` how it goes."""
        return self.ask(operator_questions.compile(request))

    def build(self, build_id: str) -> wire.BuildAnswer:
        """`GET /admin/builds/{id}`."""
        return self.ask(operator_questions.build(build_id))

    def builds(self) -> list[wire.BuildLine]:
        """`GET /admin/builds`: the newest, newest first."""
        return self.ask(operator_questions.builds())

    def cancel_build(self, build_id: str) -> wire.BuildAnswer:
        """`POST /admin/builds/{id}/cancel`."""
        return self.ask(operator_questions.cancel_build(build_id))

    def build_manifest(self, build_id: str) -> bytes:
        """`GET /admin/builds/{id}/manifest`: as its digest was logged."""
        return self.ask(operator_questions.build_manifest(build_id))

    def dataset_records(self, content_sha256: str) -> bytes:
        """`GET /admin/datasets/{content digest}/records`: a list as a build screens with it."""
        return self.ask(operator_questions.dataset_records(content_sha256))

    def revoke(self, request: wire.RevokeRequest) -> wire.RevokeAnswer:
        """`POST /admin/revoke`: all or nothing."""
        return self.ask(operator_questions.revoke(request))

    def reinstate(self, request: wire.RevokeRequest) -> wire.RevokeAnswer:
        """`POST /admin/reinstate`: lift suspensions, all or nothing."""
        return self.ask(operator_questions.reinstate(request))

    def resume_signing(self, request: wire.ResumeRequest) -> None:
        """`POST /admin/log/resume`."""
        self.ask(operator_questions.resume_signing(request))

    def status(self) -> wire.StatusAnswer:
        """`GET /admin/status`."""
        return self.ask(operator_questions.status())

    def overview(self) -> OverviewAnswer:
        """`GET /admin/overview`: all that a dashboard's first page shows."""
        return self.ask(operator_questions.overview())

    def corridors(self) -> CorridorsAnswer:
        """`GET /admin/corridors`: which jurisdictions and corridors have tokens in force."""
        return self.ask(operator_questions.corridors())

    def newest_revocations(
        self, *, before: int | None = None, limit: int = PAGE_ENTRIES
    ) -> RevocationsPage:
        """`GET /admin/revocations`: a page of the newest changes before a revEpoch."""
        return self.ask(operator_questions.newest_revocations(before=before, limit=limit))

    def audit_trail(
        self, *, kind: str = "acts", since: int = 1, limit: int = PAGE_ENTRIES
    ) -> AuditTrailPage:
        """`GET /admin/audit-trail`: privileged acts or denials, from number `since` on."""
        return self.ask(operator_questions.audit_trail(kind=kind, since=since, limit=limit))

    def keys(self) -> list[wire.KeyAnswer]:
        """`GET /admin/keys`."""
        return self.ask(operator_questions.keys())

    def rotate_keys(self, change: KeyChangeRequest) -> KeyChangeAnswer:
        """`POST /admin/keys/rotate`: bring in new keys that the root has signed."""
        return self.ask(operator_questions.rotate_keys(change))

    def revoke_key(self, kid: str, change: KeyChangeRequest) -> KeyChangeAnswer:
        """`POST /admin/keys/{kid}/revoke`: bring in the root's word that a key is revoked."""
        return self.ask(operator_questions.revoke_key(kid, change))

    def decisions(
        self, *, since: int = 0, limit: int = PAGE_ENTRIES, request_id: str | None = None
    ) -> DecisionPage:
        """`GET /admin/decisions`: a page of what was answered, after number `since`."""
        return self.ask(
            operator_questions.decisions(since=since, limit=limit, request_id=request_id)
        )

    def decision_proof(self, seq: int) -> DecisionProof:
        """`GET /admin/decisions/{seq}/proof`."""
        return self.ask(operator_questions.decision_proof(seq))

    def restart_decisions(self, request: DecisionRestartRequest) -> wire.Document:
        """`POST /admin/decisions/restart`."""
        return self.ask(operator_questions.restart_decisions(request))

    def push_snapshot(self, snapshot: bytes) -> wire.IntakeAnswer:
        """`POST /admin/snapshots`: hand in a signed snapshot as its authority wrote it."""
        return self.ask(operator_questions.push_snapshot(snapshot))

    def push_waiver(self, waiver: bytes) -> wire.IntakeAnswer:
        """`POST /admin/waivers`: hand in a waiver as its approver signed it."""
        return self.ask(operator_questions.push_waiver(waiver))

    def waivers(self) -> WaiversAnswer:
        """`GET /admin/waivers`: the newest first, and the clauses that wait for one."""
        return self.ask(operator_questions.waivers())

    def approvals(self) -> ApprovalsAnswer:
        """`GET /admin/approvals`: what waits for a second person, and what was settled."""
        return self.ask(operator_questions.approvals())

    def settle_approval(self, approval_id: str, said: ApprovalRequest) -> ApprovalAnswer:
        """`POST /admin/approvals/{id}`: approve or refuse, as the second person."""
        return self.ask(operator_questions.settle_approval(approval_id, said))

    def cluster(self) -> ClusterAnswer:
        """`GET /admin/cluster`: who is in the cluster, and who leads."""
        return self.ask(operator_questions.cluster())

    def add_member(self, request: MemberRequest) -> MembershipAnswer:
        """`POST /admin/cluster/members`: let a node join, as a learner."""
        return self.ask(operator_questions.add_member(request))

    def promote_member(self, name: str) -> MembershipAnswer:
        """`POST /admin/cluster/members/{name}/promote`: let a learner decide with the others."""
        return self.ask(operator_questions.promote_member(name))

    def remove_member(self, name: str) -> MembershipAnswer:
        """`POST /admin/cluster/members/{name}/remove`: take a node out for good."""
        return self.ask(operator_questions.remove_member(name))

    def transfer_leadership(self, request: LeadershipRequest) -> ClusterAnswer:
        """`POST /admin/cluster/leader`: hand leadership over."""
        return self.ask(operator_questions.transfer_leadership(request))
