"""`/evidence/{token}`: one file with which a token can be judged offline, years later."""

from __future__ import annotations

import trio

from rtgf_node.actors.messages import StatusList
from rtgf_node.api.answers import ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered, Views
from rtgf_node.api.parameters import Query
from rtgf_node.core import evidence, tokens, tree_head
from rtgf_node.core.canonical_json import parse_object
from rtgf_node.core.evidence import Entry, Evidence
from rtgf_node.core.tokens import Token
from rtgf_node.core.tree_head import TreeHead
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store import Store
from rtgf_node.store.registry_store import Issued

MAX_AGE = 5
"""Seconds a cache may hold a file: it states a status, as the revocation lists do."""

HEAD_TRIES = 50
HEAD_PAUSE_SECONDS = 0.05
"""A head follows a revocation within milliseconds; a node that may not sign never gets one."""


def routes(desk: Desk) -> Views:
    """Return the routes."""
    blueprint = Views("evidence", __name__)
    store = desk.store

    @blueprint.get("/evidence/<reference>")
    async def of_token(reference: str) -> Answered:
        Query()
        issued = store.registry.find(reference)
        if issued is None:
            raise RtgfError(Code.RTGF_VERIFY_TOKEN_NOT_FOUND, "no such token here")
        head, jwt = await stated(issued)
        body = evidence.to_bytes(gather(store, issued, head=head, jwt=jwt))
        return ready(body, cache=f"public, max-age={MAX_AGE}", content_type=evidence.MEDIA_TYPE)

    async def stated(issued: Issued) -> tuple[TreeHead, str]:
        """Return a head that covers every revocation, and the status list as of its tree."""
        number = issued.token.status_list
        for _ in range(HEAD_TRIES):
            head = desk.heads.newest()
            if head.tree_size > issued.leaf_index:
                try:
                    asked = StatusList(number=number, tree_size=head.tree_size)
                    return head, await desk.revocation.ask(asked)
                except RtgfError as error:
                    if error.code is not Code.RTGF_UNAVAILABLE:
                        raise
            await trio.sleep(HEAD_PAUSE_SECONDS)
        raise RtgfError(
            Code.RTGF_UNAVAILABLE, "no signed head covers the newest revocation yet; try again"
        )

    return blueprint


def gather(store: Store, issued: Issued, *, head: TreeHead, jwt: str) -> Evidence:
    """Return the evidence of a token, every entry proved to be in the tree of `head`.

    Args:
      store: what the node holds.
      issued: the token.
      head: a signed head that covers all that was revoked, cosigned as far as it is.
      jwt: the token's status list as of that head.

    Raises:
      RtgfError: RTGF_TXP_PROOF_NOT_FOUND if what the token was made from is not logged here.
    """
    log, size = store.log, head.tree_size
    token = tokens.parse(issued.token.body)
    keys = store.keys.documents()
    if keys is None:
        raise RtgfError(Code.RTGF_UNAVAILABLE, "the key set is not logged yet; try again")

    def entry(index: int | None) -> Entry:
        if index is None:
            raise RtgfError(Code.RTGF_TXP_PROOF_NOT_FOUND, "a part of the evidence is not logged")
        path = [node.hex() for node in log.inclusion_proof(index, size)]
        return Entry(event=parse_object(log.entry(index)), index=index, path=path)

    build = store.registry.build(issued.build_id)
    anchor = token.revocation.anchor.tree_size
    # What was revoked since the head was read is not in its tree.
    changed = store.revocation.newest_of_list(issued.token.status_list, before_leaf=size)
    own = [row for row in store.revocation.of_token(token.token_id) if row.leaf_index < size]
    return Evidence(
        format=evidence.FORMAT,
        token=parse_object(issued.token.body),
        keys=evidence.Keys(entry=entry(keys.leaf_index), jws=keys.jwks_jws),
        head=tree_head.to_document(tree_head.detached(head)),
        checkpoint=head.checkpoint,
        issue=entry(issued.leaf_index),
        build=entry(build.leaf_index if build is not None else None),
        snapshots=[entry(index) for index in _snapshots(store, token)],
        terms=[entry(index) for index in _terms(store, token)],
        datasets=[entry(index) for index in _datasets(store, token)],
        anchor=[node.hex() for node in log.consistency_proof(anchor, size)],
        revocations=[entry(row.leaf_index) for row in own],
        status=evidence.Status(
            entry=None if changed is None else entry(changed.leaf_index), list=jwt
        ),
    )


def _snapshots(store: Store, token: Token) -> list[int | None]:
    """Return where the log took in the snapshots of a token's rules: its own, or its parents'.

    An RRMT's rules are its terms.
    """
    hashes: set[str] = set()
    waiting = [token]
    while waiting:
        each = waiting.pop()
        if not each.derived_from:
            hashes.add(each.policy_snapshot_hash)
        for parent in each.derived_from:
            held = store.registry.token(parent)
            if held is not None:
                waiting.append(tokens.parse(held.token.body))
    rows = [
        store.intake.snapshot_by_digest(digest) or store.terms.by_digest(digest)
        for digest in sorted(hashes)
    ]
    return [None if row is None else row.leaf_index for row in rows]


def _terms(store: Store, token: Token) -> list[int | None]:
    """Return where the log took in the terms of a token and of the CORT below it."""
    rows = [store.terms.document(terms_id) for terms_id in evidence.terms_of(token)]
    return [None if row is None else row.leaf_index for row in rows]


def _datasets(store: Store, token: Token) -> list[int | None]:
    """Return where the log took in the lists of a token, in the token's order."""
    rows = [
        store.intake.dataset_of(each.dataset, each.version, each.content_sha256)
        for each in token.evidence.datasets
    ]
    return [None if row is None else row.leaf_index for row in rows]
