"""Both ways in answer alike: the fast lane, and the framework that takes what the lane does not."""

from __future__ import annotations

import gzip
import json
import re
from typing import Any
from unittest.mock import Mock

import pytest

from rtgf_node.api.app import hot_routes
from tests.nodes import context

RMT = "RMT:EU:payments_aml:2026-10.1"
IMT = "IMT:EU-SG:payments_aml:2026-10.1"
VERIFY = {"tokens": {"rmt": RMT, "imt": IMT}}

ACCESS = {
    "subject": {"type": "party", "id": "a"},
    "action": {"name": "pay"},
    "resource": {"type": "token", "id": IMT},
    "context": context("payment-eu-sg"),
}

TO_THE_FRAMEWORK = {"Connection": "upgrade", "Upgrade": "another-protocol"}
"""The lane does not read a request with such a wish; nobody grants it (RFC 9110 §7.8)."""

READS = [
    "/healthz",
    "/readyz",
    "/catalog",
    "/catalog?limit=2&type=rmt",
    "/catalog?limit=0",
    "/catalog?limit=2&limit=3",
    "/catalog?unknown=1",
    "/.well-known/rtgf/catalog.json",
    f"/tokens?uri={RMT}",
    f"/tokens?uri=urn:rtgf:token:{RMT}",
    "/tokens?uri=RMT%3AEU%3Apayments_aml%3A2026-10.1",
    "/tokens?uri=",
    "/tokens",
    "/tokens/rmt/eu-payments_aml-2026-10.1",
    "/tokens/RMT/EU-payments_aml-2026-10.1",
    "/tokens/xyz/eu-payments_aml-2026-10.1",
    "/tokens/rmt/",
    "/tokens/rmt",
    "/rmt/EU/payments_aml",
    "/rmt/eu/payments_aml?version=2026-10.1",
    "/rmt/eu/payments_aml?version=1999-01",
    "/rmt/E%55/payments_aml",
    "/rmt/EU/nothing",
    "/rmt/nowhere/payments_aml",
    "/rmt/EU/payments_aml/more",
    "/rmt//payments_aml",
    "/imt/EU-SG/payments_aml",
    "/imt/EU-SG/payments_aml?at=1",
    "/imt/EU/payments_aml",
    "/cort/EU-SG/none",
    "/rrmt/EU/payments_aml",
    "/revocations",
    "/revocations?since=x",
    "/revocations/status-list/0",
    "/revocations/status-list/99",
    "/revocations/status-list/-1",
    "/revocations/status-list/%31",
    "/checkpoint",
    "/checkpoint?x=1",
    "/tile/0/000.p/1",
    "/tile/0/x",
    "/tile/entries/000.p/1",
    "/tile/0/../000",
    "/tile//0/000",
    "/tile/",
    "//healthz",
    "/healthz/",
    "/healthz?",
    "http://elsewhere/healthz",
    "*",
    "/",
    "/catalog?" + "&" * 7000,
    "/catalog?" + "&".join(f"p{number}=" for number in range(40)),
    "/tokens?uri=%00%ff",
    "/psrt/EU-SG/payments_aml",
    "/.well-known/authzen-configuration",
    "/.well-known/authzen-configuration?x=1",
]

QUESTIONS: list[tuple[str, Any]] = [
    ("/verify", VERIFY),
    ("/verify", {**VERIFY, "context": context("payment-eu-sg")}),
    ("/verify", {**VERIFY, "corridor": "EU-JP"}),
    ("/verify?at=2", VERIFY),
    ("/verify?at=x", VERIFY),
    ("/verify?x=1", VERIFY),
    ("/verify", {"tokens": {}}),
    ("/verify", {"tokens": {"rmt": RMT}, "more": 1}),
    ("/verify", b"{"),
    ("/verify", b""),
    ("/verify", b"[" + b" " * (1 << 20) + b"]"),
    ("/evaluate", {"token": IMT, "context": context("payment-eu-sg")}),
    ("/evaluate?explain=text", {"token": IMT, "context": context("payment-eu-sg")}),
    ("/evaluate", {"token": "x", "context": {}}),
    ("/verify?" + "&".join(f"p{number}=" for number in range(40)), VERIFY),
    ("/verify/batch", [VERIFY, {"tokens": {}}, VERIFY, 1]),
    ("/verify/batch?at=2", [VERIFY]),
    ("/verify/batch", []),
    ("/verify/batch", VERIFY),
    ("/verify/batch", b"["),
    ("/access/v1/evaluation", ACCESS),
    ("/access/v1/evaluation", {}),
    ("/access/v1/evaluation?x=1", ACCESS),
    ("/access/v1/evaluations", {**ACCESS, "evaluations": [{}, {"action": {"name": "x"}}]}),
    ("/access/v1/evaluations", b"x"),
]

