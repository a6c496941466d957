"""`POST /verify` and `/evaluate` as a partner sees them: what holds, and what each refusal says."""

from __future__ import annotations

import json

import pytest

from rtgf_node import wire
from rtgf_node.core import digests, times
from rtgf_node.core.canonical_json import canonical_bytes
from tests.nodes import context
from tests.questions import IMT, RMT, held, question, reissued, signed, verdict, verify

# --- decisions ----------------------------------------------------------------------------------


def test_a_lawful_payment_is_permitted(published):
    """RTGF-CT-40."""
    answer = published.verify(
        corridor="EU-SG", domain="payments_aml", context=context("payment-eu-sg")
    )
    assert (answer.valid, answer.decision, answer.reason) == (True, "PERMIT", None)


def test_one_above_a_threshold_is_permitted_with_controls(published):
    answer = published.verify(context=context("payment-eu-sg-large"))
    assert (answer.valid, answer.decision) == (True, "PERMIT_WITH_CONTROLS")
    assert "ENHANCED_REVIEW" in answer.controls


@pytest.mark.parametrize("party", ["originator", "beneficiary"])
def test_a_listed_name_is_denied(published, party):
    payment = context("payment-eu-sg")
    payment[party]["name"] = published.world.listed_name
    answer = published.verify(context=payment)
    assert (answer.valid, answer.decision) == (False, "DENY")
    assert answer.reason == "RTGF_VERIFY_POLICY_DENY"
    assert "SANCTIONS_LISTED" in answer.reasons


@pytest.mark.parametrize("party", ["originator", "beneficiary"])
def test_a_party_that_would_be_screened_for_long_is_denied_as_an_error(published, party):
    """A resolver cannot be interrupted, so that it refuses what is more than anyone's names."""
    payment = context("payment-eu-sg")
    names = [" ".join(f"Jane{word} Mc{name}Doe" for word in range(18)) for name in range(31)]
    payment[party]["aliases"] = names[:2]
    assert published.verify(context=payment).decision == "PERMIT"
    payment[party]["aliases"] = names
    answer = published.verify(context=payment)
    assert (answer.valid, answer.decision) == (False, "DENY")
    assert answer.reasons == ["RESOLVER_ERROR:sanctions"]


def test_the_denial_names_the_article_of_law(published):
    payment = context("payment-eu-sg")
    payment["beneficiary"]["name"] = published.world.listed_name
    with published.client() as partner:
        request = wire.EvaluateRequest(token=IMT, context=payment)
        answer = partner.evaluate(request, explain=True)
    assert answer.decision == "DENY"
    assert answer.explanation is not None
    assert "Article" in answer.explanation
    assert published.world.listed_name not in answer.explanation


def test_a_decision_says_what_it_rests_on(published):
    """The digests of token, plan and lists are those that the token itself states."""
    answer = published.verify(context=context("payment-eu-sg"))
    token = held(published, IMT)
    assert answer.basis is not None
    assert answer.basis.token == token["canonical_hash"]
    assert answer.basis.eval_plan == token["eval_plan"]["hash"]
    pinned = {entry["content_sha256"] for entry in token["evidence"]["datasets"]}
    assert set(answer.basis.datasets) == pinned


def test_the_trace_has_the_digest_that_verify_gives(published):
    payment = context("payment-eu-sg-large")
    evaluated = published.ask("POST", "/evaluate", {"token": IMT, "context": payment}).json()
    assert evaluated["trace_digest"] == digests.sha256(canonical_bytes(evaluated["trace"]))
    assert evaluated["trace_digest"] == published.verify(context=payment).trace_digest
    assert "explanation" not in evaluated or evaluated["explanation"] is None


@pytest.mark.parametrize("member", ["amount", "instrument", "originator", "beneficiary"])
@pytest.mark.parametrize("garbage", [None, [], {}, "x" * 10_000, -1, 1e300, [[[]]], True])
def test_a_context_that_says_nothing_is_denied(published, member, garbage):
    """What a rule needs and cannot read is a denial, never a permission and never a failure."""
    body = question(context=context("payment-eu-sg", **{member: garbage}))
    reply = verify(published, body)
    assert reply.status == 200, reply
    assert (reply.json()["valid"], reply.json()["decision"]) == (False, "DENY")


@pytest.mark.parametrize("garbage", [{}, [], "", "payment", 7, False, [{}], {"amount": {}}])
def test_a_context_of_another_shape_is_denied(published, garbage):
    answer = published.verify(context=garbage)
    assert (answer.valid, answer.decision) == (False, "DENY")


# --- which token is meant -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "prefix", ["", "urn:rtgf:token:", "URN:RTGF:token:", "urn:lane2:token:"], ids=repr
)
@pytest.mark.parametrize("issue", ["", ".1"])
def test_a_token_has_many_names(published, prefix, issue):
    answers = {
        verify(published, question()).body,
        verify(published, question(f"{prefix}{RMT}{issue}", f"{prefix}{IMT}{issue}")).body,
    }
    assert len(answers) == 1


