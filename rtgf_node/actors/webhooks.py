"""The webhooks actor: tells configured partners of revocations, in order, until they heard.

What is to be told stands in the store, and how far each partner has confirmed it too: a restart
loses nothing, and a partner that is down for a week costs no memory. A delivery whose confirmation
is lost is made again: `since` and `revEpoch` tell the receiver that it has it already.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import structlog
import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Commit
from rtgf_node.core import notification
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import Signer
from rtgf_node.egress import Egress
from rtgf_node.errors import RtgfError
from rtgf_node.figures.pushes import PushFigures
from rtgf_node.replication.commands import NoteDelivery
from rtgf_node.replication.replicator import Replicator
from rtgf_node.replication.revocation_news import RevocationNews, entry_of
from rtgf_node.settings import WebhookEvent
from rtgf_node.store import Store
from rtgf_node.store.revocation_store import RevocationRow

log = structlog.get_logger(__name__)

ENTRIES_MAX = 500
"""Revocations in one delivery: 200 KB."""

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
"""After a failure; doubled each time. A partner that comes back is told within a minute."""

LEADER_SECONDS = 1.0
"""Between two looks at whether this node is the one that tells."""


class Webhook(NamedTuple):
    """A partner's address, what it wants to hear, and the way to it."""

    name: str
    url: str
    events: frozenset[WebhookEvent]
    egress: Egress


class WebhooksActor:
    """Owns the telling. How far each webhook was told is state of the node, and goes through it."""

    def __init__(
        self,
        *,
        log: Mailbox,
        replicator: Replicator,
        news: RevocationNews,
        store: Store,
        signer: Signer,
        webhooks: Sequence[Webhook],
        issuer: str,
        clock: Clock,
        figures: PushFigures,
    ) -> None:
        self._log = log
        self._replicator = replicator
        self._news = news
        self._store = store
        self._signer = signer
        self._webhooks = tuple(webhooks)
        self._issuer = issuer
        self._clock = clock
        self._figures = figures
        self._problems: dict[str, str] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Tell until cancelled; a slow partner holds up no other."""
        async with trio.open_nursery() as nursery:
            for webhook in self._webhooks:
                nursery.start_soon(self._keep_telling, webhook)
            task_status.started()

    async def _keep_telling(self, webhook: Webhook) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            if not self._replicator.leader:
                await trio.sleep(LEADER_SECONDS)
                continue
            # Taken before the look into the store: what commits in between wakes us at once.
            news = self._news.next()
            try:
                has_told = await self._tell(webhook)
            except RtgfError as error:
                self._note_problem(webhook, error.detail)
                await trio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                continue
            pause = FIRST_PAUSE_SECONDS
            if self._problems.pop(webhook.name, None) is not None:
                log.info("webhook_recovered", webhook=webhook.name)
            if not has_told:
                await news.wait()
                if self._news.is_over:
                    await trio.sleep_forever()

    async def _tell(self, webhook: Webhook) -> bool:
        """Tell what comes next, and return whether there was anything.

        Raises:
          RtgfError: it was not confirmed, or that cannot be noted.
        """
        epoch = self._store.revocation.rev_epoch()
        if self._store.webhooks.delivered(webhook.name) is None:
            # From its first day on; what was before stands in the signed list.
            await self._note(webhook, epoch)
        told = self._told(webhook, epoch)
        self._figures.waiting(webhook.name, epoch - told)
        rows = self._store.revocation.since(told, ENTRIES_MAX)
        if not rows:
            return False
        until = rows[-1].rev_epoch
        wanted = [entry_of(row) for row in rows if _event(row) in webhook.events]
        if wanted:
            body = notification.make(
                wanted,
                issuer=self._issuer,
                audience=webhook.url,
                since=told,
                rev_epoch=until,
                at=self._clock.now(),
            )
            await self._deliver(webhook, body)
            self._figures.delivered(webhook.name, "ok")
        await self._note(webhook, until)
        self._figures.waiting(webhook.name, self._store.revocation.rev_epoch() - until)
        return True

    async def _deliver(self, webhook: Webhook, body: bytes) -> None:
        signature = notification.sign(body, self._signer)
        headers = {notification.SIGNATURE_HEADER: signature}
        await webhook.egress.deliver(webhook.url, body, headers=headers)

    async def _note(self, webhook: Webhook, rev_epoch: int) -> None:
        command = NoteDelivery(webhook.name, rev_epoch, self._clock.now())
        await self._log.ask(Commit(command, covered=False))

    def _note_problem(self, webhook: Webhook, problem: str) -> None:
        self._figures.delivered(webhook.name, "failed")
        if self._problems.get(webhook.name) != problem:
            log.warning("webhook_failed", webhook=webhook.name, detail=problem)
        self._problems[webhook.name] = problem

    def _told(self, webhook: Webhook, newest: int) -> int:
        row = self._store.webhooks.delivered(webhook.name)
        return newest if row is None else row.rev_epoch


def _event(row: RevocationRow) -> WebhookEvent:
    return "reinstatement" if row.status == "valid" else "revocation"
