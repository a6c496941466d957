"""What the contract names is not only shown: it moves when the thing happens, on a real node."""

from __future__ import annotations

import json
import re
from pathlib import Path

from rtgf_node.core import tokens
from rtgf_node.core.keys import SeedSigner
from tests.e2e.test_metrics import scrape
from tests.nodes import RATES, TestNode
from tests.worlds import document, sealed

RMT, IMT = "RMT:SG:payments_aml:2026-10", "IMT:EU-SG:payments_aml:2026-10"

NEVER_IN_GOOD_TIMES = {
    "rtgf_build_failures_total",
    "rtgf_pipeline_determinism_failures_total",
    "rtgf_pipeline_publish_failures_total",
    "rtgf_revocation_epoch_drift",
    "rtgf_sanctions_hash_mismatch_total",
    "rtgf_transparency_append_failures_total",
    "rtgf_verify_rate_limit_total",
}
OF_LATER_WORK = {"rtgf_policy_manual_review_total", "rtgf_tlsa_mismatch_total"}
OF_A_ROTATION = {"rtgf_key_rotation_events_total"}


def settings(keys: Path) -> str:
    return (
        f'{RATES}[oauth]\nissuer = "https://login.example"\naudience = "rtgf"\n'
        f'jwks_file = "{keys}"\nroles = {{partner = ["partner"]}}\n'
    )


def story(node: TestNode) -> None:
    """Fetch, build, ask, prove, revoke; and what a stranger may send meanwhile."""
    assert all(item.outcome == "accepted" for item in node.fetch())
    assert node.compile().state == "published"
    stranger = sealed(document("FR"), [])
    node.ask("POST", "/admin/snapshots", stranger, role="regulator")
    token = node.ask("GET", f"/tokens?uri={RMT}.1").json()
    signer = SeedSigner(f"{token['kid'][:-3]}999", bytes(32))
    unknown = json.loads(tokens.sign({**token, "kid": signer.kid}, [signer]))
    for asked in (RMT, RMT, {**token, "signatures": []}, {**token, "extra": 1}, unknown):
        node.ask("POST", "/verify", {"tokens": {"rmt": asked}})
    node.ask("POST", "/verify", {"tokens": {"rmt": RMT}, "min_rev_epoch": 10**6})
    (event,) = [
        entry["event"]["event_id"]
        for entry in node.ask("GET", "/transparency?since=0&limit=200").json()["entries"]
        if entry["event"]["subject"] == f"{RMT}.1"
    ]
    assert node.ask("GET", f"/proofs/{event}").status == 200
    assert node.revoke(f"{IMT}.1").status == 200


def test_every_metric_of_the_contract_moves_in_the_story(tmp_path, shared):
    text = (shared / "spec" / "conformance.md").read_text().partition("## Metric names")[2]
    named = set(re.findall(r"`(rtgf_[a-z_]+)", text))
    node = TestNode(tmp_path / "node", settings=settings(tmp_path / "jwks.json"))
    with node.running():
        before = scrape(node)
        story(node)
        after = scrape(node)
    # A counter with labels has no sample before it counts; a key set is read before the first look.
    moved = {name for (name, labels), value in after.items() if value != before.get((name, labels))}
    moved |= {name for (name, labels), value in before.items() if labels and value}
    moved |= {name.removesuffix("_count") for name in moved}
    still = {name for name in named if name not in moved}
    assert still == NEVER_IN_GOOD_TIMES | OF_LATER_WORK | OF_A_ROTATION


def test_entries_are_counted_by_type_and_a_revocation_by_how_long_it_took(own):
    """RTGF-CT-93."""

    def counted() -> tuple[float, float, float]:
        found = scrape(own)
        labels = frozenset({("result", "ok"), ("type", "revocation")})
        name = "rtgf_revocation_propagation_seconds"
        return (
            found.get(("rtgf_transparency_ingest_total", labels), 0.0),
            found[f"{name}_count", frozenset()],
            found[f"{name}_sum", frozenset()],
        )

    before = counted()
    assert own.revoke("IMT:EU-UK:payments_aml:2026-10.1").status == 200
    entries, count, seconds = (a - b for a, b in zip(counted(), before, strict=True))
    assert (entries, count) == (1, 1)
    assert 0 < seconds < 10
