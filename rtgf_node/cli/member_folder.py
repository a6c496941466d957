"""Making the folder of a further node of a cluster, from the folder of one that is in it."""

from __future__ import annotations

import ipaddress
import shutil
import tempfile
import tomllib
from pathlib import Path
from typing import NamedTuple

from rtgf_node import config
from rtgf_node.cli import toml_values
from rtgf_node.config import host_and_port
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import pki
from rtgf_node.settings import Config
from rtgf_node.store import create_store
from rtgf_node.whole_file import sync_folder, write_whole

NODE_ROLE = "node"
"""In a member's identity: `urn:rtgf:node:<name>`."""

CLUSTER = """
# The other nodes of this cluster reach this one here, over mutual TLS with certificates of this CA.
[cluster]
bind = {bind}
certificate_file = "pki/peer.pem"
key_file = "pki/peer.key"
ca_file = "pki/ca.pem"
"""


class Member(NamedTuple):
    """What the new node is to be.

    Attributes:
      name: in the cluster.
      address: where its peers reach it, as `host:port`.
      bind: where it listens for partners, as `host:port`.
      peer_bind: where it listens for its peers.
      metrics_bind: for Prometheus; empty for none.
      url: how its own command line reaches it.
    """

    name: str
    address: str
    bind: str
    peer_bind: str
    metrics_bind: str
    url: str


def seat(folder: Path, name: str, bind: str, *, ca: pki.Credential, at: int) -> None:
    """Add to a node's folder what a member needs: its settings, and its certificate if it has none.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if its [cluster] has no line with `bind`; nothing is changed.
    """
    settings = folder / "rtgf.toml"
    text = settings.read_text()
    if "cluster" not in tomllib.loads(text):
        text += CLUSTER.format(bind=toml_values.quoted(bind))
    text = toml_values.exchanged(text, {("cluster", "bind"): bind})
    if not (folder / "pki/peer.pem").exists():
        uri = pki.identity_uri(NODE_ROLE, name)
        made = pki.issue(ca, name, san_uris=[uri], now=at, client=True, server=True)
        pki.write(made, folder / "pki/peer.pem", folder / "pki/peer.key")
    write_whole(settings, text.encode())


def make(folder: Path, source: Path, held: Config, wish: Member, *, at: int) -> None:
    """Make a folder for a further member, whole or not at all.

    It has the settings, sealed keys and client certificate of the folder that `source`, a settings
    file, is in; certificates of its own; and an empty store.

    Raises:
      RtgfError: RTGF_EXISTS if the folder holds anything; RTGF_CONFIG_INVALID if the source folder
        is not as `rtgf init` makes it.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RtgfError(
            Code.RTGF_EXISTS, f"{folder} is not empty; nothing was changed, choose another folder"
        )
    origin = source.resolve().parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent.resolve()))
    try:
        _copy(draft, origin, source, held, wish)
        ca = pki.read(origin / "pki/ca.pem", origin / "pki/ca.key")
        _make_certificate(draft, origin, ca, wish, at=at)
        seat(draft, wish.name, wish.peer_bind, ca=ca, at=at)
        create_store(draft / "data").close()
        _check_own(draft, config.load(draft / "rtgf.toml", environ={}))
        draft.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID,
            f"{error.filename or origin} is not as `rtgf init` makes it: {error.strerror}",
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _check_own(draft: Path, made: Config) -> None:
    """Refuse settings by which two nodes would use one store, one guard or one socket."""
    for path in (made.node.data_dir, made.log.guard_file, made.http.admin_socket):
        if path is not None and not path.is_relative_to(draft.resolve()):
            raise RtgfError(
                Code.RTGF_CONFIG_INVALID,
                f"the settings name {path}, which would be the new node's too; name it relative to "
                "the settings",
            )


def _copy(draft: Path, origin: Path, source: Path, held: Config, wish: Member) -> None:
    for name in ("keys", "authorities"):
        if (origin / name).is_dir():
            shutil.copytree(origin / name, draft / name)
    (draft / "pki").mkdir(mode=0o700)
    shutil.copy(origin / "pki/ca.pem", draft / "pki/ca.pem")
    for file in (held.client.certificate_file, held.client.key_file):
        if file is not None and file.parent == origin / "pki" and file.exists():
            shutil.copy(file, draft / "pki" / file.name)
    values = {
        ("http", "bind"): wish.bind,
        ("metrics", "bind"): wish.metrics_bind,
        ("client", "url"): wish.url,
    }
    text = toml_values.exchanged(source.read_text(), values)
    write_whole(draft / "rtgf.toml", text.encode())


def _make_certificate(
    draft: Path, origin: Path, ca: pki.Credential, wish: Member, *, at: int
) -> None:
    """Make the certificate that partners see: it has the names of the first node, and its own."""
    names, addresses = pki.hosts(pki.read(origin / "pki/node.pem", origin / "pki/node.key"))
    own = host_and_port(wish.address)[0]
    try:
        addresses.add(str(ipaddress.ip_address(own)))
    except ValueError:
        names.add(own)
    made = pki.issue(
        ca,
        "rtgf node",
        san_dns=sorted(names),
        san_ips=sorted(addresses),
        now=at,
        server=True,
    )
    pki.write(made, draft / "pki/node.pem", draft / "pki/node.key")
