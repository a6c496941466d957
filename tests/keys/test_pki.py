"""The private CA: what it issues is strict enough for a strict client, and names one identity."""

from __future__ import annotations

import datetime
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import pki

NOW = int(datetime.datetime.now(tz=datetime.UTC).timestamp())


@pytest.fixture(scope="module")
def ca() -> pki.Credential:
    return pki.create_ca("Test CA", now=NOW)


def der(credential: pki.Credential) -> bytes:
    return credential.certificate.public_bytes(serialization.Encoding.DER)


def test_a_strict_verifier_accepts_server_and_client(ca, tmp_path):
    server = pki.issue(
        ca, "node", san_dns=["localhost"], san_ips=["127.0.0.1", "::1"], now=NOW, server=True
    )
    client = pki.issue(ca, "alice", san_uris=["urn:rtgf:operator:alice"], now=NOW, client=True)
    for name, credential in (("ca", ca), ("node", server), ("alice", client)):
        pki.write(credential, tmp_path / f"{name}.pem", tmp_path / f"{name}.key")

    def side(purpose: ssl.Purpose, name: str) -> ssl.SSLContext:
        context = ssl.create_default_context(purpose, cafile=str(tmp_path / "ca.pem"))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        return context

    for host in ("localhost", "127.0.0.1", "::1"):
        upward, downward = ssl.MemoryBIO(), ssl.MemoryBIO()
        left = side(ssl.Purpose.SERVER_AUTH, "alice").wrap_bio(
            downward, upward, server_hostname=host
        )
        right = side(ssl.Purpose.CLIENT_AUTH, "node").wrap_bio(upward, downward, server_side=True)
        for end in (left, right, left, right):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
        peer = right.getpeercert(binary_form=True)
        assert peer is not None
        assert pki.identity(peer) == "urn:rtgf:operator:alice"


def test_the_first_uri_is_the_identity(ca):
    uris = ["urn:rtgf:partner:bank-a", "urn:rtgf:operator:alice"]
    made = pki.issue(ca, "bank", san_dns=["b.example"], san_uris=uris, now=NOW, client=True)
    assert pki.identity(der(made)) == "urn:rtgf:partner:bank-a"


def test_a_certificate_that_names_nobody_is_not_an_identity(ca):
    made = pki.issue(ca, "node", san_dns=["localhost"], now=NOW, client=True)
    for data in (der(made), der(ca), b"", b"\x30\x00"):
        with pytest.raises(RtgfError) as caught:
            pki.identity(data)
        assert caught.value.code is Code.RTGF_UNAUTHENTICATED


def test_a_certificate_holds_from_now_for_its_days(ca):
    made = pki.issue(ca, "x", san_dns=["x.example"], now=NOW, days=10, server=True).certificate
    at = datetime.datetime.fromtimestamp(NOW, tz=datetime.UTC)
    assert made.not_valid_before_utc < at
    assert made.not_valid_after_utc == at + datetime.timedelta(days=10)


def test_the_ca_signs_certificates_and_no_further_authority(ca):
    limits = ca.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (limits.ca, limits.path_length) == (True, 0)
    made = pki.issue(ca, "x", san_dns=["x.example"], now=NOW, server=True).certificate
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    made.verify_directly_issued_by(ca.certificate)


@pytest.mark.parametrize(
    "wrong",
    [
        {"san_dns": ["a.example"]},
        {"client": True},
        {"client": True, "san_uris": ["not a uri"]},
        {"client": True, "san_uris": ["urn:x\n"]},
        {"server": True, "san_ips": ["300.1.1.1"]},
        {"server": True, "san_dns": ["ü.example"]},
    ],
)
def test_a_certificate_that_could_not_work_is_not_made(ca, wrong):
    with pytest.raises(RtgfError) as caught:
        pki.issue(ca, "x", now=NOW, **wrong)
    assert caught.value.code is Code.RTGF_INPUT_INVALID


def test_files_are_for_the_owner_alone_and_never_replaced(ca, tmp_path: Path):
    certificate, key = tmp_path / "pki" / "ca.pem", tmp_path / "pki" / "ca.key"
    pki.write(ca, certificate, key)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (certificate, key)] == [0o600, 0o600]
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    with pytest.raises(RtgfError) as caught:
        pki.write(ca, tmp_path / "other.pem", key)
    assert caught.value.code is Code.RTGF_EXISTS
    assert not (tmp_path / "other.pem").exists()


def test_what_was_written_reads_back_and_issues_on(ca, tmp_path):
    pki.write(ca, tmp_path / "ca.pem", tmp_path / "ca.key")
    again = pki.read(tmp_path / "ca.pem", tmp_path / "ca.key")
    made = pki.issue(again, "x", san_dns=["x.example"], now=NOW, server=True)
    made.certificate.verify_directly_issued_by(ca.certificate)


def test_a_key_of_another_certificate_is_refused(ca, tmp_path):
    pki.write(ca, tmp_path / "ca.pem", tmp_path / "ca.key")
    other = pki.create_ca("Other", now=NOW)
    pki.write(other, tmp_path / "other.pem", tmp_path / "other.key")
    with pytest.raises(RtgfError) as caught:
        pki.read(tmp_path / "ca.pem", tmp_path / "other.key")
    assert caught.value.code is Code.RTGF_INPUT_INVALID
    with pytest.raises(RtgfError) as caught:
        pki.read(tmp_path / "none.pem", tmp_path / "other.key")
    assert caught.value.code is Code.RTGF_NOT_FOUND


def test_identities_have_one_form():
    assert pki.identity_uri("operator", "alice") == "urn:rtgf:operator:alice"
    for wrong in ("", "a:b", "a b", "../x", "a\n"):
        with pytest.raises(RtgfError):
            pki.identity_uri("operator", wrong)


def test_a_private_key_does_not_show(ca):
    assert repr(ca) == "<credential of CN=Test CA>"
