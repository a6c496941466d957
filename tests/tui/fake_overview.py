"""Overviews of nodes that are not there: one without a care, and one with many."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from rtgf_node.alerts.board import Standing
from rtgf_node.alerts.catalogue import CATALOGUE
from rtgf_node.core import times
from rtgf_node.wire import (
    ActorStatus,
    AlertLine,
    BuildLine,
    Check,
    DatasetStatus,
    QuarantinedFile,
    ReadyAnswer,
    StatusAnswer,
)
from rtgf_node.wire.overview import (
    ActorFigures,
    Cursors,
    Disk,
    Expiry,
    Figures,
    OverviewAnswer,
    SourceFigures,
    Tally,
)

NOW = times.parse("2026-11-23T12:03:11Z")
BOUNDS = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0]
EMPTY = Tally([0.001, 0.01, 0.1], [0, 0, 0, 0], 0.0)


def served(looks: int) -> Tally:
    """Return how long an actor took for ten requests more each look, of which one is slow."""
    return Tally([0.001, 0.005, 0.025], [60 + 6 * looks, 30 + 3 * looks, 10 + looks, 0], 0.3)


def figures(looks: int) -> Figures:
    """Return what a busy node has counted after so many looks of two seconds."""
    counts = [0, 300 * looks, 80 * looks, 15 * looks, 4 * looks, looks, 0, 0, 0, 0, 0, 0, 0]
    asked = sum(counts)
    return Figures(
        requests={"2xx": asked + 40, "4xx": 3, "5xx": 0},
        verdicts={"valid": asked - 20 * looks, "RTGF_VERIFY_REVOKED": 17 * looks,
                  "RTGF_VERIFY_EXPIRED": 3 * looks},
        request_seconds=EMPTY,
        verify_ms=Tally(BOUNDS, counts, 100.0 * looks),
        loop_lag_seconds=Tally([0.001, 0.005, 0.01], [19 * looks, looks, 0, 0], 0.01 * looks),
        appended=18_000 + looks,
        in_flight=2,
    )  # fmt: skip


def actor(name: str, **members: Any) -> ActorFigures:
    given: dict[str, Any] = {"capacity": 64, "peak": 1, "requests": 100, "wait_seconds": 0.1,
                             "served": served(0), "outcomes": {"replied": 100}}  # fmt: skip
    return ActorFigures(
        name=name, state="running", restarts=0, last_error=None, **given
    ) if not members else replace(
        ActorFigures(name=name, state="running", restarts=0, last_error=None, **given), **members
    )  # fmt: skip


ACTORS = [
    actor("log", capacity=1024, peak=12),
    *(actor(name) for name in ("registry", "revocation", "verifier", "compiler", "approvals")),
    actor("fetcher"),
    ActorFigures(name="decisions", state="running", restarts=0, last_error=None),
]
SOURCES = [
    SourceFigures("eurlex-psd3", "source", 3600, 1200, "unchanged", "", 7200, "snapshot:eu:a:1"),
    SourceFigures("mas-aml", "source", 3600, 60, "accepted", "", 120, "snapshot:sg:a:2"),
    SourceFigures("un-sc", "list", 3600, 900, "unchanged", "", 1800, "2026-11-23-39f8ea3e"),
    SourceFigures("eu-fsf", "list", 3600, 905, "accepted", "", 1795, "2026-11-23-8a4c7698"),
]
DATASETS = [
    DatasetStatus(name, version, records, digest, f"2026-11-23T11:33:{second}Z", fresh=True)
    for name, version, records, digest, second in (
        ("eu-fsf", "2026-11-23-8a4c7698", 5912, "sha256:67c4", 16),
        ("un-sc", "2026-11-23-39f8ea3e", 1004, "sha256:3cd2", 11),
    )
]
BUILD = BuildLine("sha256:" + "0054" * 16, "published", "2026-11-23T09:00:00Z", "sha256:9b1c")
CHECKS = [
    Check("actors", ok=True, detail=""),
    Check("log", ok=True, detail="newest signed head is 4 s old"),
    Check("verifier", ok=True, detail="memory loaded, revocation state fresh"),
    Check("decisions", ok=True, detail="recorded, batched"),
    Check("intake", ok=True, detail="open"),
    Check("dataset:eu-fsf", ok=True, detail="fresh"),
    Check("dataset:un-sc", ok=True, detail="fresh"),
    Check("witnesses", ok=True, detail="2 of 2 witnesses cosign, 2 are enough"),
]


def overview(*, looks: int = 1, size: int = 18_204, tokens: int = 16) -> OverviewAnswer:
    """Return a node without a care."""
    return OverviewAnswer(
        at=times.to_text(NOW),
        caller="urn:rtgf:operator:alice",
        roles=["operator"],
        status=StatusAnswer(
            issuer="did:web:fma.example",
            version="0.4.0",
            ready=ReadyAnswer("ready", CHECKS),
            tree_size=size,
            root_hash="sha256:" + "72aa" * 16,
            head_issued_at=times.to_text(NOW - 4),
            revEpoch=3,
            tokens=tokens,
            snapshots=6,
            datasets=DATASETS,
            actors=[ActorStatus("log", "running", 0, 0, 1024, 12)],
        ),
        figures=figures(looks),
        actors=[
            one
            if one.capacity is None
            else replace(
                one,
                requests=100 + 10 * looks,
                wait_seconds=0.1 + 0.004 * looks,
                served=served(looks),
            )
            for one in ACTORS
        ],
        sources=SOURCES,
        pending=0,
        waiting=0,
        build=BuildLine(
            "sha256:" + "0054" * 16, "published", "2026-11-23T09:00:00Z", "sha256:9b1c"
        ),
        keys=[
            Expiry(f"fma.example:ed25519:2026-11:00{n}", purpose, "2027-02-27T00:00:00Z")
            for n, purpose in enumerate(("token", "log", "status", "receipt"), 1)
        ],
        certificates=[Expiry("node.pem", "server", "2027-11-23T00:00:00Z")],
        disk=Disk(80 << 30, 200 << 30, 48 << 20),
        cursors=Cursors(log=size, acts=4, denials=1),
    )


def alert(name: str, detail: str) -> AlertLine:
    return Standing(CATALOGUE[name], NOW - 600, detail).line()


def degraded() -> OverviewAnswer:
    """Return a node that answers, with much that is not as it should be."""
    good = overview()
    checks = [
        replace(one, ok=False, detail="older than its maximum age")
        if one.name == "dataset:un-sc"
        else one
        for one in CHECKS
    ]
    status = replace(
        good.status,
        ready=ReadyAnswer("degraded", checks),
        datasets=[DATASETS[0], replace(DATASETS[1], fresh=False)],
        quarantine=(
            QuarantinedFile("eu-fsf", "shrinks by 40 %, more than 20 %", "2026-11-23T11:00:00Z",
                            "2026-11-30T11:00:00Z", "sha256:8a4c"),
        ),
        alerts=(
            alert("certificate_expiring", "server node.pem ends on 2026-11-28"),
            alert("source_failed", "mas-aml: RTGF_KID_UNKNOWN no such key"),
            alert("list_stale", "un-sc: older than its maximum age"),
            alert("disk_low", "4% of the disk is free"),
            alert("actor_restarting", "crashed since the node began: fetcher, 2 in all"),
        ),
    )  # fmt: skip
    actors = [
        replace(one, restarts=2, last_error="OSError: no route") if one.name == "fetcher" else one
        for one in good.actors
    ]
    return replace(
        good,
        status=status,
        actors=actors,
        waiting=1,
        certificates=[Expiry("node.pem", "server", times.to_text(NOW + 5 * 86_400))],
        disk=Disk(9 << 30, 200 << 30, 48 << 20),
        sources=[
            SOURCES[0],
            replace(SOURCES[1], outcome="refused", detail="RTGF_KID_UNKNOWN no such key"),
            *SOURCES[2:],
        ],
    )
