"""The Unix socket: the kernel says who is there, and nobody else gets in."""

from __future__ import annotations

import http.client
import json
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from rtgf_node.keys import pki
from tests.nodes import PATIENCE_SECONDS, TestNode


@pytest.fixture(scope="module")
def node(template: TestNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    node = template.copy(tmp_path_factory.mktemp("us") / "n")
    text = node.toml.read_text()
    text = text.replace("[http]\n", '[http]\nadmin_socket = "data/s"\n', 1)
    node.toml.write_text(text.replace("[client]\n", '[client]\nsocket = "data/s"\n', 1))
    with node.running():
        yield node


def ask(
    node: TestNode, method: str, path: str, extra: str = "", body: str = ""
) -> tuple[int, bytes]:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{extra}"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE_SECONDS)
        sock.connect(str(node.folder / "data" / "s"))
        sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        data = b""
        while piece := sock.recv(65536):
            data += piece
    first, _, rest = data.partition(b"\r\n")
    return int(first.split()[1]), rest.partition(b"\r\n\r\n")[2]


def test_the_user_of_the_node_is_operator(node):
    status, _ = ask(node, "GET", "/admin/status")
    assert status == 200
    status, body = ask(
        node, "POST", "/admin/log/resume", "Content-Type: application/json\r\n", "{}"
    )
    assert status == 403
    assert f"unix:uid:{os.getuid()}" in json.loads(body)["detail"]


def test_it_is_for_its_owner_alone(node):
    mode = (node.folder / "data" / "s").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert mode & 0o777 == 0o600


def test_acts_are_on_record_under_the_user(node):
    ask(node, "POST", "/admin/fetch/none")
    lines = node.ask("GET", "/admin/audit-trail", role="auditor").json()["lines"]
    assert lines[-1]["entry"]["client"] == f"unix:uid:{os.getuid()}"
    assert lines[-1]["entry"]["address"] == "unix"


def test_commands_use_it_where_it_is_set(node):
    for file in ("operator.pem", "operator.key"):
        (node.folder / "pki" / file).rename(node.folder / "pki" / f"{file}.away")
    try:
        done = node.cli("status", "--json")
        assert done.returncode == 0, done.stderr
    finally:
        for file in ("operator.pem", "operator.key"):
            (node.folder / "pki" / f"{file}.away").rename(node.folder / "pki" / file)


@pytest.mark.parametrize("name", [f"unix:uid:{os.getuid()}", "oauth:https://login.example#a"])
def test_a_certificate_does_not_give_such_a_name(node, name, tmp_path):
    folder = node.folder / "pki"
    ca = pki.read(folder / "ca.pem", folder / "ca.key")
    made = pki.issue(ca, "mallory", san_uris=[name], now=int(time.time()), client=True)
    pki.write(made, tmp_path / "mallory.pem", tmp_path / "mallory.key")
    connection = http.client.HTTPSConnection(
        "localhost", node.port, timeout=PATIENCE_SECONDS, context=node.tls("mallory", pki=tmp_path)
    )
    with closing(connection):
        connection.request("GET", "/admin/status")
        assert connection.getresponse().status == 401


def test_a_socket_that_a_crash_left_is_replaced(make_node):
    node = make_node("n", running=False)
    node.toml.write_text(
        node.toml.read_text().replace("[http]\n", '[http]\nadmin_socket = "data/s"\n', 1)
    )
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(node.folder / "data" / "s"))
    with node.running():
        assert ask(node, "GET", "/healthz")[0] == 200
