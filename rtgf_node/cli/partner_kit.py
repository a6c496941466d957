"""`rtgf partner-kit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rtgf_node import partner_kit as kits
from rtgf_node.cli import output
from rtgf_node.cli.output import AsJson
from rtgf_node.system_clock import SystemClock


def partner_kit(
    folder: Annotated[Path, Parameter(help="Where to; new or empty.")],
    *,
    as_json: AsJson = False,
) -> int:
    """Write test tokens for partners: good, expired, revoked, forged, and what each must give.

    A throw-away authority makes them with keys of its own; nothing of a node is in the folder. Its
    README says what every question must be answered with, and run.py asks them all.

    Where it runs: anywhere, with no node and no network.

    Examples:
      rtgf partner-kit kit
      rtgf partner-kit /srv/partners/kit --json
    """
    made = kits.make(folder, at=SystemClock().now())
    told = {"folder": str(folder), "questions": len(made)}
    output.result(told, f"{len(made)} questions in {folder}; see README.md there", as_json=as_json)
    return 0
