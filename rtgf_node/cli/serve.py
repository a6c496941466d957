"""`rtgf serve`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from rtgf_node.cli import connection
from rtgf_node.cli.connection import ConfigFile


def serve(
    *,
    config: ConfigFile = None,
    workers: Annotated[
        int | None,
        Parameter(
            help="How many further processes answer reads and verifications; else as the settings.",
            validator=Number(gte=0, lte=64),
        ),
    ] = None,
) -> int:
    """Run the node in the foreground until SIGTERM or Ctrl-C. It never creates state.

    Where it runs: on the node's own folder, made by `rtgf init`; one at a time.

    Examples:
      rtgf serve
      rtgf serve --config /etc/rtgf/rtgf.toml
      rtgf serve --workers 4
    """
    told = connection.settings(config)
    if workers is not None:
        counted = msgspec.structs.replace(told.workers, count=workers)
        told = msgspec.structs.replace(told, workers=counted)
    # Only this command needs the server and its libraries; the others start without them.
    from rtgf_node.serving import run

    failure: Exception | None = None
    try:
        run(told)
    except ExceptionGroup as group:
        # What stops the start or ends the node comes out of its nurseries in a group.
        failure = _cause_of(group)
    if failure is not None:
        raise failure
    return 0


def _cause_of(group: ExceptionGroup) -> Exception:
    """Return the one failure in the group, or the group itself when there are several."""
    cause: Exception = group
    while isinstance(cause, ExceptionGroup) and len(cause.exceptions) == 1:
        cause = cause.exceptions[0]
    return cause
