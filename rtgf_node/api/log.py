"""The transparency log: heads, entries and proofs."""

from __future__ import annotations

import trio

from rtgf_node.api.answers import document, kept, ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered, Views
from rtgf_node.api.parameters import Query
from rtgf_node.api.proofs import bundle_of
from rtgf_node.api.tiles import HEAD_MAX_AGE
from rtgf_node.core import tlog_proof, tree_head
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.merkle import MAX_TREE_SIZE
from rtgf_node.core.tree_head import TreeHead
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire import ConsistencyProof, LogEntry, LogPage

TEXT_FORM = "tlog-proof"
"""What `?format=` asks for to have a proof as a C2SP tlog-proof file."""

PAGE_MAX = 1000
PAGE_BYTES_MAX = 4 << 20
"""A page ends early at this many bytes of entries, so that one answer stays small."""


def routes(desk: Desk) -> Views:
    """Return the routes."""
    blueprint = Views("log", __name__)
    log = desk.store.log

    def head() -> TreeHead:
        return desk.heads.newest()

    @blueprint.get("/roots/latest")
    async def latest() -> Answered:
        as_of = Query("at").as_of(log, now=desk.clock.now())
        found = desk.heads.newest(as_of.tree_size)
        settled = as_of.settled and desk.heads.settled(found)
        return document(tree_head.to_document(found), max_age=HEAD_MAX_AGE, settled=settled)

    @blueprint.get("/proofs/<event_id>")
    async def proof(event_id: str) -> Answered:
        query = Query("from", "format", "at")
        start, form = query.whole("from", default=0), query.text("format")
        if form not in {None, "json", TEXT_FORM}:
            raise RtgfError(
                Code.RTGF_BAD_REQUEST, f"format is json or {TEXT_FORM}", pointer="?format"
            )
        as_of = query.as_of(log, now=desk.clock.now())
        heads, size = desk.heads, as_of.tree_size
        under = heads.exactly(size) if as_of.by_size else heads.newest(size)
        settled = as_of.settled and heads.settled(under)
        started = trio.current_time()
        bundle = bundle_of(log, event_id, head=under, start=start, earlier=size < MAX_TREE_SIZE)
        desk.metrics.proof_latency.observe((trio.current_time() - started) * 1000)
        if form == TEXT_FORM:
            path = [bytes.fromhex(node) for node in bundle.path]
            text = tlog_proof.to_text(bundle.leafIndex, path, bundle.checkpoint)
            return ready(
                text.encode(),
                cache=kept(HEAD_MAX_AGE, settled=settled),
                content_type=tlog_proof.MEDIA_TYPE,
            )
        return document(bundle, max_age=HEAD_MAX_AGE, settled=settled)

    @blueprint.get("/proofs/consistency")
    async def consistency() -> Answered:
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
    async def transparency() -> Answered:
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
