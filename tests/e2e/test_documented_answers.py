"""What goes wrong at the door of any route is in the OpenAPI document too: statuses and headers."""

from __future__ import annotations

import re

import pytest

from rtgf_node.api import contract_document
from rtgf_node.api.contract import Operation
from tests.nodes import Reply, TestNode

DOCUMENT = contract_document.document()
LARGE = 1 << 15
SMALL = f"[http]\nmax_body_bytes = {LARGE}\nmax_admin_body_bytes = {LARGE}\n"

EVERYWHERE = {
    *("date", "connection", "content-length", "content-type", "transfer-encoding", "vary"),
    *("strict-transport-security", "x-content-type-options", "content-security-policy"),
    *("access-control-allow-origin", "access-control-expose-headers"),
}
"""Headers of HTTP itself, which every answer may have."""

ENDLESS = {"revocationStream"}

operations = pytest.mark.parametrize(
    "operation",
    [one for one in contract_document.operations() if one.id not in ENDLESS],
    ids=lambda one: one.id,
)


@pytest.fixture(scope="module")
def node(template: TestNode, tmp_path_factory: pytest.TempPathFactory):
    made = template.copy(tmp_path_factory.mktemp("small") / "node")
    made.toml.write_text(made.toml.read_text().replace("[http]\n", SMALL))
    with made.running():
        yield made


def check(operation: Operation, reply: Reply) -> None:
    path = DOCUMENT["paths"][contract_document.path_of(operation.rule)]
    entry = path[operation.method.lower()]["responses"]
    assert str(reply.status) in entry, (operation.id, reply)
    answer = entry[str(reply.status)]
    if "$ref" in answer:
        answer = DOCUMENT["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    documented = {name.lower() for name in answer.get("headers", {})}
    assert reply.headers.keys() <= EVERYWHERE | documented, (operation.id, reply)
    media = reply.headers["content-type"].partition(";")[0]
    assert media in {kind.partition(";")[0] for kind in answer["content"]}, (operation.id, reply)


def path_of(operation: Operation) -> str:
    examples = {one.name: one.example for one in operation.parameters}
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(examples[found[1]]), operation.rule)


@operations
def test_what_goes_wrong_at_the_door_is_documented(node, operation):
    path, method = path_of(operation), operation.method
    given = {"Authorization": "Bearer nobody-made-this", "Idempotency-Key": "k"}
    answers = [
        node.ask(method, f"{path}?of-no-route=1", role="operator"),
        node.ask(method, f"{path}?of-no-route=1", headers=given),
        node.ask(method, path, bytes(2 * LARGE), role="operator"),
        node.ask(method, f"{path}?of-no-route=1", bytes(2 * LARGE)),
        node.ask(method, f"{path}?{'&' * 9000}", role="operator"),
    ]
    if operation.body is not None:
        answers.append(
            node.ask(method, path, b"x", role="operator", headers={"Content-Type": "image/png"})
        )
        answers.append(node.ask(method, path, b"{", role="operator"))
    for reply in answers:
        check(operation, reply)
    assert answers[0].status >= 400
