"""The promise: the routes of the cluster."""

from __future__ import annotations

from typing import Final

from rtgf_node.api.contract import KEY, ONCE, TEXT, Area, Content, Operation, path
from rtgf_node.errors import Code
from rtgf_node.wire.cluster import ClusterAnswer, LeadershipRequest, MemberRequest, MembershipAnswer

_BODY: Final = (Code.RTGF_JSON_INVALID, Code.RTGF_VERIFY_BAD_REQUEST, Code.RTGF_INPUT_INVALID)
_MEMBER: Final = path("name", "its name in the cluster", TEXT, "node-b")
_REFUSED: Final = (Code.RTGF_CONFLICT, Code.RTGF_NOT_FOUND, Code.RTGF_UNAVAILABLE, *ONCE)

_CHANGED: Final = {200: Content(MembershipAnswer), 202: Content(MembershipAnswer)}

CLUSTER: Final = Area(
    "Cluster",
    (
        Operation(
            "cluster",
            "GET",
            "/admin/cluster",
            "Who is in the cluster, who leads, and what this node has of it",
            {200: Content(ClusterAnswer)},
            roles=("operator", "approver", "auditor"),
        ),
        Operation(
            "addMember",
            "POST",
            "/admin/cluster/members",
            "Let a node join, as a learner; the answer is what it needs for that",
            _CHANGED,
            (KEY,),
            Content(
                MemberRequest, example={"name": "node-b", "address": "rtgf-b.fma.example:7443"}
            ),
            refusals=(*_BODY, *_REFUSED),
            roles=("operator",),
        ),
        Operation(
            "promoteMember",
            "POST",
            "/admin/cluster/members/<name>/promote",
            "Let a learner decide with the others",
            _CHANGED,
            (_MEMBER, KEY),
            refusals=_REFUSED,
            roles=("operator",),
        ),
        Operation(
            "removeMember",
            "POST",
            "/admin/cluster/members/<name>/remove",
            "Take a node out for good",
            _CHANGED,
            (_MEMBER, KEY),
            refusals=_REFUSED,
            roles=("operator",),
        ),
        Operation(
            "transferLeadership",
            "POST",
            "/admin/cluster/leader",
            "Hand leadership over",
            {200: Content(ClusterAnswer)},
            (KEY,),
            Content(LeadershipRequest, example={"to": "node-b"}),
            refusals=(*_BODY, *_REFUSED),
            roles=("operator",),
        ),
    ),
)
