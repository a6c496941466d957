"""SIGKILL at any moment, under load, and what the node that starts again still knows."""

from __future__ import annotations

import http.client
import random
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

import pytest

from rtgf_node.cli.demo_node import RunningNode
from rtgf_node.core import merkle, times, tree_head
from rtgf_node.core.tree_head import TreeHead
from rtgf_node.errors import RtgfError
from rtgf_node.system_clock import SystemClock
from tests.authorities import pinned
from tests.nodes import PATIENCE_SECONDS, RATES, TestNode, context
from tests.observing import events
from tests.processes import until
from tests.worlds import authority, clause, document, sealed

KILLS = 15
LONGEST_LIFE_SECONDS = 0.8
"""Several commands of each client fit in; a build needs about as long."""

AUTHORITY = authority("NZ")
GONE = (OSError, http.client.HTTPException)
"""What a client meets when the node dies under it."""


class Victim(RunningNode):
    """A served folder that can be killed."""

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        process = self._process
        assert process is not None
        process.kill()
        process.wait()


class Client(threading.Thread):
    """Does one thing over and over until the node is gone; notes what was acknowledged."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self._act = act
        self.failed: BaseException | None = None

    def run(self) -> None:
        """Act until the connection fails; a wrong answer is the test's failure."""
        with suppress(*GONE):
            try:
                while True:
                    self._act()
            except (AssertionError, RtgfError) as error:
                self.failed = error


class Memory:
    """What the node acknowledged, and what may or may not have happened when it died."""

    def __init__(self, node: TestNode, chance: random.Random) -> None:
        self.node, self._chance = node, chance
        self.snapshots: dict[str, bytes] = {}
        self.issued: set[str] = set()
        self.revoked: dict[str, bool] = {}
        self.doubtful: set[str] = set()
        self.rev_epoch = 0
        self.head: TreeHead | None = None
        self._month = 0
        self._withdrawable = [
            entry["uri"].removeprefix("urn:rtgf:token:")
            for entry in node.ask("GET", "/catalog?type=IMT&limit=1000").json()["tokens"]
            if "EU-SG" not in entry["uri"]
        ]

    def push(self) -> None:
        """Push the next version of a snapshot."""
        self._month += 1
        version = f"{2027 + self._month // 12}-{self._month % 12 + 1:02}"
        rule = clause(params={"minimum_period": f"P{self._month}M"})
        body = sealed(document("NZ", version=version, clauses=[rule]))
        reply = self.node.ask("POST", "/admin/snapshots", body, role="regulator")
        assert reply.status == 201, reply.body
        self.snapshots[reply.json()["subject"]] = body

    def revoke(self) -> None:
        """Suspend a corridor's token, or lift that again."""
        token = self._chance.choice(self._withdrawable)
        withdraw = not self.revoked.get(token, False)
        if token in self.doubtful:
            return
        self.doubtful.add(token)
        act = "revoke" if withdraw else "reinstate"
        reply = self.node.revoke(token, reason="corridor_suspended", act=act)
        assert reply.status == 200, reply.body
        self.revoked[token] = withdraw
        self.rev_epoch = max(self.rev_epoch, reply.json()["revEpoch"])
        self.doubtful.discard(token)

    def compile(self) -> None:
        """Build what is due of the pushed snapshots."""
        wanted = {"jurisdictions": ["NZ"]}
        reply = self.node.ask("POST", "/admin/compile", wanted, role="operator")
        while reply.status == 409:
            # The build that the last kill interrupted is being made again.
            reply = self.node.ask("POST", "/admin/compile", wanted, role="operator")
        assert reply.status == 202, reply.body
        build: dict[str, Any] = reply.json()
        while build["state"] == "running":
            path = f"/admin/builds/{build['build_id']}"
            build = self.node.ask("GET", path, role="operator").json()
        assert build["state"] in {"published", "nothing_due"}, build
        self.issued.update(build["issued"])

    def is_rich(self) -> bool:
        """Return whether enough was acknowledged for a test."""
        return bool(min(len(self.snapshots), self.rev_epoch) > KILLS and self.issued)

    def check(self) -> None:
        """Everything acknowledged is there, and the log goes on from where it was."""
        self._check_head()
        with self.node.client() as public:
            for snapshot_id, body in self.snapshots.items():
                assert public.snapshot(snapshot_id) == body
        entries = self.node.ask("GET", "/catalog?limit=1000").json()["tokens"]
        catalog = {one["uri"].removeprefix("urn:rtgf:token:"): one["revoked"] for one in entries}
        assert self.issued <= set(catalog)
        for token, revoked in self.revoked.items():
            assert catalog[token] == revoked or token in self.doubtful, token
        # What nobody answered for is settled now, one way or the other.
        self.revoked |= {token: catalog[token] for token in self.doubtful}
        self.doubtful.clear()
        list_ = self.node.ask("GET", "/revocations").json()
        assert list_["revEpoch"] >= self.rev_epoch
        self.rev_epoch = list_["revEpoch"]
        leaves = [event for event in events(self.node) if event["type"] == "revocation"]
        assert len(leaves) == self.rev_epoch

    def _check_head(self) -> None:
        head = tree_head.from_document(self.node.ask("GET", "/roots/latest").json())
        tree_head.verify(head, self.node.keys(), SystemClock().now())
        if self.head is not None:
            path = f"/proofs/consistency?from={self.head.tree_size}&to={head.tree_size}"
            proof = self.node.ask("GET", path).json()
            merkle.verify_consistency(
                old_size=self.head.tree_size,
                new_size=head.tree_size,
                old_root=bytes.fromhex(self.head.root_hash.removeprefix("sha256:")),
                new_root=bytes.fromhex(head.root_hash.removeprefix("sha256:")),
                proof=[bytes.fromhex(step) for step in proof["proof"]],
            )
        self.head = head

    def remember_head(self) -> None:
        """Take the newest head that is served under load; it binds the node as any other."""
        self.head = tree_head.from_document(self.node.ask("GET", "/roots/latest").json())


