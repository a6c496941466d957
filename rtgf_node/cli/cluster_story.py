"""The demonstration of a cluster: the leader is killed in front of the reader, nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from rtgf_node import wire
from rtgf_node.cli import verify
from rtgf_node.cli.cluster import text
from rtgf_node.cli.local_cluster import LocalCluster, LocalNode
from rtgf_node.errors import Code, RtgfError

CORRIDOR, DOMAIN = "EU-SG", "payments_aml"


class Outcome(msgspec.Struct, frozen=True):
    """What the demonstration showed, for whoever wants it as JSON."""

    folder: str
    killed: str
    leader: str
    failover_seconds: float
    root_hash: str
    tree_size: int


def tell_story(folder: Path, tell: Callable[[str], None]) -> Outcome:
    """Make three nodes in `folder`, kill the leader, and show what is left.

    Raises:
      RtgfError: a step did not go as told.
    """

    def chapter(title: str) -> None:
        tell("")
        tell(f"== {title}")

    with LocalCluster(folder) as cluster:
        chapter("A node alone issues tokens, becomes the first member, and two more join")
        ids = begin(cluster)
        tell(f"tokens in force: {ids[0]} and {ids[1]} among them")
        leader = cluster.leader()
        tell(text(leader.shown()))
        chapter(f"A token is withdrawn on a follower, and then {leader.name}, who leads, is killed")
        follower = next(node for node in cluster.running if node is not leader)
        _revoke(follower, ids[1])
        tell(f"{follower.name} answered: {ids[1]} is revoked. kill -9 {leader.name}")
        began = time.monotonic()
        cluster.kill(leader.name)
        heir = cluster.leader()
        seconds = time.monotonic() - began
        tell(f"{heir.name} leads {seconds:.2f} s later")
        for node in cluster.running:
            answer = _ask(node, ids)
            _expect(answer.reason == "RTGF_VERIFY_REVOKED", f"{node.name} forgot the withdrawal")
            tell(f"{node.name} still says: not valid, {answer.reason}")
        chapter(f"{leader.name} comes back and has missed nothing")
        cluster.start(leader.name)
        cluster.settled()
        tell(text(cluster.leader().shown()))
        heads = {node.name: _head(node) for node in cluster.running}
        _expect(len(set(heads.values())) == 1, f"there are two histories: {heads}")
        size, root = next(iter(heads.values()))
        tell("")
        tell(f"all three have {size} log entries under one root, {root}")
        return Outcome(
            folder=str(folder),
            killed=leader.name,
            leader=heir.name,
            failover_seconds=round(seconds, 3),
            root_hash=root,
            tree_size=size,
        )


def begin(cluster: LocalCluster) -> tuple[str, str]:
    """Make a cluster of a, b and c with the illustrative tokens; return the ids of RMT and IMT."""
    cluster.make_first("a")
    cluster.start("a")
    with cluster.nodes["a"].client() as operator:
        operator.fetch()
    ids = _build(cluster.nodes["a"])
    cluster.stop("a")
    cluster.found("a")
    cluster.start("a")
    for name in ("b", "c"):
        cluster.join(name)
    return ids


def _build(node: LocalNode) -> tuple[str, str]:
    with node.client("approver") as approver:
        build = approver.compile(wire.CompileRequest(accept_conflicts=True))
        while build.state == "running":
            time.sleep(0.05)
            build = approver.build(build.build_id)
        _expect(build.state == "published", f"the build ended as {build.state}")
    with node.client("partner") as partner:
        return verify.newest_of(partner, CORRIDOR, DOMAIN)


def _revoke(node: LocalNode, token_id: str) -> None:
    item = wire.RevokeItem(token=token_id, reason="policy_withdrawn")
    with node.client() as operator:
        operator.revoke(wire.RevokeRequest(items=[item]))


def _ask(node: LocalNode, ids: tuple[str, str]) -> wire.VerifyAnswer:
    tokens = wire.VerifyTokens(rmt=ids[0], imt=ids[1])
    with node.client() as partner:
        return partner.verify(wire.VerifyRequest(tokens=tokens))


def _head(node: LocalNode) -> tuple[int, str]:
    with node.client() as client:
        status = client.status()
    return status.tree_size, status.root_hash


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise RtgfError(Code.RTGF_INTERNAL, f"the demonstration failed: {otherwise}")
