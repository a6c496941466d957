"""A private certificate authority for nodes, operators, regulators and partners.

The identity of a client is the first URI in its certificate's subject alternative names
(RFC 5280 §4.2.1.6), of the form `urn:rtgf:<role>:<name>`. ECDSA on P-256, because every TLS 1.3
stack has it (RFC 8446 §9.1). These keys protect connections only: they never sign a token.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rtgf_node.errors import Code, RtgfError
from rtgf_node.whole_file import sync_folder

CA_DAYS: Final = 3650
"""Ten years: replacing the CA means visiting every partner."""

CERTIFICATE_DAYS: Final = 397
"""The longest that browsers take; a forgotten renewal shows within about a year."""

BACKDATE_SECONDS: Final = 300
"""A certificate holds from a little before it was made, for peers whose clock is behind."""

MAX_COMMON_NAME: Final = 64
"""Characters (RFC 5280, ub-common-name)."""

_IDENTITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,250}")


class Credential(NamedTuple):
    """A certificate and its private key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def key_pem(self) -> bytes:
        """Return the private key as PEM (PKCS#8, not encrypted)."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def certificate_pem(self) -> bytes:
        """Return the certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def __repr__(self) -> str:
        return f"<credential of {self.certificate.subject.rfc4514_string()}>"


def identity_uri(role: str, name: str) -> str:
    """Return `urn:rtgf:<role>:<name>`.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if a part is more than letters, digits, `.`, `_` and `-`.
    """
    for part in (role, name):
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", part) is None:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID,
                f"{part!r} cannot stand in an identity; use letters, digits, '.', '_' and '-'",
            )
    return f"urn:rtgf:{role}:{name}"


def create_ca(common_name: str, *, now: int, days: int = CA_DAYS) -> Credential:
    """Make a certificate authority that may sign certificates and no further authorities.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if the name is empty or too long.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name)
    builder = (
        _builder(name, name, key.public_key(), now, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(is_ca=True), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
    )
    return Credential(key, builder.sign(key, hashes.SHA256()))


def issue(
    ca: Credential,
    name: str,
    *,
    san_dns: Sequence[str] = (),
    san_ips: Sequence[str] = (),
    san_uris: Sequence[str] = (),
    now: int,
    days: int = CERTIFICATE_DAYS,
    client: bool = False,
    server: bool = False,
) -> Credential:
    """Make a key and a certificate for it.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it would serve neither as client nor as server, has no
        alternative name, or a name has not its form.
    """
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH] * client + [ExtendedKeyUsageOID.SERVER_AUTH] * server
    if not usages:
        raise RtgfError(Code.RTGF_INPUT_INVALID, f"the certificate of {name} is for no use")
    for uri in san_uris:
        if _IDENTITY.fullmatch(uri) is None:
            raise RtgfError(Code.RTGF_INPUT_INVALID, f"{uri!r} is not a URI")
    try:
        names: list[x509.GeneralName] = [
            *(x509.UniformResourceIdentifier(uri) for uri in san_uris),
            *(x509.DNSName(host) for host in san_dns),
            *(x509.IPAddress(ipaddress.ip_address(address)) for address in san_ips),
        ]
    except ValueError as error:
        detail = f"a name of {name}'s certificate has not its form: {error}"
        raise RtgfError(Code.RTGF_INPUT_INVALID, detail) from error
    if not names:
        raise RtgfError(Code.RTGF_INPUT_INVALID, f"the certificate of {name} has no SAN")
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_name(name), ca.certificate.subject, key.public_key(), now, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(is_ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False
        )
    )
    return Credential(key, builder.sign(ca.key, hashes.SHA256()))


def write(credential: Credential, certificate_file: Path, key_file: Path) -> None:
    """Write both as PEM files that did not exist, the owner's alone (0600), in folders 0700.

    Raises:
      RtgfError: RTGF_EXISTS if one of the files is there already; then neither is written over.
    """
    for path in (certificate_file, key_file):
        if path.exists():
            raise RtgfError(Code.RTGF_EXISTS, f"{path} exists already; it is not replaced")
    for path, pem in (
        (key_file, credential.key_pem()),
        (certificate_file, credential.certificate_pem()),
    ):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)


def read(certificate_file: Path, key_file: Path) -> Credential:
    """Read back what `write` wrote.

    Raises:
      RtgfError: RTGF_NOT_FOUND if a file cannot be read; RTGF_INPUT_INVALID if it is not ours.
    """
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except OSError as error:
        raise RtgfError(
            Code.RTGF_NOT_FOUND, f"{error.filename} cannot be read: {error.strerror}"
        ) from error
    except (ValueError, TypeError) as error:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, f"{certificate_file} or {key_file} is not a PEM file"
        ) from error
    if (
        not isinstance(key, ec.EllipticCurvePrivateKey)
        or key.public_key() != certificate.public_key()
    ):
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, f"{key_file} is not the P-256 key of {certificate_file}"
        )
    return Credential(key, certificate)


def hosts(credential: Credential) -> tuple[set[str], set[str]]:
    """Return the host names and the IP addresses that a certificate is for."""
    extensions = credential.certificate.extensions
    named = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        set(named.get_values_for_type(x509.DNSName)),
        {str(one) for one in named.get_values_for_type(x509.IPAddress)},
    )


def identity(der: bytes) -> str:
    """Return who a certificate stands for: its first SAN URI. Whether to trust it, TLS has decided.

    Raises:
      RtgfError: RTGF_UNAUTHENTICATED if it cannot be read, or names nobody in that form.
    """
    try:
        names = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        uris = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise RtgfError(
            Code.RTGF_UNAUTHENTICATED, "the client certificate has no readable alternative names"
        ) from error
    if not uris or _IDENTITY.fullmatch(uris[0]) is None:
        raise RtgfError(
            Code.RTGF_UNAUTHENTICATED,
            "the client certificate names nobody; it needs a URI such as urn:rtgf:operator:alice",
        )
    return uris[0]


def _name(common_name: str) -> x509.Name:
    if not 0 < len(common_name) <= MAX_COMMON_NAME:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, f"{common_name!r} is not of 1 to {MAX_COMMON_NAME} characters"
        )
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: int,
    days: int,
) -> x509.CertificateBuilder:
    start = datetime.datetime.fromtimestamp(now - BACKDATE_SECONDS, tz=datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days, seconds=BACKDATE_SECONDS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )
