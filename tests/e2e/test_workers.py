"""A node with workers: real processes on one port, asked one by one, stopped and killed."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx2
import pytest

from rtgf_node.workers.pool import STUCK_SECONDS
from tests.nodes import PATIENCE_SECONDS, RATES, Reply, TestNode, context
from tests.processes import is_running, main_process, one_each, owner, until, workers

COUNT = 2
PLACES = 4
PARTNERS = "partner_per_second = 10000.0\npartner_burst = 100000\n"
HASTY = f"{RATES}{PARTNERS}[workers]\ncount = {COUNT}\n"
SETTINGS = f"{HASTY}max_lag_seconds = 10.0\n"
"""A worker that has heard nothing for a second answers no less: the machine may be busy."""
RMT = "RMT:SG:payments_aml:2026-10"
IMT = "IMT:EU-SG:payments_aml:2026-10"
LIFTABLE = "corridor_suspended"
RULES = Path(__file__).resolve().parents[2] / "config/authzen/certification.json"
BODY = json.dumps({"tokens": {"rmt": RMT, "imt": IMT}}).encode()


def exchange(
    stream: ssl.SSLSocket, method: str, path: str, body: bytes = b"", headers: str = ""
) -> Reply:
    """Ask on a connection that stays open."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    stream.sendall(head.encode() + b"\r\n" + body)
    response = http.client.HTTPResponse(stream, method=method)
    response.begin()
    told = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, told, response.read())


def verify(stream: ssl.SSLSocket) -> Reply:
    return exchange(stream, "POST", "/verify", BODY)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Hold a process still."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def node(template: TestNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    made = template.copy(tmp_path_factory.mktemp("workers") / "node", settings=SETTINGS)
    with made.running():
        yield made


@pytest.fixture(scope="module")
def hasty(template: TestNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    """A node whose workers fall silent after a second without news."""
    made = template.copy(tmp_path_factory.mktemp("hasty") / "node", settings=HASTY)
    with made.running():
        yield made


def crew(node: TestNode) -> list[int]:
    """Return the workers, all of them alive."""

    def look() -> list[int]:
        found = workers(main_process(node))
        with node.client() as client:
            states = {one.name: one.ok for one in client.ready().checks}
        return found if states["workers"] and len(found) == COUNT else []

    return until(look)


# --- who answers ----------------------------------------------------------------------------------


def test_each_worker_answers_and_the_node_itself_does_not_listen(node):
    pids = crew(node)
    with one_each(node, pids) as streams:
        answers = [verify(stream).json() for stream in streams.values()]
    assert [answer["valid"] for answer in answers] == [True] * COUNT
    for _ in range(8):
        with node.socket("partner") as stream:
            assert owner(stream, [main_process(node)]) is None


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/catalog", "application/json"),
        ("/tokens?uri=urn:rtgf:token:RMT:SG:payments_aml:2026-10.1", "application/imt-rmt+json"),
        ("/revocations", "application/json"),
        ("/revocations/status-list/0", "application/statuslist+jwt"),
        ("/checkpoint", "text/plain; charset=utf-8"),
        ("/jwks.json", "application/jwk-set+json"),
        ("/readyz", "application/json"),
        ("/healthz", "application/json"),
    ],
)
def test_each_worker_answers_every_kind_of_read_the_same(node, path, kind):
    with one_each(node, crew(node)) as streams:
        answers = [exchange(stream, "GET", path) for stream in streams.values()]
        # The connection goes on after an answer that came from the node.
        again = [exchange(stream, "GET", "/healthz") for stream in streams.values()]
    assert {(one.status, one.headers["content-type"]) for one in answers} == {(200, kind)}
    if path not in {"/readyz", "/revocations", "/revocations/status-list/0"}:
        assert len({one.body for one in answers}) == 1
    assert {one.status for one in again} == {200}


def test_a_body_in_chunks_and_a_body_too_large_come_through_to_the_node(node):
    chunked = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = b"".join(
        b"%x\r\n%b\r\n" % (len(BODY[at : at + 9]), BODY[at : at + 9])
        for at in range(0, len(BODY), 9)
    )
    head = f"POST /verify HTTP/1.1\r\nHost: localhost\r\n{chunked}".encode()
    reply = node.send(head + pieces + b"0\r\n\r\n", role="partner", method="POST")
    assert reply is not None
    assert reply.json()["valid"] is True
    length = f"Content-Type: application/json\r\nContent-Length: {33 << 20}\r\n\r\n"
    large = f"POST /admin/revoke HTTP/1.1\r\nHost: localhost\r\n{length}".encode()
    reply = node.send(large, role="operator", method="POST")
    assert reply is not None
    reply.problem(413, "RTGF_BODY_TOO_LARGE")
    reply = node.send(head + b"zz\r\n", method="POST")
    assert reply is not None
    assert reply.status == 400


