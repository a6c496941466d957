"""TLS 1.3 as this server speaks it, and whom a client's certificate names."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path
from typing import Final

from rtgf_node.api import admin_socket, bearer
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import pki

ALPN: Final = ("aarp/1", "h2", "http/1.1")
"""What is spoken (RFC 7301), best first; `aarp/1` is framed as HTTP/1.1."""

CERTIFICATES_KEPT: Final = 1024
"""Of which is known whom they name, about 1 KB each: who comes back has them verified, not read."""


class ServerTls:
    """The certificate of this server and the CA of its clients, read from files.

    `reload` reads them again; connections that are open keep what they have.
    """

    def __init__(self, certificate_file: Path, key_file: Path, client_ca_file: Path | None) -> None:
        """Read the files.

        Raises:
          RtgfError: RTGF_CONFIG_INVALID if one cannot be used.
        """
        self._files = (certificate_file, key_file, client_ca_file)
        self.context = self._made()

    def reload(self) -> None:
        """Use what the files hold now, for new connections.

        Raises:
          RtgfError: RTGF_CONFIG_INVALID if one cannot be used; then all stays as it was.
        """
        self.context = self._made()

    def _made(self) -> ssl.SSLContext:
        certificate_file, key_file, client_ca_file = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(list(ALPN))
        # No session tickets: each connection shows its certificate anew, to the CA in force.
        context.num_tickets = 0
        try:
            context.load_cert_chain(certificate_file, key_file)
            if client_ca_file is not None:
                # Optional, because public routes ask for none; a certificate that is shown and
                # does not verify ends the handshake.
                context.load_verify_locations(client_ca_file)
                context.verify_mode = ssl.CERT_OPTIONAL
        except OSError as error:  # ssl.SSLError is one
            raise RtgfError(
                Code.RTGF_CONFIG_INVALID,
                f"tls: {certificate_file}, {key_file} or {client_ca_file} cannot be used: "
                f"{error.strerror or error}",
            ) from error
        return context


@lru_cache(maxsize=CERTIFICATES_KEPT)
def identity(der: bytes | None) -> str | None:
    """Return who the verified certificate names; one that names nobody is as good as none."""
    if der is None:
        return None
    try:
        named = pki.identity(der)
    except RtgfError:
        return None
    # Those that the kernel or an issuer of bearer tokens gives are not for certificates.
    return None if named.startswith((admin_socket.PREFIX, bearer.PREFIX)) else named
