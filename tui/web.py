"""The dashboard in a browser of this computer: each visitor has a process of their own, read-only.

There is no login, so that it listens on the loopback address alone; from elsewhere one comes
through SSH, or through a proxy that knows who may.
"""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Sequence
from typing import Final

from rtgf_node.errors import Code, RtgfError

LOOPBACK: Final = "127.0.0.1"


def serve(command: Sequence[str], port: int) -> None:
    """Serve what this command shows in a terminal, until interrupted.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if what it takes is not installed.
    """
    try:
        server = importlib.import_module("textual_serve.server")
    except ImportError as error:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID,
            "--web takes the package textual-serve: pip install 'rtgf-node[web]'",
        ) from error
    server.Server(shlex.join(command), host=LOOPBACK, port=port, title="rtgf").serve()
