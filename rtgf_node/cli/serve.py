"""`rtgf serve`."""

from __future__ import annotations

from rtgf_node.cli import connection
from rtgf_node.cli.connection import ConfigFile


def serve(*, config: ConfigFile = None) -> int:
    """Run the node in the foreground until SIGTERM or Ctrl-C. It never creates state.

    Where it runs: on the node's own folder, made by `rtgf init`; one at a time.

    Examples:
      rtgf serve
      rtgf serve --config /etc/rtgf/rtgf.toml
    """
    told = connection.settings(config)
    # Only this command needs the server and its libraries; the others start without them.
    from rtgf_node.node import run

    run(told)
    return 0
