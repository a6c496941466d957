"""Dual control: what takes two persons waits for the second, over restarts, until its deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from rtgf_node import wire
from rtgf_node.core import digests
from rtgf_node.keys import pki
from tests.nodes import RATES, TestNode
from tests.observing import events

SETTINGS = RATES + '\n[approvals]\nrequired = ["publish", "accept_conflicts"]\n'
SECOND = "urn:rtgf:approver:second"


def approvals(node: TestNode) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.ask("GET", "/admin/approvals", role="auditor").json()[
        "approvals"
    ]
    return found


def settle(node: TestNode, approval_id: str, decision: str, *, role: str = "approver") -> Any:
    body = {"decision": decision, "reason": "read it"}
    return node.ask("POST", f"/admin/approvals/{approval_id}", body, role=role)


def ended(node: TestNode, build_id: str) -> dict[str, Any]:
    for _ in range(5000):
        build: dict[str, Any] = node.ask("GET", f"/admin/builds/{build_id}", role="operator").json()
        if build["state"] not in {"running", "waiting"}:
            return build
        time.sleep(0.02)
    raise AssertionError(build)


@pytest.fixture
def waiting(make_node: Callable[..., TestNode]) -> tuple[TestNode, wire.BuildAnswer]:
    """A running node whose first build waits for a second person."""
    node = make_node(settings=SETTINGS)
    node.fetch()
    build = node.compile(accept=False)
    assert build.state == "waiting", build
    return node, build


def test_a_build_is_published_when_a_second_person_approves(waiting):
    node, build = waiting
    assert node.ask("GET", "/catalog").json()["tokens"] == []
    (one,) = approvals(node)
    assert (one["state"], one["subject"], one["acts"]) == ("waiting", build.build_id, ["publish"])
    assert one["asked_by"] == "urn:rtgf:operator:first"
    for role in ("operator", "auditor", "partner"):
        settle(node, one["approval_id"], "approve", role=role).problem(403, "RTGF_FORBIDDEN")
    reply = settle(node, one["approval_id"], "approve")
    assert reply.status == 200, reply
    assert reply.json()["settled_by"] == "urn:rtgf:approver:first"
    told = ended(node, build.build_id)
    assert told["state"] == "published"
    assert told["issued"]
    assert len(node.ask("GET", "/catalog").json()["tokens"]) == len(told["issued"])
    settle(node, one["approval_id"], "refuse").problem(409, "RTGF_CONFLICT")
    asked, approved = [e for e in events(node, "approval") if e["subject"] == build.build_id]
    assert (asked["actor"], asked["payload"]["outcome"]) == ("urn:rtgf:operator:first", "asked")
    assert (approved["actor"], approved["payload"]["outcome"]) == (
        "urn:rtgf:approver:first",
        "approved",
    )
    assert approved["refs"] == {"asked": asked["event_id"]}
    assert approved["digest"] == asked["digest"] == one["digest"]


def test_what_waits_can_be_read_before_it_is_approved(waiting):
    node, build = waiting
    reply = node.ask("GET", f"/admin/builds/{build.build_id}/manifest", role="approver")
    assert reply.status == 200, reply
    listed = [one for one in reply.json()["artefacts"] if one["name"].startswith("tokens/rmt/")]
    assert listed
    for one in listed:
        path = f"/admin/builds/{build.build_id}/artefacts/{one['name']}"
        body = node.ask("GET", path, role="approver").body
        assert digests.sha256(body) == one["sha256"]
    unknown = f"/admin/builds/sha256:{'0' * 64}/manifest"
    node.ask("GET", unknown, role="approver").problem(404, "RTGF_NOT_FOUND")


def test_who_asked_does_not_approve(make_node):
    node = make_node(settings=SETTINGS)
    node.fetch()
    build = node.compile(accept=True)  # asked for by the approver
    assert build.state == "waiting"
    (one,) = approvals(node)
    assert one["acts"] == ["publish", "accept_conflicts"]
    settle(node, one["approval_id"], "approve").problem(403, "RTGF_FORBIDDEN")
    assert approvals(node)[0]["state"] == "waiting"
    assert node.ask("GET", "/catalog").json()["tokens"] == []


def test_a_second_approver_accepts_the_conflicts(make_node):
    node = make_node(running=False)
    node.toml.write_text(
        node.toml.read_text()
        + SETTINGS.replace(RATES, "")
        + f'\n[[role]]\nuri = "{SECOND}"\nroles = ["approver"]\n'
    )
    folder = node.folder / "pki"
    ca = pki.read(folder / "ca.pem", folder / "ca.key")
    made = pki.issue(ca, "second", san_uris=[SECOND], now=int(time.time()), client=True)
    pki.write(made, folder / "second.pem", folder / "second.key")
    with node.running():
        node.fetch()
        build = node.compile(accept=True)
        (one,) = approvals(node)
        assert settle(node, one["approval_id"], "approve", role="second").status == 200
        assert ended(node, build.build_id)["state"] == "published"
        by_subject = {e["subject"]: e["actor"] for e in events(node, "approval")}
        corridors = {name: actor for name, actor in by_subject.items() if "build" not in name}
        assert corridors
        assert set(corridors.values()) == {SECOND}


def test_what_is_refused_is_not_published(waiting):
    node, build = waiting
    (one,) = approvals(node)
    assert settle(node, one["approval_id"], "refuse").json()["state"] == "refused"
    assert ended(node, build.build_id)["state"] == "refused"
    assert node.ask("GET", "/catalog").json()["tokens"] == []
    settle(node, one["approval_id"], "approve").problem(409, "RTGF_CONFLICT")
    again = node.compile(accept=False)
    assert again.state == "waiting"
    assert [a["state"] for a in approvals(node)] == ["waiting", "refused"]


def test_what_waits_outlives_a_restart(make_node):
    node = make_node(running=False, settings=SETTINGS)
    with node.running():
        node.fetch()
        first = node.compile(accept=False)
        second = node.compile(accept=False)
        assert (first.state, second.state) == ("waiting", "waiting")
        before = approvals(node)
    with node.running():
        assert approvals(node) == before
        waiting = {one["subject"]: one["approval_id"] for one in before}
        assert settle(node, waiting[first.build_id], "approve").status == 200
        assert ended(node, first.build_id)["state"] == "published"
        # Its tokens are the same ones, which are issued now.
        assert settle(node, waiting[second.build_id], "approve").status == 200
        assert ended(node, second.build_id)["code"] == "RTGF_BUILD_TRANSPARENCY_FAIL"


def test_what_nobody_settles_lapses(make_node):
    node = make_node(settings=SETTINGS + "deadline_seconds = 1\n")
    node.fetch()
    build = node.compile(accept=False)
    assert ended(node, build.build_id)["state"] == "lapsed"
    (one,) = approvals(node)
    assert (one["state"], one["settled_by"]) == ("lapsed", None)
    settle(node, one["approval_id"], "approve").problem(409, "RTGF_CONFLICT")
    assert [e["payload"]["outcome"] for e in events(node, "approval")] == ["asked", "lapsed"]


def test_an_unknown_request_and_a_bad_answer_are_refused(published):
    settle(published, "none", "approve").problem(404, "RTGF_NOT_FOUND")
    for body in ({"decision": "yes", "reason": "a"}, {"decision": "approve"}, {}):
        reply = published.ask("POST", "/admin/approvals/none", body, role="approver")
        assert reply.status == 400


def test_the_commands_list_and_refuse(waiting):
    node, build = waiting
    listed = node.cli("approvals", "list")
    assert listed.returncode == 0, listed.stderr
    (one,) = approvals(node)
    assert one["approval_id"] in listed.stdout
    refused = node.cli("approvals", "refuse", one["approval_id"], "--reason", "not today")
    assert refused.returncode == 0, refused.stderr
    assert "refused by urn:rtgf:approver:first" in refused.stdout
    again = node.cli("approvals", "approve", one["approval_id"], "--reason", "after all")
    assert again.returncode == 73
    assert ended(node, build.build_id)["state"] == "refused"
