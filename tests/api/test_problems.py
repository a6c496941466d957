"""Problem Details: every failure in one shape, with nothing of our inside."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rtgf_node.api import docs, problems
from rtgf_node.api.app import App
from rtgf_node.api.limits import RateLimitedError
from rtgf_node.errors import Code, RtgfError

ROOT = Path(__file__).resolve().parents[2]


def render(error: RtgfError) -> tuple[dict[str, object], dict[str, str]]:
    body, headers = problems.render(
        error, instance="req-1", public_url="https://rtgf.eu.example/node/"
    )
    return json.loads(body), headers


def test_a_failure_has_every_member():
    document, _ = render(RtgfError(Code.RTGF_NOT_FOUND, "no dataset un-sc here"))
    assert document == {
        "type": "https://rtgf.eu.example/node/errors/RTGF_NOT_FOUND",
        "title": "Not found",
        "status": 404,
        "detail": "no dataset un-sc here",
        "code": "RTGF_NOT_FOUND",
        "instance": "req-1",
    }


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_an_answer(code: Code):
    document, headers = render(RtgfError(code, "detail"))
    status = problems.status_of(code)
    assert 400 <= status < 600
    assert (document["status"], document["code"]) == (status, code.name)
    assert ("Retry-After" in headers) == (status in {429, 503})


@pytest.mark.parametrize("code", [code for code in Code if code.value.status == 500])
def test_a_fault_of_ours_says_nothing_about_our_inside(code: Code):
    document, _ = render(RtgfError(code, "canary /var/lib/rtgf", pointer="canary"))
    assert "canary" not in str(document)
    assert "req-1" in str(document["detail"])


def test_a_place_and_inner_failures_are_listed():
    inner = RtgfError(Code.RTGF_JSON_INVALID, "a duplicate key", pointer="1:7")
    error = RtgfError(Code.RTGF_VERIFY_BAD_REQUEST, "no", pointer="/tokens/rmt", causes=(inner,))
    document, _ = render(error)
    assert document["errors"] == [
        {"code": "RTGF_VERIFY_BAD_REQUEST", "detail": "no", "pointer": "/tokens/rmt"},
        {"code": "RTGF_JSON_INVALID", "detail": "a duplicate key", "pointer": "1:7"},
    ]


def test_a_rate_limit_says_when_to_come_back():
    document, headers = render(RateLimitedError(7, {"RateLimit": "x"}))
    assert (document["status"], headers["Retry-After"], headers["RateLimit"]) == (429, "7", "x")
    assert document["code"] == "RTGF_VERIFY_RATE_LIMIT"


def test_long_and_wicked_text_stays_short_and_harmless():
    error = RtgfError(Code.RTGF_INPUT_INVALID, '"\n\x00' + "x" * 10_000)
    body, _ = problems.render(error, instance="r", public_url="https://a.example")
    assert len(json.loads(body)["detail"]) == problems.MAX_DETAIL_CHARACTERS
    assert b"\n" not in body
    assert b"\0" not in body


async def test_the_type_leads_to_a_page_for_every_code():
    app = App("pages")
    app.register_blueprint(docs.routes("https://a.example"))
    client = app.test_client()
    listed = await (await client.get("/errors")).get_data()
    for name, code in Code.__members__.items():
        answer = await client.get(f"/errors/{name}")
        assert answer.status_code == 200
        assert answer.mimetype == "text/html"
        assert code.value.title.replace("'", "&#x27;").encode() in await answer.get_data()
        assert code.name.encode() in listed


async def test_the_page_of_a_code_names_the_runbooks_that_there_are():
    app = App("pages")
    app.register_blueprint(docs.routes("https://a.example"))
    named = set()
    for name in Code.__members__:
        text = (await (await app.test_client().get(f"/errors/{name}")).get_data()).decode()
        found = re.findall("<code>(docs/runbooks/.*?)</code>", text)
        assert [path for path in found if not (ROOT / path).is_file()] == []
        named |= {(name, path) for path in found}
    assert ("RTGF_OP_DATA_GAP", "docs/runbooks/data_gap.md") in named
    assert ("RTGF_PIPELINE_DETERMINISM_FAIL", "docs/runbooks/determinism_failure.md") in named


async def test_a_page_for_an_unknown_code_is_refused_without_showing_it():
    app = App("pages")
    app.register_blueprint(docs.routes("https://a.example"))
    seen: list[RtgfError] = []

    @app.errorhandler(RtgfError)
    async def refused(error: RtgfError) -> tuple[str, int]:
        seen.append(error)
        return "", 404

    await app.test_client().get("/errors/<script>")
    assert seen[0].code is Code.RTGF_NOT_FOUND
    assert "script" not in seen[0].detail
