"""`rtgf restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rtgf_node import config
from rtgf_node.cli import output
from rtgf_node.cli.backup import document, of_log
from rtgf_node.cli.output import AsJson
from rtgf_node.cli.pinned import RootKey
from rtgf_node.copies import backup as backups
from rtgf_node.copies.backup_file import Manifest
from rtgf_node.system_clock import SystemClock


def restore(
    backup: Annotated[Path, Parameter(help="What `rtgf backup` wrote.")],
    folder: Annotated[Path, Parameter(help="Where to; new or empty.")],
    *,
    root_key: RootKey = None,
    as_json: AsJson = False,
) -> int:
    """Make a node's folder of a backup, after every byte of it was checked.

    Each file against the manifest, every entry of the log against its tree, and the newest head
    against the keys that the root signed: the root of --root-key, else of the backup's settings.
    What was restored signs nothing until it has the node's guard, or an approver orders it.

    Where it runs: anywhere that has the backup; no node and no network.

    Examples:
      rtgf restore /backup/fma-monday.tar fma
      rtgf restore /backup/fma-monday fma --root-key Jq3nW8… --json
    """
    made = backups.restore(backup, folder, root_public=root_key, at=SystemClock().now())
    output.result(document(made, folder), text(made, folder), as_json=as_json)
    return 0


def text(manifest: Manifest, folder: Path) -> str:
    """Return what was restored, and what to do now, as lines for people."""
    lines = [f"in         {folder}: {len(manifest.files)} files, each as it was", *of_log(manifest)]
    store = folder.resolve() / manifest.data
    # Not the environment's: this is about the settings that were restored.
    told = config.load(folder / backups.SETTINGS, environ={}).node.data_dir
    if told != store:
        lines.append(f"store      {store}, not {told}: set node.data_dir to it, or move it")
    if manifest.member is not None:
        lines.append(
            f"cluster    it was member {manifest.member} and has no seat now. Where the cluster "
            "lives, do not start this:\n           remove that member and add it anew, with an "
            "empty data folder. Else it stands alone."
        )
    missing = [] if manifest.keys else ["the private keys and passphrases"]
    missing += [f"what {name} names" for name in manifest.elsewhere]
    if missing:
        lines.append("to bring   " + ", ".join(missing))
    if manifest.head is not None:
        lines += [
            "",
            "It may be read, and signs nothing until it knows what was signed last: bring",
            "guard/last_signed_head.json from the old machine, if it is left. If it is lost, or",
            'says that this copy is old: rtgf log resume --reason "..." as approver.',
        ]
    return "\n".join(lines)
