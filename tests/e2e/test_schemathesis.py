"""A node answers as its OpenAPI document says, whatever it is asked.

schemathesis reads the document from a running node and asks each operation: the examples of the
document, every bound and every wrong type once, a hundred made-up requests, right and wrong ones,
and sequences of requests that use what was answered before. All its checks are on. The caller has
every role, so that nothing ends at the door.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rtgf_node.api import contract_document
from rtgf_node.api.contract import Operation
from rtgf_node.keys import pki
from rtgf_node.settings import Role
from tests.nodes import TestNode

EXAMPLES = int(os.environ.get("RTGF_TEST_EXAMPLES", "100"))
"""Made-up requests for each operation; more of them, with more time, in the environment."""

TOOL = """
import ast, threading
from schemathesis.cli import schemathesis

parse, turn = ast.parse, threading.RLock()

def in_turn(*args, **kwargs):
    with turn:
        return parse(*args, **kwargs)

ast.parse = in_turn
schemathesis()
"""
"""The tool, whose threads parse Python by turns: CPython 3.11 counts the depth of the one in the
other when a callback of the garbage collector lets them change places (SystemError, gh-106905).
"""

PATIENCE_SECONDS = 18 * max(EXAMPLES, 100)

TESTER = "urn:rtgf:tester:all"
ROLES: tuple[Role, ...] = (
    *("regulator", "compiler", "operator", "approver"),
    *("auditor", "partner", "monitor"),
)
SETTINGS = f"""
[limits]
public_per_second = 1000000.0
public_burst = 1000000
partner_per_second = 1000000.0
partner_burst = 1000000
admin_per_second = 1000000.0
admin_burst = 1000000

[[role]]
uri = "{TESTER}"
roles = {json.dumps(ROLES)}
"""

CONFIG = f"""
workers = 2
request-timeout = 60
continue-on-failure = true
max-stream-events = 1
color = false

[cache]
enabled = false

[generation]
max-examples = {EXAMPLES}
deterministic = true
no-shrink = true
database = "none"

[phases.stateful.generation]
max-examples = {max(EXAMPLES // 4, 1)}
"""

EXCEPTION = """
[[operations]]
include-operation-id = "{id}"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "409", "422"]
"""

DEPENDS = {"at", "from", "to", "time", "place", "reference"}
"""Parameters whose form can be right while the state of the log, or the world, says no."""


def may_refuse(operation: Operation) -> bool:
    """Whether a well-formed request can be refused: for a signature, a digest, a size to come."""
    return operation.method != "GET" or not DEPENDS.isdisjoint(p.name for p in operation.parameters)


@pytest.fixture
def asked(make_node: Any, tmp_path: Path) -> TestNode:
    node: TestNode = make_node(published=True, settings=SETTINGS)
    folder = node.folder / "pki"
    authority = pki.read(folder / "ca.pem", folder / "ca.key")
    made = pki.issue(authority, "tester", san_uris=[TESTER], now=int(time.time()), client=True)
    pki.write(made, folder / "tester.pem", folder / "tester.key")
    listed = contract_document.operations()
    exceptions = [EXCEPTION.format(id=one.id) for one in listed if may_refuse(one)]
    (tmp_path / "asking.toml").write_text(CONFIG + "".join(exceptions))
    return node


def ask(node: TestNode, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the tool over the whole document."""
    files = node.folder / "pki"
    return subprocess.run(
        [
            *(sys.executable, "-c", TOOL, "--config-file", "asking.toml"),
            *("run", f"{node.url}/openapi.json", "--checks", "all"),
            *("--tls-verify", str(files / "ca.pem")),
            *("--request-cert", str(files / "tester.pem")),
            *("--request-cert-key", str(files / "tester.key")),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def test_every_operation_keeps_to_the_document(asked, tmp_path):
    done = ask(asked, tmp_path)
    count = len(contract_document.operations())
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    # The tool does not ask the route again that it has the document from.
    assert f"Tested: {count - 1}\n" in done.stdout.replace("  ", " "), done.stdout
    assert "request_failed" not in (asked.folder / "node.log").read_text()
