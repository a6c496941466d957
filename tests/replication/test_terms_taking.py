"""Terms as the state machine takes them in: one version at a time, each with its event."""

from __future__ import annotations

import pytest

from rtgf_node.core import digests
from rtgf_node.errors import Code
from rtgf_node.replication.commands import TakeTerms
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import create_store
from tests.replication import samples


@pytest.fixture
def store(tmp_path):
    with create_store(tmp_path / "node") as made:
        yield made


@pytest.fixture
def client(store):
    return samples.Client(StateMachine(store))


def terms(version: str, *, text: str = "", name: str = "instant") -> TakeTerms:
    terms_id = f"terms:cort:eu-sg:{name}:{version}"
    body = (terms_id + text).encode()
    return TakeTerms(
        terms_id=terms_id,
        digest=digests.sha256(body),
        token_type="CORT",
        place="EU-SG",
        name=name,
        domain="payments_aml",
        version=version,
        body=body,
        event=samples.event_bytes(terms_id + text, kind="terms"),
    )


def test_newer_terms_are_in_force_and_older_ones_stay(store, client):
    first = client.accepted(terms("2026-10"))
    client.accepted(terms("2026-11"))
    client.accepted(terms("2026-10", name="other"))
    assert client.accepted(terms("2026-10")).leaf_indexes == first.leaf_indexes
    newest = store.terms.newest("CORT", "EU-SG", "instant")
    assert newest.version == "2026-11"
    assert store.terms.document("terms:cort:eu-sg:instant:2026-10") is not None
    assert [row.terms_id for row in store.terms.in_force()] == [
        "terms:cort:eu-sg:instant:2026-11",
        "terms:cort:eu-sg:other:2026-10",
    ]
    assert [row.version for row in store.terms.in_force(before_leaf=1)] == ["2026-10"]


@pytest.mark.parametrize("version", ["2026-09", "2026-10"])
def test_older_or_equal_terms_with_other_bytes_are_stale(store, client, version):
    client.accepted(terms("2026-10"))
    size = store.log.size
    refusal = client.refused(terms(version, text="other"))
    assert refusal.code is Code.RTGF_POL_MATRIX_STALE
    assert store.log.size == size