def test_http2_comes_through_to_the_node(node):
    with httpx2.Client(verify=node.tls("operator"), http1=False, http2=True) as client:
        answers = [client.get(f"{node.url}{path}") for path in ("/healthz", "/admin/status")]
    assert [(one.http_version, one.status_code) for one in answers] == [("HTTP/2", 200)] * 2


# --- who asks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "status"), [(None, 401), ("partner", 403), ("operator", 200)])
def test_the_node_knows_the_certificate_that_the_worker_saw(node, role, status):
    with one_each(node, crew(node), role) as streams:
        answers = [exchange(stream, "GET", "/admin/status") for stream in streams.values()]
    assert [one.status for one in answers] == [status] * COUNT


@pytest.mark.parametrize(
    "claims",
    [
        "Client: urn:rtgf:operator:operator\r\n",
        "X-Client: urn:rtgf:operator:operator\r\nX-SSL-Client-Verify: SUCCESS\r\n",
        "X-Forwarded-Client-Cert: URI=urn:rtgf:operator:operator\r\n",
        "Forwarded: for=127.0.0.1;by=urn:rtgf:operator:operator\r\n",
    ],
)
def test_nothing_that_a_client_sends_names_it(node, claims):
    with one_each(node, crew(node), None) as streams:
        for stream in streams.values():
            exchange(stream, "GET", "/admin/status", headers=claims).problem(
                401, "RTGF_UNAUTHENTICATED"
            )


def test_an_idempotency_key_is_known_to_all_workers(node):
    headers = "Idempotency-Key: one\r\n"
    with one_each(node, crew(node)) as streams:
        answers = [
            exchange(stream, "POST", "/verify", BODY, headers) for stream in streams.values()
        ]
    assert [one.headers.get("idempotency-replayed") for one in answers] == [None, "true"]
    assert answers[0].body == answers[1].body


def test_a_receipt_is_signed_by_the_node(node):
    with one_each(node, crew(node)) as streams:
        answers = [
            exchange(stream, "POST", "/verify?receipt=1", BODY) for stream in streams.values()
        ]
    assert all(one.json()["receipt"] for one in answers)


def test_what_a_list_says_decides_in_every_worker(node):
    body = json.dumps(
        {"tokens": {"rmt": RMT, "imt": IMT}, "context": context("payment-eu-sg")}
    ).encode()
    with one_each(node, crew(node)) as streams:
        answers = [exchange(stream, "POST", "/verify", body) for stream in streams.values()]
    assert {one.json()["decision"] for one in answers} == {"PERMIT"}


def test_authzen_is_answered_by_each_worker_and_on_record(make_node):
    rules = RULES.read_text()
    settings = f'{SETTINGS}[authzen]\nrules_file = "rules.json"\n'
    node = make_node(running=False, published=True, settings=settings)
    (node.folder / "rules.json").write_text(rules)
    payment = {
        "subject": {"type": "customer", "id": "4711"},
        "action": {"name": "transfer"},
        "resource": {"type": "token", "id": IMT},
        "context": context("payment-eu-sg"),
    }
    record = {
        "subject": {"type": "user", "id": "alice"},
        "action": {"name": "read"},
        "resource": {"type": "record", "id": "record-1"},
    }
    with node.running():
        pids = crew(node)
        # A worker that starts later has the rules of its node, whatever the file says by then.
        (node.folder / "rules.json").unlink()
        os.kill(pids[0], signal.SIGKILL)
        pids = until(lambda: crew(node) if pids[0] not in crew(node) else None)
        with one_each(node, pids) as streams:
            for pid, stream in streams.items():
                # The node itself stands still: who answers is the worker.
                with stopped(main_process(node)):
                    for number, body in enumerate((payment, record)):
                        said = f"X-Request-ID: access-{pid}-{number}\r\n"
                        data = json.dumps(body).encode()
                        answer = exchange(stream, "POST", "/access/v1/evaluation", data, said)
                        assert answer.json()["decision"] is True, answer
                many = json.dumps({"evaluations": [payment, record]}).encode()
                said = f"X-Request-ID: access-{pid}-2\r\n"
                answer = exchange(stream, "POST", "/access/v1/evaluations", many, said)
                assert [one["decision"] for one in answer.json()["evaluations"]] == [True, True]
        told = {f"access-{pid}-{number}" for pid in pids for number in range(3)}
        until(lambda: told <= recorded_ids(node))


