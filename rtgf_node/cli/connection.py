"""How a command finds its settings and reaches its node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import Parameter

from rtgf_node import config
from rtgf_node.client import AsyncNode, Node
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import ClientConfig, Config

ConfigFile = Annotated[
    Path | None,
    Parameter(
        name="--config",
        help="The settings; else RTGF_CONFIG, ./rtgf.toml, /etc/rtgf/rtgf.toml.",
    ),
]
CertificateFile = Annotated[
    Path | None, Parameter(name="--cert", help="Client certificate to use instead of [client]'s.")
]
KeyFile = Annotated[Path | None, Parameter(name="--key", help="The key of --cert.")]


def settings(file: Path | None) -> Config:
    """Return the settings that a command uses.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID.
    """
    return config.load(config.locate(file))


def node(
    told: Config,
    *,
    certificate: Path | None = None,
    key: Path | None = None,
    url: str | None = None,
    approver: bool = False,
) -> Node:
    """Return a client of the configured node, with the certificate that the command needs.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if the files cannot be used, or the approver has none.
    """
    way = _way(told, certificate, key, url, approver=approver)
    return Node(
        way.url,
        ca_file=told.client.ca_file,
        certificate_file=way.certificate,
        key_file=way.key,
        socket=way.socket,
    )


def async_node(
    told: Config,
    *,
    certificate: Path | None = None,
    key: Path | None = None,
    url: str | None = None,
    approver: bool = False,
    timeout_seconds: float,
) -> AsyncNode:
    """Return a client that is awaited; otherwise as `node` does."""
    way = _way(told, certificate, key, url, approver=approver)
    return AsyncNode(
        way.url,
        ca_file=told.client.ca_file,
        certificate_file=way.certificate,
        key_file=way.key,
        socket=way.socket,
        timeout_seconds=timeout_seconds,
    )


class _Way(NamedTuple):
    url: str
    certificate: Path | None = None
    key: Path | None = None
    socket: Path | None = None


def _way(
    told: Config, certificate: Path | None, key: Path | None, url: str | None, *, approver: bool
) -> _Way:
    client = told.client
    if (certificate is None) != (key is None):
        raise RtgfError(Code.RTGF_CONFIG_INVALID, "--cert and --key go together")
    if client.socket is not None and certificate is None and url is None and not approver:
        return _Way("http://localhost", socket=client.socket)
    if certificate is None:
        certificate, key = _configured(client, approver=approver)
    return _Way(url or client.url or told.node.public_url, certificate, key)


def _configured(client: ClientConfig, *, approver: bool) -> tuple[Path | None, Path | None]:
    if not approver:
        return client.certificate_file, client.key_file
    if client.approver_certificate_file is None:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID,
            "this needs an approver: give --cert and --key, or client.approver_certificate_file",
        )
    return client.approver_certificate_file, client.approver_key_file
