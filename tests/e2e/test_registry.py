"""The registry and the key set from outside: exact bytes, validators, pages, filters."""

from __future__ import annotations

import json
import ssl

import pytest

from rtgf_node.core import base64url, digests, jose, tokens
from rtgf_node.core.canonical_json import canonical_bytes, parse
from rtgf_node.core.keys import KeySet, PublicKey
from tests.nodes import PATIENCE_SECONDS, TestNode

RMT = "RMT:SG:payments_aml:2026-10"
IMT = "IMT:EU-SG:payments_aml:2026-10"
TOKEN_TYPE = "application/imt-rmt+json"


def catalog(node: TestNode, query: str = "") -> list[dict]:
    """Every entry, page by page."""
    entries, cursor = [], "0"
    while cursor is not None:
        page = node.ask("GET", f"/catalog?cursor={cursor}&limit=40{query}").json()
        assert len(page["tokens"]) <= 40
        entries += page["tokens"]
        cursor = page["cursor"]
    return entries


# --- tokens -------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [RMT, IMT])
def test_a_token_is_served_as_it_was_signed(published, token):
    """RTGF-CT-30, RTGF-REQ-003, RTGF-REQ-011: canonical twice over, hash and signature hold."""
    reply = published.ask("GET", f"/tokens?uri={token}")
    document = reply.json()
    assert canonical_bytes(document) == reply.body
    assert canonical_bytes(parse(canonical_bytes(document))) == reply.body
    unhashed = {k: v for k, v in document.items() if k not in {"canonical_hash", "signatures"}}
    assert digests.sha512(canonical_bytes(unhashed)) == document["canonical_hash"]
    unsigned = {k: v for k, v in document.items() if k != "signatures"}
    (signature,) = document["signatures"]
    at = tokens.parse(reply.body).nbf
    at = max(at, next(iter(published.keys())).created_at)
    kid = jose.verify_detached(
        signature["jws"],
        canonical_bytes(unsigned),
        published.keys(),
        at=at,
        typ="rtgf-token+jws",
    )
    assert kid == signature["kid"] == document["kid"]
    assert published.keys().get(kid, at=at).use == "token"


def test_the_header_of_a_signature_has_nothing_unknown(published):
    """RTGF-REQ-003: no `crit`."""
    token = published.ask("GET", f"/tokens?uri={RMT}").json()
    header = json.loads(base64url.decode(token["signatures"][0]["jws"].split(".")[0]))
    assert set(header) == {"alg", "kid", "typ"}
    assert header["alg"] == "EdDSA"


def test_every_way_to_a_token_leads_to_the_same_bytes(published):
    """RTGF-REQ-011."""
    slug = "eu-sg-payments_aml-2026-10.1"
    paths = [
        f"/tokens?uri={IMT}",
        f"/tokens?uri={IMT}.1",
        f"/tokens?uri=urn:rtgf:token:{IMT}.1",
        f"/tokens?uri=urn:lane2:token:{IMT}",
        f"/tokens/imt/{slug}",
        f"/tokens/IMT/{slug.upper()}",
        f"/tokens/Imt/{slug}",
        "/imt/EU-SG/payments_aml",
        "/imt/eu-sg/payments_aml",
        "/imt/EU-%3ESG/payments_aml",
        "/imt/EU.SG/payments_aml",
        "/imt/EU-SG/payments_aml?version=2026-10",
        "/imt/EU-SG/payments_aml?version=2026-10.1",
    ]
    replies = [published.ask("GET", path) for path in paths]
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    token = replies[0].json()
    for reply in replies:
        assert reply.headers["etag"] == f'"{token["canonical_hash"]}"'
        assert reply.headers["content-type"] == TOKEN_TYPE
        kind, _, seconds = reply.headers["cache-control"].partition(", max-age=")
        assert (kind, int(seconds) <= token["ttl_sec"]) == ("public", True)


