"""An index of snapshots and terms: what it names, and what is none."""

from __future__ import annotations

import pytest

from rtgf_node.core import policy_matrix
from rtgf_node.errors import Code, RtgfError

BASE = "https://fma.example/policy-matrix/index.jsonld"
RULES = {
    "jurisdiction": "EU",
    "domain": "payments_aml",
    "source_uri": "/snapshots/snapshot:eu:payments_aml:2026-10",
    "issuing_authority_did": "did:web:fma.example",
    "last_updated": "2026-10-01T00:00:00Z",
}
TERMS = {
    "type": "CORT",
    "place": "EU-SG",
    "name": "instant",
    "source_uri": "https://other.example/terms",
    "issuing_authority_did": "did:web:fma.example",
    "last_updated": "2026-10-01T00:00:00Z",
}


def test_terms_are_named_after_the_snapshots():
    named = policy_matrix.sources({"terms": [TERMS], "snapshots": [RULES]}, base=BASE)
    rules = "https://fma.example/snapshots/snapshot:eu:payments_aml:2026-10"
    assert named == [rules, "https://other.example/terms"]
    assert policy_matrix.sources({"snapshots": [], "terms": [TERMS]}, base=BASE) == named[1:]
    for index in ([RULES], {"snapshots": [RULES]}):
        assert policy_matrix.sources(index, base=BASE) == named[:1]


@pytest.mark.parametrize("document", [None, 7, {}, {"@type": "terms:Corridor", "terms": {}}])
def test_what_is_no_index_is_none(document):
    assert policy_matrix.sources(document, base=BASE) is None


@pytest.mark.parametrize(
    "terms", ["x", {}, [RULES], [{**TERMS, "jurisdiction": "EU"}], [TERMS] * 4096]
)
def test_terms_of_an_index_that_do_not_fit_are_refused(terms):
    with pytest.raises(RtgfError) as caught:
        policy_matrix.sources({"snapshots": [RULES], "terms": terms}, base=BASE)
    assert caught.value.code is Code.RTGF_POL_MATRIX_SCHEMA_INVALID
