"""HTTP itself: every failure in one shape, limits on what is sent, and what hostile bytes get."""

from __future__ import annotations

import gzip
import json
import random
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgf_node.errors import Code
from tests.nodes import TestNode

RMT = "RMT:SG:payments_aml:2026-10"
BODY_LIMIT = 1 << 20
HEAD_LIMIT = 16 << 10

READS = [
    "/.well-known/rtgf",
    "/.well-known/jwks.json",
    "/jwks.json",
    "/.well-known/jwks.jws",
    "/key-manifest.json",
    "/catalog?limit=2",
    "/.well-known/rtgf/catalog.json?limit=2",
    f"/tokens?uri={RMT}",
    "/tokens/rmt/sg-payments_aml-2026-10.1",
    "/rmt/SG/payments_aml",
    "/imt/EU-SG/payments_aml",
    "/policy-matrix/index.jsonld",
    "/snapshots/snapshot:sg:payments_aml:2026-10",
    "/revocations",
    "/roots/latest",
    "/checkpoint",
    "/transparency?limit=3",
    "/proofs/consistency?from=1",
]


def ready(node: TestNode) -> bool:
    return node.ask("GET", "/readyz").json()["state"] == "ready"


# --- what holds for every read ------------------------------------------------------------------


@pytest.mark.parametrize("path", READS)
def test_every_read_has_its_validators(published, path):
    """RTGF-REQ-011: ETag, Cache-Control, Content-Type; HEAD and If-None-Match work; CORS."""
    reply = published.ask("GET", path)
    assert reply.status == 200, reply
    assert "max-age" in reply.headers["cache-control"]
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["strict-transport-security"].startswith("max-age=")
    assert reply.headers["x-content-type-options"] == "nosniff"
    head = published.ask("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    for name in ("etag", "content-type", "content-length", "cache-control"):
        assert head.headers[name] == reply.headers[name]
    for condition in (reply.headers["etag"], f'"x", W/{reply.headers["etag"]}', "*"):
        held = published.ask("GET", path, headers={"If-None-Match": condition})
        assert (held.status, held.body) == (304, b"")
        assert held.headers["etag"] == reply.headers["etag"]
        assert held.headers["access-control-allow-origin"] == "*"
    other = published.ask("GET", path, headers={"If-None-Match": '"another"'})
    assert (other.status, other.body) == (200, reply.body)


@pytest.mark.parametrize("path", READS)
def test_an_unknown_parameter_is_refused(published, path):
    question = "&" if "?" in path else "?"
    problem = published.ask("GET", f"{path}{question}surprise=1").problem(400, "RTGF_BAD_REQUEST")
    assert problem["errors"][0]["pointer"] == "?surprise"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/catalog"),
        ("DELETE", f"/tokens?uri={RMT}"),
        ("GET", "/verify"),
        ("PUT", "/evaluate"),
        ("POST", "/roots/latest"),
        ("GET", "/admin/revoke"),
        ("PATCH", "/healthz"),
        ("TRACE", "/readyz"),
        ("PATCH", "/revocations"),
    ],
)
def test_another_method_is_refused_with_those_that_are_allowed(published, method, path):
    reply = published.ask(method, path)
    reply.problem(405, "RTGF_METHOD_NOT_ALLOWED")
    allowed = {name.strip() for name in reply.headers["allow"].split(",")}
    assert method not in allowed
    assert allowed & {"GET", "POST"}


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/verify/", "/admin", "/admin/", "/tokens/", "/metrics", "/rmt/SG"]
)
def test_an_unknown_route(published, path):
    published.ask("GET", path).problem(404, "RTGF_NOT_FOUND")


# --- every failure in one shape -----------------------------------------------------------------


def test_the_type_of_a_problem_leads_to_its_page(published):
    problem = published.ask("GET", "/nothing").problem(404, "RTGF_NOT_FOUND")
    assert problem["type"] == f"{published.url}/errors/RTGF_NOT_FOUND"
    page = published.ask("GET", problem["type"].removeprefix(published.url))
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    assert problem["title"].encode() in page.body
    listed = published.ask("GET", "/errors")
    assert all(code.name.encode() in listed.body for code in Code)


def test_the_request_id_comes_back(published):
    given = {"X-Request-ID": "partner-7.A_z"}
    problem = published.ask("GET", "/nothing", headers=given).problem(404, "RTGF_NOT_FOUND")
    assert problem["instance"] == "partner-7.A_z"
    assert (
        published.ask("GET", "/healthz", headers=given).headers["x-request-id"] == "partner-7.A_z"
    )


@pytest.mark.parametrize("odd", ["", " ", "a b", "x" * 65, "<script>", "${jndi:x}", "a\tb", "é"])
def test_an_odd_request_id_is_replaced(published, odd):
    value = odd.encode("latin-1")
    reply = published.send(
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: " + value + b"\r\n\r\n"
    )
    assert reply is not None
    assert uuid.UUID(reply.headers["x-request-id"])


