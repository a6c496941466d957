"""The privileged routes: who may do what stands in the configuration, by certificate."""

from __future__ import annotations

from quart import request

from rtgf_node.actors.messages import (
    ChangeStatus,
    Compile,
    Fetch,
    PushDataset,
    PushSnapshot,
    PushTerms,
    ReleaseQuarantine,
    ResumeSigning,
)
from rtgf_node.api.answers import document
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered
from rtgf_node.api.parameters import Query
from rtgf_node.api.privileged import PrivilegedViews
from rtgf_node.api.verify import json_body, raw_body
from rtgf_node.core import base64url, times
from rtgf_node.core.shapes import read_body
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import Role
from rtgf_node.wire import CompileRequest, KeyAnswer, ResumeRequest, RevokeRequest
from rtgf_node.wire.about import ResumedAnswer

REVOKE_MAX = 1000
"""Tokens in one call, all or nothing."""


def routes(desk: Desk) -> PrivilegedViews:
    """Return the routes."""
    blueprint = PrivilegedViews("admin", __name__, desk, url_prefix="/admin")

    def caller(*roles: Role) -> str:
        """Return who calls, who must have one of `roles`."""
        return desk.access.require(request.scope, *roles)

    @blueprint.post("/snapshots")
    async def push_snapshot() -> Answered:
        Query()
        actor = caller("regulator")
        taken = await desk.fetcher.ask(PushSnapshot(body=await json_body(), actor=actor))
        return document(taken, status=201 if taken.outcome == "accepted" else 200)

    @blueprint.post("/terms")
    async def push_terms() -> Answered:
        Query()
        actor = caller("regulator")
        taken = await desk.fetcher.ask(PushTerms(body=await json_body(), actor=actor))
        return document(taken, status=201 if taken.outcome == "accepted" else 200)

    @blueprint.post("/datasets/<name>")
    async def push_dataset(name: str) -> Answered:
        Query()
        actor = caller("regulator")
        taken = await desk.fetcher.ask(PushDataset(name=name, body=await raw_body(), actor=actor))
        return document(taken, status=201 if taken.outcome == "accepted" else 200)

    @blueprint.post("/datasets/<name>/release")
    async def release(name: str) -> Answered:
        Query()
        actor = caller("operator")
        released = await desk.fetcher.ask(ReleaseQuarantine(name=name, actor=actor))
        return document(released)

    @blueprint.post("/fetch")
    @blueprint.post("/fetch/<source>")
    async def fetch(source: str | None = None) -> Answered:
        Query()
        actor = caller("operator")
        fetched = await desk.fetcher.ask(Fetch(source=source, actor=actor))
        return document(fetched)

    @blueprint.post("/compile")
    async def compile_() -> Answered:
        Query()
        actor = caller("operator", "approver")
        wanted = read_body(await json_body(), CompileRequest)
        if wanted.accept_conflicts and "accept_conflicts" not in desk.config.approvals.required:
            # Corridors whose rules differ are published on an approver's word only.
            caller("approver")
        started = await desk.compiler.ask(
            Compile(
                jurisdictions=_some(wanted.jurisdictions),
                domains=_some(wanted.domains),
                accept_conflicts=wanted.accept_conflicts,
                actor=actor,
            )
        )
        return document(started, status=202)

    @blueprint.post("/revoke", defaults={"status": "revoked"})
    @blueprint.post("/reinstate", defaults={"status": "valid"})
    async def change_status(status: str) -> Answered:
        Query()
        actor = caller("operator")
        body = read_body(await json_body(), RevokeRequest)
        items = body.items
        if not 1 <= len(items) <= REVOKE_MAX:
            raise RtgfError(
                Code.RTGF_VERIFY_BAD_REQUEST, f"name 1 to {REVOKE_MAX} tokens", pointer="/items"
            )
        pairs = tuple((item.token, item.reason) for item in items)
        change = ChangeStatus(items=pairs, status=status, actor=actor, proofs=body.proofs)
        changed = await desk.revocation.ask(change)
        return document(changed)

    @blueprint.post("/log/resume")
    async def resume() -> Answered:
        Query()
        actor = caller("approver")
        reason = read_body(await json_body(), ResumeRequest).reason
        await desk.log.ask(ResumeSigning(reason=reason, actor=actor))
        return document(ResumedAnswer(resumed=True))

    @blueprint.get("/status")
    async def status() -> Answered:
        Query()
        caller("operator", "approver", "auditor")
        return document(desk.status())

    @blueprint.get("/keys")
    async def keys() -> Answered:
        Query()
        caller("operator", "approver", "auditor")
        rows = [
            KeyAnswer(
                kid=key.kid,
                purpose=key.purpose,
                public=base64url.encode(key.public),
                issued_at=times.to_text(key.issued_at),
                expires_at=times.to_text(key.expires_at),
                revoked_at=times.to_text(key.revoked_at) if key.revoked_at is not None else None,
            )
            for key in desk.store.keys.all()
        ]
        return document(list(rows))

    return blueprint


def _some(names: list[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)