def test_workers_share_one_limit(make_node):
    limits = "verify_partner_per_second = 0.001\nverify_partner_burst = 20\n" + PARTNERS
    node = make_node(published=True, settings=SETTINGS.replace(PARTNERS, limits))
    with one_each(node, crew(node), role="partner") as streams:
        one, other = streams.values()
        answers = [verify(one) for _ in range(15)]
        assert {answer.status for answer in answers} == {200}
        assert answers[-1].headers["ratelimit-policy"] == '"verify";q=20;w=20000'
        assert answers[-1].headers["ratelimit"].startswith('"verify";r=5;t=')
        # As many as go to the node itself count too.
        keyed = exchange(one, "POST", "/%76erify", BODY)
        assert keyed.status == 200
        until(lambda: [verify(other)][0].status == 429)
        until(lambda: verify(one).status == 429)
        refused = verify(one)
        refused.problem(429, "RTGF_VERIFY_RATE_LIMIT")
        assert refused.headers["ratelimit"].startswith('"verify";r=0;t=')
        assert int(refused.headers["retry-after"]) > 0
        # Other clients and other classes of routes are not touched.
        assert exchange(one, "GET", "/catalog?limit=1").status == 200
    assert node.ask("POST", "/verify", BODY).status == 200


def test_workers_share_the_room_for_connections(make_node):
    node = make_node(running=False, settings=SETTINGS)
    places = f"[http]\nmax_connections_per_address = {PLACES}\n"
    node.toml.write_text(node.toml.read_text().replace("[http]\n", places))

    def opened() -> ssl.SSLSocket | None:
        """Connect from an address of its own; None if that is refused."""
        plain = socket.create_connection(("127.0.0.1", node.port), 20, ("127.0.0.7", 0))
        try:
            return node.tls().wrap_socket(plain, server_hostname="localhost")
        except OSError:
            plain.close()
            return None

    def is_room() -> bool:
        tried = opened()
        if tried is not None:
            tried.close()
        return tried is not None

    with node.running():
        crew(node)
        with ExitStack() as stack:
            for _ in range(PLACES):
                held = opened()
                assert held is not None
                stack.enter_context(held)
            # Whichever worker it comes to; by itself each but one would still have room.
            until(lambda: not any(is_room() for _ in range(20)))
            assert node.ask("GET", "/healthz").status == 200
        until(lambda: all(is_room() for _ in range(20)))


def test_counters_are_those_of_all_workers(node):
    def counted() -> float:
        name = 'rtgf_http_requests_total{code="200",method="POST",route="/evaluate"} '
        lines = [line for line in node.metrics().splitlines() if line.startswith(name)]
        return float(lines[0].removeprefix(name)) if lines else 0.0

    question = json.dumps({"token": RMT, "context": context("payment-eu-sg")}).encode()
    before = counted()
    with one_each(node, crew(node)) as streams:
        for stream in streams.values():
            assert exchange(stream, "POST", "/evaluate", question).status == 200
    until(lambda: counted() == before + COUNT)


# --- what changes ---------------------------------------------------------------------------------


def test_a_revocation_is_in_every_worker_when_its_answer_is_out(node):
    """RTGF-CT-93."""
    with one_each(node, crew(node)) as streams:
        for act, valid in [("revoke", False), ("reinstate", True)] * 5:
            assert node.revoke(f"{IMT}.1", act=act, reason=LIFTABLE).status == 200
            answers = [verify(stream).json()["valid"] for stream in streams.values()]
            assert answers == [valid] * COUNT


def test_lists_and_tokens_of_a_build_are_in_every_worker_when_it_is_published(make_node):
    node = make_node(settings=SETTINGS)
    body = json.dumps(
        {"tokens": {"rmt": RMT, "imt": IMT}, "context": context("payment-eu-sg")}
    ).encode()
    with one_each(node, crew(node)) as streams:
        for stream in streams.values():
            exchange(stream, "POST", "/verify", body).problem(404, "RTGF_VERIFY_TOKEN_NOT_FOUND")
        node.fetch()
        assert node.compile().state == "published"
        answers = [exchange(stream, "POST", "/verify", body) for stream in streams.values()]
    assert {one.json()["decision"] for one in answers} == {"PERMIT"}


# --- what fails -----------------------------------------------------------------------------------


def test_workers_answer_nothing_while_the_node_stands_still(hasty):
    pids = crew(hasty)
    with one_each(hasty, pids) as streams:
        with stopped(main_process(hasty)):
            time.sleep(STUCK_SECONDS + 0.5)
            for stream in streams.values():
                verify(stream).problem(503, "RTGF_VERIFY_UNAVAILABLE")
                for path in ("/catalog", "/jwks.json"):
                    exchange(stream, "GET", path).problem(503, "RTGF_UNAVAILABLE")
        until(lambda: all(verify(stream).status == 200 for stream in streams.values()))
    # It did not take them for stuck, who had not heard them.
    assert crew(hasty) == pids


