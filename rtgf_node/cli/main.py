"""`rtgf`: the process. It reads the commands in, runs one, and ends with its exit code."""

from __future__ import annotations

import sys

INTERRUPTED_EXIT = 130
"""What a shell expects of a program that Ctrl-C ended: 128 and the number of the signal."""


def main() -> None:
    """Run the command line of this process."""
    try:
        # Here: Ctrl-C may come while hundreds of modules are read.
        from rtgf_node.cli.commands import run

        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.stderr.write("rtgf: interrupted\n")
        sys.exit(INTERRUPTED_EXIT)