def test_a_node_says_nothing_of_its_inside(published):
    """No version of the server, no path, no module, in any header or problem."""
    for method, path in (("GET", "/nothing"), ("POST", "/verify"), ("GET", "/tokens?uri=%00")):
        reply = published.ask(method, path)
        told = (str(reply.headers) + reply.body.decode()).lower()
        for inside in ("hypercorn", "quart", "werkzeug", "python", "traceback", "/work", "sqlite"):
            assert inside not in told
        assert "server" not in reply.headers


def test_a_fault_of_ours_is_a_500_that_explains_nothing(make_node):
    """What went wrong stands in the node's own log, under the id that the caller was given."""
    node = make_node(published=True, running=False)
    edit = "UPDATE snapshots SET body = x'5b5d' WHERE domain = 'data_protection'"
    node.tamper(lambda conn: conn.execute(edit))
    with node.running():
        reply = node.ask("GET", "/policy-matrix/index.jsonld")
        assert ready(node)
    problem = reply.problem(500, "RTGF_VERIFY_INTERNAL")
    assert "errors" not in problem
    assert problem["instance"] in problem["detail"]
    for inside in ("Assertion", "dict", "snapshots", ".py"):
        assert inside not in reply.body.decode()
    said = (node.folder / "node.log").read_text()
    (line,) = [line for line in said.splitlines() if "request_failed" in line]
    assert json.loads(line)["request_id"] == problem["instance"]
    assert "AssertionError" in line


# --- bodies are bounded -------------------------------------------------------------------------


def post(head: str, body: bytes) -> bytes:
    lines = ("POST /verify HTTP/1.1", "Host: localhost", "Content-Type: application/json", head)
    return "\r\n".join((*lines, "", "")).encode() + body


def test_a_body_that_announces_too_much_is_refused(published):
    """Before it is read: none of it is sent."""
    reply = published.send(post(f"Content-Length: {BODY_LIMIT + 1}", b""))
    assert reply is not None
    reply.problem(413, "RTGF_BODY_TOO_LARGE")


def test_a_body_that_is_too_large_is_refused(published):
    body = json.dumps({"tokens": {"rmt": "x" * BODY_LIMIT}}).encode()
    published.ask("POST", "/verify", body).problem(413, "RTGF_BODY_TOO_LARGE")


def test_a_body_without_a_length_is_bounded_too(published):
    chunk = b"%x\r\n%s\r\n" % (1 << 16, b" " * (1 << 16))
    reply = published.send(post("Transfer-Encoding: chunked", chunk * 17 + b"0\r\n\r\n"))
    assert reply is not None
    reply.problem(413, "RTGF_BODY_TOO_LARGE")


@pytest.mark.parametrize("lane", [{}, {"Connection": "upgrade", "Upgrade": "another-protocol"}])
@pytest.mark.parametrize(
    ("path", "role"), [("/verify", None), ("/verify/batch", None), ("/admin/revoke", "operator")]
)
def test_a_body_that_is_said_to_be_compressed_is_not_read(published, path, role, lane):
    """Whoever unpacks it would read another request than whoever does not."""
    plain = json.dumps({"tokens": {"rmt": RMT}}).encode()
    assert published.ask("POST", "/verify", plain).status == 200
    for body in (plain, gzip.compress(plain), gzip.compress(bytes(100 << 20))):
        headers = {"Content-Encoding": "gzip", **lane}
        reply = published.ask("POST", path, body, role=role, headers=headers)
        reply.problem(415, "RTGF_MEDIA_TYPE")


def test_a_body_at_the_limit_is_read(published):
    text = json.dumps({"tokens": {"rmt": RMT}}).encode()
    assert published.ask("POST", "/verify", text.ljust(BODY_LIMIT)).status == 200


def test_privileged_routes_take_more_but_only_from_their_own(published):
    """A stranger's snapshot of any size is refused by who sends it."""
    reply = published.ask("POST", "/admin/snapshots", b" " * (BODY_LIMIT + 1))
    reply.problem(401, "RTGF_UNAUTHENTICATED")


# --- hostile bytes ------------------------------------------------------------------------------


def get(path: bytes, *headers: bytes) -> bytes:
    lines = (b"GET " + path + b" HTTP/1.1", b"Host: localhost", *headers)
    return b"\r\n".join((*lines, b"", b""))


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 512,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        get(b"/healthz", b"X-Bad: a\x00b"),
        get(b"/healthz", b"X Bad: a"),
        get(b"/healthz", b": empty"),
        get(b"/healthz", b"X-Big: " + b"x" * 2 * HEAD_LIMIT),
        get(b"/" + b"x" * 2 * HEAD_LIMIT),
        get(b"/healthz\x00"),
        get(b"/healthz\r\nX-Injected: 1 "),
        get(b"/health z"),
        b"POST /verify HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /verify HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        post("Content-Length: 4\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
        post("Transfer-Encoding: chunked", b"zz\r\nhello\r\n0\r\n\r\n"),
        post("Transfer-Encoding: gzip", b""),
    ],
    ids=lambda data: repr(data[:40]),
)
def test_a_request_that_is_none(published, data):
    """Refused or cut, never a failure; the next one is answered."""
    reply = published.send(data)
    assert reply is None or 400 <= reply.status < 500 or reply.status == 501, reply
    assert published.ask("GET", "/healthz").status == 200


