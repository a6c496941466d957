"""What can be asked of a node with a client certificate, as questions."""

from __future__ import annotations

from urllib.parse import quote

from msgspec.json import encode

from rtgf_node import wire
from rtgf_node.client.exchange import Query, Question
from rtgf_node.client.questions import PAGE_ENTRIES, json, part, raw, write
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


def fetch(source: str | None = None) -> Question[wire.FetchAnswer]:
    """`POST /admin/fetch[/{source}]`: fetch now; answers when all of it is done."""
    path = "/admin/fetch" if source is None else f"/admin/fetch/{part(source)}"
    return write(path, b"{}", wire.FetchAnswer)


def release(name: str) -> Question[wire.IntakeAnswer]:
    """`POST /admin/datasets/{name}/release`: put the quarantined file of a list in force."""
    return write(f"/admin/datasets/{part(name)}/release", b"{}", wire.IntakeAnswer)


def compile(  # noqa: A001 - as the client calls it
    request: wire.CompileRequest,
) -> Question[wire.BuildAnswer]:
    """`POST /admin/compile`: start a build; ask `build` how it goes."""
    return write("/admin/compile", encode(request), wire.BuildAnswer)


def build(build_id: str) -> Question[wire.BuildAnswer]:
    """`GET /admin/builds/{id}`."""
    return json(f"/admin/builds/{part(build_id)}", wire.BuildAnswer)


def builds() -> Question[list[wire.BuildLine]]:
    """`GET /admin/builds`: the newest, newest first."""
    return json("/admin/builds", list[wire.BuildLine])


def cancel_build(build_id: str) -> Question[wire.BuildAnswer]:
    """`POST /admin/builds/{id}/cancel`."""
    return write(f"/admin/builds/{part(build_id)}/cancel", b"{}", wire.BuildAnswer)


def build_manifest(build_id: str) -> Question[bytes]:
    """`GET /admin/builds/{id}/manifest`: as its digest was logged."""
    return raw(f"/admin/builds/{part(build_id)}/manifest")


def dataset_records(content_sha256: str) -> Question[bytes]:
    """`GET /admin/datasets/{content digest}/records`: a list as a build screens with it."""
    return raw(f"/admin/datasets/{part(content_sha256)}/records")


def revoke(request: wire.RevokeRequest) -> Question[wire.RevokeAnswer]:
    """`POST /admin/revoke`: all or nothing."""
    return write("/admin/revoke", encode(request), wire.RevokeAnswer)


def reinstate(request: wire.RevokeRequest) -> Question[wire.RevokeAnswer]:
    """`POST /admin/reinstate`: lift suspensions, all or nothing."""
    return write("/admin/reinstate", encode(request), wire.RevokeAnswer)


def resume_signing(request: wire.ResumeRequest) -> Question[wire.Document]:
    """`POST /admin/log/resume`."""
    return write("/admin/log/resume", encode(request), wire.Document)


def status() -> Question[wire.StatusAnswer]:
    """`GET /admin/status`."""
    return json("/admin/status", wire.StatusAnswer)


def overview() -> Question[OverviewAnswer]:
    """`GET /admin/overview`: all that a dashboard's first page shows."""
    return json("/admin/overview", OverviewAnswer)


def corridors() -> Question[CorridorsAnswer]:
    """`GET /admin/corridors`: which jurisdictions and corridors have tokens in force."""
    return json("/admin/corridors", CorridorsAnswer)


def newest_revocations(
    *, before: int | None = None, limit: int = PAGE_ENTRIES
) -> Question[RevocationsPage]:
    """`GET /admin/revocations`: a page of the newest changes before a revEpoch."""
    return json("/admin/revocations", RevocationsPage, {"before": before, "limit": limit})


def audit_trail(
    *, kind: str = "acts", since: int = 1, limit: int = PAGE_ENTRIES
) -> Question[AuditTrailPage]:
    """`GET /admin/audit-trail`: privileged acts or denials, from number `since` on."""
    query: Query = {"kind": kind, "since": since, "limit": limit}
    return json("/admin/audit-trail", AuditTrailPage, query)


