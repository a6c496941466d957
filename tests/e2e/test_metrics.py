"""`/metrics` as Prometheus scrapes it, on its own listener."""

from __future__ import annotations

import http.client
import re
import time
from contextlib import closing

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rtgf_node.cli.demo_node import free_port
from tests.nodes import PATIENCE_SECONDS, TestNode, context
from tests.processes import until

ACTORS = {"log", "registry", "revocation", "verifier", "compiler", "fetcher"}
RMT = "RMT:SG:payments_aml:2026-10"
FAMILIES = {
    "rtgf_snapshot_validations_total",
    "rtgf_snapshot_signature_failures_total",
    "rtgf_sanctions_fetch_seconds",
    "rtgf_sanctions_hash_mismatch_total",
    "rtgf_build_duration_seconds",
    "rtgf_build_failures_total",
    "rtgf_artifact_sign_total",
    "rtgf_transparency_append_total",
    "rtgf_token_canonical_duration_seconds",
    "rtgf_token_signature_failures_total",
    "rtgf_token_schema_invalid_total",
    "rtgf_token_revocation_stale_total",
    "rtgf_verify_latency_ms",
    "rtgf_verify_requests_total",
    "rtgf_verify_cache_hits_total",
    "rtgf_verify_cache_misses_total",
    "rtgf_verify_rate_limit_total",
    "rtgf_jwks_fetch_total",
    "rtgf_key_rotation_events_total",
    "rtgf_kid_unknown_total",
    "rtgf_transparency_ingest_total",
    "rtgf_transparency_proof_latency_ms",
    "rtgf_transparency_root_publish_total",
    "rtgf_transparency_append_failures_total",
    "rtgf_policy_clause_mapped_total",
    "rtgf_policy_mapping_duration_seconds",
    "rtgf_pipeline_runs_total",
    "rtgf_pipeline_duration_seconds",
    "rtgf_pipeline_determinism_failures_total",
    "rtgf_pipeline_publish_failures_total",
    "rtgf_revocation_epoch",
}


def scrape(node: TestNode) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(node.metrics())
        for sample in family.samples
    }


def value(node: TestNode, name: str, **labels: str) -> float:
    return scrape(node).get((name, frozenset(labels.items())), 0.0)


def test_the_exposition_is_well_formed(published):
    """What promtool would say: help, type, names, units, no sample twice."""
    text = published.metrics()
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    seen = set()
    for family in families:
        assert family.documentation, family.name
        assert family.type in {"counter", "gauge", "histogram"}, family.name
        if family.name.startswith("rtgf_"):
            assert re.fullmatch(r"[a-z][a-z0-9_]*", family.name)
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in seen, key
            seen.add(key)
            if family.type == "counter":
                assert sample.name.endswith("_total")
                assert sample.value >= 0
    assert {family.name.split("_")[0] for family in families} <= {"rtgf", "process", "python"}


def test_the_names_of_the_contract_are_there(published):
    told = {line.split()[2] for line in published.metrics().splitlines() if line[:6] == "# TYPE"}
    assert told >= FAMILIES


def test_every_actor_shows_its_inbox(published):
    for name in ("depth", "capacity", "peak"):
        found = {
            dict(labels)["actor"]: number
            for (metric, labels), number in scrape(published).items()
            if metric == f"rtgf_actor_mailbox_{name}"
        }
        assert set(found) >= ACTORS
        assert all(number > 0 for number in found.values()) or name != "capacity"
    restarts = {
        dict(labels)["actor"]: number
        for (metric, labels), number in scrape(published).items()
        if metric == "rtgf_actor_restarts_total"
    }
    assert set(restarts) >= ACTORS
    assert set(restarts.values()) == {0.0}


def test_answers_are_counted_by_verdict(own):
    def ask(**body) -> int:
        given = {"tokens": {"rmt": RMT}, **body}
        return own.ask("POST", "/verify", given).status

    def counts() -> list[float]:
        return [
            value(own, "rtgf_verify_requests_total", result="valid", code=""),
            value(
                own,
                "rtgf_verify_requests_total",
                result="invalid",
                code="RTGF_TOKEN_REVOCATION_STALE",
            ),
            value(
                own, "rtgf_verify_requests_total", result="error", code="RTGF_VERIFY_BAD_REQUEST"
            ),
            value(own, "rtgf_verify_cache_hits_total"),
            value(own, "rtgf_verify_latency_ms_count"),
            value(own, "rtgf_token_revocation_stale_total"),
        ]

    before = counts()
    unique = context("payment-eu-sg", purpose="a purpose of this test's own")
    assert [ask(context=unique), ask(context=unique), ask(min_rev_epoch=10**6), ask(x=1)] == [
        200,
        200,
        200,
        400,
    ]
    assert [b - a for a, b in zip(before, counts(), strict=True)] == [2, 1, 1, 1, 3, 1]


