"""Whole nodes in a cluster, each `rtgf serve`: revocations, a new member, reads, a lost leader."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import msgspec

from rtgf_node.cli import cluster_drill
from rtgf_node.cli.local_cluster import eventually
from rtgf_node.store import open_store
from tests.bench import large_log
from tests.bench.measure import Row, Skipped, percentile, text
from tests.clusters import TestCluster, cluster_of
from tests.nodes import TestNode

SETTINGS = """
[limits]
partner_per_second = 1000000.0
partner_burst = 1000000
public_per_second = 1000000.0
public_burst = 1000000
admin_per_second = 1000000.0
admin_burst = 1000000
"""
WORKER = "\n[workers]\ncount = 1\n"
KILLS, QUICK_KILLS = 20, 3
LEAVES = 100_000
"""Of the log that a new member takes over."""
REVOCATIONS, QUICK_REVOCATIONS = 150, 20
FAILOVERS, QUICK_FAILOVERS = 10, 2
WRITERS = 4
"""Who suspend and reinstate other tokens all the time, each as soon as it was answered."""
RMT = "RMT:SG:payments_aml:2026-10"
IMT = "IMT:EU-SG:payments_aml:2026-10"
REASON = "corridor_suspended"
CONNECTIONS = 32
SLICE_SECONDS = 2
PATIENCE_SECONDS = 30.0


def measure(*, quick: bool) -> Iterator[Row | Skipped]:
    """Yield the rows."""
    with tempfile.TemporaryDirectory(prefix="rtgf-bench-") as name:
        folder = Path(name)
        template = _published(folder / "template")
        yield from _revocations(template, folder / "revoking", quick=quick)
        yield from _reads(template, folder / "reading", rounds=2 if quick else 5)
        yield _joiner(template, folder / "joining")
        yield _failover(folder / "drill", QUICK_KILLS if quick else KILLS)


def _published(folder: Path) -> TestNode:
    node = TestNode(folder, settings=SETTINGS)
    with node.running():
        node.fetch()
        if node.compile().state != "published":
            raise RuntimeError("the bench's node did not publish")
    return node


# --- from the answer to everywhere ----------------------------------------------------------------


class Asker:
    """A kept connection to one node, with the certificate of a role."""

    def __init__(self, node: TestNode, role: str) -> None:
        self._connection = http.client.HTTPSConnection(
            "localhost", node.port, timeout=PATIENCE_SECONDS, context=node.tls(role)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Return status and document of the answer."""
        head = {"Content-Type": "application/json"}
        self._connection.request("POST", path, body=json.dumps(body), headers=head)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def is_valid(self) -> bool:
        """Ask for a verdict on the token that is withdrawn."""
        status, answer = self.post("/verify", {"tokens": {"rmt": RMT, "imt": IMT}})
        if status != 200:
            raise RuntimeError(f"no verdict: {answer}")
        return bool(answer["valid"])

    def change(self, act: str, token: str) -> None:
        """Withdraw or reinstate a token."""
        items = [{"token": token, "reason": REASON}]
        status, answer = self.post(f"/admin/{act}", {"items": items})
        if status != 200:
            raise RuntimeError(f"{act} was refused: {answer}")


class Writers:
    """Threads that change the state of other tokens, through whichever node is there.

    Attributes:
      written: changes that were answered.
    """

    def __init__(self, cluster: TestCluster, tokens: Sequence[str]) -> None:
        self._cluster = cluster
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(token, place))
            for place, token in enumerate(tokens[:WRITERS])
        ]
        self.written = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _write(self, token: str, place: int) -> None:
        while not self._stop.is_set():
            names = self._cluster.running
            node = self._cluster.nodes[names[place % len(names)]]
            try:
                with Asker(node, "operator") as asker:
                    while not self._stop.is_set():
                        for act in ("revoke", "reinstate"):
                            asker.change(act, token)
                            self.written += 1
            except (OSError, http.client.HTTPException, RuntimeError):
                # The node was killed, or nobody leads for a moment; the token's state is not known.
                time.sleep(0.05)
                place += 1


