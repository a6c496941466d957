"""The settings file that `rtgf init` writes: complete, with a sentence for each table."""

from __future__ import annotations

from typing import NamedTuple

from rtgf_node.cli.toml_values import quoted
from rtgf_node.keys import pki

ROLES = ("operator", "approver", "regulator", "auditor", "partner", "monitor")
"""Roles that get a client certificate each."""


class Identity(NamedTuple):
    """What the settings of a new node say that is its own."""

    issuer: str
    url: str
    bind: str
    metrics_bind: str
    root_kid: str
    root_public: str
    passphrase_file: str


def role_uri(role: str) -> str:
    """Return the SAN URI of the client certificate that `init` makes for a role."""
    return pki.identity_uri(role, "first")


def text(node: Identity) -> str:
    """Return the settings as TOML."""
    tables = [_HEADER.format(**{name: quoted(value) for name, value in node._asdict().items()})]
    tables += [
        f"[[role]]\nuri = {quoted(role_uri(role))}\nroles = [{quoted(role)}]\n" for role in ROLES
    ]
    return "\n".join([*tables, _SOURCES])


_HEADER = """\
# Settings of one rtgf node. Paths are relative to this file. A value can be overridden by
# RTGF_<SECTION>__<NAME> in the environment; a setting that does not exist stops the start.

# Who this node is: it stands in everything it signs.
[node]
issuer = {issuer}
public_url = {url}
data_dir = "data"

# The public listener. Clients with a certificate of the CA below are recognised by its SAN URI.
[http]
bind = {bind}

[tls]
certificate_file = "pki/node.pem"
key_file = "pki/node.key"
client_ca_file = "pki/ca.pem"

# Plain HTTP for Prometheus, on loopback only; an empty bind switches it off.
[metrics]
bind = {metrics_bind}

# The sealed signing keys, and the offline root that vouches for them. Whoever can change the root
# here can make this node accept other keys.
[keys]
folder = "keys"
passphrase_file = {passphrase_file}
root_kid = {root_kid}
root_public = {root_public}

# What the command line uses to reach the node, and as whom.
[client]
url = {url}
ca_file = "pki/ca.pem"
certificate_file = "pki/operator.pem"
key_file = "pki/operator.key"
approver_certificate_file = "pki/approver.pem"
approver_key_file = "pki/approver.key"

# Where the node may go to fetch. Nothing is fetched from a host that is not named here.
[fetch]
allowed_hosts = []

# Who may do what: by the SAN URI of the client certificate.
"""

_SOURCES = """\
# An authority whose snapshots are believed, with its pinned keys, and where they are published:
#
# [[authority]]
# did = "did:web:rtgf.eu.example"
# jwks_file = "authorities/rtgf.eu.example.jwks.json"
#
# [[source]]
# name = "eu"
# uri = "https://rtgf.eu.example/policy-matrix/index.jsonld"
# authorities = ["did:web:rtgf.eu.example"]
#
# A list to screen names against. Its host must be among fetch.allowed_hosts:
#
# [[dataset]]
# name = "un-sc"
# provider = "United Nations Security Council"
# reader = "un-xml"
# uri = "https://scsanctions.un.org/resources/xml/en/consolidated.xml"
# min_records = 500
"""
