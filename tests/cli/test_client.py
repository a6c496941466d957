"""The client says what went wrong, tries reads again, and never reads without bound."""

from __future__ import annotations

import httpx2
import msgspec
import pytest
import trio

from rtgf_node import client, wire
from rtgf_node.client import AsyncNode, Node, exchange
from rtgf_node.errors import Code, RtgfError


def answer(status, data, **headers):
    """Like an answer from the network: its body has not been read yet."""
    return lambda: httpx2.Response(status, stream=httpx2.ByteStream(data), headers=headers)


def problem(code, status, **headers):
    body = wire.Problem(
        type=f"https://n/errors/{code}",
        title="t",
        status=status,
        detail="what to do",
        code=code,
        instance="1",
        errors=(
            wire.ProblemDetail(code, "what to do", "/place"),
            wire.ProblemDetail("RTGF_KID_UNKNOWN", "inner"),
        ),
    )
    return answer(status, msgspec.json.encode(body), **headers)


@pytest.fixture
def asked(node_folder):
    """A node that answers from a list; what it was asked, and how long the client waited."""

    class Asked:
        def __init__(self):
            self.answers, self.requests, self.waits = [], [], []
            self.node = Node(
                "https://localhost:1",
                ca_file=node_folder / "pki/ca.pem",
                wait=self.waits.append,
                jitter=lambda: 1.0,
            )
            self.node._http = httpx2.Client(
                base_url="https://localhost:1", transport=httpx2.MockTransport(self.answer)
            )

        def answer(self, request):
            self.requests.append(request)
            told = self.answers.pop(0)
            if isinstance(told, Exception):
                raise told
            return told()

    made = Asked()
    with made.node:
        yield made


def test_a_problem_is_raised_with_its_code_place_and_causes(asked):
    asked.answers = [problem("RTGF_POL_MATRIX_STALE", 409)]
    with pytest.raises(RtgfError) as caught:
        asked.node.push_snapshot(b"{}")
    error = caught.value
    assert (error.code, error.detail) == (Code.RTGF_POL_MATRIX_STALE, "what to do")
    assert error.pointer == "/place"
    assert [cause.code for cause in error.causes] == [Code.RTGF_KID_UNKNOWN]


@pytest.mark.parametrize(
    "told",
    [
        problem("RTGF_FROM_THE_FUTURE", 418),
        answer(502, b"<html>proxy"),
        answer(200, b"[]"),
    ],
)
def test_what_is_not_ours_is_an_internal_error(asked, told):
    asked.answers = [told] * 3
    with pytest.raises(RtgfError) as caught:
        asked.node.status()
    assert caught.value.code is Code.RTGF_INTERNAL


def test_a_read_is_tried_three_times_and_then_unreachable(asked):
    asked.answers = [httpx2.ConnectError("refused")] * 3
    with pytest.raises(RtgfError) as caught:
        asked.node.jwks()
    assert caught.value.code is Code.RTGF_UNREACHABLE
    assert (len(asked.requests), asked.waits) == (3, list(client.RETRY_PAUSES_SECONDS))


def test_a_read_that_succeeds_at_last_is_answered(asked):
    asked.answers = [httpx2.ReadError("reset"), answer(200, b"{}")]
    assert asked.node.jwks() == b"{}"


@pytest.mark.parametrize(
    "write",
    [
        lambda node: node.revoke(wire.RevokeRequest(items=[])),
        lambda node: node.fetch(),
        lambda node: node.compile(wire.CompileRequest()),
        lambda node: node.push_snapshot(b"{}"),
    ],
)
def test_a_write_is_never_tried_again(asked, write):
    asked.answers = [httpx2.ReadError("reset")]
    with pytest.raises(RtgfError) as caught:
        write(asked.node)
    assert caught.value.code is Code.RTGF_UNREACHABLE
    assert len(asked.requests) == 1


def test_a_busy_node_is_asked_again_when_it_says(asked):
    busy = problem("RTGF_VERIFY_RATE_LIMIT", 429, **{"retry-after": "3"})
    asked.answers = [busy, answer(200, b"{}")]
    assert asked.node.jwks() == b"{}"
    assert asked.waits == [3.0]


def test_a_node_that_stays_busy_is_given_up(asked):
    """RTGF-CT-44"""
    busy = problem("RTGF_VERIFY_RATE_LIMIT", 429, **{"retry-after": "86400"})
    asked.answers = [busy] * (client.MAX_BUSY_TRIES + 1)
    with pytest.raises(RtgfError) as caught:
        asked.node.jwks()
    assert caught.value.code is Code.RTGF_VERIFY_RATE_LIMIT
    assert set(asked.waits) == {client.MAX_RETRY_AFTER_SECONDS}


def test_an_answer_without_end_is_cut(asked):
    chunk = bytes(1 << 20)
    asked.answers = [lambda: httpx2.Response(200, content=(chunk for _ in range(1 << 20)))]
    with pytest.raises(RtgfError) as caught:
        asked.node.head()
    assert caught.value.code is Code.RTGF_INTERNAL
    assert str(client.MAX_ANSWER_BYTES) in caught.value.detail


def test_a_write_that_a_busy_node_turned_away_is_the_same_write(asked):
    busy = problem("RTGF_OVERLOADED", 503, **{"retry-after": "1"})
    asked.answers = [busy, answer(200, b'{"revEpoch": 1, "entries": []}')]
    assert asked.node.revoke(wire.RevokeRequest(items=[])).revEpoch == 1
    keys = [one.headers["idempotency-key"] for one in asked.requests]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_every_write_has_a_key_of_its_own(asked):
    asked.answers = [answer(200, b'{"revEpoch": 1, "entries": []}')] * 2
    for _ in range(2):
        asked.node.revoke(wire.RevokeRequest(items=[]))
    assert len({one.headers["idempotency-key"] for one in asked.requests}) == 2


def test_a_verification_has_the_key_that_its_caller_gives(asked):
    """Without one the node may answer from what it remembers, and need not keep the answer."""
    verdict = b'{"valid":true,"revEpoch":0,"reason":null,"decision":null,"controls":[],'
    lost = httpx2.ReadError("reset")
    found = answer(200, verdict + b'"reasons":[],"tokens":[],"trace_digest":null}')
    asked.answers = [found, lost, found]
    question = wire.VerifyRequest(tokens=wire.VerifyTokens())
    asked.node.verify(question)
    asked.node.verify(question, key="payment-4711")
    sent = [one.headers.get("idempotency-key") for one in asked.requests]
    assert sent == [None, "payment-4711", "payment-4711"]


def test_clients_that_failed_together_do_not_come_back_together(asked):
    asked.node._jitter = lambda: 0.0
    asked.answers = [httpx2.ConnectError("refused")] * 3
    with pytest.raises(RtgfError):
        asked.node.jwks()
    assert asked.waits == [pause / 2 for pause in client.RETRY_PAUSES_SECONDS]
    assert all(0 <= exchange.at_random() <= 1 for _ in range(100))


def test_the_awaiting_client_tries_again_as_the_other_does(node_folder):
    waits, told = [], [problem("RTGF_OVERLOADED", 503, **{"retry-after": "2"}), answer(200, b"{}")]

    async def wait(seconds):
        waits.append(seconds)

    async def ask():
        ca_file = node_folder / "pki/ca.pem"
        async with AsyncNode("https://localhost:1", ca_file=ca_file, wait=wait) as node:
            node._http = httpx2.AsyncClient(
                base_url=node.url, transport=httpx2.MockTransport(lambda _: told.pop(0)())
            )
            return await node.jwks()

    assert trio.run(ask) == b"{}"
    assert waits == [2.0]


def test_the_catalogue_is_read_page_by_page(asked):
    entry = wire.CatalogEntry("u", "RMT", "s", "h", "v", "i", "n", "e", revoked=False, leafIndex=0)
    pages = [wire.Catalog([entry, entry], "7"), wire.Catalog([entry], None)]
    asked.answers = [answer(200, msgspec.json.encode(page)) for page in pages]
    assert len(list(asked.node.catalog_entries(domain="d"))) == 3
    assert [dict(one.url.params).get("cursor") for one in asked.requests] == [None, "7"]
    assert {dict(one.url.params)["domain"] for one in asked.requests} == {"d"}


def test_a_node_that_is_not_ready_is_still_heard(asked):
    state = wire.ReadyAnswer("not_ready", [wire.Check("log", ok=False, detail="no head")])
    asked.answers = [answer(503, msgspec.json.encode(state))]
    assert asked.node.ready() == state


def test_what_the_user_names_cannot_leave_its_place_in_the_path(asked):
    asked.answers = [answer(200, b"{}")]
    asked.node.snapshot("../admin/status?x=1#y")
    assert asked.requests[0].url.raw_path == b"/snapshots/..%2Fadmin%2Fstatus%3Fx%3D1%23y"


def test_tls_files_that_cannot_be_used_are_a_matter_of_configuration(tmp_path):
    with pytest.raises(RtgfError) as caught:
        Node("https://localhost:1", ca_file=tmp_path / "none.pem")
    assert caught.value.code is Code.RTGF_CONFIG_INVALID
