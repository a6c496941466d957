"""Builds, past and present: how far they are, and what is needed to repeat them elsewhere."""

from __future__ import annotations

from quart import request

from rtgf_node.actors.issuing import manifest_digest
from rtgf_node.actors.messages import BuildStatus, CancelBuild
from rtgf_node.api.answers import document, ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered
from rtgf_node.api.parameters import Query
from rtgf_node.api.privileged import PrivilegedViews
from rtgf_node.core import canonical_json, manifest, times
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire import BuildLine

BUILDS_SHOWN = 100
"""The newest builds, in one answer."""


def routes(desk: Desk) -> PrivilegedViews:
    """Return the routes."""
    blueprint = PrivilegedViews("builds", __name__, desk, url_prefix="/admin")

    def reader() -> None:
        desk.access.require(request.scope, "operator", "approver", "auditor")

    @blueprint.get("/builds")
    async def builds() -> Answered:
        Query()
        reader()
        rows = desk.store.registry.builds(BUILDS_SHOWN)
        return document(
            [
                BuildLine(row.build_id, row.state, times.to_text(row.at), row.manifest_digest)
                for row in rows
            ]
        )

    @blueprint.get("/builds/<build_id>")
    async def build(build_id: str) -> Answered:
        Query()
        reader()
        known = await desk.compiler.ask(BuildStatus(build_id=build_id))
        return document(known)

    @blueprint.post("/builds/<build_id>/cancel")
    async def cancel(build_id: str) -> Answered:
        Query()
        actor = desk.access.require(request.scope, "operator", "approver")
        cancelled = await desk.compiler.ask(CancelBuild(build_id=build_id, actor=actor))
        return document(cancelled)

    @blueprint.get("/builds/<build_id>/manifest")
    async def manifest_(build_id: str) -> Answered:
        Query()
        reader()
        return ready(_manifest(desk, build_id), cache="no-store")

    @blueprint.get("/builds/<build_id>/artefacts/<path:name>")
    async def artefact(build_id: str, name: str) -> Answered:
        Query()
        reader()
        listed = manifest.parse(_manifest(desk, build_id)).artefacts
        digest = next((one.sha256 for one in listed if one.name == name), None)
        if digest is None:
            raise RtgfError(Code.RTGF_NOT_FOUND, f"{build_id} gave no {name!r}")
        made = name.startswith("tokens/") and desk.store.approvals.waiting_about(build_id) is None
        body = _token(desk, name) if made else desk.store.objects.get(digest)
        return ready(body, cache="no-store")

    @blueprint.get("/datasets/<content_sha256>/records")
    async def records(content_sha256: str) -> Answered:
        Query()
        desk.access.require(request.scope, "operator", "auditor")
        row = desk.store.intake.dataset_by_content(content_sha256)
        if row is None:
            raise RtgfError(Code.RTGF_NOT_FOUND, f"no list with the content {content_sha256}")
        body = desk.store.objects.get(row.records_sha256)
        return ready(body, cache="no-store", content_type=JSON_LINES)

    return blueprint


JSON_LINES = "application/jsonl"


def _manifest(desk: Desk, build_id: str) -> bytes:
    row = desk.store.registry.build(build_id)
    if row is not None and row.manifest_digest is not None:
        return desk.store.objects.get(row.manifest_digest)
    # Whoever is to approve a build reads first what it is.
    asked = desk.store.approvals.waiting_about(build_id)
    if asked is None:
        raise RtgfError(Code.RTGF_NOT_FOUND, f"no build {build_id!r} is published, or waits to be")
    return desk.store.objects.get(manifest_digest(asked.request))


def _token(desk: Desk, name: str) -> bytes:
    """Return a token as the build made it: without its signatures."""
    kind, slug = name.removeprefix("tokens/").removesuffix(".json").split("/")
    issued = desk.store.registry.by_slug(kind, slug)
    if issued is None:
        raise RtgfError(Code.RTGF_NOT_FOUND, f"{name} was not published")
    token = canonical_json.parse_object(issued.token.body)
    del token["signatures"]
    return canonical_json.canonical_bytes(token)
