"""The promise: what those may read who watch a node."""

from __future__ import annotations

from typing import Final

from rtgf_node.api.contract import LIMIT, Area, Content, Operation, Parameter, whole
from rtgf_node.errors import Code
from rtgf_node.settings import Role
from rtgf_node.wire import KeyAnswer, StatusAnswer
from rtgf_node.wire.audit_trail import AuditTrailPage
from rtgf_node.wire.overview import CorridorsAnswer, OverviewAnswer, RevocationsPage

_WATCHERS: Final[tuple[Role, ...]] = ("operator", "approver", "auditor")

WATCHING: Final = Area(
    "Watching",
    (
        Operation(
            "overview",
            "GET",
            "/admin/overview",
            "All that a dashboard's first page shows, of one moment",
            {200: Content(OverviewAnswer)},
            roles=_WATCHERS,
        ),
        Operation(
            "status",
            "GET",
            "/admin/status",
            "The node on one page",
            {200: Content(StatusAnswer)},
            roles=_WATCHERS,
        ),
        Operation(
            "corridors",
            "GET",
            "/admin/corridors",
            "Which jurisdictions and corridors have tokens in force",
            {200: Content(CorridorsAnswer)},
            roles=_WATCHERS,
        ),
        Operation(
            "newestRevocations",
            "GET",
            "/admin/revocations",
            "Changes of tokens' status, the newest first",
            {200: Content(RevocationsPage)},
            (Parameter("before", "revEpoch to go on before", whole()), LIMIT),
            roles=_WATCHERS,
        ),
        Operation(
            "keys",
            "GET",
            "/admin/keys",
            "The online keys",
            {200: Content(list[KeyAnswer])},
            roles=_WATCHERS,
        ),
        Operation(
            "auditTrail",
            "GET",
            "/admin/audit-trail",
            "Privileged acts, or who was turned away, in the order of the chain",
            {200: Content(AuditTrailPage)},
            (
                Parameter("kind", "which chain", {"enum": ["acts", "denials"]}, "acts"),
                Parameter("since", "number of the first", whole(), 1),
                LIMIT,
            ),
            refusals=(Code.RTGF_INPUT_INVALID, Code.RTGF_TXP_STORE_DAMAGED),
            roles=("operator", "auditor"),
        ),
    ),
)