def _revocations(template: TestNode, folder: Path, *, quick: bool) -> Iterator[Row]:
    first = template.copy(folder / "a", settings=SETTINGS)
    others = _other_tokens(first)
    with cluster_of(first, folder, "b", "c") as cluster:
        _answer_by_worker(cluster, "c")
        for writing, tokens in (("no other writes", ()), ("under writes", others)):
            with Writers(cluster, tokens) as writers:
                began = time.monotonic()
                found = [
                    _withdrawn_everywhere(cluster, cluster.running[number % 3])
                    for number in range(QUICK_REVOCATIONS if quick else REVOCATIONS)
                ]
                pace = writers.written / (time.monotonic() - began)
            yield _spread(
                f"from the answer of `/admin/revoke` to `valid:false` on three nodes, one of them "
                f"a worker, {writing}",
                found,
                f"{pace:.0f} other changes a second" if tokens else "",
            )
        with Writers(cluster, others):
            found = [
                seconds
                for _ in range(QUICK_FAILOVERS if quick else FAILOVERS)
                for seconds in _across_failover(cluster)
            ]
        yield _spread(
            "the same across a failover: the leader is killed at the answer, and the next token is "
            "revoked while there is none",
            found,
            "",
        )


def _answer_by_worker(cluster: TestCluster, name: str) -> None:
    """Let another process of this node answer."""
    node = cluster.nodes[name]
    cluster.stop(name)
    node.toml.write_text(node.toml.read_text() + WORKER)
    cluster.start(name)
    cluster.settled()


def _other_tokens(node: TestNode) -> list[str]:
    with open_store(node.folder / "data") as store:
        ids = [one.token.token_id for one in store.registry.tokens()]
    return [one for one in ids if one.startswith("IMT:") and not one.startswith(IMT)]


def _withdrawn_everywhere(cluster: TestCluster, at: str) -> float:
    """Withdraw the token on one node, and return how long after the answer all say so."""
    with ExitStack() as stack:
        askers = _partners(cluster, stack)
        operator = stack.enter_context(Asker(cluster.nodes[at], "operator"))
        _reinstated(operator, askers)
        operator.change("revoke", IMT)
        seconds = _until_refused(askers, time.monotonic())
        operator.change("reinstate", IMT)
    return seconds


def _across_failover(cluster: TestCluster) -> Iterator[float]:
    """Withdraw the token and kill the leader at the answer; then again while nobody leads."""
    leader = cluster.leader()
    with ExitStack() as stack:
        operator = stack.enter_context(Asker(cluster.nodes[leader], "operator"))
        _reinstated(operator, _partners(cluster, stack))
        operator.change("revoke", IMT)
        answered = time.monotonic()
        cluster.kill(leader)
        yield _until_refused(_partners(cluster, stack), answered)
    with ExitStack() as stack:
        askers = _partners(cluster, stack)
        operator = stack.enter_context(Asker(cluster.nodes[cluster.running[0]], "operator"))
        _reinstated(operator, askers)
    killed = cluster.leader()
    _back(cluster, leader)
    cluster.kill(killed)
    with ExitStack() as stack:
        operator = stack.enter_context(Asker(cluster.nodes[cluster.running[0]], "operator"))
        eventually(lambda: _changed(operator, "revoke"), "nobody takes a revocation")
        answered = time.monotonic()
        yield _until_refused(_partners(cluster, stack), answered)
        eventually(lambda: _changed(operator, "reinstate"), "nobody reinstates")
    _back(cluster, killed)


def _back(cluster: TestCluster, name: str) -> None:
    """Start a node, and wait until it has all that was committed when it did."""
    cluster.start(name)
    node = cluster.nodes[name]
    eventually(lambda: node.ask("GET", "/readyz").status == 200, f"{name} is not ready")


def _partners(cluster: TestCluster, stack: ExitStack) -> list[Asker]:
    """Return an asker for every node that runs; the way to it is warm."""
    askers = [stack.enter_context(Asker(cluster.nodes[one], "partner")) for one in cluster.running]
    for asker in askers:
        asker.is_valid()
    return askers


def _reinstated(operator: Asker, askers: Sequence[Asker]) -> None:
    if not askers[0].is_valid():
        _changed(operator, "reinstate")
    eventually(lambda: all(asker.is_valid() for asker in askers), "not valid everywhere")


def _changed(operator: Asker, act: str) -> bool:
    """Try to; False if it is refused now, True if it is so."""
    try:
        operator.change(act, IMT)
    except RuntimeError as refused:
        return "RTGF_CONFLICT" in str(refused)
    return True


