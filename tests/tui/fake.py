"""A node that is not there: answers a dashboard's questions out of figures, however large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from rtgf_node.client import Question
from rtgf_node.core import merkle, times
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire import (
    BuildAnswer,
    BuildProgress,
    BuildStage,
    Catalog,
    CatalogEntry,
    LogEntry,
    LogPage,
    ProofBundle,
    RevocationEntry,
    RevokeAnswer,
    TokenVerdict,
    VerifyAnswer,
)
from rtgf_node.wire.approvals import ApprovalAnswer, ApprovalsAnswer
from rtgf_node.wire.audit_trail import AuditTrailPage
from rtgf_node.wire.cluster import ClusterAnswer, ClusterMember
from rtgf_node.wire.overview import (
    CorridorsAnswer,
    OverviewAnswer,
    PlaceStanding,
    RevocationsPage,
)
from tests.tui.fake_overview import BUILD, NOW, overview

T = TypeVar("T")

PLACES = ("AU", "EU", "KR", "SG", "UK", "US")


class FakeClock:
    """A clock that stands where it is put."""

    def __init__(self, at: int = NOW) -> None:
        self.at = at

    def now(self) -> int:
        return self.at


def event(index: int) -> dict[str, Any]:
    """Return the event of an entry."""
    place = PLACES[index % len(PLACES)]
    return {
        "event_id": f"evt:token_issue:2026-11-23T09:00:00Z:{index:032x}",
        "type": "token_issue",
        "at": times.to_text(NOW - 60 - (index % 1000)),
        "subject": f"RMT:{place}:payments_aml:2026-10.{index}",
        "digest": "sha256:" + f"{index:064x}",
        "refs": {"build": "sha256:" + "0054" * 16},
        "actor": "did:web:fma.example",
        "payload": {"leaf": index},
    }


class FakeNode:
    """Answers by path. `asked` is what it was asked, in order; `posted` what it was told to do."""

    url = "https://fma.example:8443"

    def __init__(self, *, size: int = 18_204, tokens: int = 16, busy: bool = True) -> None:
        self.size, self.tokens = size, tokens
        self.busy = busy
        self.looks = 0
        self.down: RtgfError | None = None
        self.lost_at = ""  # the path of the question amid which it is lost
        self.shown: OverviewAnswer | None = None
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.posted: list[tuple[str, Any]] = []
        self.closed = False
        self.revoked: list[RevocationEntry] = [
            RevocationEntry(f"IMT:EU-SG:payments_aml:2026-10.{n}", f"{n:032x}", "invalid",
                            "policy_withdrawn", n, times.to_text(NOW - 7200 * (4 - n)),
                            None if n < 3 else "RMT:SG:payments_aml:2026-10.1")
            for n in (3, 2, 1)
        ]  # fmt: skip
        self.approvals = [
            ApprovalAnswer("0b7c7a52-6bd3-5f0e-8f5d-1f6a2c4b8d11", ["publish"],
                           "sha256:" + "0054" * 16, "sha256:9a1c", "waiting",
                           "urn:rtgf:operator:alice", "2026-11-23T10:00:00Z",
                           "2026-11-24T10:00:00Z", None, None, None)
        ]  # fmt: skip
        self.cluster = ClusterAnswer(
            alone=True, cluster="", name="", role="leader", leader=None, term=0, last_index=0,
            commit=0, applied=0, tree_size=size, staleness_seconds=0.0, members=[],
        )  # fmt: skip

    async def aclose(self) -> None:
        self.closed = True

    async def ask(self, question: Question[T]) -> T:
        """Answer as a node does: by bytes."""
        given = {name: value for name, value in question.query.items() if value is not None}
        self.asked.append((question.path, given))
        if question.path == self.lost_at:
            self.down = lost()
        if self.down is not None:
            raise self.down
        if question.method == "POST" and question.path.startswith("/admin"):
            self.posted.append((question.path, msgspec.json.decode(question.content or b"null")))
        path, _, last = question.path.rpartition("/")
        answers: dict[str, Callable[[], Any]] = {
            "/admin/overview": self._overview,
            "/transparency": lambda: self._log(given["since"], given["limit"]),
            "/catalog": lambda: self._catalog(given),
            "/admin/revocations": lambda: RevocationsPage(self.revoked, None),
            "/admin/audit-trail": lambda: self._trail(given),
            "/admin/corridors": corridors,
            "/admin/builds": lambda: [BUILD],
            "/admin/approvals": lambda: ApprovalsAnswer(self.approvals),
            "/admin/cluster": lambda: self.cluster,
            "/verify": lambda: verdict(question.content or b""),
            "/admin/revoke": lambda: RevokeAnswer(4, []),
            "/admin/fetch": lambda: {"items": []},
            "/admin/compile": running,
        }
        if question.path in answers:
            return question.read(msgspec.json.encode(answers[question.path]()))
        if path == "/proofs":
            return question.read(msgspec.json.encode(proof(int(last.rpartition(":")[2], 16))))
        if question.path == "/tokens":
            return question.read(b'{"type": "RMT", "jti": "a39d"}')
        if path == "/admin/builds":
            return question.read(msgspec.json.encode(running()))
        if path == "/admin/approvals":
            return question.read(msgspec.json.encode(self.approvals[0]))
        raise RtgfError(Code.RTGF_NOT_FOUND, f"there is nothing at {question.path}")

    def _overview(self) -> OverviewAnswer:
        self.looks += 1
        if self.shown is not None:
            return self.shown
        return overview(looks=self.looks if self.busy else 1, size=self.size, tokens=self.tokens)

    def _log(self, since: int, limit: int) -> LogPage:
        end = min(self.size, since + limit)
        entries = [LogEntry(index, event(index)) for index in range(since, end)]
        return LogPage(self.size, entries, end if end < self.size else None)

    def _catalog(self, given: dict[str, Any]) -> Catalog:
        start, limit = int(given.get("cursor", 0)), given["limit"]
        end = min(self.tokens, start + limit)
        found = [entry(n) for n in range(start, end)]
        wanted = given.get("corridor") or given.get("jurisdiction")
        if wanted:
            found = [one for one in found if f":{wanted}:" in one.uri]
        return Catalog(found, str(end) if end < self.tokens else None)

    def _trail(self, given: dict[str, Any]) -> AuditTrailPage:
        last = 4 if given["kind"] == "acts" else 1
        outcome = "done" if given["kind"] == "acts" else "denied"
        return AuditTrailPage(
            [
                {"seq": seq, "prev": "sha256:00", "entry": {
                    "at": times.to_text(NOW - 30 + seq), "request_id": f"a96b2373-{seq}",
                    "client": "urn:rtgf:operator:alice", "address": "192.0.2.7", "method": "POST",
                    "path": "/admin/revoke", "outcome": outcome, "status": 200,
                    "body": "sha256:44", "subjects": ["RMT:SG:payments_aml:2026-10.1"]}}
                for seq in range(given["since"], last + 1)
            ],
            None,
        )  # fmt: skip


def entry(number: int) -> CatalogEntry:
    """Return a line of the catalogue: an RMT, or an IMT every other time."""
    here, there = PLACES[number % 6], PLACES[(number // 6) % 6]
    kind, place = ("IMT", f"{here}-{there}") if number % 2 and here != there else ("RMT", here)
    return CatalogEntry(
        uri=f"urn:rtgf:token:{kind}:{place}:payments_aml:2026-10.{number + 1}",
        type=kind,
        slug=f"{place.lower()}-payments_aml-2026-10.{number + 1}",
        hash=f"sha512:{number:0128x}",
        version=f"2026-10.{number + 1}",
        issued_at="2026-11-23T09:00:00Z",
        nbf="2026-10-01T00:00:00Z",
        exp="2026-11-01T00:00:00Z" if number % 7 == 6 else "2027-10-01T00:00:00Z",
        revoked=number % 5 == 4,
        leafIndex=number,
    )


def corridors() -> CorridorsAnswer:
    """Return a few corridors."""
    end = "2027-10-01T00:00:00Z"
    return CorridorsAnswer(
        jurisdictions=[PlaceStanding(place, 2, 0, 0, end) for place in PLACES],
        corridors=[
            PlaceStanding("EU-SG", 1, 1, 0, end),
            PlaceStanding("EU-US", 2, 0, 0, end),
            PlaceStanding("SG-EU", 0, 1, 0, None),
        ],
    )


def running() -> BuildAnswer:
    """Return a build in its midst."""
    return BuildAnswer(
        build_id="sha256:" + "0054" * 16,
        state="running",
        stages=[BuildStage("plan", "58 tokens are due", "2026-11-23T12:03:01Z")],
        issued=[],
        held=[],
        unsatisfiable=[],
        progress=BuildProgress("compile", 21, 58),
    )


def verdict(content: bytes) -> VerifyAnswer:
    """Return a verdict on the tokens of a request, of which an IMT was withdrawn."""
    asked = msgspec.json.decode(content)["tokens"]
    tokens = [
        TokenVerdict(f"urn:rtgf:token:{token}", kind.upper(), "sha512:05", valid=kind != "imt",
                     reason="RTGF_VERIFY_REVOKED" if kind == "imt" else None,
                     exp="2027-10-01T00:00:00Z")
        for kind, token in asked.items() if token is not None
    ]  # fmt: skip
    reason = next((one.reason for one in tokens if not one.valid), None)
    return VerifyAnswer(
        valid=reason is None, revEpoch=3, reason=reason, decision=None, controls=[], reasons=[],
        trace_digest=None, tokens=tokens,
    )  # fmt: skip


def proof(index: int) -> ProofBundle:
    """Return a proof that holds, in a tree of two leaves."""
    leaf = merkle.leaf_hash(canonical_bytes(event(index)))
    other = bytes(32)
    return ProofBundle(
        eventId=event(index)["event_id"], leafIndex=0, treeSize=2,
        merkleRoot="sha256:" + merkle.node_hash(leaf, other).hex(), leafHash=leaf.hex(),
        eventDigest="", path=[other.hex()], consistency=[], issuedAt="2026-11-23T12:03:07Z",
        checkpoint="", signatures=[],
    )  # fmt: skip


def cluster() -> ClusterAnswer:
    """Return a cluster of three, one of which is gone."""
    members = [
        ClusterMember(1, "node-a", "10.0.0.1:7443", "voter", 120_400, active=True),
        ClusterMember(2, "node-b", "10.0.0.2:7443", "voter", 120_398, active=True),
        ClusterMember(3, "node-c", "10.0.0.3:7443", "voter", 118_001, active=False),
    ]
    return ClusterAnswer(
        alone=False, cluster="fma.example/log", name="node-a", role="leader", leader="node-a",
        term=7, last_index=120_400, commit=120_400, applied=120_400, tree_size=18_204,
        staleness_seconds=0.2, members=members,
    )  # fmt: skip


def lost() -> RtgfError:
    """Return what an asker raises when nobody answers."""
    return RtgfError(Code.RTGF_UNREACHABLE, "https://fma.example:8443 does not answer")