def verdicts(node: TestNode, at: str) -> list[dict[str, Any]]:
    """The answers to fixed questions, without the epoch, which other tokens move.

    The questions are about one instant, because the trace names the instant it decided at.
    """
    listed = context("payment-eu-sg")
    listed["beneficiary"]["name"] = node.world.listed_name
    contexts = (context("payment-eu-sg"), context("payment-eu-sg-large"), listed)
    answers = []
    for payment in contexts:
        tokens = {"rmt": "RMT:SG:payments_aml:2026-10", "imt": "IMT:EU-SG:payments_aml:2026-10"}
        question = {"tokens": tokens, "context": payment, "at": at}
        reply = node.ask("POST", "/verify", question)
        assert reply.status == 200, reply.body
        answers.append({**reply.json(), "revEpoch": None})
    decided = [answer["decision"] for answer in answers]
    assert decided == ["PERMIT", "PERMIT_WITH_CONTROLS", "DENY"], answers
    return answers


def today() -> str:
    """The instant of the test's questions; its node and all tokens are there already."""
    return times.to_text(SystemClock().now())


def test_kills_under_load_lose_nothing_that_was_acknowledged(template, tmp_path):
    """RTGF-CT-60, RTGF-CT-80: heads extend, epochs grow, and answers stay."""
    chance = random.Random(20261122)
    settings = RATES + pinned(tmp_path / "pinned", AUTHORITY)
    node = template.copy(tmp_path / "node", settings=settings)
    memory, expected, at = None, None, today()
    for life in range(KILLS + 1):
        victim = Victim(node.toml, node.folder / "node.log")
        with victim, node.client() as waiting:
            victim.wait_ready(waiting)
            memory = memory or Memory(node, chance)
            expected = expected or verdicts(node, at)
            memory.check()
            assert verdicts(node, at) == expected
            clients = [
                Client(act)
                for act in (memory.push, memory.revoke, memory.compile, memory.remember_head)
            ]
            for client in clients:
                client.start()
            # The moment is the seed's; that the clients are in the middle of something is sure.
            threading.Event().wait(chance.uniform(0.01, LONGEST_LIFE_SECONDS))
            if life == KILLS:
                until(memory.is_rich)
            victim.kill()
            for client in clients:
                client.join(PATIENCE_SECONDS)
                assert client.failed is None, client.failed
    assert memory is not None
    assert memory.is_rich()


def test_a_head_that_was_signed_and_lost_is_made_good_at_the_next_start(template, tmp_path):
    """A kill between the guard's note of a head and its publication leaves entries without one."""
    node = template.copy(tmp_path / "node")
    with closing(sqlite3.connect(node.database)) as conn, conn:
        (size,) = conn.execute("SELECT max(tree_size) FROM heads").fetchone()
        conn.execute("DELETE FROM heads WHERE tree_size = ?", (size,))
    with node.running():
        assert node.ask("GET", "/roots/latest").json()["tree_size"] == size
        assert len(events(node)) == size


def test_after_an_orderly_stop_and_start_the_node_says_the_same(template, tmp_path):
    node, at = template.copy(tmp_path / "node"), today()
    seen, logs = [], []
    for _ in range(2):
        with node.running():
            paths = ("/catalog?limit=1000", "/revocations?since=0", "/policy-matrix/index.jsonld")
            answers = [node.ask("GET", path).json() for path in paths]
            seen.append(
                [verdicts(node, at), answers[0]["tokens"], answers[1]["entries"], answers[2]]
            )
            logs.append(events(node))
    assert seen[0] == seen[1]
    assert logs[1][: len(logs[0])] == logs[0]


@pytest.mark.parametrize("file", ["node.db"])
def test_a_node_does_not_start_without_its_log(template, tmp_path, file):
    """What `init` made must be there: a lost log is never begun anew in silence."""
    node = template.copy(tmp_path / "node")
    (node.folder / "data" / file).unlink()
    with pytest.raises(Exception, match="ended by itself"), node.running():
        pass
