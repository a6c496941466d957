"""The promise is kept: the document that is in the repository says so, and breaks are noticed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from rtgf_node.api import contract_document
from tests import docs_tables
from tests.openapi_changes import breaking

NOW = contract_document.document()
HOW = "run: .venv/bin/python -m tests.docs_tables"


def kept() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(docs_tables.OPENAPI.read_bytes())
    return document


def first_number(document: dict[str, Any]) -> int:
    return int(document["info"]["version"].partition(".")[0])


def test_nothing_breaks_unless_the_version_says_so():
    """To break what clients rely on, raise the first number of `VERSION` in api/contract.py."""
    found = breaking(kept(), NOW)
    assert found == [] or first_number(NOW) > first_number(kept()), "\n".join(found)


def test_the_document_in_the_repository_is_the_one_that_is_served():
    assert docs_tables.OPENAPI.read_bytes() == docs_tables.openapi(), HOW


# --- the comparison itself ------------------------------------------------------------------------


def operation(document: dict[str, Any], path: str, method: str = "get") -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][path][method]
    return found


def parameter(document: dict[str, Any], path: str, name: str, method: str = "get") -> Any:
    listed = operation(document, path, method)["parameters"]
    return next(one for one in listed if one["name"] == name)


def schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


def without_parameter(document: dict[str, Any]) -> None:
    operation(document, "/catalog")["parameters"].remove(parameter(document, "/catalog", "type"))


def new_required_parameter(document: dict[str, Any]) -> None:
    listed = operation(document, "/catalog")["parameters"]
    listed.append({"name": "new", "in": "query", "required": True, "schema": {"type": "string"}})


def new_needed_member(document: dict[str, Any]) -> None:
    shape = schema(document, "RevokeItem")
    shape["properties"]["why"] = {"type": "string"}
    shape["required"].append("why")


BREAKS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a route is gone": lambda d: d["paths"].pop("/catalog"),
    "a method is gone": lambda d: d["paths"]["/admin/waivers"].pop("post"),
    "an operation has another id": lambda d: operation(d, "/catalog").update(operationId="list"),
    "a role is taken away": lambda d: operation(d, "/admin/keys")["x-roles"].remove("auditor"),
    "a public route needs a role": lambda d: operation(d, "/catalog").update({"x-roles": ["peer"]}),
    "a parameter is gone": without_parameter,
    "a parameter is required": lambda d: parameter(d, "/catalog", "type").update(required=True),
    "a new parameter is required": new_required_parameter,
    "a parameter is bounded closer": lambda d: parameter(d, "/catalog", "limit")["schema"].update(
        maximum=10
    ),
    "a parameter has another pattern": lambda d: parameter(d, "/catalog", "domain")[
        "schema"
    ].update(pattern="^a$"),
    "a media type is gone": lambda d: operation(d, "/add-checkpoint", "post")["requestBody"][
        "content"
    ].clear(),
    "a member is needed": new_needed_member,
    "a member that was optional is needed": lambda d: schema(d, "RevokeRequest")["required"].append(
        "proofs"
    ),
    "a member of a request is gone": lambda d: schema(d, "VerifyRequest")["properties"].pop("at"),
    "a member of a request has fewer types": lambda d: schema(d, "VerifyRequest")["properties"][
        "corridor"
    ]["anyOf"].pop(),
    "a member of an answer is gone": lambda d: schema(d, "CatalogEntry")["properties"].pop("slug"),
    "a member of an answer may be missing": lambda d: schema(d, "CatalogEntry")["required"].remove(
        "slug"
    ),
    "a member of an answer has another type": lambda d: schema(d, "CatalogEntry")["properties"][
        "leafIndex"
    ].update(type="string"),
    "a member of an answer may be null": lambda d: schema(d, "CatalogEntry")["properties"].update(
        slug={"anyOf": [{"type": "string"}, {"type": "null"}]}
    ),
    "a strict document has a new member": lambda d: schema(d, "Token")["properties"].update(new={}),
    "an answer has another media type": lambda d: operation(d, "/checkpoint")["responses"]["200"][
        "content"
    ].clear(),
    "an answer has no ETag": lambda d: operation(d, "/catalog")["responses"]["200"]["headers"].pop(
        "ETag"
    ),
    "a status is gone": lambda d: operation(d, "/admin/snapshots", "post")["responses"].pop("201"),
}

ADDITIONS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a route": lambda d: d["paths"].update({"/new": d["paths"]["/catalog"]}),
    "a role": lambda d: operation(d, "/admin/keys")["x-roles"].append("regulator"),
    "an optional parameter": lambda d: operation(d, "/catalog")["parameters"].append(
        {"name": "new", "in": "query", "required": False, "schema": {"type": "string"}}
    ),
    "a wider bound": lambda d: parameter(d, "/catalog", "limit")["schema"].update(maximum=10**6),
    "an optional member of a request": lambda d: schema(d, "VerifyRequest")["properties"].update(
        new={"type": "string"}
    ),
    "a member of an answer": lambda d: schema(d, "CatalogEntry")["properties"].update(
        new={"type": "string"}
    ),
    "a code of a problem": lambda d: operation(d, "/catalog")["responses"].update(
        {"418": {"description": "", "content": {}}}
    ),
    "words": lambda d: operation(d, "/catalog").update(summary="other words"),
}


@pytest.mark.parametrize("change", BREAKS)
def test_a_break_is_noticed(change):
    changed = copy.deepcopy(NOW)
    BREAKS[change](changed)
    assert breaking(NOW, changed) != []


@pytest.mark.parametrize("change", ADDITIONS)
def test_an_addition_is_no_break(change):
    changed = copy.deepcopy(NOW)
    ADDITIONS[change](changed)
    assert breaking(NOW, changed) == []


def test_a_document_does_not_break_itself():
    assert breaking(NOW, copy.deepcopy(NOW)) == []
