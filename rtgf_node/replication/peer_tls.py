"""TLS between the nodes of a cluster, and who a certificate says that the other end is.

Both ends show a certificate of the cluster's own CA, in both directions of a connection. Its first
SAN URI is `urn:rtgf:node:<name>`; host names and addresses in it count for nothing, so a node keeps
its certificate when it moves.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import pki

ALPN: Final = "rtgf-peer/1"
"""What is spoken (RFC 7301): a listener of another kind ends the handshake, or says another."""

ROLE: Final = "node"
"""The word in the SAN URI. A certificate of an operator or a partner is none of a node."""


class PeerTls:
    """This node's certificate and the CA of its cluster, read from files.

    Attributes:
      server: the context of connections that come in.
      client: the context of connections that go out.
    """

    def __init__(self, certificate_file: Path, key_file: Path, ca_file: Path) -> None:
        """Read the files.

        Raises:
          RtgfError: RTGF_CONFIG_INVALID if one cannot be used.
        """
        self._files = (certificate_file, key_file, ca_file)
        self.server, self.client = self._made()

    def reload(self) -> None:
        """Use what the files hold now, for new connections.

        Raises:
          RtgfError: RTGF_CONFIG_INVALID if one cannot be used; then all stays as it was.
        """
        self.server, self.client = self._made()

    def _made(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        certificate_file, key_file, ca_file = self._files
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # No session tickets: each connection shows its certificate anew, to the CA in force.
        server.num_tickets = 0
        # The member's name in the SAN URI is checked in its place, by `check_name`.
        client.check_hostname = False
        try:
            for context in (server, client):
                context.minimum_version = ssl.TLSVersion.TLSv1_3
                context.set_alpn_protocols([ALPN])
                context.verify_mode = ssl.CERT_REQUIRED
                context.verify_flags |= ssl.VERIFY_X509_STRICT
                context.load_cert_chain(certificate_file, key_file)
                context.load_verify_locations(ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise RtgfError(
                Code.RTGF_CONFIG_INVALID,
                f"cluster: {certificate_file}, {key_file} or {ca_file} cannot be used: "
                f"{error.strerror or error}",
            ) from error
        return server, client


def check_name(shown: str, name: str) -> None:
    """Refuse an identity that is not the one of the node of this name.

    Args:
      shown: what the verified certificate says, as `pki.identity` returns it.
      name: the name of the member that the peer says it is, or that was dialled.

    Raises:
      RtgfError: RTGF_FORBIDDEN if they differ.
    """
    due = pki.identity_uri(ROLE, name)
    if shown != due:
        detail = f"the peer shows the certificate of {shown}; {due} was due"
        raise RtgfError(Code.RTGF_FORBIDDEN, detail)
