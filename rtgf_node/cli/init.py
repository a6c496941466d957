"""`rtgf init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from rtgf_node.cli import node_folder, output
from rtgf_node.cli.node_folder import Folder, Wish
from rtgf_node.cli.output import AsJson
from rtgf_node.keys.pki import CA_DAYS
from rtgf_node.system_clock import SystemClock


def init(
    folder: Annotated[Path, Parameter(help="Where to; new or empty.")],
    *,
    issuer: Annotated[
        str, Parameter(help="The authority's DID; it stands in everything that is signed.")
    ] = "did:web:fma.example",
    url: Annotated[str, Parameter(help="How partners reach the node.")] = "https://localhost:8443",
    bind: Annotated[str, Parameter(help="Address and port to listen on.")] = "127.0.0.1:8443",
    metrics_bind: Annotated[
        str, Parameter(help="Loopback address and port for Prometheus; empty for none.")
    ] = "127.0.0.1:9464",
    passphrase_file: Annotated[
        Path | None,
        Parameter(help="Seal the online keys with the passphrase in it; else one is made."),
    ] = None,
    ca_days: Annotated[
        int,
        Parameter(help="How long the private CA is valid.", validator=Number(gte=1, lte=36_500)),
    ] = CA_DAYS,
    as_json: AsJson = False,
) -> int:
    """Make keys, a private CA, certificates, settings and an empty log. It never overwrites.

    Where it runs: on this machine, without a node. Everything is in FOLDER; nothing is printed
    that must stay secret. Exit code 73 when FOLDER is not empty.

    Examples:
      rtgf init fma
      rtgf init fma --issuer did:web:rtgf.fma.example --url https://rtgf.fma.example
    """
    wish = Wish(
        issuer=issuer,
        url=url,
        bind=bind,
        metrics_bind=metrics_bind,
        passphrase_file=passphrase_file,
        ca_days=ca_days,
    )
    made = node_folder.make(folder, wish, at=SystemClock().now())
    output.result(made, text(made), as_json=as_json)
    return 0


def text(made: Folder) -> str:
    """Return what was made, and what to do now, as lines for people."""
    rows = [(item.path, item.mode, item.meaning) for item in made.files]
    return "\n".join(
        [
            f"{made.issuer} in {made.folder}",
            "",
            output.table(("file", "mode", "what it is"), rows),
            "",
            f"root key     {made.root_kid}",
            f"public half  {made.root_public}",
            "fingerprint  " + output.groups_of_four(made.root_fingerprint),
            "",
            "The root key signs nothing more until keys change: move root/ offline now,",
            "and tell partners the fingerprint by another way than this network.",
            "",
            "Next:",
            f"  rtgf serve --config {made.folder}/rtgf.toml",
            f"  rtgf status --config {made.folder}/rtgf.toml",
            f"  rtgf audit --config {made.folder}/rtgf.toml",
        ]
    )
