"""`POST /verify` as a partner sees it."""

from __future__ import annotations

import pytest

from rtgf_node import wire
from tests.nodes import context


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
        request = wire.EvaluateRequest(token="IMT:EU-SG:payments_aml:2026-10", context=payment)
        answer = partner.evaluate(request, explain=True)
    assert answer.decision == "DENY"
    assert answer.explanation is not None
    assert "Article" in answer.explanation
    assert published.world.listed_name not in answer.explanation
