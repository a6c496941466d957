"""Alerts from outside: what operators and their channels are told by a real node."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import time
from contextlib import AbstractContextManager, closing
from typing import Any

import pytest

from rtgf_node.cli.demo_node import free_port
from rtgf_node.core import jose
from tests.nodes import RATES, TestNode
from tests.processes import main_process, until
from tests.receivers import receiving

EVERY_SECOND = f"{RATES}\n[alerts]\nevery_seconds = 1\n"


class Duty:
    """The people on duty, behind a server of theirs; `told` is what came, as method, path, body."""

    def __init__(self, node: TestNode) -> None:
        self.node = node
        self.port = free_port()
        self.url = f"https://localhost:{self.port}/duty"
        self.told: list[tuple[str, str, Any, dict[str, Any]]] = []

    def serving(self) -> AbstractContextManager[None]:
        return receiving(self.node, self.port, self.take)

    def take(self, method: str, path: str, headers: Any, body: bytes) -> int:
        assert headers["content-type"] == "application/json"
        self.told.append((method, path, headers, body))
        return 202


def alerts(node: TestNode) -> dict[str, dict[str, Any]]:
    answer = node.ask("GET", "/admin/status", role="operator").json()
    return {one["name"]: one for one in answer["alerts"]}


def break_a_list(node: TestNode) -> None:
    """Let the newest fetch of a list fail."""
    files = sorted(one for one in (node.folder / "lists").rglob("*") if one.is_file())
    for file in files:
        file.unlink()
    assert "refused" in {item.outcome for item in node.fetch()}


@pytest.fixture
def node(make_node) -> TestNode:
    node = make_node(published=True, running=False)
    text = node.toml.read_text().replace(RATES, EVERY_SECOND)
    reachable = 'allowed_hosts = ["localhost"]\nallow_private_addresses = true'
    node.toml.write_text(text.replace("allowed_hosts = []", reachable))
    return node


def channel(node: TestNode, name: str, kind: str, url: str, secret: str = "") -> None:
    lines = [f'name = "{name}"', f'kind = "{kind}"', f'url = "{url}"']
    if secret:
        (node.folder / name).write_text(secret + "\n")
        lines.append(f'secret_file = "{node.folder / name}"')
    lines.append(f'ca_file = "{node.folder}/pki/ca.pem"')
    with node.toml.open("a") as file:
        file.write("\n[[alert_channel]]\n" + "\n".join(lines) + "\n")


def test_what_the_first_channel_does_not_take_the_second_is_told(node):
    """RTGF-CT-92."""
    duty = Duty(node)
    channel(node, "first", "pagerduty", f"https://localhost:{free_port()}/nobody", "R0")
    channel(node, "second", "webhook", duty.url)
    with node.running(), duty.serving():
        break_a_list(node)
        until(lambda: duty.told)
        _, path, headers, body = duty.told[0]
        assert path == "/duty"
        jose.verify_detached(
            headers["RTGF-Signature"],
            body,
            node.keys(),
            at=int(time.time()),
            typ="rtgf-alerts+jws",
            uses=("notify",),
        )
        told = json.loads(body)
        assert told["audience"] == duty.url
        assert told["missed_by"] == ["first"]
        assert [one["alert"] for one in told["risen"]] == ["source_failed"]
        standing = until(lambda: (now := alerts(node)) and "alert_suppressed" in now and now)
        assert standing["alert_suppressed"]["code"] == "RTGF_OP_ALERT_SUPPRESSED"
        assert standing["alert_suppressed"]["detail"].startswith("channel first: ")
        metrics = node.metrics()
        assert 'rtgf_alert_deliveries_total{channel="first",result="failed"} 1.0' in metrics
        assert 'rtgf_alert_deliveries_total{channel="second",result="ok"} 1.0' in metrics
        assert 'rtgf_alert_active{alert="source_failed",severity="P2"} 1.0' in metrics
        said = node.cli("status").stdout
        assert "alert_suppressed" in said
        assert "docs/runbooks/source_failed.md" in said


@pytest.mark.parametrize(
    ("kind", "path", "method"), [("pagerduty", "/duty", "POST"), ("matrix", "/duty/", "PUT")]
)
def test_each_kind_of_channel_is_told_in_its_own_way(node, kind, path, method):
    duty = Duty(node)
    channel(node, "duty", kind, duty.url, "S0")
    with node.running(), duty.serving():
        break_a_list(node)
        until(lambda: duty.told)
        told_by, where, headers, body = duty.told[0]
        assert told_by == method
        assert where.startswith(path)
        if kind == "matrix":
            assert headers["Authorization"] == "Bearer S0"
            assert "source_failed" in json.loads(body)["body"]
        else:
            assert json.loads(body)["routing_key"] == "S0"
            assert json.loads(body)["payload"]["class"] == "source_failed"
        assert "alert_suppressed" not in alerts(node)


def test_a_time_in_which_the_node_did_not_see_itself_is_an_alert(node):
    """RTGF-CT-91."""
    with node.running():
        until(lambda: "rtgf_alert_looked_timestamp_seconds 1." in node.metrics())
        assert alerts(node) == {}
        process = main_process(node)
        os.kill(process, signal.SIGSTOP)
        time.sleep(5.0)
        os.kill(process, signal.SIGCONT)
        gap = until(lambda: alerts(node).get("data_gap"))
        assert gap["code"] == "RTGF_OP_DATA_GAP"
        assert gap["runbook"] == "docs/runbooks/data_gap.md"
        assert "rtgf_alert_gaps_total 1.0" in node.metrics()


def test_a_head_that_was_altered_on_the_disk_is_an_alert(node):
    with node.running():
        until(lambda: "rtgf_alert_looked_timestamp_seconds 1." in node.metrics())
        with closing(sqlite3.connect(node.database)) as conn, conn:
            (size, document) = conn.execute(
                "SELECT tree_size, document FROM heads ORDER BY tree_size DESC LIMIT 1"
            ).fetchone()
            year = re.search(rb'"issued_at":"(\d{4})', document)[1]
            altered = document.replace(b'"issued_at":"' + year, b'"issued_at":"2031')
            conn.execute("UPDATE heads SET document = ? WHERE tree_size = ?", (altered, size))
        alert = until(lambda: alerts(node).get("root_signature_invalid"))
        assert (alert["severity"], alert["code"]) == ("P0", "RTGF_TXP_ROOT_SIGNATURE_INVALID")


def test_a_burst_of_withdrawals_is_an_alert(node):
    with node.running():
        listed = node.ask("GET", "/catalog?type=IMT").json()["tokens"]
        tokens = [one["uri"] for one in listed if "eu-" in one["slug"] or "-eu-" in one["slug"]]
        assert len(tokens) > 10, tokens
        node.revoke(*tokens[:11])
        burst = until(lambda: alerts(node).get("revocation_burst"))
        assert "EU: 11 in an hour, 0 at most before" in burst["detail"]


@pytest.mark.parametrize("secret", [None, "", "two\nlines"])
def test_a_channel_without_its_secret_stops_the_start(node, secret):
    lines = "" if secret is None else f'secret_file = "{node.folder}/secret"\n'
    if secret is not None:
        (node.folder / "secret").write_text(secret)
    with node.toml.open("a") as file:
        file.write(f'\n[[alert_channel]]\nname = "duty"\nkind = "matrix"\n{lines}')
        file.write('url = "https://localhost/room"\n')
    done = node.cli("serve")
    assert done.returncode == 78
    assert "alert_channel duty: secret_file" in done.stderr