def test_a_whole_token_is_checked_as_the_caller_holds_it(published):
    """RTGF-CT-40, RTGF-CT-30: member order and spaces of what is handed in do not matter."""
    whole = {name: held(published, name) for name in (RMT, IMT)}
    turned = {name: dict(reversed(token.items())) for name, token in whole.items()}
    spaced = json.dumps(question(turned[RMT], turned[IMT]), indent=3).encode()
    assert verify(published, spaced).body == verify(published, question()).body


def test_a_token_that_is_not_here(published):
    reply = verify(published, question("RMT:SG:payments_aml:2026-10.77", None))
    problem = reply.problem(404, "RTGF_VERIFY_TOKEN_NOT_FOUND")
    assert problem["errors"][0]["pointer"] == "/tokens/rmt"


@pytest.mark.parametrize("name", ["SG", "RMT:SG", "RMT:ZZ:payments_aml:2026-10", "../../etc", "é"])
def test_what_names_no_token_is_refused(published, name):
    reply = verify(published, question(name, None))
    assert reply.problem(400, "RTGF_INPUT_INVALID")["errors"][0]["pointer"] == "/tokens/rmt"


@pytest.mark.parametrize(
    "given", [{}, {"rmt": None}, {"rmt": ""}, {"rmt": "  "}, {"rmt": {}}, {"imt": IMT}], ids=str
)
def test_without_an_rmt_there_is_no_answer(published, given):
    """RTGF-CT-41."""
    problem = verify(published, {"tokens": given}).problem(400, "RTGF_VERIFY_MISSING_TOKEN")
    assert problem["errors"][0]["pointer"] == "/tokens/rmt"


@pytest.mark.parametrize("blank", ["", " ", {}], ids=repr)
def test_a_blank_token_is_never_passed_over(published, blank):
    """Whoever sends an IMT wants it checked: a blank one is no "valid"."""
    problem = verify(published, question(imt=blank)).problem(400, "RTGF_VERIFY_MISSING_TOKEN")
    assert problem["errors"][0]["pointer"] == "/tokens/imt"


# --- verdicts -----------------------------------------------------------------------------------


def test_a_revocation_state_that_is_behind(published):
    """RTGF-CT-34: the caller knows of more revocations than the node."""
    assert verdict(published, question(min_rev_epoch=0)) == (True, None)
    stale = (False, "RTGF_TOKEN_REVOCATION_STALE")
    assert verdict(published, question(min_rev_epoch=1)) == stale


def test_a_token_that_knows_more_revocations_than_the_node(published):
    """RTGF-CT-34."""
    token = held(published)
    ahead = signed(published, token, revocation={**token["revocation"], "revEpoch": 9})
    assert verdict(published, question(ahead, None)) == (False, "RTGF_TOKEN_REVOCATION_STALE")


@pytest.mark.parametrize("corridor", ["EU-US", "SG-EU", "EU->US"])
def test_another_corridor_than_asked(published, corridor):
    assert verdict(published, question(corridor=corridor)) == (
        False,
        "RTGF_VERIFY_CORRIDOR_MISMATCH",
    )


@pytest.mark.parametrize("spelling", ["EU-SG", "EU->SG", "EU.SG", "eu-sg"])
def test_the_corridor_in_any_spelling(published, spelling):
    assert verdict(published, question(corridor=spelling)) == (True, None)


def test_another_domain_than_asked(published):
    mismatch = (False, "RTGF_VERIFY_CORRIDOR_MISMATCH")
    assert verdict(published, question(domain="data_protection")) == mismatch


def test_a_jurisdiction_outside_the_corridor(published):
    mismatch = (False, "RTGF_VERIFY_CORRIDOR_MISMATCH")
    assert verdict(published, question(imt=None, corridor="EU-US")) == mismatch


@pytest.mark.parametrize(
    "rmt", ["RMT:US:payments_aml:2026-10", "RMT:SG:data_protection:2026-10"], ids=str
)
def test_an_imt_that_does_not_rest_on_the_rmt(published, rmt):
    """RTGF-REQ-020."""
    assert verdict(published, question(rmt)) == (False, "RTGF_VERIFY_CHAIN_MISMATCH")


def test_the_window_with_its_skew(published):
    """RTGF-REQ-020: ±120 s and not a second more."""
    token = held(published)
    begins, ends = (times.parse(token["effective"][end]) for end in ("nbf", "exp"))

    def at(moment: int) -> str | None:
        return verdict(published, question(imt=None, at=times.to_text(moment)))[1]

    assert at(begins - 121) == "RTGF_VERIFY_NOT_YET_VALID"
    assert at(ends + 121) == "RTGF_VERIFY_EXPIRED"
    # Inside the window it is still no: it was not in the log then, and its key will have expired.
    assert at(begins - 120) == "RTGF_TXP_PROOF_NOT_FOUND"
    assert at(ends + 120) == "RTGF_KID_EXPIRED"
    assert verdict(published, question(imt=None)) == (True, None)