OWN = {"date", "x-request-id", "connection", "content-length", "ratelimit"}
"""Headers that may differ: of the moment, or of the connection."""


def told(reply: Any, request_id: str) -> tuple[int, dict[str, str], bytes]:
    headers = {name.lower(): value for name, value in reply.headers.items()}
    assert headers["x-request-id"] == request_id
    return reply.status, {n: v for n, v in headers.items() if n not in OWN}, reply.body


def both(node: Any, method: str, path: str, **kwargs: Any) -> tuple[Any, Any]:
    """Ask both lanes, and anew where time changed the answer between."""
    headers = {"X-Request-ID": "the-same", **kwargs.pop("headers", {})}

    def ask(**more: str) -> Any:
        return told(node.ask(method, path, headers=headers | more, **kwargs), "the-same")

    fast, slow = ask(), ask(**TO_THE_FRAMEWORK)
    while (after := ask()) != fast:
        fast, slow = after, ask(**TO_THE_FRAMEWORK)
    return fast, slow


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("accepted", [{}, {"Accept-Encoding": "br, gzip;q=0.5"}])
def test_reads_are_answered_alike(published, method, path, accepted):
    """RTGF-REQ-011."""
    fast, slow = both(published, method, path, headers=accepted)
    assert fast == slow
    if fast[0] == 200 and path != "/readyz":  # which is another one when the second has passed
        held = {**accepted, "If-None-Match": fast[1]["etag"]}
        again = both(published, method, path, headers=held)
        assert again[0] == again[1]
        assert (again[0][0], again[0][2]) == (304, b"")


@pytest.mark.parametrize(("path", "body"), QUESTIONS)
@pytest.mark.parametrize("role", [None, "partner"])
def test_questions_are_answered_alike(published, path, body, role):
    kwargs = {} if role is None else {"role": role}
    fast, slow = both(published, "POST", path, body=body, **kwargs)
    assert fast == slow
    assert fast[0] < 500


@pytest.mark.parametrize("kind", ["text/plain", "application/json; charset=utf-8", ""])
def test_media_types_are_judged_alike(published, kind):
    fast, slow = both(published, "POST", "/verify", body=VERIFY, headers={"Content-Type": kind})
    assert fast == slow


def test_every_hot_route_is_compared():
    asked = [("GET", path) for path in READS] + [("POST", path) for path, _ in QUESTIONS]
    for route in hot_routes(Mock()):
        rule = re.sub("<[^>:]+>", "[^/]+", re.sub("<path:[^>]+>", ".+", re.escape(route.rule)))
        assert any(
            method == route.method and re.fullmatch(rule, path.partition("?")[0])
            for method, path in asked
        ), route.rule


@pytest.mark.parametrize(
    "lines",
    [
        ["If-None-Match: *", 'If-None-Match: "x"'],
        ['If-None-Match: "x", W/"y"', "If-None-Match: *"],
        ["Accept-Encoding: gzip", "Accept-Encoding: br"],
        ["Accept-Encoding: br", "Accept-Encoding: gzip"],
        ["Content-Type: application/json", "Content-Type: text/plain"],
        ["Content-Type: text/plain", "Content-Type: application/json"],
        ["Content-Type: application/json", "Idempotency-Key: a", "Idempotency-Key: b"],
        ["Content-Type: application/json", "Idempotency-Key: a b"],
        ["Content-Type: application/json", "Idempotency-Key: one", "Idempotency-Key: one"],
    ],
)
def test_repeated_headers_are_read_alike(published, lines):
    """RFC 9110 §5.3: one header is the list of all of that name."""
    body = json.dumps(VERIFY).encode() if lines[0].startswith("Content") else b""
    first = "POST /verify" if body else f"GET /tokens?uri={RMT}"
    said = [f"{first} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *lines]
    said.append("X-Request-ID: the-same")
    slow = [*said, *(f"{name}: {value}" for name, value in TO_THE_FRAMEWORK.items())]
    answers = [
        told(published.send("\r\n".join([*head, "", ""]).encode() + body), "the-same")
        for head in (said, slow)
    ]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", ["/healthz", "/catalog", "/verify", "/tile/0/000", "*"])
def test_methods_are_judged_alike(published, method, path):
    fast, slow = both(published, method, path)
    assert fast == slow


def test_a_compressed_answer_is_the_same_answer(published):
    whole = published.ask("GET", f"/tokens?uri={RMT}")
    packed = published.ask("GET", f"/tokens?uri={RMT}", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == whole.body
    assert packed.headers["etag"] != whole.headers["etag"]
    assert packed.headers["vary"] == "Accept-Encoding"
    for refused in ("gzip;q=0", "gzip; q=0.000", "br", "identity"):
        plain = published.ask("GET", f"/tokens?uri={RMT}", headers={"Accept-Encoding": refused})
        assert plain.body == whole.body
