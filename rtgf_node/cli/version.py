"""`rtgf version`."""

from __future__ import annotations

import platform
import sys

from rtgf_node import __version__
from rtgf_node.cli import output
from rtgf_node.cli.output import AsJson


def version(*, as_json: AsJson = False) -> int:
    """Print the version of this program.

    Where it runs: anywhere; it touches nothing.

    Examples:
      rtgf version
      rtgf version --json
    """
    told = {
        "version": __version__,
        "python": platform.python_version(),
        "platform": sys.platform,
    }
    output.result(told, f"rtgf {__version__}", as_json=as_json)
    return 0
