"""The other logs and witnesses that a node deals with: made from its configuration."""

from __future__ import annotations

from typing import NamedTuple

from rtgf_node.actors.gossip import GossipActor, PeerLink
from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.supervisor import Child
from rtgf_node.actors.witness import WitnessActor
from rtgf_node.actors.witnessing import WitnessingActor, WitnessLink
from rtgf_node.core import checkpoint, cosignature, note
from rtgf_node.core.clock import Clock
from rtgf_node.core.witness_policy import WitnessPolicy
from rtgf_node.egress import to_one
from rtgf_node.errors import Code, RtgfError
from rtgf_node.guards import witness_guard
from rtgf_node.guards.witness_guard import WitnessGuard
from rtgf_node.keys.key_provider import FileKeyProvider
from rtgf_node.replication.replicator import Replicator
from rtgf_node.settings import Config
from rtgf_node.store import Store
from rtgf_node.telemetry import Metrics
from rtgf_node.wire import Check

ANSWER_SECONDS = 10.0
"""For one answer of a witness or a peer: a few kilobytes, made without waiting for anybody."""

ANSWER_BYTES = 1 << 20
"""Of one such answer: a note of the largest kind that is read."""

WAITING = 64
"""Checkpoints of other logs that may wait: each takes one commit."""


class Neighbours(NamedTuple):
    """The actors that deal with others; each is None where nothing is configured for it.

    Attributes:
      store: where what was found is.
      policy: whose cosignatures on our heads count.
      witnessing: asks for them.
      gossip: compares heads.
      witness: cosigns the heads of other logs.
      mailbox: the witness's.
      verifier_key: with which others check what it cosigns.
    """

    store: Store
    policy: WitnessPolicy
    witnessing: WitnessingActor | None
    gossip: GossipActor | None
    witness: WitnessActor | None
    mailbox: Mailbox | None
    verifier_key: str | None

    def checks(self) -> list[Check]:
        """Return what an operator should know of them, for readiness; none stops the node."""
        checks = []
        if self.witnessing is not None:
            asked = self.witnessing.statistics()
            problems = [f"{one.name}: {one.problem}" for one in asked if one.problem is not None]
            able = len(asked) - len(problems)
            detail = f"{able} of {len(asked)} witnesses cosign, {self.policy.quorum} are enough"
            checks.append(
                Check("witnesses", able >= self.policy.quorum, "; ".join([detail, *problems]))
            )
        if self.gossip is not None:
            checks += [
                Check(
                    f"peer_log:{one.name}",
                    one.problem is None,
                    one.problem or f"newest head seen has {one.size} entries",
                )
                for one in self.gossip.statistics()
            ]
        forks = self.store.gossip.open_findings()
        if forks:
            details = "; ".join(row.detail for row in forks)
            checks.append(Check("forks", ok=False, detail=details))
        return checks

    def children(self) -> list[Child]:
        """Return what the supervisor is to run, after the log."""
        named = (
            ("witnessing", self.witnessing),
            ("gossip", self.gossip),
            ("witness", self.witness),
        )
        return [Child(name, actor.run) for name, actor in named if actor is not None]


def meet(
    config: Config,
    *,
    log: Mailbox,
    replicator: Replicator,
    store: Store,
    provider: FileKeyProvider,
    clock: Clock,
    metrics: Metrics,
) -> Neighbours:
    """Return the actors for what the configuration names.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if this node would be its own witness, or is to be a witness
        and has no key for that.
    """
    origin = config.log_origin()
    policy = WitnessPolicy.of(
        [one.verifier_key for one in config.witness], config.log.witness_quorum
    )
    ours = {key.public for key in provider.list()}
    for one, key in zip(config.witness, policy.witnesses, strict=True):
        if key.public in ours:
            raise RtgfError(
                Code.RTGF_CONFIG_INVALID,
                f"the witness {one.name} has a key of this node; nobody is a witness of himself",
            )
    witnessing = gossip = None
    if config.witness:
        witnessing = WitnessingActor(
            log=log,
            replicator=replicator,
            store=store,
            witnesses=[
                WitnessLink(
                    one.name,
                    one.url.rstrip("/"),
                    key,
                    to_one(
                        config.fetch,
                        one.ca_file,
                        seconds=ANSWER_SECONDS,
                        max_bytes=ANSWER_BYTES,
                    ),
                )
                for one, key in zip(config.witness, policy.witnesses, strict=True)
            ],
            clock=clock,
            figures=metrics.neighbours,
        )
    if config.peer_log:
        gossip = GossipActor(
            log=log,
            store=store,
            peers=[
                PeerLink(
                    name=one.name,
                    url=one.url.rstrip("/"),
                    key=note.parse_key(one.verifier_key),
                    egress=to_one(
                        config.fetch,
                        one.ca_file,
                        seconds=ANSWER_SECONDS,
                        max_bytes=ANSWER_BYTES,
                    ),
                    halt=one.halt,
                )
                for one in config.peer_log
            ],
            origin=origin,
            keys=lambda: [
                checkpoint.verifier_key(origin, key.public)
                for key in store.keys.all()
                if key.purpose == "log"
            ],
            leads=lambda: replicator.leader,
            every_seconds=config.log.gossip_every_seconds,
            clock=clock,
            figures=metrics.neighbours,
        )
    witness = mailbox = own_key = None
    if config.witnessing.enabled:
        own_key = witness_verifier_key(config, provider)
        mailbox = Mailbox("witness", capacity=WAITING)
        witness = _witness(config, mailbox, log, store, provider, clock, metrics)
    return Neighbours(store, policy, witnessing, gossip, witness, mailbox, own_key)


def witness_verifier_key(config: Config, provider: FileKeyProvider) -> str:
    """Return the key with which others check what this node cosigned.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if the key store has none.
    """
    try:
        public = provider.signer("witness").public
    except RtgfError as error:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID,
            "witnessing.enabled: the key store holds no witness key, it was made by an older "
            "rtgf init; make a new folder for the witness, or leave it off",
        ) from error
    return cosignature.verifier_key(config.witness_name(), public)


def _witness(
    config: Config,
    mailbox: Mailbox,
    log: Mailbox,
    store: Store,
    provider: FileKeyProvider,
    clock: Clock,
    metrics: Metrics,
) -> WitnessActor:
    return WitnessActor(
        mailbox,
        log=log,
        store=store,
        signer=provider.signer("witness"),
        guard=WitnessGuard(config.log.guard_file.with_name(witness_guard.FILE)),
        name=config.witness_name(),
        logs={
            one.origin: tuple(note.parse_key(key) for key in one.verifier_keys)
            for one in config.witnessed_log
        },
        reporter=config.log_origin(),
        clock=clock,
        figures=metrics.neighbours,
    )