def _until_refused(askers: Sequence[Asker], answered: float) -> float:
    left = list(askers)
    while left:
        left = [asker for asker in left if asker.is_valid()]
        if time.monotonic() > answered + PATIENCE_SECONDS:
            raise RuntimeError("a node still says that a withdrawn token is valid")
    return time.monotonic() - answered


def _spread(what: str, found: Sequence[float], beside: str) -> Row:
    ordered = sorted(found)
    shares = (("p50", 0.5), ("p95", 0.95), ("max", 1.0))
    told = ", ".join(f"{name} {text(percentile(ordered, share))}" for name, share in shares)
    return Row(f"{what}, {len(ordered)} times", told, beside, None)


# --- reads ----------------------------------------------------------------------------------------


def _reads(template: TestNode, folder: Path, *, rounds: int) -> Iterator[Row | Skipped]:
    what = "warm `/verify` of two tokens, {}"
    if shutil.which("wrk") is None:
        yield Skipped(what.format("by a member more"), "wrk is not here")
        return
    folder.mkdir()
    script = folder / "ask.lua"
    body = msgspec.json.encode({"tokens": {"rmt": RMT, "imt": IMT}}).decode()
    script.write_text(
        f'wrk.method = "POST"\nwrk.body = [[{body}]]\n'
        'wrk.headers["Content-Type"] = "application/json"\n'
    )
    first = template.copy(folder / "a", settings=SETTINGS)
    with cluster_of(first, folder, "b", "c", learners=("d",)) as cluster:
        cluster.settled()
        leader = cluster.leader()
        groups = {1: [leader], 2: [leader, "d"]}
        found: dict[int, list[float]] = {1: [], 2: []}
        for number in range(rounds):
            for size in (1, 2) if number % 2 else (2, 1):
                nodes = [cluster.nodes[name] for name in groups[size]]
                found[size].append(_answers_a_second(nodes, script))
    one, two = (statistics.median(found[size]) for size in (1, 2))
    yield Row(
        what.format("a leader and a learner asked at once"),
        f"{two:,.0f}/s",
        f"the leader alone: {one:,.0f}/s",
        statistics.median(a / b for a, b in zip(found[1], found[2], strict=True)),
    )


def _answers_a_second(nodes: Sequence[TestNode], script: Path) -> float:
    """Ask all at once and add up."""
    asking = [
        subprocess.Popen(
            [
                *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SLICE_SECONDS}s", "-s", str(script)),
                f"https://127.0.0.1:{node.port}/verify",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for node in nodes
    ]
    total = 0.0
    for one in asking:
        told = one.communicate()[0]
        found = re.search(r"Requests/sec:\s+([\d.]+)", told)
        if found is None or "Non-2xx" in told:
            raise RuntimeError(f"wrk was not answered: {told}")
        total += float(found[1])
    return total


# --- a new member, and a lost one -----------------------------------------------------------------


def _joiner(template: TestNode, folder: Path) -> Row:
    first = template.copy(folder / "a", settings=SETTINGS)
    with open_store(first.folder / "data") as store:
        large_log.grow(store, LEAVES)
    with cluster_of(first, folder, "b", "c") as cluster:
        cluster.settled()
        began = time.monotonic()
        cluster.add("d")
        node = cluster.nodes["d"]
        eventually(lambda: node.ask("GET", "/readyz").status == 200, "not ready")
        seconds = time.monotonic() - began
        if cluster.shown("d").tree_size < LEAVES:
            raise RuntimeError("the new member is ready without the log")
    return Row(
        f"a new member of a cluster with {LEAVES:,} log entries, from `cluster prepare` to ready",
        text(seconds),
        "",
        None,
    )


def _failover(folder: Path, kills: int) -> Row:
    drill = cluster_drill.measure(folder, kills, lambda _: None)
    shares = (("p50", 0.5), ("p90", 0.9), ("max", 1.0))
    told = ", ".join(f"{name} {drill.quantile(share):.2f} s" for name, share in shares)
    return Row(
        f"kill -9 of the leader to the next answered write, {kills} times",
        f"{told}; {drill.lost} of {drill.writes} answered writes lost",
        "",
        None,
    )