def test_gb_is_read_as_uk(published):
    assert (
        published.ask("GET", "/rmt/gb/payments_aml").body
        == published.ask("GET", "/rmt/UK/payments_aml").body
    )


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/tokens?uri={RMT}.9", 404, "RTGF_VERIFY_TOKEN_NOT_FOUND"),
        ("/tokens/rmt/none", 404, "RTGF_VERIFY_TOKEN_NOT_FOUND"),
        ("/tokens/xmt/sg-payments_aml-2026-10.1", 404, "RTGF_VERIFY_TOKEN_NOT_FOUND"),
        ("/rmt/FR/payments_aml", 404, "RTGF_VERIFY_TOKEN_NOT_FOUND"),
        ("/rmt/SG/payments_aml?version=2020-01", 404, "RTGF_VERIFY_TOKEN_NOT_FOUND"),
        ("/cort/EU-SG/anything", 404, "RTGF_VERIFY_TOKEN_NOT_FOUND"),
        ("/rrmt/SG/payments_aml", 404, "RTGF_VERIFY_TOKEN_NOT_FOUND"),
        ("/rmt/XX/payments_aml", 400, "RTGF_INPUT_INVALID"),
        ("/imt/EU-EU/payments_aml", 400, "RTGF_INPUT_INVALID"),
        ("/tokens", 400, "RTGF_BAD_REQUEST"),
        (f"/tokens?uri={RMT}&uri={RMT}", 400, "RTGF_BAD_REQUEST"),
        ("/tokens?uri=nothing", 400, "RTGF_INPUT_INVALID"),
        ("/snapshots/snapshot:fr:payments_aml:2026-10", 404, "RTGF_NOT_FOUND"),
        ("/datasets/un-sc/none", 404, "RTGF_NOT_FOUND"),
    ],
)
def test_what_is_not_here(published, path, status, code):
    published.ask("GET", path).problem(status, code)


# --- catalogue ----------------------------------------------------------------------------------


def test_the_catalogue_lists_every_token_once_in_the_order_of_the_log(published):
    entries = catalog(published)
    leaves = [entry["leafIndex"] for entry in entries]
    assert leaves == sorted(set(leaves))
    whole = published.ask("GET", "/catalog?limit=1000").json()
    assert whole["cursor"] is None
    assert whole["tokens"] == entries
    issued = {
        entry["event"]["subject"]
        for entry in published.ask("GET", "/transparency").json()["entries"]
        if entry["event"]["type"] == "token_issue"
    }
    assert {entry["uri"].removeprefix("urn:rtgf:token:") for entry in entries} == issued


def test_an_entry_agrees_with_its_token(published):
    for entry in (catalog(published, "&type=rmt")[0], catalog(published, "&type=IMT")[0]):
        by_uri = published.ask("GET", f"/tokens?uri={entry['uri']}")
        by_slug = published.ask("GET", f"/tokens/{entry['type']}/{entry['slug']}")
        assert by_uri.body == by_slug.body
        token = by_uri.json()
        assert entry == {
            "uri": f"urn:rtgf:token:{token['token_id']}",
            "type": token["type"],
            "slug": entry["slug"],
            "hash": token["canonical_hash"],
            "version": token["version"],
            "issued_at": entry["issued_at"],
            "nbf": token["effective"]["nbf"],
            "exp": token["effective"]["exp"],
            "revoked": False,
            "leafIndex": entry["leafIndex"],
        }


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("&type=RMT", lambda i: i.startswith("RMT:")),
        ("&type=imt", lambda i: i.startswith("IMT:")),
        ("&domain=data_protection", lambda i: ":data_protection:" in i),
        ("&corridor=eu-%3Esg", lambda i: ":EU-SG:" in i),
        ("&jurisdiction=sg", lambda i: ":SG:" in i or ":SG-" in i or "-SG:" in i),
        ("&type=rmt&jurisdiction=SG&domain=payments_aml", lambda i: i == f"{RMT}.1"),
        ("&jurisdiction=FR", lambda _: False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_catalogue_is_filtered(published, query, fits):
    every = {entry["uri"].removeprefix("urn:rtgf:token:") for entry in catalog(published)}
    found = {entry["uri"].removeprefix("urn:rtgf:token:") for entry in catalog(published, query)}
    assert found == {token_id for token_id in every if fits(token_id)}


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "cursor=-1", "type=XMT"])
def test_a_page_that_cannot_be_is_refused(published, query):
    published.ask("GET", f"/catalog?{query}").problem(400, "RTGF_BAD_REQUEST")


# --- who the node is ----------------------------------------------------------------------------