def keys() -> Question[list[wire.KeyAnswer]]:
    """`GET /admin/keys`."""
    return json("/admin/keys", list[wire.KeyAnswer])


def rotate_keys(change: KeyChangeRequest) -> Question[KeyChangeAnswer]:
    """`POST /admin/keys/rotate`: bring in new keys that the root has signed."""
    return write("/admin/keys/rotate", encode(change), KeyChangeAnswer)


def revoke_key(kid: str, change: KeyChangeRequest) -> Question[KeyChangeAnswer]:
    """`POST /admin/keys/{kid}/revoke`: bring in the root's word that a key is revoked."""
    return write(f"/admin/keys/{part(kid)}/revoke", encode(change), KeyChangeAnswer)


def decisions(
    *, since: int = 0, limit: int = PAGE_ENTRIES, request_id: str | None = None
) -> Question[DecisionPage]:
    """`GET /admin/decisions`: a page of what was answered, after number `since`."""
    query: Query = {"since": since, "limit": limit, "request_id": request_id}
    return json("/admin/decisions", DecisionPage, query)


def decision_proof(seq: int) -> Question[DecisionProof]:
    """`GET /admin/decisions/{seq}/proof`."""
    return json(f"/admin/decisions/{seq}/proof", DecisionProof)


def restart_decisions(request: DecisionRestartRequest) -> Question[wire.Document]:
    """`POST /admin/decisions/restart`."""
    return write("/admin/decisions/restart", encode(request), wire.Document)


def push_snapshot(snapshot: bytes) -> Question[wire.IntakeAnswer]:
    """`POST /admin/snapshots`: hand in a signed snapshot as its authority wrote it."""
    return write("/admin/snapshots", snapshot, wire.IntakeAnswer)


def push_waiver(waiver: bytes) -> Question[wire.IntakeAnswer]:
    """`POST /admin/waivers`: hand in a waiver as its approver signed it."""
    return write("/admin/waivers", waiver, wire.IntakeAnswer)


def waivers() -> Question[WaiversAnswer]:
    """`GET /admin/waivers`: the newest first, and the clauses that wait for one."""
    return json("/admin/waivers", WaiversAnswer)


def approvals() -> Question[ApprovalsAnswer]:
    """`GET /admin/approvals`: what waits for a second person, and what was settled."""
    return json("/admin/approvals", ApprovalsAnswer)


def settle_approval(approval_id: str, said: ApprovalRequest) -> Question[ApprovalAnswer]:
    """`POST /admin/approvals/{id}`: approve or refuse, as the second person."""
    return write(f"/admin/approvals/{quote(approval_id, safe='')}", encode(said), ApprovalAnswer)


def cluster() -> Question[ClusterAnswer]:
    """`GET /admin/cluster`: who is in the cluster, and who leads."""
    return json("/admin/cluster", ClusterAnswer)


def add_member(request: MemberRequest) -> Question[MembershipAnswer]:
    """`POST /admin/cluster/members`: let a node join, as a learner."""
    return write("/admin/cluster/members", encode(request), MembershipAnswer)


def promote_member(name: str) -> Question[MembershipAnswer]:
    """`POST /admin/cluster/members/{name}/promote`: let a learner decide with the others."""
    return write(f"/admin/cluster/members/{part(name)}/promote", b"{}", MembershipAnswer)


def remove_member(name: str) -> Question[MembershipAnswer]:
    """`POST /admin/cluster/members/{name}/remove`: take a node out for good."""
    return write(f"/admin/cluster/members/{part(name)}/remove", b"{}", MembershipAnswer)


def transfer_leadership(request: LeadershipRequest) -> Question[ClusterAnswer]:
    """`POST /admin/cluster/leader`: hand leadership over."""
    return write("/admin/cluster/leader", encode(request), ClusterAnswer)
