"""States that cannot be asked about, how long answers are kept, and what is recorded of them."""

from __future__ import annotations

import time

import pytest

from rtgf_node.core import times
from tests.earlier import READS, RMT, newest_size, pinned
from tests.inside import ShiftedClock
from tests.nodes import PATIENCE_SECONDS
from tests.questions import question


@pytest.mark.parametrize("path", [*READS, "/datasets/un-sc/x", "/proofs/evt:none"])
def test_states_that_cannot_be_are_refused_everywhere(published, path):
    later = times.to_text(ShiftedClock().now() + 600)
    for at in (
        "",
        "yesterday",
        "0",
        "007",
        "-1",
        "1e3",
        "2026-11-22",
        "2026-11-22T10:00:00%2B00:00",
        "1000000000",
        "9" * 17,
        later,
    ):
        problem = published.ask("GET", pinned(path, at)).problem(400, "RTGF_INPUT_INVALID")
        assert problem["errors"][0]["pointer"] == "?at", at
    twice = published.ask("GET", f"{pinned(path, 1)}&at=1")
    twice.problem(400, "RTGF_BAD_REQUEST")


@pytest.mark.parametrize("route", ["/verify", "/evaluate"])
def test_questions_about_states_that_cannot_be(published, route):
    asked = question(RMT, None) if route == "/verify" else {"token": RMT, "context": {}}
    for at in ("", "yesterday", "0", "1000000000"):
        for place, reply in (
            ("?at", published.ask("POST", f"{route}?at={at}", asked)),
            ("/at", published.ask("POST", route, {**asked, "at": at})),
        ):
            problem = reply.problem(400, "RTGF_INPUT_INVALID")
            assert problem["errors"][0]["pointer"] == place
    both = published.ask("POST", f"{route}?at=2", {**asked, "at": "3"})
    problem = both.problem(400, "RTGF_VERIFY_BAD_REQUEST")
    assert problem["errors"][0]["pointer"] == "/at"
    assert published.ask("POST", "/verify?at=2", {**question(RMT, None), "at": "2"}).status == 200


def test_before_the_log_began(published):
    at = "at=2026-10-02T00:00:00Z"
    assert published.ask("GET", f"/catalog?{at}").json() == {"tokens": [], "cursor": None}
    listed = published.ask("GET", f"/revocations?{at}").json()
    assert (listed["revEpoch"], listed["treeSize"], listed["entries"]) == (0, 0, [])
    matrix = published.ask("GET", f"/policy-matrix/index.jsonld?{at}").json()
    assert matrix == {"snapshots": [], "terms": []}
    published.ask("GET", f"/jwks.json?{at}").problem(404, "RTGF_NOT_FOUND")
    assert published.ask("GET", f"/roots/latest?{at}").json()["tree_size"] == 0
    answer = published.ask("POST", f"/verify?{at}", question(RMT, None)).json()
    assert answer["reason"] == "RTGF_TXP_PROOF_NOT_FOUND"


def test_only_what_cannot_change_is_kept_for_ever(published):
    size = newest_size(published)
    now = times.to_text(ShiftedClock().now())
    for path in READS:
        replies = {at: published.ask("GET", pinned(path, at)) for at in (size, now)}
        if replies[size].status != 200:
            continue
        # Lists are signed with the key of today, and the newest head is signed again.
        signed_now = path.startswith(("/revocations", "/roots"))
        lasting = "immutable" in replies[size].headers["cache-control"]
        assert lasting == (not signed_now), path
        assert "immutable" not in replies[now].headers["cache-control"], path
        etag = replies[size].headers["etag"]
        assert not etag.startswith("W/")
        again = published.ask("GET", pinned(path, size), headers={"If-None-Match": etag})
        assert (again.status, again.headers["cache-control"]) == (
            304,
            replies[size].headers["cache-control"],
        )
        assert "immutable" not in published.ask("GET", path).headers["cache-control"], path


def test_what_the_record_says_of_a_question_about_the_past(published):
    asked = question(RMT, None)
    reply = published.ask("POST", "/verify?at=5", asked)
    path = f"/admin/decisions?request_id={reply.headers['x-request-id']}"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (entries := published.ask("GET", path, role="auditor").json()["entries"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [one["route"] for one in entries] == ["/verify?at=5"]
