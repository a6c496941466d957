"""The publishers' real files, whole: fetched, built with, and screened against."""

from __future__ import annotations

import json

import pytest

from tests.nodes import TestNode, context
from tests.observing import events, rtgf

COUNTS = {
    "us-ofac-sdn": 8976,
    "un-sc": 877,
    "eu-fsf": 5860,
    "uk-sanctions": 6349,
    "au-dfat": 3856,
    "ca-sema": 4759,
}
EU_SG = "IMT:EU-SG:payments_aml:2026-10"


@pytest.fixture(scope="module")
def real(shared, tmp_path_factory):
    """A running node with the real lists, and what `rtgf fetch --json` printed."""
    node = TestNode(tmp_path_factory.mktemp("real") / "node", lists=shared / "datasets")
    with node.running():
        done = rtgf(node, "fetch", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        yield node, done.stdout


def test_fetch_prints_every_lists_records_and_content(real):
    """RTGF-CT-10: nothing of a real list is left out."""
    node, printed = real
    items = json.loads(printed)["items"]
    rows = {
        item["source"]: (item["records"], item["unreadable"], item["content_sha256"])
        for item in items
        if item["outcome"] == "accepted" and item["records"] is not None
    }
    assert {name: row[:2] for name, row in rows.items()} == {
        name: (count, 0) for name, count in COUNTS.items()
    }
    status = node.ask("GET", "/admin/status", role="operator").json()
    held = {one["name"]: (one["records"], one["content_sha256"]) for one in status["datasets"]}
    assert held == {name: (row[0], row[2]) for name, row in rows.items()}
    logged = {event["subject"].partition(":")[0]: event for event in events(node, "dataset")}
    assert {name: event["digest"] for name, event in logged.items()} == {
        name: row[2] for name, row in rows.items()
    }


def test_a_real_listed_name_is_denied_and_an_ordinary_one_is_not(real):
    """RTGF-CT-10, RTGF-CT-80: through tokens that carry the real lists' digests."""
    node, _ = real
    build = node.compile(domains=["payments_aml"])
    assert build.state == "published", build
    token = node.ask("GET", "/imt/EU-SG/payments_aml").json()
    status = node.ask("GET", "/admin/status", role="operator").json()
    held = {one["name"]: one["content_sha256"] for one in status["datasets"]}
    assert {one["dataset"]: one["content_sha256"] for one in token["evidence"]["datasets"]} == {
        name: held[name] for name in ("eu-fsf", "un-sc")
    }
    payment = context("payment-eu-sg")
    assert node.verify(EU_SG, context=payment).decision == "PERMIT"
    words = node.world.listed_name.title().split()
    for name in (
        node.world.listed_name,
        " ".join(reversed(words)),
        "Mohammad Hassan Akhund",
        "محمد طاهر أنوري",
    ):
        payment["beneficiary"] = {**payment["beneficiary"], "name": name, "kind": "natural"}
        answer = node.verify(EU_SG, context=payment)
        assert (answer.decision, answer.reason) == ("DENY", "RTGF_VERIFY_POLICY_DENY"), name
        assert "SANCTIONS_LISTED" in answer.reasons


def test_no_name_of_a_list_is_in_the_log_or_the_nodes_words(real):
    node, printed = real
    name = node.world.listed_name
    for place in (
        printed,
        str(events(node)),
        node.metrics(),
        (node.folder / "node.log").read_text(),
    ):
        assert name.lower() not in place.lower()
