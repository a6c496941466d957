"""Identifiers: what people write becomes one form, and nothing else passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import identifiers
from rtgf_node.core.identifiers import TokenId
from rtgf_node.errors import Code, RtgfError

PLACES = st.sampled_from(["SG", "EU", "UK", "US", "AU", "MY", "KR", "EA", "DE"])
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9]{4}-[0-9]{2}(-[0-9]{2})?", fullmatch=True)


def refused(function, *arguments):
    with pytest.raises(RtgfError) as caught:
        function(*arguments)
    assert caught.value.code is Code.RTGF_INPUT_INVALID
    return True


@pytest.mark.parametrize(
    ("text", "code"),
    [("SG", "SG"), ("sg", "SG"), ("gb", "UK"), ("UK", "UK"), ("eu", "EU"), ("EA", "EA")],
)
def test_jurisdictions(text, code):
    assert identifiers.jurisdiction(text) == code


@pytest.mark.parametrize("text", ["", "S", "SGP", "XX", "ZZ", " SG", "SG\n", "\u0131s", "\uff33G"])
def test_what_is_no_jurisdiction(text):
    assert refused(identifiers.jurisdiction, text)


def test_every_iso_country_is_a_jurisdiction():
    codes = identifiers._ISO_3166_1_ALPHA_2.split()
    assert len(codes) == len(set(codes)) == 249
    assert {identifiers.jurisdiction(code) for code in codes} == {*codes} - {"GB"} | {"UK"}


@pytest.mark.parametrize("text", ["EU-SG", "EU->SG", "EU.SG", "eu->sg", "eu-Sg"])
def test_corridors_have_one_form(text):
    assert identifiers.corridor(text) == "EU-SG"


@pytest.mark.parametrize(
    "text", ["EU", "EUSG", "EU-EU", "UK-GB", "EU--SG", "EU-SG-", "EU>SG", "EU-XX"]
)
def test_what_is_no_corridor(text):
    assert refused(identifiers.corridor, text)


def test_a_corridor_is_ordered():
    assert identifiers.corridor("SG-EU") != identifiers.corridor("EU-SG")


@pytest.mark.parametrize("text", ["", "a" * 65, "a b", "a:b", "a.b", "\u00e4", "a\n"])
def test_what_is_no_domain(text):
    assert refused(identifiers.domain, text)


def test_snapshot_ids_are_lower_case():
    assert (
        identifiers.snapshot_id("EU", "payments_aml", "2026-10")
        == "snapshot:eu:payments_aml:2026-10"
    )
    assert identifiers.snapshot_id("GB", "Data-P", "2026-10-31") == "snapshot:uk:data-p:2026-10-31"


@pytest.mark.parametrize("version", ["", "2026", "2026-1", "2026-10.1", "2026-10-1", "v2026-10"])
def test_snapshot_versions_have_no_issue_number(version):
    assert refused(identifiers.snapshot_version, version)
    assert refused(identifiers.snapshot_id, "EU", "d", version)


def test_token_ids():
    text = "IMT:EU-SG:payments_aml:2026-10.1"
    assert identifiers.token_id("IMT", "EU->SG", "payments_aml", "2026-10.1") == text
    assert identifiers.split_token_id(text) == TokenId("IMT", "EU-SG", "payments_aml", "2026-10", 1)
    assert identifiers.token_uri(text) == f"urn:rtgf:token:{text}"
    assert identifiers.slug(text) == "eu-sg-payments_aml-2026-10.1"


@given(
    st.sampled_from(sorted(identifiers.TOKEN_TYPES)),
    st.tuples(PLACES, PLACES).filter(lambda pair: pair[0] != pair[1]),
    NAMES,
    VERSIONS,
    st.integers(1, 10**6),
)
def test_token_ids_are_split_into_what_they_were_made_of(kind, places, name, version, issue):
    place = places[0] if kind in identifiers.JURISDICTION_TYPES else "-".join(places)
    token_id = identifiers.token_id(kind, place, name, f"{version}.{issue}")
    assert identifiers.split_token_id(token_id) == (kind, place, name, version, issue)
    assert identifiers.token_reference(token_id) == token_id
    assert identifiers.token_reference(identifiers.token_uri(token_id)) == token_id
    assert identifiers.token_reference(f"urn:lane2:token:{token_id}") == token_id


def test_a_reference_without_issue_means_the_newest():
    reference = identifiers.token_reference("URN:RTGF:token:RMT:gb:payments_aml:2026-10")
    assert reference == "RMT:UK:payments_aml:2026-10"
    assert identifiers.split_token_id(reference).issue is None
    assert refused(identifiers.token_id, "RMT", "UK", "payments_aml", "2026-10")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "RMT",
        "RMT:SG:payments_aml",
        "rmt:SG:payments_aml:2026-10.1",
        "XMT:SG:payments_aml:2026-10.1",
        "RMT:EU-SG:payments_aml:2026-10.1",
        "IMT:SG:payments_aml:2026-10.1",
        "RMT:SG:pay ments:2026-10.1",
        "RMT:SG:payments_aml:2026-10.0",
        "RMT:SG:payments_aml:2026-10.01",
        "RMT:SG:payments_aml:2026-10.1.1",
        "RMT:SG:payments_aml:2026-10.",
        "RMT:SG:payments_aml:2026-10.1:x",
        "urn:other:token:RMT:SG:payments_aml:2026-10.1",
        "RMT:SG:payments_aml:2026-10.1\n",
    ],
)
def test_what_is_no_token_reference(text):
    assert refused(identifiers.token_reference, text)


def test_a_jti_is_fixed_by_build_and_token():
    one = identifiers.jti("sha256:aa", "RMT:SG:payments_aml:2026-10.1")
    assert one == identifiers.jti("sha256:aa", "RMT:SG:payments_aml:2026-10.1")
    assert len(one) == 32
    assert int(one, 16) >= 0
    assert one != identifiers.jti("sha256:ab", "RMT:SG:payments_aml:2026-10.1")
    assert identifiers.jti("a", "bc") != identifiers.jti("ab", "c")


def test_key_ids_name_their_issuer():
    kid = identifiers.key_id("did:web:rtgf.eu.example", "2026-11", 1)
    assert kid == "rtgf.eu.example:ed25519:2026-11:001"
    assert identifiers.issuer_of_kid(kid) == "did:web:rtgf.eu.example"
    deep = identifiers.key_id("did:web:example.com%3A8443:units:a", "2026-11", 999)
    assert identifiers.issuer_of_kid(deep) == "did:web:example.com%3A8443:units:a"


@pytest.mark.parametrize(
    "arguments",
    [
        ("rtgf.eu.example", "2026-11", 1),
        ("did:key:abc", "2026-11", 1),
        ("did:web:", "2026-11", 1),
        ("did:web:a b", "2026-11", 1),
        ("did:web:a", "2026-13", 1),
        ("did:web:a", "2026-11", 0),
        ("did:web:a", "2026-11", 1000),
    ],
)
def test_what_makes_no_key_id(arguments):
    assert refused(identifiers.key_id, *arguments)


@pytest.mark.parametrize(
    "kid", ["", "a:rsa:2026-11:001", "a:ed25519:2026-11:1", ":ed25519:2026-11:001"]
)
def test_what_is_no_key_id(kid):
    assert refused(identifiers.issuer_of_kid, kid)
