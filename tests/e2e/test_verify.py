"""`POST /verify` and `/evaluate` as a partner sees them: what holds, and what each refusal says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rtgf_node import wire
from rtgf_node.core import digests, times, tokens
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.keys import SeedSigner
from tests.nodes import Reply, TestNode, context

RMT = "RMT:SG:payments_aml:2026-10"
IMT = "IMT:EU-SG:payments_aml:2026-10"
FOREIGN = SeedSigner("fma.example:ed25519:2026-01:999", bytes(range(32)))


def question(rmt: Any = RMT, imt: Any = IMT, **members: Any) -> dict[str, Any]:
    return {"tokens": {"rmt": rmt, "imt": imt}, **members}


def verify(node: TestNode, body: Any, **options: Any) -> Reply:
    return node.ask("POST", "/verify", body, **options)


def verdict(node: TestNode, body: Any) -> tuple[bool, str | None]:
    reply = verify(node, body)
    assert reply.status == 200, reply
    answer = reply.json()
    return answer["valid"], answer["reason"]


def held(node: TestNode, token: str = RMT) -> dict[str, Any]:
    """The whole token, as a caller may hold it."""
    return node.ask("GET", f"/tokens?uri={token}").json()


def signed(node: TestNode, document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The document with changes, sealed and signed with the node's own token key."""
    unsigned = {**document, **changes}
    del unsigned["signatures"]
    return json.loads(tokens.sign(unsigned, [node.key_store().signer("token")]))


def reissued(node: TestNode, document: dict[str, Any], issue: int) -> dict[str, Any]:
    """A genuinely signed token under an id that the log never issued."""
    token_id = f"{document['token_id'].rpartition('.')[0]}.{issue}"
    return signed(
        node,
        document,
        token_id=token_id,
        rmt_id=token_id,
        version=token_id.rpartition(":")[2],
        jti="0" * 32,
    )


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


# --- a token that was handed in and does not pass -----------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"controls": []},
        {"assurance_level": "low"},
        {"predicate_set": []},
        {"canonical_hash": "sha512:" + "0" * 128},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_altered_token_is_refused(published, change):
    """RTGF-REQ-020: the digest is taken anew."""
    token = held(published)
    assert token != {**token, **change}
    reply = verify(published, question({**token, **change}, None))
    problem = reply.problem(422, "RTGF_TOKEN_CANONICAL_MISMATCH")
    assert problem["errors"][0]["pointer"] == "/tokens/rmt/canonical_hash"


def test_an_altered_token_with_a_new_hash_is_not_signed(published):
    """RTGF-CT-43."""
    token = {**held(published), "controls": []}
    resealed = {**token, "canonical_hash": tokens.canonical_hash(token)}
    problem = verify(published, question(resealed, None)).problem(
        422, "RTGF_VERIFY_SIGNATURE_INVALID"
    )
    assert "RTGF_TOKEN_SIGNATURE_INVALID" in {error["code"] for error in problem["errors"]}


@pytest.mark.parametrize("how", ["absent", "empty", "cut"])
def test_a_missing_signature(published, how):
    """RTGF-CT-31."""
    token = held(published)
    if how == "absent":
        del token["signatures"]
    elif how == "empty":
        token["signatures"] = []
    else:
        token["signatures"][0]["jws"] = token["signatures"][0]["jws"].rpartition(".")[0] + "."
    problem = verify(published, question(token, None)).problem(422, "RTGF_VERIFY_SIGNATURE_INVALID")
    assert "RTGF_TOKEN_SIGNATURE_INVALID" in {error["code"] for error in problem["errors"]}


def test_a_key_that_the_node_does_not_publish(published):
    unsigned = {**held(published), "kid": FOREIGN.kid}
    del unsigned["signatures"]
    token = json.loads(tokens.sign(unsigned, [FOREIGN]))
    verify(published, question(token, None)).problem(422, "RTGF_KID_UNKNOWN")


@pytest.mark.parametrize("purpose", ["log", "status"])
def test_a_key_of_another_purpose_signs_no_token(published, purpose):
    signer = published.key_store().signer(purpose)
    unsigned = {**held(published), "kid": signer.kid}
    del unsigned["signatures"]
    token = json.loads(tokens.sign(unsigned, [signer]))
    verify(published, question(token, None)).problem(422, "RTGF_VERIFY_SIGNATURE_INVALID")


def test_a_signature_of_another_document_does_not_serve(published):
    """RTGF-CT-43: the IMT's signature, by the right key, says nothing about the RMT."""
    token = {**held(published), "signatures": held(published, IMT)["signatures"]}
    verify(published, question(token, None)).problem(422, "RTGF_VERIFY_SIGNATURE_INVALID")


def test_an_unknown_type(published):
    """RTGF-CT-32."""
    token = {**held(published), "type": "XMT"}
    problem = verify(published, question(token, None)).problem(422, "RTGF_TOKEN_TYPE_UNSUPPORTED")
    assert problem["errors"][0]["pointer"] == "/tokens/rmt/type"


@pytest.mark.parametrize("place", [(), ("effective",), ("revocation", "anchor")], ids=str)
def test_an_extra_member(published, place):
    """RTGF-CT-33, at every depth; RTGF-REQ-003."""
    token = held(published)
    inner = token
    for step in place:
        inner = inner[step]
    inner["extra"] = 1
    problem = verify(published, question(token, None)).problem(422, "RTGF_TOKEN_SCHEMA_INVALID")
    path = "/".join(("/tokens/rmt", *place, "extra"))
    assert problem["errors"][0]["pointer"] == path