def test_refused_tokens_are_counted(own):
    """RTGF-CT-43: the metric moves."""
    token = own.ask("GET", f"/tokens?uri={RMT}").json()
    before = value(own, "rtgf_token_signature_failures_total", type="RMT")
    own.ask("POST", "/verify", {"tokens": {"rmt": {**token, "signatures": []}}}).problem(
        422, "RTGF_VERIFY_SIGNATURE_INVALID"
    )
    assert value(own, "rtgf_token_signature_failures_total", type="RMT") == before + 1
    before = value(own, "rtgf_token_schema_invalid_total")
    own.ask("POST", "/verify", {"tokens": {"rmt": {**token, "extra": 1}}})
    assert value(own, "rtgf_token_schema_invalid_total") == before + 1


def test_the_log_and_revocation_are_measured(own):
    before = value(own, "rtgf_transparency_append_total", result="ok")
    covered = value(own, "rtgf_transparency_head_delay_seconds_count")
    assert own.revoke("IMT:EU-US:payments_aml:2026-10.1").status == 200
    assert value(own, "rtgf_transparency_append_total", result="ok") == before + 1
    until(lambda: value(own, "rtgf_transparency_head_delay_seconds_count") == covered + 1)
    listed = own.ask("GET", "/revocations").json()
    assert value(own, "rtgf_revocation_epoch") == listed["revEpoch"]
    size = own.ask("GET", "/roots/latest").json()["tree_size"]
    assert value(own, "rtgf_log_tree_size") in {size, size + 1}
    assert value(own, "rtgf_transparency_root_publish_total", result="ok") >= 1


def test_paths_that_nobody_serves_do_not_grow_the_metrics(own):
    def series() -> set:
        return {key for key in scrape(own) if key[0] == "rtgf_http_requests_total"}

    own.ask("GET", "/nowhere/0")
    own.ask("BREW", "/healthz")
    before = series()
    for number in range(1, 30):
        own.ask("GET", f"/nowhere/{number}")
        own.ask("GET", f"/tokens/rmt/{number}")
        own.ask(f"BREW{number}", "/healthz")
    assert len(series() - before) <= 1
    labels = {dict(labels).get("route") for _, labels in series()}
    assert "none" in labels
    assert "/tokens/<type_>/<slug>" in labels


def test_the_listener_serves_metrics_and_nothing_else(published):
    connection = http.client.HTTPConnection(
        "127.0.0.1", published.metrics_port, timeout=PATIENCE_SECONDS
    )
    with closing(connection):
        for method, path, status in (
            ("GET", "/", 404),
            ("GET", "/admin/status", 404),
            ("POST", "/metrics", 405),
            ("GET", "/metrics", 200),
        ):
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == status, path
        assert answer.headers["content-type"].startswith(("text/plain", "application/openmetrics"))
        assert body.endswith(b"\n")


def test_no_metric_holds_what_partners_sent(published):
    text = published.metrics()
    for secret in ("Tanjong", "did:web", "RMT:", published.world.listed_name):
        assert secret not in text


def test_without_a_bind_there_is_no_listener(make_node):
    node = make_node(running=False)
    toml = node.toml.read_text()
    node.metrics_port = free_port()
    node.toml.write_text(re.sub(r'(\[metrics\]\nbind = )"[^"]*"', r'\g<1>""', toml))
    with node.running(), pytest.raises(ConnectionRefusedError):
        node.metrics()


def test_a_request_that_is_given_up_is_in_flight_no_longer(published):
    """Also one that the framework answers, of which the client waits for no end."""
    upgrade = b"Connection: upgrade\r\nUpgrade: another-protocol\r\n"
    for lines in (b"", upgrade):
        for _ in range(5):
            with published.socket() as stream:
                stream.sendall(
                    b"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    b"Content-Length: 10\r\n" + lines + b"\r\n{"
                )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while scrape(published)["rtgf_http_in_flight", frozenset()] > 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
