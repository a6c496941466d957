"""Bearer tokens over TLS: they name a caller on both lanes, and open no privileged route."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.nodes import RATES, TestNode

ISSUER = "https://login.example"
KEY = ECKey.generate_key("P-256", {"kid": "first", "use": "sig"})
QUESTION = {"tokens": {"rmt": "RMT:SG:payments_aml:2026-10"}}
SETTINGS = (
    RATES
    + f"""
[decisions]
mode = "durable"
[oauth]
issuer = "{ISSUER}"
audience = "https://node.example"
jwks_file = "issuer.jwks.json"
jwks_refresh_seconds = 0.5
[oauth.roles]
"rtgf.verify" = ["partner"]
"""
)


def bearer(**changes: object) -> dict[str, str]:
    claims = {
        "iss": ISSUER,
        "sub": "bank-a",
        "aud": "https://node.example",
        "exp": int(time.time()) + 300,
        "scope": "openid rtgf.verify",
    }
    token = jwt.encode({"alg": "ES256", "kid": "first"}, {**claims, **changes}, KEY)
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def node(template: TestNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    node = template.copy(tmp_path_factory.mktemp("bearer") / "node", settings=SETTINGS)
    keys = {"keys": [KEY.as_dict(private=False)]}
    (node.folder / "issuer.jwks.json").write_text(json.dumps(keys))
    with node.running():
        yield node


# A body of unknown length, which the fast lane leaves to the framework.
LANES = ({}, {"Expect": "100-continue"})


@pytest.mark.parametrize("lane", LANES, ids=["fast", "framework"])
def test_a_token_names_who_asked_in_the_decision_log(node, lane):
    reply = node.ask("POST", "/verify", QUESTION, headers={**bearer(), **lane})
    assert reply.status == 200
    records = node.ask("GET", "/admin/decisions", role="auditor").json()
    shown = json.dumps(records)
    assert f"oauth:{ISSUER}#bank-a" in shown


@pytest.mark.parametrize("lane", LANES, ids=["fast", "framework"])
@pytest.mark.parametrize(
    ("changes", "error", "status", "code"),
    [
        ({"aud": "https://other.example"}, "invalid_token", 401, "RTGF_UNAUTHENTICATED"),
        ({"exp": 1}, "invalid_token", 401, "RTGF_UNAUTHENTICATED"),
        ({"scope": "openid"}, "insufficient_scope", 403, "RTGF_FORBIDDEN"),
    ],
)
def test_a_token_that_is_not_taken_is_refused(node, lane, changes, error, status, code):
    headers = {**bearer(**changes), **lane}
    for method, path, body in (("POST", "/verify", QUESTION), ("GET", "/catalog", None)):
        reply = node.ask(method, path, body, headers=headers)
        reply.problem(status, code)
        assert f'error="{error}"' in reply.headers["www-authenticate"]


def test_a_token_opens_no_privileged_route(node):
    for method, path in (("GET", "/admin/status"), ("POST", "/admin/fetch")):
        reply = node.ask(method, path, {} if method == "POST" else None, headers=bearer())
        reply.problem(401, "RTGF_UNAUTHENTICATED")


def test_reads_take_a_token(node):
    assert node.ask("GET", "/catalog", headers=bearer()).status == 200
    assert node.ask("GET", "/catalog", headers={"Authorization": "Basic dTpw"}).status == 200
