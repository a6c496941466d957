"""What was asked before is answered from memory, and the memory is never what makes the answer.

Each question is asked three times at each moment of a story: once in bytes that nobody has sent
before, so that it is decided anew, and twice in the same bytes as at the moments before. Answers
and records must be the same, whatever was applied meanwhile and wherever the clock stands.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rtgf_node.actors.verifier import VerifierActor
from rtgf_node.actors.verifier_memory import SHORT_BYTES
from rtgf_node.api import again
from rtgf_node.replication.solo import SoloReplicator
from rtgf_node.system_clock import SystemClock
from tests.held_lists import fetched
from tests.inside import serve_inside
from tests.nodes import PATIENCE_SECONDS, Reply, TestNode, context
from tests.questions import RMT, question

RMT_EU = "RMT:EU:payments_aml:2026-10"

OF_ONE = {"date", "x-request-id", "ratelimit"}
"""Headers that are of one request."""

IN_PLACE = {"seq", "at", "prev", "request_id", "request_digest"}
"""Members of a record that say which one it is."""


def questions(node: TestNode) -> list[bytes]:
    listed = json.loads(json.dumps(context("payment-eu-sg")))
    listed["beneficiary"]["name"] = node.world.listed_name
    asked: list[Any] = [
        question(),
        question(imt=None),
        question(corridor="EU-SG"),
        question(corridor="EU-JP"),
        question(imt=None, min_rev_epoch=1),
        question(imt=None, context=context("payment-eu-sg")),
        question(context=listed),
        question("RMT:JP:payments_aml:2026-10"),
        question(unknown=1),
        {"tokens": {}},
        question(RMT_EU, None),
    ]
    return [json.dumps(one).encode() for one in asked]


class StillClock:
    """Stands still at `start`, and `ahead` seconds: a payment's trace says when it was decided."""

    def __init__(self) -> None:
        self.start = SystemClock().now()
        self.ahead = 0

    def now(self) -> int:
        return self.start + self.ahead


class Asker:
    """Asks one node each way, and compares."""

    def __init__(self, node: TestNode) -> None:
        self.node = node
        self.known = questions(node)
        self._new = itertools.count(1)
        self._number = itertools.count(1)

    def hits(self) -> float:
        found = re.search(
            r"^rtgf_verify_cache_hits_total (\S+)$", self.node.metrics(), re.MULTILINE
        )
        assert found is not None
        return float(found[1])

    def ask(self, body: bytes, *, role: str | None = None, **headers: str) -> tuple[Reply, str]:
        name = f"again-{next(self._number)}"
        given = {"X-Request-ID": name, **headers}
        reply = self.node.ask("POST", "/verify", body, role=role, headers=given)
        assert reply.headers["x-request-id"] == name
        return reply, name

    def record(self, name: str) -> dict[str, Any]:
        path = f"/admin/decisions?request_id={name}"
        until = time.monotonic() + PATIENCE_SECONDS
        entries: list[dict[str, Any]] = []
        while not entries and time.monotonic() < until:
            entries = self.node.ask("GET", path, role="auditor").json()["entries"]
        (entry,) = entries
        return entry

    def compare(self) -> list[dict[str, Any]]:
        """Ask everything in both ways; return what was answered."""
        said = []
        asked: list[tuple[str, str, str]] = []
        for body in self.known:
            anew = body + b" " * next(self._new)
            replies = [self.ask(anew), self.ask(body), self.ask(body)]
            (fresh, first), (once, second), (twice, third) = replies
            for reply in (once, twice):
                assert (reply.status, _told(reply)) == (fresh.status, _told(fresh))
                assert reply.headers.keys() == fresh.headers.keys()
                assert _said(reply) == _said(fresh)
            asked.append((first, second, third))
            said.append(_said(fresh))
        for names in asked:
            records = [self.record(name) for name in names]
            assert records[1]["request_digest"] == records[2]["request_digest"]
            told = [{k: v for k, v in one.items() if k not in IN_PLACE} for one in records]
            for one in told:
                # A problem names its request, so its digest is of one answer.
                if one["valid"] is None:
                    del one["answer_digest"]
            assert told[0] == told[1] == told[2]
            assert {one["client"] for one in records} == {None}
        return said


def _told(reply: Reply) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name not in OF_ONE}


def _said(reply: Reply) -> dict[str, Any]:
    said: dict[str, Any] = reply.json()
    said.pop("instance", None)
    return said


