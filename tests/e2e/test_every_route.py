"""What HTTP has for every resource: validators, HEAD, OPTIONS, Allow, other origins, problems."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from rtgf_node.api import contract_document
from rtgf_node.api.contract import Operation
from rtgf_node.core.identifiers import TOKEN_TYPES

READS = [one for one in contract_document.operations() if one.method == "GET"]
ABSENT = {f"get{kind.capitalize()}" for kind in TOKEN_TYPES - {"RMT", "IMT"}}
ABSENT |= {"terms", "dataset", "proof", "witnessed", "records", "build", "manifest", "artefact"}
ABSENT |= {"decisionProof", "approval"}
"""Reads whose example names nothing that a fresh node holds."""

ENDLESS = {"revocationStream"}

METHODS: defaultdict[str, set[str]] = defaultdict(set)
PATHS: dict[str, str] = {}


def path_of(operation: Operation) -> str:
    """Return a path of this operation, with what its query needs."""
    examples = {one.name: one.example for one in operation.parameters}
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(examples[found[1]]), operation.rule)
    query = [f"{one.name}={one.example}" for one in operation.parameters if one.is_required]
    query = [one for one in query if f"<{one.partition('=')[0]}>" not in operation.rule]
    query = [one for one in query if f":{one.partition('=')[0]}>" not in operation.rule]
    return f"{path}?{'&'.join(query)}" if query else path


for each in contract_document.operations():
    METHODS[each.rule].add(each.method)
    PATHS.setdefault(each.rule, path_of(each).partition("?")[0])

reads = pytest.mark.parametrize(
    "operation",
    [one for one in READS if one.id not in ABSENT | ENDLESS],
    ids=lambda one: one.id,
)
rules = pytest.mark.parametrize("rule", PATHS)


def role_of(operation: Operation) -> str | None:
    return operation.roles[0] if operation.roles else None


@reads
def test_a_read_can_be_validated_and_asked_for_its_head(published, operation):
    path, role = path_of(operation), role_of(operation)
    whole = published.ask("GET", path, role=role)
    assert whole.status == 200, (path, whole)
    assert whole.headers["content-type"].startswith(operation.answers[200].media)
    assert whole.headers["cache-control"]
    assert whole.headers["x-content-type-options"] == "nosniff"
    head = published.ask("HEAD", path, role=role)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]
    assert int(head.headers["content-length"]) > 0
    # The tag of what never stands still is of that moment.
    tag = whole.headers["etag"]
    assert re.fullmatch(r'"[^"]+"', tag)
    again = published.ask("GET", path, role=role, headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status, again.body) == (304, b"") or again.headers["etag"] != tag


@reads
def test_pages_of_other_origins_may_read_what_is_public_and_nothing_else(published, operation):
    given = {"Origin": "https://elsewhere.example"}
    path, role = path_of(operation), role_of(operation)
    for answer in (
        published.ask("GET", path, role=role, headers=given),
        published.ask("GET", f"{path}{'&' if '?' in path else '?'}no=1", role=role, headers=given),
    ):
        origin = answer.headers.get("access-control-allow-origin")
        assert origin == (None if operation.roles else "*"), answer


@rules
def test_options_says_what_may_be_asked(published, rule):
    reply = published.ask("OPTIONS", PATHS[rule])
    assert (reply.status, reply.body) == (204, b"")
    allowed = set(reply.headers["allow"].split(", "))
    assert allowed - {"HEAD", "OPTIONS"} == METHODS[rule]
    assert ("HEAD" in allowed) == ("GET" in allowed)


@rules
def test_a_preflight_lets_reads_of_public_routes_pass(published, rule):
    given = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}
    reply = published.ask("OPTIONS", PATHS[rule], headers=given)
    if "GET" in METHODS[rule] and not rule.startswith("/admin"):
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.headers["access-control-allow-methods"] == "GET, HEAD"
        assert "If-None-Match" in reply.headers["access-control-allow-headers"]
    else:
        assert not [name for name in reply.headers if name.startswith("access-control-")]


@rules
def test_another_method_is_refused_with_those_that_are_allowed(published, rule):
    reply = published.ask("PATCH", PATHS[rule])
    reply.problem(405, "RTGF_METHOD_NOT_ALLOWED")
    assert set(reply.headers["allow"].split(", ")) - {"HEAD", "OPTIONS"} == METHODS[rule]


@pytest.mark.parametrize("path", ["/nothing", "/admin", "/admin/", "/admin/nothing", "/tile", "/"])
@pytest.mark.parametrize("role", [None, "operator"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_where_nothing_is_a_problem_says_so(published, method, path, role):
    published.ask(method, path, role=role).problem(404, "RTGF_NOT_FOUND")
