"""Changes of the online keys: the root has signed them, an operator brings them in."""

from __future__ import annotations

import msgspec
from quart import request

from rtgf_node.actors.messages import AskForApproval, ChangeKeys
from rtgf_node.api.answers import document
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered
from rtgf_node.api.parameters import Query
from rtgf_node.api.privileged import PrivilegedViews
from rtgf_node.api.verify import json_body
from rtgf_node.core import digests
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.shapes import read_body
from rtgf_node.keys.key_change import KeyAct
from rtgf_node.wire.keys import KeyChangeRequest


def routes(desk: Desk) -> PrivilegedViews:
    """Return the routes."""
    blueprint = PrivilegedViews("keys", __name__, desk, url_prefix="/admin/keys")

    @blueprint.post("/rotate")
    async def rotate() -> Answered:
        Query()
        return await change("rotate", None, desk.access.require(request.scope, "operator"))

    @blueprint.post("/<kid>/revoke")
    async def revoke(kid: str) -> Answered:
        Query()
        return await change("revoke_key", kid, desk.access.require(request.scope, "operator"))

    async def change(act: KeyAct, kid: str | None, actor: str) -> Answered:
        said = read_body(await json_body(), KeyChangeRequest)
        signed = canonical_bytes({"manifest": said.manifest, "jwks": said.jwks})
        asked = ChangeKeys(
            act=act,
            kid=kid,
            signed=signed,
            reason=said.reason,
            actor=actor,
            only_check=act in desk.config.approvals.required,
        )
        answer = await desk.registry.ask(asked)
        if not asked.only_check:
            return document(answer)
        # Whoever approves sees what will happen: it was checked, and is done as it is.
        approval_id = await desk.approvals.ask(
            AskForApproval(
                acts=(act,),
                subject=kid or desk.config.node.issuer,
                digest=digests.sha256(signed),
                request=msgspec.json.encode(msgspec.structs.replace(asked, only_check=False)),
                actor=actor,
            )
        )
        return document(msgspec.structs.replace(answer, approval_id=approval_id), status=202)

    return blueprint
