"""The commands against a real node that they started themselves: results, streams, exit codes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nodes import CONTEXTS, TestNode, context

IMT = "IMT:EU-SG:payments_aml:2026-10.1"
RMT = "RMT:EU:payments_aml:2026-10.1"


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node of this file's own, running, with nothing in it yet."""
    made = TestNode(tmp_path_factory.mktemp("live") / "node")
    with made.running():
        yield made


@pytest.fixture
def on(rtgf, node):
    """Run a command on the node; return its exit code, its result, and what else it said."""

    def run(*arguments):
        done = rtgf(*arguments, "--json", "--config", node.toml)
        result = json.loads(done.stdout) if done.stdout else None
        return done.returncode, result, done.stderr

    return run


@pytest.fixture
def payments(node, tmp_path):
    listed = context("payment-eu-sg")
    listed["beneficiary"]["name"] = node.world.listed_name
    (tmp_path / "listed.json").write_text(json.dumps(listed))
    return {
        "lawful": CONTEXTS / "payment-eu-sg.json",
        "large": CONTEXTS / "payment-eu-sg-large.json",
        "listed": tmp_path / "listed.json",
    }


def test_the_whole_way_by_commands(on, payments, tmp_path):
    """RTGF-CT-40, RTGF-CT-42, RTGF-CT-60, RTGF-CT-80: from fetch to a withdrawn token."""
    code, fetched, _ = on("fetch")
    assert code == 0
    assert {item["outcome"] for item in fetched["items"]} == {"accepted"}
    assert on("fetch", "un-sc")[1]["items"][0]["outcome"] == "unchanged"

    code, build, said = on("compile")
    assert (code, build["state"]) == (0, "published")
    assert build["held"]
    assert "twice" in said
    code, accepted, _ = on("compile", "--accept-conflicts")
    assert (code, accepted["held"]) == (0, [])
    assert set(accepted["issued"]) == set(build["held"])
    assert on("compile", "--accept-conflicts")[1]["state"] == "nothing_due"

    code, status, _ = on("status", "--strict")
    assert (code, status["ready"]["state"], status["tokens"]) == (0, "ready", 58)
    assert {entry["purpose"] for entry in on("keys", "list")[1]} == {
        "token",
        "log",
        "status",
        "receipt",
        "notify",
        "witness",
    }

    asked = ("verify", "--corridor", "EU-SG", "--domain", "payments_aml", "--explain", "--context")
    code, verdict, _ = on(*asked, payments["lawful"])
    assert (code, verdict["valid"], verdict["decision"]) == (0, True, "PERMIT")
    code, verdict, _ = on(*asked, payments["large"])
    assert (code, verdict["decision"]) == (0, "PERMIT_WITH_CONTROLS")
    code, verdict, _ = on(*asked, payments["listed"])
    assert (code, verdict["reason"]) == (14, "RTGF_VERIFY_POLICY_DENY")
    assert "Article 2" in verdict["explanation"]

    code, report, _ = on("audit", "--state", tmp_path / "seen.json")
    assert (code, report["findings"], report["proofs"]) == (0, [], 58)

    code, revoked, _ = on(
        "revoke", "RMT:SG:payments_aml:2026-10.1", "--reason", "policy_withdrawn", "--yes"
    )
    assert (code, revoked["revEpoch"], len(revoked["entries"])) == (0, 13, 13)
    code, verdict, _ = on("verify", "--rmt", RMT, "--imt", IMT)
    assert (code, verdict["valid"], verdict["reason"]) == (12, False, "RTGF_VERIFY_REVOKED")
    assert verdict["revEpoch"] == 13
    assert on(*asked[:5])[0] == 66

    before = report["tree_size"]
    code, report, _ = on("audit", "--state", tmp_path / "seen.json")
    assert (code, report["findings"]) == (0, [])
    assert (report["extends"], report["revEpoch"]) == (before, 13)


def test_an_audit_that_remembers_another_past_finds_it(on, tmp_path):
    on("audit", "--state", tmp_path / "seen.json")
    seen = json.loads((tmp_path / "seen.json").read_text())
    forged = {**seen, "root_hash": "sha256:" + "0" * 64}
    (tmp_path / "seen.json").write_text(json.dumps(forged))
    code, report, _ = on("audit", "--state", tmp_path / "seen.json")
    assert code == 23
    assert [finding["check"] for finding in report["findings"]] == ["consistency"]
    # What was seen before is still the truth to compare with.
    assert json.loads((tmp_path / "seen.json").read_text()) == forged


def test_an_audit_with_another_root_trusts_nothing(on):
    other = "NBFqk1dioEPYJQJu_k8iA7t5sCxm2Lw1bP8mfu1wvMA"
    code, report, _ = on("audit", "--root-key", other)
    assert code == 74
    assert ("keys", "jwks.jws") in {(one["check"], one["subject"]) for one in report["findings"]}


def test_an_audit_does_not_forgive_a_damaged_memory(on, tmp_path):
    (tmp_path / "seen.json").write_text("{")
    code, report, said = on("audit", "--state", tmp_path / "seen.json")
    assert (code, report) == (65, None)
    assert "seen.json" in said


def test_another_role_is_refused(on, node):
    pki = node.folder / "pki"
    partner = ("--cert", pki / "partner.pem", "--key", pki / "partner.key")
    for command in (("compile",), ("fetch",), ("status",), ("keys", "list")):
        code, result, said = on(*command, *partner)
        assert (code, result) == (69, None), command
        assert "RTGF_FORBIDDEN" in said


def test_what_is_not_there_exits_66(on):
    assert on("fetch", "nowhere")[0] == 66
    assert on("verify", "--rmt", "RMT:EU:payments_aml:1999-01.1")[0] == 66
    assert on("revoke", "RMT:EU:payments_aml:1999-01.1", "--reason", "superseded", "--yes")[0] == 66


@pytest.mark.parametrize(("typed", "code"), [("no", 2), ("RMT:KR:payments_aml:1999-01.1", 66)])
def test_a_person_confirms_by_typing_the_id(node, typed, code):
    """At a terminal the id itself must be typed; only then is the node asked (and knows it not)."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "rtgf_node", "revoke", "RMT:KR:payments_aml:1999-01.1"),
            *("--reason", "superseded", "--config", str(node.toml)),
        ],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[2],
    )
    os.close(theirs)
    os.write(ours, f"{typed}\n".encode())
    _, said = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == code, said
    assert b"everything that rests on it" in said


def test_a_second_serve_on_the_same_folder_is_refused(rtgf, node):
    done = rtgf("serve", "--config", node.toml)
    assert done.returncode == 73
    assert "RTGF_CONFLICT" in done.stderr
