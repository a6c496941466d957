"""The OpenAPI document says what the routes are: no more, no less."""

from __future__ import annotations

import json
import re
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import jsonschema_rs
import pytest

from rtgf_node.api import contract_document
from rtgf_node.api.app import build_app
from rtgf_node.api.contract import Operation
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.errors import Code

OPERATIONS = {(one.method, one.rule): one for one in contract_document.operations()}
DOCUMENT = contract_document.document()

operations = pytest.mark.parametrize(
    "operation", OPERATIONS.values(), ids=[one.id for one in OPERATIONS.values()]
)


@pytest.fixture(scope="module")
def app() -> Any:
    desk = MagicMock()
    desk.cluster.replicator.read_barrier = AsyncMock()
    desk.decisions.keep.return_value = None
    desk.config.http.send_timeout_seconds = desk.config.http.request_timeout_seconds = 1.0
    desk.config.http.max_body_bytes = desk.config.http.max_admin_body_bytes = 1 << 20
    desk.config.decisions.mode = "off"
    desk.limits.told.return_value = {}
    desk.config.node.public_url = "https://node.example"
    return build_app(desk)


def asked(operation: Operation) -> str:
    """Return a path of this operation."""
    examples = {one.name: one.example for one in operation.parameters}
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(examples[found[1]]), operation.rule)


def test_every_route_is_in_the_contract_and_nothing_else(app):
    served = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert served == set(OPERATIONS)


@operations
async def test_the_parameters_are_those_that_the_route_takes(app, operation):
    """A parameter that no route knows is refused with the names of those that it knows."""
    answer = await app.test_client().open(
        asked(operation) + "?of-no-route=1", method=operation.method
    )
    detail = (await answer.get_json(force=True))["detail"]
    found = re.fullmatch(r"a parameter: unknown parameter; known are (.*)", detail)
    assert found is not None, detail
    taken = set(found[1].split(", ")) - {"none"}
    in_path = set(re.findall(r"<(?:\w+:)?(\w+)>", operation.rule))
    in_head = {one.name for one in operation.parameters if one.is_header}
    own = {one.name for one in operation.parameters} - in_path - in_head
    assert taken == own | {"consistency"}
    assert in_path <= {one.name for one in operation.parameters if one.is_required}


@operations
def test_examples_fit_their_schemas(operation):
    path = DOCUMENT["paths"][contract_document.path_of(operation.rule)]
    entry = path[operation.method.lower()]
    for parameter in entry.get("parameters", []):
        if "example" in parameter:
            check(parameter["schema"], parameter["example"])
    for body in entry.get("requestBody", {}).get("content", {}).values():
        if "example" in body:
            check(body["schema"], body["example"])


def check(schema: dict[str, Any], value: Any) -> None:
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(whole).validate(value)


def test_every_reference_leads_somewhere():
    for found in set(re.findall(r'"\$ref":"#/([^"]+)"', canonical_bytes(DOCUMENT).decode())):
        place: Any = DOCUMENT
        for step in found.split("/"):
            place = place[step]


def test_names_of_operations_are_names_once():
    ids = [one.id for one in OPERATIONS.values()]
    assert len(set(ids)) == len(ids)


@operations
def test_privileged_operations_need_a_certificate(operation):
    entry = DOCUMENT["paths"][contract_document.path_of(operation.rule)][operation.method.lower()]
    is_privileged = operation.rule.startswith("/admin")
    assert (entry["security"] == [{"certificate": []}]) == is_privileged


async def test_the_document_is_served_in_canonical_form_and_is_the_same_each_time(app):
    client = app.test_client()
    answer = await client.get("/openapi.json")
    body = await answer.get_data()
    assert body == contract_document.to_bytes() == canonical_bytes(json.loads(body))
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    again = await client.get("/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


async def test_the_page_has_every_operation_and_loads_nothing(app):
    answer = await app.test_client().get("/docs")
    text = (await answer.get_data()).decode()
    for operation in OPERATIONS.values():
        assert f'<h3 id="{operation.id}">' in text
    assert text.count("<pre>curl ") == len(OPERATIONS)
    assert (
        re.findall(r"<(?:script|img|link|iframe|object|form)\b|\bsrc=|\bon[a-z]+=|url\(", text)
        == []
    )
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


async def test_every_link_of_the_page_leads_somewhere(app):
    text = (await (await app.test_client().get("/docs")).get_data()).decode()
    ids = set(re.findall(r'\bid="([^"]+)"', text))
    for target in set(re.findall(r'href="([^"]+)"', text)):
        if target.startswith("#"):
            assert target[1:] in ids
        else:
            assert (await app.test_client().get(f"/{target}")).status_code == 200


@pytest.mark.parametrize("code", Code, ids=lambda code: code.name)
async def test_the_page_of_a_code_says_what_to_do(app, code):
    text = (await (await app.test_client().get(f"/errors/{code.name}")).get_data()).decode()
    assert re.search(r"<h2>What to do</h2><p>(?:<code>|[^<]){15}", text)