@contextmanager
def _changed(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = owner.__dict__[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@pytest.fixture
def node(template: TestNode, tmp_path: Any) -> TestNode:
    settings = "[limits]\npublic_per_second = 10000.0\npublic_burst = 100000\n"
    quick = "[decisions]\nflush_every_seconds = 0.01\n"
    return template.copy(tmp_path / "node", settings=settings + quick)


def told(node: TestNode, story: Callable[[Asker, StillClock], None]) -> None:
    clock = StillClock()
    serve_inside(node, lambda: story(Asker(node), clock), clock=clock)


def test_memory_says_what_is_found_anew_at_every_moment(node: TestNode) -> None:
    """RTGF-CT-52: whatever is withdrawn, and wherever the clock stands."""

    def story(asker: Asker, clock: StillClock) -> None:
        start = asker.compare()
        assert start[0]["valid"]
        assert asker.hits() > 0
        clock.ahead = 60
        assert asker.compare()[0] == start[0]
        assert node.revoke(f"{RMT}.1").status == 200
        assert asker.compare()[0]["reason"] == "RTGF_VERIFY_REVOKED"
        clock.ahead = -600
        assert asker.compare()[0]["reason"] == "RTGF_VERIFY_REVOKED"
        clock.ahead = 3600
        assert fetched(node, "un-sc").outcome == "unchanged"
        asker.compare()
        keys = node.keys()
        expiry = min(key.expires_at for key in keys if key.use == "token")
        for moment in (expiry - 1, expiry + 119, expiry + 120, expiry + 121, expiry + 86_400):
            clock.ahead += moment - clock.now()
            asker.compare()
        assert asker.compare()[-1]["reason"] == "RTGF_KID_EXPIRED"
        clock.ahead = 0
        asker.compare()

    told(node, story)


def test_memory_is_left_alone_while_the_node_is_not_sure(node: TestNode) -> None:
    """Stale, or without a whole memory of its own, it says nothing that it once said."""
    seen: list[VerifierActor] = []
    run = VerifierActor.run

    async def watched(self: VerifierActor, **options: Any) -> None:
        seen.append(self)
        await run(self, **options)

    def story(asker: Asker, _: StillClock) -> None:
        before = asker.compare()
        with _changed(SoloReplicator, "staleness_seconds", lambda _: 1e9):
            assert asker.compare()[0]["reason"] == "RTGF_TOKEN_REVOCATION_STALE"
        assert asker.compare() == before
        (verifier,) = seen
        verifier._whole = False
        for body in asker.known:
            asker.ask(body)[0].problem(503, "RTGF_VERIFY_UNAVAILABLE")
        verifier._whole = True
        assert asker.compare() == before

    with _changed(VerifierActor, "run", watched):
        told(node, story)


def test_what_is_answered_again_is_admitted_and_recorded_like_the_first(node: TestNode) -> None:
    """Each asker's name is in its own record, and a key, a query or a type is heard as ever."""

    def story(asker: Asker, _: StillClock) -> None:
        body = asker.known[0]
        asker.ask(body)
        hits = asker.hits()
        _, of_partner = asker.ask(body, role="partner")
        _, of_nobody = asker.ask(body)
        assert asker.hits() == hits + 2
        assert asker.record(of_partner)["client"].startswith("urn:rtgf:partner:")
        assert asker.record(of_nobody)["client"] is None
        asker.ask(body, **{"Content-Type": "text/plain"})[0].problem(415, "RTGF_MEDIA_TYPE")
        key = {"Idempotency-Key": "one"}
        assert "idempotency-replayed" not in asker.ask(body, **key)[0].headers
        assert asker.ask(body, **key)[0].headers["idempotency-replayed"] == "true"
        whole = node.ask("POST", "/verify?receipt=1", body).json()
        assert whole["receipt"] is not None
        node.ask("POST", "/verify?unknown=1", body).problem(400, "RTGF_BAD_REQUEST")
        long = body + b" " * SHORT_BYTES
        assert _said(asker.ask(long)[0]) == _said(asker.ask(long)[0]) == _said(asker.ask(body)[0])

    told(node, story)


def test_the_memory_is_bounded(node: TestNode) -> None:
    made: list[again.Again] = []
    tell = again.Again._tell

    def seen(self: again.Again, *arguments: Any) -> Any:
        made.append(self)
        return tell(self, *arguments)

    def story(asker: Asker, _: StillClock) -> None:
        bodies = [asker.known[0] + b"\n" * number for number in range(8)]
        answers = {asker.ask(body)[0].body for body in bodies for _ in range(2)}
        assert len(answers) == 1
        assert len(made[-1]) == 3

    with _changed(again, "ANSWERS_KEPT", 3), _changed(again.Again, "_tell", seen):
        told(node, story)
