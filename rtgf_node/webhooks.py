"""The webhooks of the configuration, as the supervised actor that tells them."""

from __future__ import annotations

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.supervisor import Child
from rtgf_node.actors.webhooks import Webhook, WebhooksActor
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import Signer
from rtgf_node.egress import to_one
from rtgf_node.errors import Code, RtgfError
from rtgf_node.figures.pushes import PushFigures
from rtgf_node.keys.signers import Signers
from rtgf_node.replication.replicator import Replicator
from rtgf_node.replication.revocation_news import RevocationNews
from rtgf_node.settings import Config
from rtgf_node.store import Store
from rtgf_node.wire import Check

ANSWER_SECONDS = 10.0
"""For a partner to confirm: it has to take note, not to act."""

ANSWER_BYTES = 64 << 10
"""Of its answer, which nobody reads."""

FAR_BEHIND_SECONDS = 300
"""A partner that did not hear of a revocation for so long: some of the longest pauses went by."""


def checks(config: Config, store: Store, *, now: int) -> list[Check]:
    """Return for each webhook whether it hears of revocations in time, for readiness."""
    found = []
    for one in config.webhook:
        told = store.webhooks.delivered(one.name)
        waiting = store.revocation.since(told.rev_epoch, 1) if told is not None else []
        age = now - waiting[0].at if waiting else 0
        detail = f"not told for {age} s; the log says why" if waiting else "told of all"
        found.append(Check(f"webhook:{one.name}", age <= FAR_BEHIND_SECONDS, detail))
    return found


def configured(
    config: Config,
    *,
    log: Mailbox,
    replicator: Replicator,
    news: RevocationNews,
    store: Store,
    signers: Signers,
    clock: Clock,
    figures: PushFigures,
) -> list[Child]:
    """Return the actor that tells the configured webhooks, if there are any.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if the node has no key to sign with.
    """
    if not config.webhook:
        return []
    actor = WebhooksActor(
        log=log,
        replicator=replicator,
        news=news,
        store=store,
        signer=_signer(signers),
        webhooks=[
            Webhook(
                one.name,
                one.url,
                frozenset(one.events),
                to_one(
                    config.fetch,
                    one.ca_file,
                    seconds=ANSWER_SECONDS,
                    max_bytes=ANSWER_BYTES,
                ),
            )
            for one in config.webhook
        ],
        issuer=config.node.issuer,
        clock=clock,
        figures=figures,
    )
    return [Child("webhooks", actor.run)]


def _signer(signers: Signers) -> Signer:
    try:
        return signers.of("notify")
    except RtgfError as error:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID,
            "webhook: the key store holds no notify key, it was made by an older rtgf init; "
            "leave the webhooks out, and let partners read /revocations/stream",
        ) from error
