"""The revocation actor: what is withdrawn, in which order, and the signed list that says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import (
    ChangeStatus,
    Commit,
    CommitProved,
    PastStatusList,
    Proved,
    RevocationList,
    StatusList,
)
from rtgf_node.core import jose, status_list, times, tokens
from rtgf_node.core.as_of import AsOf
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import KeySet, Signer
from rtgf_node.core.withdrawal_reasons import LIFTABLE, REASONS
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication import commands
from rtgf_node.replication.revocation_news import entry_of
from rtgf_node.store import Store
from rtgf_node.store.revocation_store import RevocationRow, Status
from rtgf_node.telemetry import Metrics
from rtgf_node.wire import Document, RevocationEntry, RevokeAnswer

LIST_TYP = "rtgf-revocations+jws"
LISTS_KEPT = 256
"""Signed lists remembered, by epoch and question; each is signed once and served many times."""


class _Signed(NamedTuple):
    """A status list that was signed, the revocations that it reflects, when, and by which key."""

    jwt: str
    rev_epoch: int
    at: int
    kid: str


class RevocationActor:
    """Owns revEpoch. It grows by one with every committed change and never goes back."""

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        log: Mailbox,
        store: Store,
        signer: Signer,
        past_signer: Callable[[KeySet], Signer],
        status_lists_uri: str,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._mailbox = mailbox
        self._log = log
        self._store = store
        self._signer = signer
        self._past_signer = past_signer
        self._status_lists_uri = status_lists_uri
        self._clock = clock
        self._metrics = metrics
        self._lists: dict[tuple[int, int, int, str | None, str], Document] = {}
        self._status_lists: dict[tuple[int, int | None], _Signed] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer requests until cancelled."""
        self._metrics.revocation_epoch.set_function(self._store.revocation.rev_epoch)
        task_status.started()
        async for envelope in self._mailbox:
            with self._mailbox.answering(envelope):
                match envelope.request:
                    case ChangeStatus() as request:
                        envelope.reply(await self._change(request))
                    case RevocationList(since, type_, tree_size):
                        envelope.reply(self._list(since, type_, tree_size))
                    case StatusList(number, tree_size):
                        envelope.reply(self._status_list(number, tree_size))
                    case PastStatusList(number, as_of):
                        envelope.reply(self._past_status_list(number, as_of))
                    case unknown:
                        raise TypeError(f"not a revocation request: {unknown!r}")

    async def _change(self, request: ChangeStatus) -> RevokeAnswer:
        entries = []
        for number, (reference, reason) in enumerate(request.items):
            if reason not in REASONS:
                raise RtgfError(
                    Code.RTGF_INPUT_INVALID,
                    f"{reason!r} is no reason; give one of {', '.join(sorted(REASONS))}",
                    pointer=f"/items/{number}/reason",
                )
            token_id = self._token_id(reference, pointer=f"/items/{number}/token")
            entries.append(
                commands.RevokeEntry(
                    token_id=token_id, status=_status(request.status, reason), reason=reason
                )
            )
        command = commands.Revoke(entries=tuple(entries), at=self._clock.now(), actor=request.actor)
        try:
            if request.proofs:
                proved = await self._log.ask(CommitProved(command))
            else:
                proved = Proved(await self._log.ask(Commit(command)), ())
        except RtgfError as error:
            # The command's entries are the request's items; the asker knows only the latter.
            pointer = (error.pointer or "").replace("/entries/", "/items/", 1)
            pointer = pointer.replace("/token_id", "/token")
            raise RtgfError(error.code, error.detail, pointer=pointer or None) from error
        return RevokeAnswer(
            revEpoch=proved.outcome.rev_epoch,
            entries=[entry(row) for row in proved.outcome.revocations],
            proofs=list(proved.bundles),
        )

    def _token_id(self, reference: str, *, pointer: str) -> str:
        """Resolve a token id, a token URI or a jti."""
        registry = self._store.registry
        found = registry.by_jti(reference) or registry.find(reference)
        if found is None:
            raise RtgfError(
                Code.RTGF_VERIFY_TOKEN_NOT_FOUND, f"no token {reference!r} here", pointer=pointer
            )
        return found.token.token_id

    def _list(self, since: int, type_: str | None, tree_size: int) -> Document:
        size = min(tree_size, self._store.log.size)
        epoch = self._store.revocation.rev_epoch(before_leaf=size)
        key = (epoch, size, since, type_, self._signer.kid)
        if key not in self._lists:
            if len(self._lists) >= LISTS_KEPT:
                self._lists.clear()
            rows = [
                row
                for row in self._store.revocation.all_since(since)
                if row.leaf_index < size
                and (type_ is None or row.token_id.partition(":")[0] == type_)
            ]
            # What was asked for is under the signature: a part can never pass for the whole.
            document: Document = {
                "revEpoch": epoch,
                "treeSize": size,
                "since": since,
                "entries": [entry_of(row) for row in rows],
            }
            if type_ is not None:
                document["type"] = type_
            self._lists[key] = jose.sign_document(document, [self._signer], typ=LIST_TYP)
        return self._lists[key]

    def _uri(self, number: int) -> str:
        """Return what the list calls itself: as its tokens call it, wherever this node is now."""
        held = self._store.registry.first_of_status_list(number)
        if held is None:
            return f"{self._status_lists_uri}/{number}"
        return tokens.parse(held.token.body).revocation.status_list.uri

    def _status_list(self, number: int, tree_size: int | None) -> str:
        """Return a status list; signed anew after a revocation and at half of its life."""
        if number > self._store.registry.last_status_list():
            raise RtgfError(Code.RTGF_NOT_FOUND, f"there is no status list {number} here")
        size, now = self._store.log.size, self._clock.now()
        state = self._store.revocation.list_state(number)
        covered = 0 if state.newest_leaf is None else state.newest_leaf + 1
        if tree_size is not None and tree_size < covered:
            raise RtgfError(
                Code.RTGF_UNAVAILABLE,
                f"entry {covered - 1} withdraws a token and is not among {tree_size}; try again",
            )
        key = (number, tree_size)
        held = self._status_lists.get(key)
        if (
            held is None
            or held.rev_epoch != state.rev_epoch
            or held.kid != self._signer.kid
            or not 0 <= now - held.at < status_list.LIFE_SECONDS // 2
        ):
            jwt = status_list.sign(
                state.packed,
                self._signer,
                uri=self._uri(number),
                at=now,
                rev_epoch=state.rev_epoch,
                tree_size=max(size, covered) if tree_size is None else tree_size,
            )
            if len(self._status_lists) >= LISTS_KEPT:
                self._status_lists.clear()
            held = self._status_lists[key] = _Signed(jwt, state.rev_epoch, now, self._signer.kid)
        return held.jwt

    def _past_status_list(self, number: int, as_of: AsOf) -> str:
        """Return a status list of the past, made now of what the log says.

        It is dated then, and says that it was made later: a list of every second of the past was
        not signed. The key must be one that could have signed it.
        """
        size = min(as_of.tree_size, self._store.log.size)
        first = self._store.registry.first_of_status_list(number)
        if first is None or first.leaf_index >= size:
            raise RtgfError(Code.RTGF_NOT_FOUND, f"there was no status list {number} then")
        published = self._store.keys.documents(before_leaf=size)
        keys = KeySet.from_jwks(parse(published.jwks)) if published is not None else KeySet(())
        try:
            signer = self._past_signer(keys)
            keys.get(signer.kid, at=as_of.at)
        except RtgfError as error:
            raise RtgfError(
                Code.RTGF_NOT_FOUND, f"no key that can sign it now was valid then: {error}"
            ) from error
        return status_list.sign(
            self._store.revocation.statuses_of_list(number, before_leaf=size),
            signer,
            uri=self._uri(number),
            at=as_of.at,
            rev_epoch=self._store.revocation.rev_epoch(before_leaf=size),
            tree_size=size,
            made_later=True,
        )


def _status(wanted: str, reason: str) -> Status:
    if wanted == "valid":
        return "valid"
    return "suspended" if reason == LIFTABLE else "invalid"


def entry(row: RevocationRow) -> RevocationEntry:
    """Return a change of status as it goes over the wire."""
    return RevocationEntry(
        token_id=row.token_id,
        jti=row.jti,
        status=row.status,
        reason=row.reason,
        revEpoch=row.rev_epoch,
        at=times.to_text(row.at),
        root=row.root_token,
    )
