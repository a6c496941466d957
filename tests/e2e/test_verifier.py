"""`client.Verifier`: it says what the node says, with the same bytes, and asks nobody."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import trio

from rtgf_node import config, wire
from rtgf_node.client import AsyncNode, AsyncVerifier, Node, Verifier
from rtgf_node.client.answers import problem_of
from rtgf_node.core import times, tokens
from rtgf_node.errors import Code, RtgfError
from tests import earlier
from tests.e2e.test_lanes import QUESTIONS
from tests.nodes import PATIENCE_SECONDS, TestNode, context
from tests.questions import FOREIGN, IMT, RMT, held, question, reissued, signed

RMT_EU = "RMT:EU:payments_aml:2026-10"


def root_key(node: TestNode) -> str:
    found = config.load(node.toml).keys.root_public
    assert found is not None
    return found


def ages(node: TestNode) -> dict[str, int]:
    return {one.name: one.max_age_seconds for one in config.load(node.toml).dataset}


def verifier(node: TestNode, asked: Node, **options: Any) -> Verifier:
    return Verifier(asked, root_key=root_key(node), **options)


@pytest.fixture(scope="module")
def offline(published):
    """A verifier that holds the lists too, and whose node cannot be asked any more."""
    with published.client("operator") as asked:
        made = verifier(
            published, asked, list_max_age_seconds=ages(published), max_staleness_seconds=3600.0
        )
        made.refresh()
    return made


def everything(node: TestNode) -> list[Any]:
    """Questions and refusals: as bytes, or as values."""
    token = held(node)
    resealed = {**token, "controls": []}
    unsigned = {name: value for name, value in token.items() if name != "signatures"}
    foreign = {**unsigned, "kid": FOREIGN.kid}
    other_type = held(node, IMT)
    payment = context("payment-eu-sg")
    listed = json.loads(json.dumps(payment))
    listed["beneficiary"]["name"] = node.world.listed_name
    return [
        *(body for path, body in QUESTIONS if path == "/verify"),
        *earlier.QUESTIONS,
        question(),
        question(context=payment),
        question(context=context("payment-eu-sg-large")),
        question(context=listed),
        question(context={}),
        question(context="garbage"),
        question(rmt=held(node), imt=held(node, IMT), context=payment),
        question(RMT_EU, IMT),
        question("RMT:JP:payments_aml:2026-10", IMT),
        question(RMT, IMT, corridor="EU->SG", domain="payments_aml"),
        question(RMT, IMT, corridor="EU-JP"),
        question(RMT, IMT, corridor="nowhere"),
        question(RMT, IMT, domain="other"),
        question(RMT, None, min_rev_epoch=0),
        question(RMT, None, min_rev_epoch=10_000),
        question(f"{RMT}.77", None),
        question("nonsense", None),
        question("", None),
        question(IMT, None),
        question(other_type, None),
        question(reissued(node, token, 9), None),
        *(question(windowed(node, token, *years), None) for years in ((2020, 2021), (2090, 2091))),
        question({**token, "controls": []}, None),
        question({**resealed, "canonical_hash": tokens.canonical_hash(resealed)}, None),
        question(json.loads(tokens.sign(foreign, [FOREIGN])), None),
        question({**token, "signatures": []}, None),
        question({**token, "signatures": other_type["signatures"]}, None),
        question({**token, "type": "XYZ"}, None),
        question({"type": "RMT"}, None),
        question(proofs={RMT: {}}),
        {"tokens": None},
        {"tokens": {"rmt": RMT}, "context": payment, "unknown": 1},
        [],
        b'{"tokens": {"rmt": "a", "rmt": "b"}}',
        b"\xff",
    ]


def windowed(node: TestNode, token: dict[str, Any], begins: int, ends: int) -> dict[str, Any]:
    """The token with another window, genuinely signed."""
    nbf, exp = f"{begins}-01-01T00:00:00Z", f"{ends}-01-01T00:00:00Z"
    window = {"nbf": nbf, "exp": exp}
    return signed(node, token, effective=window, effective_date=nbf, expires_at=exp)


def said(judge: Verifier, body: bytes) -> Any:
    """The answer, or what the refusal says."""
    try:
        return judge.answer(body)
    except RtgfError as error:
        return error.code, error.detail, error.pointer


def told(node: TestNode, body: bytes) -> Any:
    reply = node.ask("POST", "/verify", body)
    if reply.status == 200:
        return reply.body
    error = problem_of("the node", reply.status, reply.body)
    return error.code, error.detail, error.pointer


def test_it_answers_with_the_bytes_of_the_node(published, offline):
    """RTGF-CT-40…44: every verdict and every refusal, twice, so that remembered ones count too."""
    found = []
    for asked in everything(published) * 2:
        body = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
        if len(body) > 1 << 20:
            continue  # a matter of HTTP
        ours, theirs = said(offline, body), told(published, body)
        while said(offline, body) != ours:  # a rule looks at the clock, and the second passed
            ours, theirs = said(offline, body), told(published, body)
        found.append(ours)
        assert ours == theirs, body[:300]
    verdicts = [one for one in found if isinstance(one, bytes)]
    assert len(verdicts) > 40
    assert len(found) - len(verdicts) > 25


def test_without_lists_it_decides_nothing_that_asks_them(published):
    with published.client("partner") as asked:
        alone = verifier(published, asked)
        alone.refresh()
    request = wire.VerifyRequest(tokens=wire.VerifyTokens(rmt=RMT, imt=IMT))
    assert alone.verify(request).valid
    with pytest.raises(RtgfError) as caught:
        alone.answer(json.dumps(question(context=context("payment-eu-sg"))).encode())
    assert caught.value.code is Code.RTGF_VERIFY_UNAVAILABLE


def test_the_past_is_for_the_node(offline):
    with pytest.raises(RtgfError) as caught:
        offline.answer(json.dumps(question(at="2026-10-01T00:00:00Z")).encode())
    assert (caught.value.code, caught.value.pointer) == (Code.RTGF_VERIFY_UNAVAILABLE, "/at")


def test_it_knows_nothing_before_it_has_learned(published):
    with published.client() as asked:
        blank = verifier(published, asked)
    assert not blank.fresh
    with pytest.raises(RtgfError) as caught:
        blank.answer(json.dumps(question()).encode())
    assert caught.value.code is Code.RTGF_VERIFY_UNAVAILABLE


def test_what_is_old_is_not_valid(published):
    """RTGF-REQ-012: it fails closed, also where the answer was remembered."""
    seconds = [0.0]
    with published.client() as asked:
        ageing = verifier(published, asked, stopwatch=lambda: seconds[0], max_staleness_seconds=60)
        ageing.refresh()
        body = json.dumps(question()).encode()
        assert json.loads(ageing.answer(body))["valid"]
        seconds[0] = 59.9
        assert json.loads(ageing.answer(body))["valid"]
        seconds[0] = 60.1
        answer = json.loads(ageing.answer(body))
        assert (answer["valid"], answer["reason"]) == (False, "RTGF_TOKEN_REVOCATION_STALE")
        ageing.refresh()
        assert json.loads(ageing.answer(body))["valid"]


class SetClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = int(time.time())

    def now(self) -> int:
        return self.time


def test_what_was_remembered_by_a_clock_that_is_set_back_is_found_out_anew(published):
    clock = SetClock()
    with published.client() as asked:
        early = verifier(published, asked, clock=clock)
        early.refresh()
    body = json.dumps(question()).encode()
    assert json.loads(early.answer(body))["valid"]
    clock.time = times.parse(held(published)["effective"]["nbf"]) - times.SKEW_SECONDS - 1
    answer = json.loads(early.answer(body))
    assert (answer["valid"], answer["reason"]) == (False, "RTGF_VERIFY_NOT_YET_VALID")


def test_a_root_that_is_not_pinned_is_not_believed(published):
    with published.client() as asked:
        other = Verifier(asked, root_key="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
        with pytest.raises(RtgfError) as caught:
            other.refresh()
    assert caught.value.code is Code.RTGF_JWKS_SIGNATURE_INVALID
    assert other.failure is caught.value
    assert not other.fresh


def test_a_revocation_reaches_a_thread(make_node):
    """RTGF-REQ-012."""
    node = make_node(published=True)
    request = wire.VerifyRequest(tokens=wire.VerifyTokens(rmt=RMT, imt=IMT))
    with node.client() as asked, verifier(node, asked, refresh_seconds=0.05) as own:
        assert own.verify(request).valid
        node.revoke(RMT)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while own.verify(request).valid:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert own.verify(request).reason == "RTGF_VERIFY_REVOKED"
        body = json.dumps(question()).encode()
        assert own.answer(body) == node.ask("POST", "/verify", body).body
        node.revoke(RMT, reason="administrative_error", act="reinstate")
        own.refresh()
        assert own.answer(body) == node.ask("POST", "/verify", body).body


def test_a_revocation_reaches_a_task(make_node):
    node = make_node(published=True)
    request = wire.VerifyRequest(tokens=wire.VerifyTokens(rmt=RMT, imt=IMT))

    async def follow() -> str | None:
        async with AsyncNode(node.url, ca_file=node.folder / "pki/ca.pem") as asked:
            own = AsyncVerifier(asked, root_key=root_key(node), refresh_seconds=0.05)
            await own.refresh()
            assert own.verify(request).valid
            assert (await asked.verify(request)).valid
            async with trio.open_nursery() as nursery:
                nursery.start_soon(own.keep_fresh)
                await trio.to_thread.run_sync(node.revoke, RMT)
                with trio.fail_after(PATIENCE_SECONDS):
                    while own.verify(request).valid:  # noqa: ASYNC110 - it tells nobody
                        await trio.sleep(0.02)
                nursery.cancel_scope.cancel()
            return own.verify(request).reason

    assert trio.run(follow) == "RTGF_VERIFY_REVOKED"


def test_a_node_that_is_gone_makes_it_stale_and_says_why(make_node):
    """RTGF-REQ-012."""
    node = make_node(published=True, running=False)
    request = wire.VerifyRequest(tokens=wire.VerifyTokens(rmt=RMT, imt=IMT))
    seconds = [0.0]
    with node.client() as asked:
        with node.running():
            own = verifier(node, asked, stopwatch=lambda: seconds[0], max_staleness_seconds=0.5)
            own.refresh()
            assert own.verify(request).valid
        with pytest.raises(RtgfError):
            own.refresh()
        assert own.failure is not None
        assert own.failure.code is Code.RTGF_UNREACHABLE
        seconds[0] = 0.6
        assert own.verify(request).reason == "RTGF_TOKEN_REVOCATION_STALE"