def test_a_worker_that_stood_still_does_not_answer_from_before_a_revocation(hasty):
    node = hasty
    still, lively = crew(node)
    items = [{"token": f"{IMT}.1", "reason": LIFTABLE}]
    revocation = json.dumps({"items": items}).encode()
    with one_each(node, [still, lively]) as streams, one_each(node, [lively], "operator") as admin:
        assert says_valid(streams[still]) is True
        with stopped(still):
            began = time.monotonic()
            answer = exchange(admin[lively], "POST", "/admin/revoke", revocation)
            assert answer.status == 200
            # It waits until the other has fallen silent, and no longer.
            assert 0.9 < time.monotonic() - began < PATIENCE_SECONDS
            assert says_valid(streams[lively]) is False
            streams[still].sendall(request_bytes())
        # One that stood still for too long was killed, and says nothing.
        with suppress(ConnectionError, ssl.SSLEOFError, http.client.BadStatusLine):
            response = http.client.HTTPResponse(streams[still], method="POST")
            response.begin()
            assert json.loads(response.read()).get("valid") is not True
    assert node.revoke(f"{IMT}.1", act="reinstate", reason=LIFTABLE).status == 200


def says_valid(stream: ssl.SSLSocket) -> bool:
    """Return what a worker says of the token, as soon as it does not say that it lags."""
    answer = until(lambda: [one for one in [verify(stream).json()] if "valid" in one])
    return bool(answer[0]["valid"])


def request_bytes() -> bytes:
    head = f"POST /verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(BODY)}\r\n"
    return f"{head}Content-Type: application/json\r\n\r\n".encode() + BODY


@pytest.mark.parametrize("mode", ["durable", "batched"])
def test_a_killed_worker_is_replaced_and_no_answer_was_wrong_or_unrecorded(make_node, mode):
    decisions = f'\n[decisions]\nmode = "{mode}"\nroot_every_seconds = 0.2\n'
    node = make_node(published=True, settings=SETTINGS + decisions)
    pids = crew(node)
    given: list[str] = []
    wrong: list[object] = []
    enough = threading.Event()

    def load(name: int) -> None:
        number = 0
        while not enough.is_set():
            try:
                with node.socket("partner") as stream:
                    while not enough.is_set():
                        number += 1
                        said = f"X-Request-ID: load-{name}-{number}\r\n"
                        reply = exchange(stream, "POST", "/verify", BODY, said)
                        if reply.status != 200 or reply.json()["valid"] is not True:
                            wrong.append(reply)
                        given.append(f"load-{name}-{number}")
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: len(given) > 100)
        os.kill(pids[0], signal.SIGKILL)
        until(lambda: set(pids) - set(crew(node)) == {pids[0]})
        before = len(given)
        until(lambda: len(given) > before + 100)
    finally:
        enough.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert 'rtgf_actor_restarts_total{actor="worker-1"} ' in node.metrics()
    if mode == "durable":
        assert set(given) <= recorded_ids(node)
    else:
        # A process that dies takes along what had not left it yet.
        until(lambda: len(set(given) - recorded_ids(node)) <= 64)


def recorded_ids(node: TestNode) -> set[str]:
    """Return the request ids of all decisions that are written."""
    found: set[str] = set()
    since = 0
    with node.client("auditor") as auditor:
        while True:
            page = auditor.decisions(since=since, limit=1000)
            if not page.entries:
                return found
            found |= {entry.request_id for entry in page.entries}
            since = page.entries[-1].seq


def test_workers_end_with_their_node(make_node):
    node = make_node(published=True, settings=SETTINGS)
    parent, pids = main_process(node), crew(node)
    os.kill(parent, signal.SIGKILL)
    until(lambda: not any(is_running(pid) for pid in pids))


def test_a_stop_ends_the_workers_and_keeps_what_they_decided(make_node):
    node = make_node(running=False, published=True, settings=SETTINGS)
    with node.running():
        pids = crew(node)
        with one_each(node, pids) as streams:
            for stream in streams.values():
                assert verify(stream).status == 200
    assert not any(is_running(pid) for pid in pids)
    with node.running():
        assert len(recorded_ids(node)) == COUNT


def test_two_nodes_do_not_share_a_port(make_node, template, tmp_path):
    node = make_node(published=True, settings=SETTINGS)
    other = template.copy(tmp_path / "other", settings=SETTINGS)
    other.toml.write_text(
        other.toml.read_text().replace(f"127.0.0.1:{other.port}", f"127.0.0.1:{node.port}")
    )
    ended = other.cli("serve")
    assert ended.returncode != 0
    assert "cannot listen on" in ended.stderr