def test_random_bytes_are_refused(published):
    source = random.Random(11)
    for size in (1, 7, 100, 5000):
        for _ in range(5):
            data = source.randbytes(size)
            reply = published.send(data + b"\r\n\r\n")
            assert reply is None or 400 <= reply.status < 500, (data, reply)
    assert ready(published)


def test_a_slow_head_holds_nobody_up(published):
    """Ten clients that send half a head: the others are answered at once."""
    from contextlib import ExitStack

    with ExitStack() as open_connections:
        for _ in range(10):
            stream = open_connections.enter_context(published.socket())
            stream.sendall(b"GET /healthz HTTP/1.1\r\nHost: loc")
        assert ready(published)


WICKED = [
    b"..",
    b"../../../../etc/passwd",
    b"%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    b"..%5c..%5cwin.ini",
    b"%00",
    b"a%00b",
    b"%0d%0aX-Injected:%201",
    b"%ff%fe",
    b"%ed%a0%80",
    b"%F0%9F%92%A9",
    b"%E2%80%AE",
    b"'%20OR%201=1--",
    b"%3Cscript%3E",
    b"{{7*7}}",
    b"x" * 8000,
    b"%",
    b"%zz",
]


@pytest.mark.parametrize("text", WICKED, ids=lambda text: repr(text[:30]))
def test_wicked_text_in_paths_and_queries(published, text):
    """Answered with a 4xx, as a problem and never as a page, wherever it stands."""
    for path in (
        b"/tokens/rmt/%s",
        b"/tokens/%s/x",
        b"/tokens?uri=%s",
        b"/rmt/%s/payments_aml",
        b"/rmt/SG/%s",
        b"/rmt/SG/payments_aml?version=%s",
        b"/imt/%s/%s",
        b"/snapshots/%s",
        b"/datasets/%s/%s",
        b"/proofs/%s",
        b"/proofs/%s?from=%s",
        b"/transparency?since=%s",
        b"/catalog?cursor=%s",
        b"/catalog?type=RMT&jurisdiction=%s",
        b"/revocations?type=%s",
        b"/errors/%s",
        b"/%s",
        b"/healthz?%s=1",
    ):
        reply = published.send(get(path.replace(b"%s", text)))
        assert reply is not None, path
        assert 400 <= reply.status < 500, (path, reply)
        assert "x-injected" not in reply.headers
        assert reply.headers["content-type"] == "application/problem+json"
        reply.json()
        assert b"root:" not in reply.body
    assert ready(published)


def test_a_domain_that_nobody_has_is_an_empty_page(published):
    assert published.ask("GET", "/catalog?domain=nobodys").json()["tokens"] == []


def test_what_cannot_be_a_domain_is_refused(published):
    published.ask("GET", "/catalog?domain=..%2F..").problem(400, "RTGF_INPUT_INVALID")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from([RMT, "IMT:EU-SG:payments_aml:2026-10", "RMT", "IMT", "EU-SG"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["tokens", "rmt", "imt", "context", "at", "type", "proofs", "token"])
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("path", ["/verify", "/evaluate"])
@settings(max_examples=60)
@given(body=JSON)
def test_any_json_is_answered(published, path, body):
    """Whatever it says: a verdict or a refusal, never a failure."""
    reply = published.ask("POST", path, json.dumps(body).encode("utf-8", "surrogatepass"))
    assert reply.status in {200, 400, 404, 409, 422}, (body, reply)
    assert reply.status != 200 or path == "/verify"


@settings(max_examples=60)
@given(context=JSON, member=st.sampled_from(["amount", "originator", "beneficiary", "instrument"]))
def test_any_context_is_decided_closed(published, context, member):
    """A random thing where the payment's facts should be is denied."""
    tokens = {"rmt": RMT, "imt": "IMT:EU-SG:payments_aml:2026-10"}
    body = json.dumps({"tokens": tokens, "context": {member: context}})
    reply = published.ask("POST", "/verify", body.encode("utf-8", "surrogatepass"))
    assert reply.status in {200, 400}, reply
    if reply.status == 200:
        assert (reply.json()["valid"], reply.json()["decision"]) == (False, "DENY")


def test_after_all_this_the_node_is_ready_and_no_actor_was_restarted(published):
    assert ready(published)
    status = published.ask("GET", "/admin/status", role="operator").json()
    assert {actor["restarts"] for actor in status["actors"]} == {0}
    said = (published.folder / "node.log").read_text()
    assert "request_failed" not in said
    assert "connection_failed" not in said