def test_an_rrmt_is_never_an_rmt(published):
    """RTGF-REQ-020: not even one that this node signed."""
    document = held(published)
    for member in ("rmt_id", "predicate_set", "eval_plan", "data_residency"):
        document.pop(member, None)
    terms = {
        "currency": "EUR",
        "pricing": {
            "mode": "tiered",
            "tiers": [{"from": "0", "to": None, "rate": "0.01"}],
            "surcharges": [],
        },
        "tax": {"mode": "exclusive"},
    }
    token_id = document["token_id"].replace("RMT", "RRMT", 1)
    unsigned = {**document, "type": "RRMT", "token_id": token_id, "terms": terms}
    token = signed(published, unsigned)
    problem = verify(published, question(token, None)).problem(422, "RTGF_TOKEN_TYPE_UNSUPPORTED")
    assert problem["errors"][0]["pointer"] == "/tokens/rmt"


def test_an_imt_is_never_an_rmt(published):
    for imt in (IMT, held(published, IMT)):
        verify(published, question(imt, None)).problem(422, "RTGF_TOKEN_TYPE_UNSUPPORTED")


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
    # Inside the window it is still no, for no key of this node was there then, or is there yet.
    assert at(begins - 120) == at(ends + 120) == "RTGF_KID_EXPIRED"
    assert verdict(published, question(imt=None)) == (True, None)


def test_a_signed_token_that_was_never_logged(published):
    """RTGF-REQ-031: whoever stole the key and issues in secret is not believed."""
    secret = reissued(published, held(published), 99)
    assert verdict(published, question(secret, None)) == (False, "RTGF_TXP_PROOF_NOT_FOUND")


def test_another_token_under_a_logged_id(published):
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


# --- requests that cannot be answered -----------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"tokens": {"rmt": RMT}, "extra": 1}, "/extra"),
        ({"tokens": {"rmt": RMT, "xmt": RMT}}, "/tokens/xmt"),
        ({"tokens": {"rmt": 7}}, "/tokens/rmt"),
        ({"tokens": []}, "/tokens"),
        ({}, "/tokens"),
        ({"tokens": {"rmt": RMT}, "min_rev_epoch": "1"}, "/min_rev_epoch"),
        ({"tokens": {"rmt": RMT}, "min_rev_epoch": -1}, "/min_rev_epoch"),
        ({"tokens": {"rmt": RMT}, "proofs": {RMT: 1}}, "/proofs/..."),
    ],
    ids=str,
)
def test_a_body_that_does_not_fit(published, body, pointer):
    problem = verify(published, body).problem(400, "RTGF_VERIFY_BAD_REQUEST")
    assert problem["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("member", "value"), [("at", "yesterday"), ("corridor", "EU"), ("domain", "a b")]
)
def test_a_member_that_means_nothing(published, member, value):
    problem = verify(published, question(**{member: value})).problem(400, "RTGF_INPUT_INVALID")
    assert problem["errors"][0]["pointer"] == f"/{member}"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"", "1:1"),
        (b"rmt", "1:1"),
        (b'{"tokens":\n{"rmt": "x",}}', "2:12"),
        (b'{"tokens":{"rmt":"a","rmt":"b"}}', "/tokens/rmt"),
        (b'{"tokens":{"rmt":"a"},"min_rev_epoch":9007199254740992}', "/min_rev_epoch"),
        (b'{"tokens":{"rmt":"\xff"}}', None),
        (b'{"tokens":{"rmt":"\\ud800"}}', None),
        (b'\xef\xbb\xbf{"tokens":{"rmt":"a"}}', "1:1"),
        (b'{"tokens":{"rmt":"a"},"context":NaN}', "1:33"),
        (b"[" * 100_000, None),
        (b'{"context":' + b"[" * 64 + b"]" * 64 + b"}", "1:75"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_not_acceptable_json_is_refused_with_its_place(published, body, pointer):
    problem = verify(published, body).problem(400, "RTGF_JSON_INVALID")
    if pointer is not None:
        assert problem["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "media", ["text/plain", "application/jsonx", "application/x-www-form-urlencoded", ""]
)
def test_another_media_type(published, media):
    reply = verify(published, question(), headers={"Content-Type": media})
    reply.problem(415, "RTGF_MEDIA_TYPE")


def test_the_media_type_may_have_parameters(published):
    kind = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert verify(published, question(), headers=kind).status == 200


def test_evaluate_needs_a_token_that_holds(published):
    reply = published.ask(
        "POST", "/evaluate", {"token": IMT, "context": {}, "at": "2020-01-01T00:00:00Z"}
    )
    reply.problem(409, "RTGF_CONFLICT")
    reply = published.ask("POST", "/evaluate", {"token": "nothing", "context": {}})
    reply.problem(400, "RTGF_INPUT_INVALID")
    reply = published.ask("POST", "/evaluate", {"token": RMT})
    reply.problem(400, "RTGF_VERIFY_BAD_REQUEST")
    reply = published.ask("POST", "/evaluate?explain=text&x=1", {"token": RMT, "context": {}})
    reply.problem(400, "RTGF_BAD_REQUEST")


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


def _value(exposition: str, name: str) -> float:
    lines = [line for line in exposition.splitlines() if line.startswith(f"{name} ")]
    assert len(lines) == 1, name
    return float(lines[0].split()[1])
