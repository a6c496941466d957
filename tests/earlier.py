"""Reads and questions about an earlier state, and what was answered when it was the present."""

from __future__ import annotations

from typing import Any, NamedTuple

from rtgf_node.core import times
from tests.inside import ShiftedClock
from tests.nodes import RATES, Reply, TestNode, context
from tests.questions import question

RMT, IMT = "RMT:SG:payments_aml:2026-10", "IMT:EU-SG:payments_aml:2026-10"
QUIET = f'{RATES}\n[decisions]\nmode = "off"\n'
STEP_SECONDS = 100
"""Between two acts; several of them are less than the ttl of a token."""

READS = (
    "/catalog?jurisdiction=SG&domain=payments_aml&limit=1000",
    "/.well-known/rtgf/catalog.json?limit=1000&type=imt",
    f"/tokens?uri={RMT}",
    f"/tokens?uri=urn:rtgf:token:{IMT}.2",
    "/tokens/IMT/eu-sg-payments_aml-2026-10.2",
    "/rmt/SG/payments_aml",
    "/rmt/SG/payments_aml?version=2026-10",
    "/rmt/SG/payments_aml?version=2026-11.1",
    "/imt/EU-SG/payments_aml",
    "/snapshots/snapshot:sg:payments_aml:2026-11",
    "/policy-matrix/index.jsonld",
    "/revocations",
    "/revocations?since=1&type=imt",
    "/roots/latest",
    "/jwks.json",
    "/.well-known/jwks.json",
    "/.well-known/jwks.jws",
    "/key-manifest.json",
)
QUESTIONS = (
    question(RMT, None),
    question(RMT, IMT, corridor="EU-SG"),
    question(f"{RMT}.2", f"{IMT}.2", context=context("payment-eu-sg")),
    question(f"{RMT}.1", f"{IMT}.1"),
    question("RMT:SG:payments_aml:2026-11", None),
)


class StillClock(ShiftedClock):
    """A clock that goes on only when the test says so: an instant can be asked about exactly."""

    def __init__(self) -> None:
        super().__init__()
        self._start = super().now()

    def now(self) -> int:
        """Return the time."""
        return self._start + self.ahead


class Station(NamedTuple):
    """A moment at which nothing happened, and all answers as they were given then."""

    at: int
    size: int
    reads: tuple[Reply, ...]
    answers: tuple[Reply, ...]


def pinned(path: str, at: object) -> str:
    return f"{path}{'&' if '?' in path else '?'}at={at}"


def same(then: Reply, later: Reply) -> bool:
    """Whether two answers say the same; a refusal names its own request."""
    if then.status != 200:
        return (then.status, then.json()["code"]) == (later.status, later.json()["code"])
    return (then.status, then.body) == (later.status, later.body)


def newest_size(node: TestNode) -> int:
    return int(node.ask("GET", "/roots/latest").json()["tree_size"])


def station(node: TestNode, clock: StillClock) -> Station:
    clock.ahead += STEP_SECONDS
    reads = tuple(node.ask("GET", path) for path in READS)
    answers = tuple(node.ask("POST", "/verify", asked) for asked in QUESTIONS)
    here = Station(clock.now(), newest_size(node), reads, answers)
    clock.ahead += STEP_SECONDS
    return here


def event(node: TestNode, index: int) -> dict[str, Any]:
    page = node.ask("GET", f"/transparency?since={index}&limit=1").json()
    return page["entries"][0]["event"]


def entry_of(node: TestNode, type_: str, subject: str, *, nth: int = 0) -> tuple[int, int]:
    """Where the log has the nth such event, and when it happened."""
    page = node.ask("GET", "/transparency").json()["entries"]
    found = [
        (one["index"], times.parse(one["event"]["at"]))
        for one in page
        if (one["event"]["type"], one["event"]["subject"]) == (type_, subject)
    ]
    return found[nth]