def test_a_signed_token_that_was_never_logged(published):
    """RTGF-REQ-031: whoever stole the key and issues in secret is not believed."""
    secret = reissued(published, held(published), 99)
    assert verdict(published, question(secret, None)) == (False, "RTGF_TXP_PROOF_NOT_FOUND")


def test_another_token_under_a_logged_id(published):
    """RTGF-REQ-021."""
    token = held(published)
    twin = signed(published, token, controls=[])
    assert verdict(published, question(twin, None)) == (False, "RTGF_TOKEN_CANONICAL_MISMATCH")


def test_a_proof_that_the_caller_brings_is_checked(published):
    """RTGF-CT-60."""
    whole = held(published)
    entry = next(
        entry
        for entry in published.ask("GET", "/transparency").json()["entries"]
        if entry["event"]["subject"] == whole["token_id"]
    )
    bundle = published.ask("GET", f"/proofs/{entry['event']['event_id']}").json()
    proofs = {whole["token_id"]: bundle}
    assert verdict(published, question(proofs=proofs)) == (True, None)
    bundle["path"][0] = "00" * 32
    assert verdict(published, question(proofs=proofs)) == (False, "RTGF_TXP_PROOF_INVALID")


def test_the_same_question_has_the_same_bytes(published):
    body = question(context=context("payment-eu-sg"), corridor="EU-SG")
    turned = json.dumps(dict(reversed(body.items())), indent=1).encode()
    answers = {verify(published, asked).body for asked in (body, turned, body)}
    assert len(answers) == 1
    (answer,) = answers
    assert answer == canonical_bytes(json.loads(answer))


def test_an_answer_is_not_kept_by_caches(published):
    assert verify(published, question()).headers["cache-control"] == "no-store"


# --- as configured ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict(template, tmp_path_factory):
    """A node that wants the IMT too, and little of the public."""
    settings = (
        '\n[verify]\nrequired = ["rmt", "imt"]\n'
        "[limits]\npublic_per_second = 0.02\npublic_burst = 6\n"
    )
    node = template.copy(tmp_path_factory.mktemp("strict") / "node", settings=settings)
    with node.running():
        yield node


def test_the_configuration_may_require_more(strict):
    """RTGF-CT-41."""
    reply = verify(strict, question(imt=None), role="partner")
    problem = reply.problem(400, "RTGF_VERIFY_MISSING_TOKEN")
    assert problem["errors"][0]["pointer"] == "/tokens/imt"
    assert verify(strict, question(), role="partner").json()["valid"]


def test_too_many_requests(strict):
    """RTGF-CT-44."""
    before = _value(strict.metrics(), "rtgf_verify_rate_limit_total")
    replies = [verify(strict, question()) for _ in range(7)]
    refused = [reply for reply in replies if reply.status != 200]
    assert refused
    for reply in refused:
        reply.problem(429, "RTGF_VERIFY_RATE_LIMIT")
        assert 1 <= int(reply.headers["retry-after"]) <= 50
    assert replies[0].status == 200
    moved = _value(strict.metrics(), "rtgf_verify_rate_limit_total") - before
    assert moved == len(refused)
    # Somebody with a certificate has a limit of their own.
    assert verify(strict, question(), role="partner").status == 200


def test_too_many_requests_for_the_framework_are_refused_without_it(strict):
    """RTGF-CT-44: refusing costs less than answering, whatever was asked."""
    turned_away = 'rtgf_http_requests_total{code="429",method="GET",route="none"}'
    replies = [strict.ask("GET", "/.well-known/mandala.json") for _ in range(7)]
    refused = [reply for reply in replies if reply.status != 200]
    assert refused
    for reply in refused:
        reply.problem(429, "RTGF_VERIFY_RATE_LIMIT")
        assert 1 <= int(reply.headers["retry-after"]) <= 50
        assert reply.headers["ratelimit"].startswith('"reads";r=0;')
    assert _value(strict.metrics(), turned_away) == len(refused)
    assert strict.ask("GET", "/.well-known/mandala.json", role="partner").status == 200


def test_a_large_body_counts_as_several_requests(strict):
    body = json.dumps(question()).encode()
    small = strict.ask("POST", "/verify", body, role="regulator")
    large = strict.ask("POST", "/verify", body + b" " * (160 << 10), role="regulator")
    assert (large.status, large.body) == (small.status, small.body)
    left = [int(one.headers["ratelimit"].split(";")[1][2:]) for one in (small, large)]
    # The bucket is full again before the second.
    assert left == [1999, 1989]


def _value(exposition: str, name: str) -> float:
    lines = [line for line in exposition.splitlines() if line.startswith(f"{name} ")]
    assert len(lines) == 1, name
    return float(lines[0].split()[1])
