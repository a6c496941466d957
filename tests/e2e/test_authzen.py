"""The AuthZEN routes: the certification scenario of the Authorization API 1.0, and payments."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs
import pytest

from tests.nodes import PATIENCE_SECONDS, RATES, context
from tests.questions import IMT, RMT

VECTORS = Path("vectors/authzen-decisions")
RULES = Path(__file__).resolve().parents[2] / "config/authzen/certification.json"
ONE, MANY = "/access/v1/evaluation", "/access/v1/evaluations"


class Case(NamedTuple):
    """A request of the scenario; `expected` is a status, or the values of the decisions."""

    name: str
    path: str
    body: Any
    expected: int | list[bool | None]


def cases(text: str) -> list[Case]:
    """Read the scenario: every request of the chapters on Basic and Batch, and what is expected."""
    found = []
    for section in re.split(r"\n#{2,3} (?=.*\{#c-)", text):
        head = re.search(r"\{#(c-[23]-[\d-]+)\}", section.splitlines()[0])
        if head is None:
            continue
        path = ONE if head[1].startswith("c-2") else MANY
        for number, asked in enumerate(section.split("**Request")[1:]):
            body, said = asked.split("**Expected:**")
            (request,) = re.findall(r"~~~ json\n(.*?)\n~~~", body, re.DOTALL)
            found.append(Case(f"{head[1]}.{number}", path, json.loads(request), expected(said)))
    return found


def expected(said: str) -> int | list[bool | None]:
    if "HTTP 400" in said.splitlines()[0]:
        return 400
    block = re.search(r"~~~.*?~~~", said, re.DOTALL)
    values = re.findall(r'"decision": (true|false|<boolean>)', block[0] if block else said)
    return [{"true": True, "false": False}.get(value) for value in values]


@pytest.fixture(scope="module")
def scenario(shared) -> list[Case]:
    file = shared / VECTORS / "certification/authorization-api-1_0-scenario.md"
    return cases(file.read_text())


@pytest.fixture(scope="module")
def certified(template, tmp_path_factory):
    """A node with the rules of the scenario."""
    folder = tmp_path_factory.mktemp("certified") / "node"
    settings = f'{RATES}\n[authzen]\nrules_file = "{RULES}"\n'
    node = template.copy(folder, settings=settings)
    with node.running():
        yield node


def decisions(reply: Any) -> list[bool]:
    answer = reply.json()
    return [item["decision"] for item in answer.get("evaluations", [answer])]


def test_the_whole_scenario(certified, scenario, shared):
    """Basic and Batch, Core and Properties: every request that the scenario states."""
    schema = json.loads(
        (shared / VECTORS / "api/schemas/evaluation-response.schema.json").read_text()
    )
    response = jsonschema_rs.validator_for(schema)
    assert len(scenario) > 25
    for case in scenario:
        reply = certified.ask("POST", case.path, case.body)
        if isinstance(case.expected, int):
            assert reply.status == case.expected, (case, reply)
            continue
        assert reply.status == 200, (case, reply)
        assert reply.headers["content-type"] == "application/json"
        answer = reply.json()
        for item in answer.get("evaluations", [answer]):
            response.validate(item)
        given = decisions(reply)
        assert len(given) == len(case.expected), (case, given)
        wanted = [one for one in zip(given, case.expected, strict=True) if one[1] is not None]
        assert all(one == other for one, other in wanted), (case, given)


@pytest.mark.parametrize("path", [ONE, MANY])
@pytest.mark.parametrize(
    ("body", "headers"),
    [(b"{}", {"Content-Type": "text/plain"}), (b"{", {}), (b"", {}), (b"[]", {})],
)
def test_what_is_no_request_is_400(certified, path, body, headers):
    """c-2-4-3, c-2-4-4, c-2-4-5."""
    assert certified.ask("POST", path, body, headers=headers).status == 400


def test_the_request_id_comes_back(certified, scenario):
    """c-2-5, c-2-6."""
    for _ in range(3):
        reply = certified.ask("POST", ONE, scenario[0].body, headers={"X-Request-ID": "echo-1"})
        assert reply.headers["x-request-id"] == "echo-1"
        assert decisions(reply) == [True]
    assert certified.ask("POST", ONE, scenario[0].body).status == 200


def test_the_metadata_says_where_the_routes_are(certified):
    """c-6."""
    told = certified.ask("GET", "/.well-known/authzen-configuration").json()
    assert told == {
        "policy_decision_point": certified.url,
        "access_evaluation_endpoint": f"{certified.url}{ONE}",
        "access_evaluations_endpoint": f"{certified.url}{MANY}",
    }


@pytest.mark.parametrize(
    ("semantic", "given"),
    [
        ("execute_all", [True, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
def test_how_far_a_batch_goes(certified, semantic, given):
    body = {
        "subject": {"type": "user", "id": "bob"},
        "resource": {"type": "record", "id": "record-1"},
        "options": {"evaluations_semantic": semantic},
        "evaluations": [{"action": {"name": name}} for name in ("read", "write", "read")],
    }
    assert decisions(certified.ask("POST", MANY, body)) == given


# --- payments -----------------------------------------------------------------------------------


def transfer(payment: Any, **changes: Any) -> dict[str, Any]:
    return {
        "subject": {"type": "customer", "id": "1"},
        "action": {"name": "transfer"},
        "resource": {"type": "token", "id": IMT},
        "context": payment,
        **changes,
    }


@pytest.mark.parametrize("name", ["payment-eu-sg", "payment-eu-sg-large"])
def test_a_payment_is_decided_as_evaluate_decides_it(published, name):
    payment = context(name)
    told = published.ask("POST", ONE, transfer(payment)).json()
    plain = published.ask("POST", "/evaluate", {"token": IMT, "context": payment}).json()
    assert told["decision"] is True
    for member in ("decision", "token", "trace_digest", "reasons", "revEpoch"):
        assert told["context"][member] == plain[member]
    assert told["context"].get("controls", []) == plain["controls"]


def test_the_subject_may_be_the_originator(published):
    payment = context("payment-eu-sg")
    originator = payment.pop("originator")
    asked = transfer(payment, subject={"type": "customer", "id": "1", "properties": originator})
    told = published.ask("POST", ONE, asked).json()
    whole = published.ask("POST", ONE, transfer(context("payment-eu-sg"))).json()
    assert told == whole


def test_a_listed_name_is_denied(published):
    payment = context("payment-eu-sg")
    payment["beneficiary"]["name"] = published.world.listed_name
    told = published.ask("POST", ONE, transfer(payment)).json()
    assert (told["decision"], told["context"]["decision"]) == (False, "DENY")
    assert "SANCTIONS_LISTED" in told["context"]["reasons"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"action": {"name": "delete"}}, "ACTION_UNKNOWN"),
        ({"resource": {"type": "record", "id": "record-1"}}, "NO_RULE"),
        ({"resource": {"type": "token", "id": f"{RMT}.77"}}, "RTGF_VERIFY_TOKEN_NOT_FOUND"),
        ({"resource": {"type": "token", "id": "nonsense"}}, "RTGF_INPUT_INVALID"),
    ],
)
def test_what_nobody_permits_is_denied(published, changes, reason):
    told = published.ask("POST", ONE, transfer(context("payment-eu-sg"), **changes)).json()
    assert told["decision"] is False
    assert told["context"]["reasons"][0] == reason


def test_a_member_said_twice_must_say_the_same(published):
    asked = transfer(
        context("payment-eu-sg"), action={"name": "transfer", "properties": {"instrument": "cash"}}
    )
    reply = published.ask("POST", ONE, asked)
    assert reply.problem(400, "RTGF_VERIFY_BAD_REQUEST")["errors"][0]["pointer"] == "/action"


def test_a_revoked_token_decides_nothing(own):
    own.revoke(IMT)
    told = own.ask("POST", ONE, transfer(context("payment-eu-sg"))).json()
    assert told["decision"] is False
    assert "RTGF_VERIFY_REVOKED" in told["context"]["reasons"]


def test_the_answers_are_recorded(published):
    """As those of `/evaluate` are: by digests, with the decision and its trace."""
    asked = {"X-Request-ID": "access-recorded"}
    told = published.ask("POST", ONE, transfer(context("payment-eu-sg")), headers=asked).json()
    path = "/admin/decisions?request_id=access-recorded"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := published.ask("GET", path, role="auditor").json()["entries"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (entry,) = found
    assert (entry["route"], entry["decision"], entry["valid"]) == (ONE, "PERMIT", True)
    assert entry["trace_digest"] == told["context"]["trace_digest"]
    assert entry["tokens"] == [told["context"]["token"].removeprefix("urn:rtgf:token:")]
