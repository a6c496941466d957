"""What an authority may send, and what is refused at the door with which code and place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import canonical_json, snapshot
from rtgf_node.core.keys import KeySet, PublicKey
from rtgf_node.errors import Code, RtgfError
from tests import worlds

EU = worlds.authority("EU")
SIGNATURE = Code.RTGF_POL_MATRIX_SIGNATURE_INVALID


def accept(data: bytes, **changes: Any) -> snapshot.Snapshot:
    return snapshot.accept(
        data, **{"keys": EU.keys, "issuers": [EU.did], "at": worlds.NOW, **changes}
    )


def refusal(data: bytes, **changes: Any) -> RtgfError:
    with pytest.raises(RtgfError) as caught:
        accept(data, **changes)
    return caught.value


def test_a_valid_signed_snapshot_is_accepted() -> None:
    """RTGF-REQ-001, RTGF-CT-00."""
    data = worlds.sealed(
        worlds.document(
            data_residency={"allowed": ["EU", "SG"], "mechanisms": ["scc"]},
            evidence_sources=[
                {
                    "provider": "ofac",
                    "dataset": "us-ofac-sdn",
                    "feed": {"max_age": "P2D", "min_records": 10},
                    "authenticity": "tls_only",
                },
                {
                    "provider": "un",
                    "dataset": "un-sc",
                    "pin": {"content_sha256": worlds.digest_of("un")},
                    "authenticity": "checksum",
                },
            ],
            scenarios=[{"name": "ok", "context": {}, "expect": {"decision": "PERMIT"}}],
        )
    )
    taken = accept(data)
    assert taken.id == "snapshot:eu:payments_aml:2026-10"
    assert taken.clauses[0].citation.article == "5"
    assert taken.evidence_sources[0].feed is not None
    assert snapshot.parse(data) == taken


def test_the_order_and_spacing_of_the_text_do_not_matter() -> None:
    data = worlds.sealed(worlds.document())
    pretty = json.dumps(dict(reversed(json.loads(data).items())), indent=3).encode()
    assert accept(pretty) == accept(data)


class TestSignatures:
    """RTGF-CT-01."""

    def check(self, error: RtgfError, pointer: str) -> None:
        assert error.code is Code.RTGF_POL_MATRIX_SIGNATURE_INVALID
        assert error.pointer is not None
        assert error.pointer.startswith(pointer)

    def test_a_signature_over_other_bytes_is_refused(self) -> None:
        held = json.loads(worlds.sealed(worlds.document()))
        other = json.loads(worlds.sealed(worlds.document(ttl_sec=60)))
        held["signatures"] = other["signatures"]
        self.check(refusal(canonical_json.canonical_bytes(held)), "/signatures")

    @pytest.mark.parametrize("signatures", [[], None])
    def test_an_unsigned_one_is_refused(self, signatures: list[Any] | None) -> None:
        held = json.loads(worlds.sealed(worlds.document()))
        if signatures is None:
            del held["signatures"]
        else:
            held["signatures"] = signatures
        self.check(refusal(canonical_json.canonical_bytes(held)), "/signatures")

    def test_a_key_of_another_authority_is_refused_even_when_it_is_pinned(self) -> None:
        sg = worlds.authority("SG")
        data = worlds.sealed(worlds.document(), sg.signers)
        keys = KeySet([*EU.public_keys, *sg.public_keys])
        self.check(refusal(data, keys=keys), "/signatures/0/kid")

    def test_an_authority_whose_name_begins_like_the_issuers_owns_nothing_of_it(self) -> None:
        twin = worlds.Identity(EU.did + ":evil", use="authority")
        data = worlds.sealed(worlds.document(), twin.signers)
        keys = KeySet([*EU.public_keys, *twin.public_keys])
        self.check(refusal(data, keys=keys), "/signatures/0/kid")

    def test_an_authority_that_is_not_pinned_is_refused(self) -> None:
        data = worlds.sealed(worlds.document())
        self.check(refusal(data, issuers=[worlds.authority("SG").did]), "/issuer")

    def test_an_unknown_key_is_refused_with_its_cause(self) -> None:
        error = refusal(worlds.sealed(worlds.document()), keys=KeySet())
        self.check(error, "/signatures")
        assert [cause.code for cause in error.causes] == [Code.RTGF_KID_UNKNOWN]

    def test_an_expired_key_is_refused_with_its_cause(self) -> None:
        error = refusal(worlds.sealed(worlds.document()), at=worlds.KEYS_UNTIL + 3600)
        assert [cause.code for cause in error.causes] == [Code.RTGF_KID_EXPIRED]

    def test_a_key_that_is_not_an_authoritys_states_no_rule(self) -> None:
        keys = KeySet(
            PublicKey(
                kid=key.kid,
                public=key.public,
                use="token",
                created_at=key.created_at,
                expires_at=key.expires_at,
            )
            for key in EU.public_keys
        )
        self.check(refusal(worlds.sealed(worlds.document()), keys=keys), "/signatures")

    def test_the_threshold_counts_distinct_keys(self) -> None:
        """RTGF-REQ-004."""
        eu = worlds.authority("EU", keys=2)
        made = worlds.document(signature_threshold=2)
        self.check(refusal(worlds.sealed(made, [eu.signer]), keys=eu.keys), "/signatures")
        self.check(
            refusal(worlds.sealed(made, [eu.signer, eu.signer]), keys=eu.keys), "/signatures"
        )
        assert accept(worlds.sealed(made, eu.signers), keys=eu.keys).signature_threshold == 2


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("unknown member", {"surprise": 1}, "/surprise"),
    ("missing member", {"issuer": None}, "/issuer"),
    ("foreign context", {"@context": "https://example.com/ctx"}, "/@context"),
    ("other type", {"@type": "policy:Other"}, "/@type"),
    ("wrong type of member", {"ttl_sec": "3600"}, "/ttl_sec"),
    ("id of another jurisdiction", {"id": "snapshot:sg:payments_aml:2026-10"}, "/id"),
    ("id of another version", {"id": "snapshot:eu:payments_aml:2026-11"}, "/id"),
    ("version with a dot", {"version": "2026-10.1"}, "/version"),
    ("jurisdiction in lower case", {"jurisdiction": "eu"}, "/jurisdiction"),
    ("jurisdiction that is none", {"jurisdiction": "XX"}, "/jurisdiction"),
    ("expires before it begins", {"expires_at": "2026-09-01T00:00:00Z"}, "/expires_at"),
    ("empty window", {"expires_at": "2026-10-01T00:00:00Z"}, "/expires_at"),
    ("time with an offset", {"effective_date": "2026-10-01T00:00:00+00:00"}, "/effective_date"),
    ("empty time", {"expires_at": ""}, "/expires_at"),
    ("ttl above a day", {"ttl_sec": 86_401, "policy_max_ttl": 86_401}, "/ttl_sec"),
    ("ttl above its own maximum", {"ttl_sec": 7200, "policy_max_ttl": 3600}, "/ttl_sec"),
    ("no reference", {"normative_references": []}, "/normative_references"),
    (
        "reference twice",
        {"normative_references": [worlds.reference(), worlds.reference()]},
        "/normative_references/1/id",
    ),
    ("no clause", {"clauses": []}, "/clauses"),
    ("clause twice", {"clauses": [worlds.clause(), worlds.clause()]}, "/clauses/1/clause_id"),
    ("unknown kind", {"clauses": [worlds.clause(kind="wish")]}, "/clauses/0/kind"),
    (
        "citation of nothing",
        {"clauses": [worlds.clause(citation={"ref": "none", "article": "1"})]},
        "/clauses/0/citation/ref",
    ),
    (
        "citation of repealed law",
        {
            "normative_references": [
                worlds.reference(in_force={"from": "2015-06-26", "to": "2024-12-29"})
            ]
        },
        "/clauses/0/citation/ref",
    ),
    (
        "citation of law to come",
        {"normative_references": [worlds.reference(in_force={"from": "2027-07-10"})]},
        "/clauses/0/citation/ref",
    ),
    (
        "reference that ends before it begins",
        {"normative_references": [worlds.reference(in_force={"from": "2020-01-01", "to": "2019"})]},
        "/normative_references/0/in_force/to",
    ),
    (
        "exception of itself",
        {"clauses": [worlds.clause(exception_of="retain")]},
        "/clauses/0/exception_of",
    ),
    (
        "clause that ends before it begins",
        {"clauses": [worlds.clause(valid_from="2027-01-02", valid_to="2027-01-01")]},
        "/clauses/0/valid_to",
    ),
    ("deadline that is no duration", {"clauses": [worlds.clause(deadline="soon")]}, "/clauses/0/d"),
    ("unknown assurance level", {"assurance_level": "higher"}, "/assurance_level"),
    (
        "source with neither pin nor feed",
        {"evidence_sources": [{"provider": "un", "dataset": "un-sc", "authenticity": "tls_only"}]},
        "/evidence_sources/0",
    ),
    (
        "source with pin and feed",
        {
            "evidence_sources": [
                {
                    "provider": "un",
                    "dataset": "un-sc",
                    "authenticity": "signed",
                    "pin": {"content_sha256": worlds.digest_of("x")},
                    "feed": {"max_age": "P1D", "min_records": 1},
                }
            ]
        },
        "/evidence_sources/0",
    ),
    (
        "scenario of a foreign corridor",
        {
            "scenarios": [
                {"name": "a", "corridor": "SG-US", "context": {}, "expect": {"decision": "DENY"}}
            ]
        },
        "/scenarios/0/corridor",
    ),
    ("status that is none", {"status": "final"}, "/status"),
]


@pytest.mark.parametrize(
    ("changes", "pointer"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_what_does_not_fit_is_refused_with_its_place(changes: dict[str, Any], pointer: str) -> None:
    """RTGF-CT-02."""
    made = worlds.document(**changes)
    error = refusal(worlds.sealed(made, EU.signers))
    assert error.code is Code.RTGF_POL_MATRIX_SCHEMA_INVALID
    assert error.pointer is not None
    assert error.pointer.startswith(pointer)


def test_a_hash_that_does_not_match_is_refused() -> None:
    """RTGF-CT-02."""
    made = json.loads(worlds.sealed(worlds.document()))
    made["status"] = "official"
    error = refusal(canonical_json.canonical_bytes(made))
    assert error.code is Code.RTGF_POL_MATRIX_SCHEMA_INVALID
    assert error.pointer == "/policy_snapshot_hash"


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b'{"a":1,"a":2}', b'{"a":NaN}'])
def test_bytes_that_are_no_json_object_are_refused(data: bytes) -> None:
    """RTGF-CT-02."""
    assert refusal(data).code is Code.RTGF_POL_MATRIX_SCHEMA_INVALID


def test_a_duplicate_key_is_refused_though_the_last_value_was_signed() -> None:
    data = worlds.sealed(worlds.document())
    doubled = b'{"status":"official",' + data[1:]
    assert refusal(doubled).code is Code.RTGF_POL_MATRIX_SCHEMA_INVALID


def test_the_configuration_may_allow_a_longer_ttl() -> None:
    data = worlds.sealed(worlds.document(ttl_sec=100_000, policy_max_ttl=100_000))
    assert accept(data, max_ttl_sec=200_000).ttl_sec == 100_000


def test_law_that_ends_on_the_effective_day_is_still_in_force_on_it() -> None:
    law = worlds.reference(in_force={"from": "2026-10-01", "to": "2026-10-01"})
    assert accept(worlds.sealed(worlds.document(normative_references=[law])))


def test_repealed_law_that_no_clause_cites_may_be_listed() -> None:
    old = worlds.reference("law-0", in_force={"from": "2015-06-26", "to": "2024-12-29"})
    made = worlds.document(normative_references=[old, worlds.reference()])
    assert len(accept(worlds.sealed(made)).normative_references) == 2


def test_an_exception_names_its_rule() -> None:
    made = worlds.document(clauses=[worlds.clause(), worlds.clause("small", exception_of="retain")])
    assert accept(worlds.sealed(made)).clauses[1].exception_of == "retain"


class TestSupersedes:
    def parsed(self, **changes: Any) -> snapshot.Snapshot:
        return snapshot.parse(worlds.sealed(worlds.document(**changes)))

    def test_the_same_again_is_the_same(self) -> None:
        assert snapshot.supersedes(self.parsed(), self.parsed()) == "same"

    def test_a_higher_version_is_newer(self) -> None:
        assert snapshot.supersedes(self.parsed(version="2026-11"), self.parsed()) == "newer"

    @pytest.mark.parametrize("changes", [{"version": "2026-09"}, {"ttl_sec": 60}])
    def test_older_or_equal_with_other_content_is_stale(self, changes: dict[str, Any]) -> None:
        with pytest.raises(RtgfError) as caught:
            snapshot.supersedes(self.parsed(**changes), self.parsed())
        assert caught.value.code is Code.RTGF_POL_MATRIX_STALE


versions = st.builds(
    lambda year, month, day: f"{year:04}-{month:02}" + (f"-{day:02}" if day else ""),
    st.integers(2020, 2030),
    st.integers(1, 12),
    st.integers(0, 28),
)


@given(versions, versions, versions)
def test_versions_are_totally_ordered(a: str, b: str, c: str) -> None:
    compare = snapshot.compare_versions
    assert compare(a, a) == 0
    assert compare(a, b) == -compare(b, a)
    if compare(a, b) <= 0 and compare(b, c) <= 0:
        assert compare(a, c) <= 0
    if compare(a, b) == 0:
        assert a == b


def test_the_hash_leaves_out_itself_and_the_signatures_only() -> None:
    made = json.loads(worlds.sealed(worlds.document()))
    assert snapshot.digest(made) == made["policy_snapshot_hash"]
    assert snapshot.digest({**made, "signatures": []}) == made["policy_snapshot_hash"]
    assert snapshot.digest({**made, "status": "official"}) != made["policy_snapshot_hash"]


class TestForWhomAnAuthoritySpeaks:
    """RTGF-CT-01: one authority's stolen key states no other authority's rules."""

    US = worlds.authority("US")

    def of_us(self, place: str = "EU", **changes: Any) -> bytes:
        made = worlds.document(place, issuer=self.US.did, version="2026-11", **changes)
        return worlds.sealed(made, self.US.signers)

    def both(self, **changes: Any) -> dict[str, Any]:
        keys = KeySet([*EU.public_keys, *self.US.public_keys])
        return {"keys": keys, "issuers": [EU.did, self.US.did], **changes}

    def held(self, **changes: Any) -> Any:
        document = worlds.document(**changes)
        found = snapshot.parse(worlds.sealed(document, EU.signers))
        return lambda place, domain: (
            found if (place, domain) == (found.jurisdiction, found.domain) else None
        )

    @pytest.mark.parametrize(
        "places",
        [
            {"did:web:authority.us.example": ["US"]},
            {"did:web:authority.eu.example": ["EU"]},
            {"did:web:authority.us.example": ["US"], "did:web:authority.eu.example": ["EU", "EA"]},
        ],
        ids=["its-own", "another's", "both"],
    )
    def test_not_for_a_place_of_another(self, places) -> None:
        error = refusal(self.of_us(), **self.both(places=places))
        assert (error.code, error.pointer) == (SIGNATURE, "/jurisdiction")
        assert accept(self.of_us("US"), **self.both(places=places)).jurisdiction == "US"

    def test_not_for_a_place_that_another_has_stated_rules_of(self) -> None:
        error = refusal(self.of_us(), **self.both(held_of=self.held()))
        assert (error.code, error.pointer) == (SIGNATURE, "/jurisdiction")
        assert accept(self.of_us("SG"), **self.both(held_of=self.held())).jurisdiction == "SG"
        other_domain = self.of_us(domain="data_protection")
        assert accept(other_domain, **self.both(held_of=self.held())).domain == "data_protection"

    def test_the_operator_hands_a_place_over(self) -> None:
        places = {self.US.did: ["EU", "US"]}
        taken = accept(self.of_us(), **self.both(held_of=self.held(), places=places))
        assert taken.issuer == self.US.did

    def test_fewer_signatures_need_as_many_as_were_asked_for(self) -> None:
        three = worlds.authority("EU", keys=3)
        held = self.held(signature_threshold=2)
        made = worlds.document(version="2026-11", signature_threshold=1)
        options = {"keys": three.keys, "held_of": held}
        assert refusal(worlds.sealed(made, three.signers[:1]), **options).code is SIGNATURE
        assert accept(worlds.sealed(made, three.signers[:2]), **options).signature_threshold == 1
