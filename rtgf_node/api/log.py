"""The transparency log: heads, entries and proofs."""

from __future__ import annotations

import msgspec
import trio
from quart import Blueprint, Response

from rtgf_node.api.answers import document, ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.parameters import Query
from rtgf_node.core import digests, merkle, tree_head
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.tree_head import TreeHead
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire import ConsistencyProof, LogEntry, LogPage, ProofBundle

HEAD_MAX_AGE = 1
"""Seconds a cache may hold the newest head: it changes with every batch."""

PAGE_MAX = 1000
PAGE_BYTES_MAX = 4 << 20
"""A page ends early at this many bytes of entries, so that one answer stays small."""


def routes(desk: Desk) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("log", __name__)
    log = desk.store.log

    def head() -> TreeHead:
        latest = log.latest_head()
        if latest is None:
            raise RtgfError(Code.RTGF_UNAVAILABLE, "no tree head is signed yet; try again")
        return tree_head.from_document(parse(latest.document))

    @blueprint.get("/roots/latest")
    async def latest() -> Response:
        Query()
        return document(tree_head.to_document(head()), max_age=HEAD_MAX_AGE)

    @blueprint.get("/checkpoint")
    async def checkpoint() -> Response:
        Query()
        return ready(
            head().checkpoint.encode(),
            cache=f"public, max-age={HEAD_MAX_AGE}",
            content_type="text/plain; charset=utf-8",
        )

    @blueprint.get("/proofs/<event_id>")
    async def proof(event_id: str) -> Response:
        start = Query("from").whole("from", default=0)
        started = trio.current_time()
        newest = head()
        index = log.index_of(event_id)
        if index >= newest.tree_size:
            raise RtgfError(
                Code.RTGF_TXP_PROOF_NOT_FOUND, "the signed tree holds no event of this id"
            )
        if start > newest.tree_size:
            raise RtgfError(
                Code.RTGF_BAD_REQUEST, f"the tree has {newest.tree_size} leaves", pointer="?from"
            )
        entry = log.entry(index)
        consistency = log.consistency_proof(start, newest.tree_size) if start else []
        bundle = ProofBundle(
            eventId=event_id,
            leafIndex=index,
            treeSize=newest.tree_size,
            merkleRoot=newest.root_hash,
            leafHash=f"sha256:{merkle.leaf_hash(entry).hex()}",
            eventDigest=digests.sha256(entry),
            path=[node.hex() for node in log.inclusion_proof(index, newest.tree_size)],
            consistency=[node.hex() for node in consistency],
            issuedAt=newest.issued_at,
            checkpoint=newest.checkpoint,
            signatures=msgspec.to_builtins(newest.signatures),
        )
        desk.metrics.proof_latency.observe((trio.current_time() - started) * 1000)
        return document(bundle, max_age=HEAD_MAX_AGE)

    @blueprint.get("/proofs/consistency")
    async def consistency() -> Response:
        query, newest = Query("from", "to"), head()
        new = query.whole("to", default=newest.tree_size, least=1, most=newest.tree_size)
        old = query.whole("from", default=1, least=1, most=new)
        proof = ConsistencyProof(
            old_size=old,
            new_size=new,
            old_root=f"sha256:{log.root_at(old).hex()}",
            new_root=f"sha256:{log.root_at(new).hex()}",
            proof=[node.hex() for node in log.consistency_proof(old, new)],
        )
        return document(proof, max_age=HEAD_MAX_AGE)

    @blueprint.get("/transparency")
    async def transparency() -> Response:
        query, newest = Query("since", "limit"), head()
        since = query.whole("since", default=0)
        limit = query.whole("limit", default=PAGE_MAX, least=1, most=PAGE_MAX)
        entries: list[LogEntry] = []
        volume = 0
        window = log.entries(since, min(limit, max(0, newest.tree_size - since)))
        for index, entry in enumerate(window, start=since):
            volume += len(entry)
            if entries and volume > PAGE_BYTES_MAX:
                break
            event = parse(entry)
            assert isinstance(event, dict)
            entries.append(LogEntry(index=index, event=event))
        following = since + len(entries)
        page = LogPage(
            tree_size=newest.tree_size,
            entries=entries,
            next=following if entries and following < newest.tree_size else None,
        )
        return document(page, max_age=HEAD_MAX_AGE)

    return blueprint
