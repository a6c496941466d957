"""`rtgf audit-trail`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from rtgf_node.cli import output
from rtgf_node.cli.help import help_of
from rtgf_node.cli.output import AsJson
from rtgf_node.errors import Code, RtgfError

app = App(name="audit-trail", help="The record of privileged acts and denials.")


def verify(
    folder: Annotated[Path, Parameter(help="The folder `audit` in the data folder, or a copy.")],
    *,
    as_json: AsJson = False,
) -> int:
    """Check that no line of an audit trail was changed, left out or put in.

    Where it runs: anywhere that has the files; no node and no network.

    Examples:
      rtgf audit-trail verify data/audit
      rtgf audit-trail verify /backup/audit --json
    """
    # Brings trio with it, which no other command needs.
    from rtgf_node.ops.audit_trail import KINDS, lines

    if not folder.is_dir():
        raise RtgfError(Code.RTGF_NOT_FOUND, f"there is no folder {folder}")
    told: dict[str, dict[str, int]] = {}
    for kind in KINDS:
        numbers = [line.seq for line in lines(folder, kind)]
        first, last = (numbers[0], numbers[-1]) if numbers else (0, 0)
        told[kind] = {"first": first, "last": last, "lines": len(numbers)}
    text = "\n".join(
        f"{kind}: {one['lines']} lines, {one['first']} to {one['last']}, unbroken"
        for kind, one in told.items()
    )
    output.result(told, text, as_json=as_json)
    return 0


app.command(verify, name="verify", **help_of(verify))