def test_the_node_says_who_it_is(published):
    """RTGF-REQ-010."""
    about = published.ask("GET", "/.well-known/rtgf").json()
    assert about["issuer"] == "did:web:fma.example"
    assert about["dids"] == ["did:web:fma.example"]
    assert about["domains"] == ["data_protection", "payments_aml"]
    assert {"EU", "SG", "UK", "US", "AU", "MY", "KR"} <= set(about["jurisdictions"])
    issued = {entry["uri"].split(":")[4] for entry in catalog(published, "&type=IMT")}
    assert set(about["corridors"]) == issued
    assert about["log"]["origin"] == "fma.example/log"
    assert about["freshness"]["revocation_max_staleness_seconds"] == 60
    for member in ("jwks_uri", "signed_jwks_uri", "revocations"):
        assert published.ask("GET", about[member].removeprefix(published.url)).status == 200
    assert about["registry"] == published.url
    assert about["verify"] == f"{published.url}/verify"


def test_the_key_set_is_what_the_root_signed_and_the_log_recorded(published):
    """RTGF-CT-50."""
    served = published.ask("GET", "/.well-known/jwks.json")
    assert served.body == published.ask("GET", "/jwks.json").body
    assert served.headers["content-type"] == "application/jwk-set+json"
    signed = published.ask("GET", "/.well-known/jwks.jws").body.decode()
    root = PublicKey(
        kid=published.made.root_kid,
        public=base64url.decode(published.made.root_public),
        use="root",
        created_at=0,
        expires_at=2**53 - 1,
    )
    payload = jose.verify_compact(signed, KeySet([root]), at=1, typ="rtgf-jwks+jws")
    assert payload == served.body
    logged = [
        entry["event"]
        for entry in published.ask("GET", "/transparency").json()["entries"]
        if entry["event"]["type"] == "jwks_publish"
    ]
    assert [event["digest"] for event in logged] == [digests.sha256(served.body)]


def test_each_key_has_one_purpose_and_its_window(published):
    keys = published.ask("GET", "/jwks.json").json()["keys"]
    purposes = [key["purpose"] for key in keys]
    assert len(set(purposes)) == len(purposes)
    assert set(purposes) >= {"log", "receipt", "status", "token"}
    for key in keys:
        assert (key["kty"], key["crv"], key["revoked"]) == ("OKP", "Ed25519", False)
        assert key["use"] == "sig"
        assert key["createdAt"] < key["expiresAt"]
        assert "d" not in key


def test_the_key_manifest_names_the_same_keys_under_the_root(published):
    manifest = published.ask("GET", "/key-manifest.json").json()
    jwks = published.ask("GET", "/jwks.json").json()
    assert {key["kid"] for key in manifest["keys"]} == {key["kid"] for key in jwks["keys"]}
    assert [entry["kid"] for entry in manifest["signatures"]] == [published.made.root_kid]


def test_every_snapshot_of_the_matrix_is_there(published):
    """RTGF-REQ-001: as its authority signed it."""
    matrix = published.ask("GET", "/policy-matrix/index.jsonld").json()["snapshots"]
    assert len(matrix) == len(published.world.snapshots)
    for row in matrix[:3]:
        snapshot = published.ask("GET", row["source_uri"].removeprefix(published.url)).json()
        assert snapshot["jurisdiction"] == row["jurisdiction"]
        assert snapshot["issuer"] == row["issuing_authority_did"]
        assert snapshot["signatures"]


def test_a_dataset_tells_its_provenance_and_no_name(published):
    pinned = published.ask("GET", f"/tokens?uri={RMT}").json()["evidence"]["datasets"]
    for entry in pinned:
        reply = published.ask("GET", f"/datasets/{entry['dataset']}/{entry['version']}")
        assert reply.json()["content_sha256"] == entry["content_sha256"]
        assert reply.json()["record_count"] > 0
        assert published.world.listed_name.encode() not in reply.body


@pytest.mark.parametrize("protocol", ["aarp/1", "h2", "http/1.1"])
def test_the_protocols_of_the_contract_are_agreed_on(published, protocol):
    import socket

    context = published.tls()
    context.set_alpn_protocols([protocol])
    plain = socket.create_connection(("127.0.0.1", published.port), timeout=PATIENCE_SECONDS)
    with plain, context.wrap_socket(plain, server_hostname="localhost") as stream:
        assert stream.selected_alpn_protocol() == protocol
        assert stream.version() == "TLSv1.3"
        assert isinstance(stream.context, ssl.SSLContext)
