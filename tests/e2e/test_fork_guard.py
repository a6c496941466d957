"""A node knows a fork before it makes one: what was signed last is kept apart from the store."""

from __future__ import annotations

import shutil

import pytest

from rtgf_node import wire
from rtgf_node.core import canonical_json, tree_head
from rtgf_node.errors import Code, RtgfError


def head_of(node) -> tree_head.TreeHead:
    with node.client() as client:
        return tree_head.from_document(canonical_json.parse(client.head()))


@pytest.fixture
def restored(make_node):
    """A node whose store was put back to an old backup, while its guard was not."""
    node = make_node(running=False)
    backup = node.folder.parent / "backup"
    with node.running():
        node.fetch()
        assert node.compile().state == "published"
    shutil.copytree(node.folder / "data", backup)
    with node.running(), node.client("operator") as operator:
        operator.revoke(
            wire.RevokeRequest(
                items=[wire.RevokeItem("RMT:SG:payments_aml:2026-10", "policy_withdrawn")]
            )
        )
        lost = head_of(node)
    shutil.rmtree(node.folder / "data")
    shutil.copytree(backup, node.folder / "data")
    return node, lost


def test_an_old_store_may_be_read_and_signs_nothing(restored):
    node, lost = restored
    with node.running(), node.client("operator") as operator:
        before = head_of(node)
        assert before.tree_size < lost.tree_size
        ready = operator.ready()
        assert ready.state == "not_ready"
        assert any("old copy" in check.detail for check in ready.checks)
        with pytest.raises(RtgfError) as refused:
            operator.fetch("un-sc")
        assert refused.value.code is Code.RTGF_UNAVAILABLE
        assert head_of(node) == before


def test_an_old_store_never_says_that_something_is_valid(restored):
    """What was revoked after the backup would come out valid."""
    node, _ = restored
    with node.running():
        answer = node.verify(rmt="RMT:SG:payments_aml:2026-10", imt=None)
        assert (answer.valid, answer.reason) == (False, "RTGF_TOKEN_REVOCATION_STALE")


def test_resuming_needs_an_approver_and_is_logged(restored):
    """RTGF-CT-94: with a report of it that proves itself."""
    node, lost = restored
    request = wire.ResumeRequest(reason="the rest is lost")
    with node.running():
        with node.client("operator") as operator, pytest.raises(RtgfError) as refused:
            operator.resume_signing(request)
        assert refused.value.code is Code.RTGF_FORBIDDEN
        with node.client("approver") as approver:
            approver.resume_signing(request)
            assert approver.ready().state == "ready"
            events = [entry.event for entry in approver.log_page(0, limit=1000).entries]
        incident = next(event for event in events if event["type"] == "incident")
        report = node.cli("incident", "report", str(events.index(incident)), "incident.json")
        assert report.returncode == 0, report.stderr
        assert "signing_resumed" in report.stdout
        assert incident["subject"] == "signing_resumed"
        assert "the rest is lost" in incident["payload"]["detail"]
        assert str(lost.tree_size) in incident["payload"]["detail"]
    with node.running():
        assert node.verify(imt=None).valid
    # The report is checked without a node.
    assert node.cli("incident", "check", "incident.json").stdout == report.stdout


def test_a_store_with_heads_and_no_guard_signs_nothing(make_node):
    node = make_node(running=False)
    with node.running():
        size = head_of(node).tree_size
    shutil.rmtree(node.folder / "guard")
    with node.running(), node.client() as client:
        assert client.ready().state == "not_ready"
        assert head_of(node).tree_size == size


def test_two_nodes_on_copies_of_one_store_do_not_both_sign(make_node):
    node = make_node(running=False)
    with node.running():
        pass
    copy = node.folder.parent / "copy"
    shutil.copytree(node.folder / "data", copy)
    with node.running():
        node.fetch()
        head = head_of(node)
    shutil.rmtree(node.folder / "data")
    copy.rename(node.folder / "data")
    with node.running():
        assert head_of(node).tree_size < head.tree_size
        with pytest.raises(RtgfError) as refused:
            node.fetch()
        assert refused.value.code is Code.RTGF_UNAVAILABLE
