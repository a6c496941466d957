"""Who may do what, over real handshakes: certificates decide, nothing else does."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from pathlib import Path

import pytest

from rtgf_node.api import admin, approvals, audit_trail, builds, cluster, keys, overview
from rtgf_node.cli.node_settings import ROLES
from rtgf_node.keys import pki
from tests.nodes import PATIENCE_SECONDS

PRIVILEGED = {
    ("POST", "/admin/snapshots"): {"regulator"},
    ("POST", "/admin/terms"): {"regulator"},
    ("POST", "/admin/datasets/un-sc"): {"regulator"},
    ("POST", "/admin/datasets/un-sc/release"): {"operator"},
    ("GET", "/admin/cluster"): {"operator", "approver", "auditor"},
    ("POST", "/admin/cluster/members"): {"operator"},
    ("POST", "/admin/cluster/members/un-sc/promote"): {"operator"},
    ("POST", "/admin/cluster/members/un-sc/remove"): {"operator"},
    ("POST", "/admin/cluster/leader"): {"operator"},
    ("POST", "/admin/fetch"): {"operator"},
    ("POST", "/admin/fetch/un-sc"): {"operator"},
    ("POST", "/admin/compile"): {"operator", "approver"},
    ("GET", "/admin/builds"): {"operator", "approver", "auditor"},
    ("GET", "/admin/builds/none"): {"operator", "approver", "auditor"},
    ("GET", "/admin/builds/none/manifest"): {"operator", "approver", "auditor"},
    ("GET", "/admin/builds/none/artefacts/conflicts.json"): {"operator", "approver", "auditor"},
    ("POST", "/admin/builds/none/cancel"): {"operator", "approver"},
    ("GET", "/admin/datasets/sha256:0/records"): {"operator", "auditor"},
    ("POST", "/admin/revoke"): {"operator"},
    ("POST", "/admin/reinstate"): {"operator"},
    ("POST", "/admin/log/resume"): {"approver"},
    ("GET", "/admin/approvals"): {"operator", "approver", "auditor"},
    ("POST", "/admin/approvals/none"): {"approver"},
    ("GET", "/admin/audit-trail"): {"operator", "auditor"},
    ("GET", "/admin/status"): {"operator", "approver", "auditor"},
    ("GET", "/admin/overview"): {"operator", "approver", "auditor"},
    ("GET", "/admin/corridors"): {"operator", "approver", "auditor"},
    ("GET", "/admin/revocations"): {"operator", "approver", "auditor"},
    ("GET", "/admin/keys"): {"operator", "approver", "auditor"},
    ("POST", "/admin/keys/rotate"): {"operator"},
    ("POST", "/admin/keys/none/revoke"): {"operator"},
}


def body_of(method: str) -> object:
    return {"nothing": 1} if method == "POST" else None


@pytest.mark.parametrize(("method", "path"), PRIVILEGED)
def test_without_a_certificate(published, method, path):
    reply = published.ask(method, path, body_of(method))
    reply.problem(401, "RTGF_UNAUTHENTICATED")


@pytest.mark.parametrize(("method", "path"), PRIVILEGED)
@pytest.mark.parametrize("role", sorted(ROLES))
def test_with_a_certificate_of_each_role(published, method, path, role):
    """Only the roles of the contract pass the door; what they sent is refused behind it."""
    reply = published.ask(method, path, b"no json" if method == "POST" else None, role=role)
    if role in PRIVILEGED[method, path]:
        assert reply.status not in {401, 403}, reply
    else:
        problem = reply.problem(403, "RTGF_FORBIDDEN")
        assert f"urn:rtgf:{role}:first" in problem["detail"]


def test_every_privileged_route_is_in_this_table(published):
    """A route that is added without its roles shows here."""
    source = "".join(
        Path(module.__file__).read_text()
        for module in (admin, approvals, audit_trail, builds, overview)
    )
    for module, prefix in ((keys, "/keys"), (cluster, "/cluster")):
        own = Path(module.__file__).read_text()
        source += own.replace('.post("', f'.post("{prefix}').replace('.get("', f'.get("{prefix}')
    declared = {
        line.strip().split('"')[1]
        for line in source.splitlines()
        if line.strip().startswith(("@blueprint.get(", "@blueprint.post("))
    }
    known = {path.removeprefix("/admin") for _, path in PRIVILEGED}
    shapes = {
        path.replace("<name>", "un-sc")
        .replace("<source>", "un-sc")
        .replace("<build_id>", "none")
        .replace("<approval_id>", "none")
        .replace("<kid>", "none")
        .replace("<path:name>", "conflicts.json")
        .replace("<content_sha256>", "sha256:0")
        for path in declared
    }
    assert shapes == known


def test_conflicts_are_accepted_by_an_approver_only(published):
    asked = {"accept_conflicts": True}
    reply = published.ask("POST", "/admin/compile", asked, role="operator")
    reply.problem(403, "RTGF_FORBIDDEN")


@pytest.mark.parametrize(
    "header",
    [
        "X-Client-Cert",
        "X-Forwarded-Client-Cert",
        "X-SSL-Client-S-DN",
        "X-Role",
        "X-Rtgf-Role",
        "Authorization",
        "X-Forwarded-For",
        "Forwarded",
    ],
)
def test_no_header_makes_a_role(published, header):
    given = {header: "urn:rtgf:operator:first"}
    reply = published.ask("GET", "/admin/status", headers=given)
    reply.problem(401, "RTGF_UNAUTHENTICATED")
    reply = published.ask("GET", "/admin/status", headers=given, role="partner")
    reply.problem(403, "RTGF_FORBIDDEN")


def make_client(folder, node, *, ca=None, uris=("urn:rtgf:operator:first",), now=None, **options):
    """Write a client certificate `mallory` into `folder`."""
    now = now or int(time.time())
    given = options or {"client": True}
    authority = ca or pki.create_ca("rtgf private CA", now=now)
    pki.write(
        pki.issue(authority, "mallory", san_uris=list(uris), now=now, **given),
        folder / "mallory.pem",
        folder / "mallory.key",
    )
    return node.tls("mallory", pki=folder)


def handshake(node, context) -> bytes:
    """Connect, ask, and return what came; nothing when the node closed."""
    plain = socket.create_connection(("127.0.0.1", node.port), timeout=PATIENCE_SECONDS)
    with (
        plain,
        suppress(ssl.SSLError, ConnectionError),
        context.wrap_socket(plain, server_hostname="localhost") as stream,
    ):
        # In TLS 1.3 a client learns only after its handshake that its certificate is refused.
        stream.sendall(b"GET /admin/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return stream.recv(1000)
    return b""


def test_a_certificate_of_another_authority_ends_the_handshake(published, tmp_path):
    """Of the same name and the same URI: only the signature of our CA counts."""
    assert handshake(published, published.tls("operator")).startswith(b"HTTP/1.1 200 ")
    assert handshake(published, make_client(tmp_path, published)) == b""


def test_an_expired_certificate_ends_the_handshake(published, tmp_path):
    ca = pki.read(published.folder / "pki" / "ca.pem", published.folder / "pki" / "ca.key")
    context = make_client(tmp_path, published, ca=ca, now=int(time.time()) - 900 * 86_400)
    assert handshake(published, context) == b""


def test_an_identity_that_the_settings_do_not_know_has_no_role(published, tmp_path):
    ca = pki.read(published.folder / "pki" / "ca.pem", published.folder / "pki" / "ca.key")
    context = make_client(tmp_path, published, ca=ca, uris=("urn:rtgf:operator:mallory",))
    assert handshake(published, context).startswith(b"HTTP/1.1 403 ")


def test_older_tls_is_refused(published):
    context = published.tls("operator")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert handshake(published, context) == b""


def test_plain_http_is_not_spoken(published):
    with socket.create_connection(("127.0.0.1", published.port), timeout=PATIENCE_SECONDS) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with suppress(ConnectionResetError):
            assert not plain.recv(1000).startswith(b"HTTP/")


def test_a_refusal_changes_nothing(published):
    before = published.ask("GET", "/roots/latest").json()["tree_size"]
    items = {"items": [{"token": "RMT:SG:payments_aml:2026-10", "reason": "superseded"}]}
    for role in (None, *sorted(ROLES)):
        if role != "operator":
            assert published.ask("POST", "/admin/revoke", items, role=role).status in {401, 403}
    assert published.ask("GET", "/roots/latest").json()["tree_size"] == before
    assert published.ask("GET", "/revocations").json()["revEpoch"] == 0
