"""The stream of revocations, as a partner reads it over TLS."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, NamedTuple

import pytest

from rtgf_node.cli.demo_node import STOP_SECONDS
from rtgf_node.core.canonical_json import parse
from tests.nodes import PATIENCE_SECONDS, TestNode

LONG = f"[http]\nshutdown_seconds = {6 * STOP_SECONDS}\n"
FEW = "[http]\nmax_event_streams = 3\nmax_event_streams_per_client = 2\n"
TOKENS = [f"IMT:{corridor}:payments_aml:2026-10.1" for corridor in ("EU-SG", "EU-UK", "SG-KR")]


class Event(NamedTuple):
    """One event as it came."""

    id: int
    name: str
    data: dict[str, Any]


class Stream:
    """An open stream. Iterating gives the events; comments and `retry` are passed over."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.response = response

    def __iter__(self) -> Iterator[Event]:
        fields: dict[str, str] = {}
        while line := self.response.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                data = parse(fields["data"].encode())
                assert isinstance(data, dict)
                yield Event(int(fields["id"]), fields["event"], data)
                fields = {}
            else:
                fields = {}

    def take(self, count: int) -> list[Event]:
        """Return the next revocations."""
        found: list[Event] = []
        for event in self:
            if event.name == "revocation":
                found.append(event)
            if len(found) == count:
                break
        return found


@contextmanager
def opened(
    node: TestNode, query: str = "", *, after: int | None = None, role: str | None = None
) -> Iterator[Stream]:
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    connection = http.client.HTTPSConnection(
        "localhost", node.port, timeout=PATIENCE_SECONDS, context=node.tls(role)
    )
    with closing(connection):
        connection.request("GET", f"/revocations/stream{query}", headers=headers)
        response = connection.getresponse()
        with closing(response):
            assert response.status == 200, response.read()
            assert response.headers["content-type"] == "text/event-stream"
            assert response.headers["cache-control"] == "no-store"
            yield Stream(response)


def listed(node: TestNode) -> list[dict[str, Any]]:
    return node.ask("GET", "/revocations").json()["entries"]


def test_revocations_come_as_they_commit(own):
    with opened(own) as stream:
        first = next(iter(stream))
        assert (first.name, first.data["fresh"]) == ("heartbeat", True)
        answer = own.revoke(TOKENS[0]).json()
        [event] = stream.take(1)
        assert (event.id, event.name) == (answer["revEpoch"], "revocation")
        assert event.data == listed(own)[-1]
        own.revoke(TOKENS[1], reason="corridor_suspended")
        own.revoke(TOKENS[1], reason="corridor_suspended", act="reinstate")
        assert [one.data["status"] for one in stream.take(2)] == ["suspended", "valid"]


def test_nothing_is_missed_over_a_break_and_a_restart(make_node):
    """What committed while nobody read comes first, each once, in its order."""
    node = make_node(published=True, running=False)
    with node.running():
        with opened(node) as stream:
            node.revoke(TOKENS[0])
            [seen] = stream.take(1)
        node.revoke("RMT:SG:payments_aml:2026-10.1")
    with node.running():
        missed = listed(node)[seen.id :]
        assert len(missed) > 1
        with opened(node, after=seen.id) as stream:
            assert [event.data for event in stream.take(len(missed))] == missed
            node.revoke(TOKENS[1])
            [last] = stream.take(1)
            assert last.id == len(missed) + seen.id + 1
        # A browser reconnects with the URL that it began with: the last event counts.
        with opened(node, "?since=0", after=last.id - 1) as stream:
            assert [event.id for event in stream.take(1)] == [last.id]
        with opened(node, "?since=0") as stream:
            assert [event.data for event in stream.take(last.id)] == listed(node)


def test_many_readers_while_many_are_revoked(make_node):
    node = make_node(published=True)
    corridors = [f"IMT:{pair}:payments_aml:2026-10.1" for pair in ("AU-SG", "SG-AU", "US-AU")]
    with opened(node, "?since=0") as one, opened(node, "?since=0") as two:
        workers = [threading.Thread(target=node.revoke, args=(token,)) for token in corridors]
        for worker in workers:
            worker.start()
        heard = [[event.id for event in stream.take(3)] for stream in (one, two)]
        for worker in workers:
            worker.join()
    assert heard == [[1, 2, 3]] * 2


def test_the_number_of_streams_is_bounded(make_node):
    node = make_node(published=True, running=False)
    node.toml.write_text(node.toml.read_text().replace("[http]\n", FEW))
    with node.running():
        _fill_and_leave(node)


def _fill_and_leave(node: TestNode) -> None:
    with opened(node) as first, opened(node) as second:
        for stream in (first, second):
            next(iter(stream))
        refused = node.ask("GET", "/revocations/stream")
        refused.problem(429, "RTGF_VERIFY_RATE_LIMIT")
        assert int(refused.headers["retry-after"]) >= 1
        with opened(node, role="partner") as third:
            next(iter(third))
            full = node.ask("GET", "/revocations/stream", role="operator")
            full.problem(503, "RTGF_OVERLOADED")
            assert "rtgf_event_streams 3.0" in node.metrics()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "rtgf_event_streams 0.0" not in node.metrics():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with opened(node) as again:
        next(iter(again))


def test_a_stop_does_not_wait_for_readers(make_node):
    node = make_node(published=True, running=False)
    node.toml.write_text(node.toml.read_text().replace("[http]\n", LONG))
    with ExitStack() as stack:
        with node.running():
            stream = stack.enter_context(opened(node))
            next(iter(stream))
            begun = time.monotonic()
        # It ended by itself: whoever does not within that time is killed.
        assert time.monotonic() - begun < STOP_SECONDS
        assert list(stream) == []


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "9" * 17, "1, 2"])
def test_an_event_id_that_is_none(own, given):
    reply = own.ask("GET", "/revocations/stream", headers={"Last-Event-ID": given})
    reply.problem(400, "RTGF_BAD_REQUEST")


@pytest.mark.parametrize("query", ["?since=x", "?from=1", "?since=1&since=2"])
def test_a_query_that_is_none(own, query):
    own.ask("GET", f"/revocations/stream{query}").problem(400, "RTGF_BAD_REQUEST")


def test_head_has_an_end(own):
    reply = own.ask("HEAD", "/revocations/stream")
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["content-type"] == "text/event-stream"
