"""`rtgf backup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import ConfigFile
from rtgf_node.cli.output import AsJson
from rtgf_node.config import locate
from rtgf_node.copies import backup as backups
from rtgf_node.copies.backup_file import Manifest
from rtgf_node.system_clock import SystemClock


def backup(
    to: Annotated[
        Path, Parameter(name="FILE-OR-FOLDER", help="Where to: NAME.tar, or a new folder.")
    ],
    *,
    with_keys: Annotated[
        bool,
        Parameter(negative="", help="Copy private keys and passphrases too: it can sign as you."),
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Copy a node, running or not: log, decisions, objects, audit trail, settings, certificates.

    The node goes on meanwhile. The backup is read again before it gets its name; a killed one
    leaves nothing under it. The guard is never in it, nor the seat of a member of a cluster.

    Where it runs: on the node's machine, as the user that can read its folder.

    Examples:
      rtgf backup /backup/fma-monday.tar
      rtgf backup /backup/fma-monday --with-keys --config fma/rtgf.toml
    """
    file = locate(config)
    told = connection.settings(file)
    made = backups.make(file, told, to, keys=with_keys, at=SystemClock().now())
    output.result(document(made, to), text(made, to), as_json=as_json)
    return 0


def document(manifest: Manifest, where: Path) -> dict[str, object]:
    """Return what a backup is of, without the list of its files."""
    size = sum(entry.bytes for entry in manifest.files)
    named = {name: getattr(manifest, name) for name in manifest.__struct_fields__}
    return {**named, "where": str(where), "files": len(manifest.files), "bytes": size}


def text(manifest: Manifest, where: Path) -> str:
    """Return what a backup is of as lines for people."""
    said = document(manifest, where)
    lines = [
        f"in         {where}: {said['files']} files, {said['bytes']} bytes, each read again",
        *of_log(manifest),
        "keys       "
        + ("the private keys are in it: keep it as you keep them" if manifest.keys else "none"),
    ]
    if manifest.elsewhere:
        lines.append("not in it  what these settings name: " + ", ".join(manifest.elsewhere))
    if manifest.member is not None:
        lines.append(f"cluster    member {manifest.member}; its seat is not in it")
    return "\n".join(lines)


def of_log(manifest: Manifest) -> list[str]:
    """Return which log and which head it is of, as lines for people."""
    head = manifest.head
    signed = "none is signed yet"
    if head is not None:
        signed = f"of {head['tree_size']} entries, signed {head['issued_at']}, {head['root_hash']}"
    return [
        f"log        {manifest.origin}: {manifest.tree_size} entries, copied {manifest.made_at}",
        f"head       {signed}",
        f"decisions  up to {manifest.decisions}",
    ]
