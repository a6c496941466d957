"""`rtgf dashboard`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import Config
from rtgf_node.system_clock import SystemClock

USAGE_EXIT = 2

ANSWER_SECONDS = 5.0
"""A node that does not answer for so long is called unreachable; it is asked again at once."""


def dashboard(
    *,
    node: Annotated[
        list[str] | None,
        Parameter(help="A node's URL, or its settings file; once for each node to watch."),
    ] = None,
    operate: Annotated[
        bool, Parameter(negative="", help="Allow acts, each confirmed by typing what it is about.")
    ] = False,
    theme: Annotated[
        Literal["green-red", "blue-orange"], Parameter(help="The colours.")
    ] = "green-red",
    ascii_only: Annotated[
        bool, Parameter(name="--ascii", negative="", help="Signs and bars out of ASCII alone.")
    ] = False,
    keys: Annotated[Path | None, Parameter(help="A TOML file with keys of your own.")] = None,
    screenshot: Annotated[
        Path | None, Parameter(help="Write a picture of each screen into this folder, and end.")
    ] = None,
    size: Annotated[str, Parameter(help="Of the pictures, columns and rows.")] = "80x24",
    web: Annotated[
        int | None, Parameter(help="Serve it to browsers of this computer on this port; read-only.")
    ] = None,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Watch nodes, and operate them if told so.

    Where it runs: anywhere that reaches the nodes, over HTTPS as operator, approver or auditor. It
    is a process of its own and holds no state. With NO_COLOR it has no colours.

    Examples:
      rtgf dashboard
      rtgf dashboard --node https://a.example:8443 --node https://b.example:8443
      rtgf dashboard --operate --theme blue-orange
      rtgf dashboard --screenshot pictures --size 200x50
    """
    if web is not None:
        return _web(web, operate=operate)
    if screenshot is None and not _in_terminal():
        output.say("rtgf: the dashboard needs a terminal; without one: rtgf status")
        return USAGE_EXIT
    # Brings Textual with it, which no other command needs.
    from tui import pictures
    from tui.app import Dashboard, Options
    from tui.watch import Target

    def target(settings: Config, url: str | None) -> Target:
        # An operator's machine may have no certificate of an approver, whatever its settings say.
        held, approver = settings.client.approver_certificate_file, None
        if operate and cert is None and held is not None and held.exists():
            approver = connection.async_node(
                settings, url=url, approver=True, timeout_seconds=ANSWER_SECONDS
            )
        reader = connection.async_node(
            settings, certificate=cert, key=key, url=url, timeout_seconds=ANSWER_SECONDS
        )
        return Target(reader, approver)

    targets = []
    for one in node or [""]:
        url = one if "://" in one else None
        file = config if url or not one else Path(one)
        targets.append(target(connection.settings(file), url))
    options = Options(
        operate=operate and screenshot is None,
        theme=theme,
        in_ascii=ascii_only,
        keys=keys,
        exports=Path.cwd(),
    )
    app = Dashboard(targets, SystemClock(), options)
    if screenshot is None:
        app.run()
        return app.return_code or 0
    written = [str(path) for path in pictures.take(app, screenshot, _size(size))]
    output.result(written, "\n".join(written), as_json=as_json)
    return 0


def _in_terminal() -> bool:
    """Return whether somebody sees what is drawn: in a terminal, or in a browser through --web."""
    from tui import web

    return web.is_served() or all(one.isatty() for one in (sys.stdin, sys.stdout, sys.stderr))


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9][0-9]{1,2})x([1-9][0-9]{1,2})", text)
    if found is None:
        raise RtgfError(Code.RTGF_INPUT_INVALID, f"--size is columns x rows, as 80x24, not {text}")
    return int(found[1]), int(found[2])


def _web(port: int, *, operate: bool) -> int:
    if operate:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, "--web only reads, because it knows no login; no --operate"
        )
    from tui import web

    own = sys.argv[sys.argv.index("dashboard") + 1 :] if "dashboard" in sys.argv else []
    at = next((n for n, word in enumerate(own) if word.partition("=")[0] == "--web"), None)
    if at is not None:
        del own[at : at + (1 if "=" in own[at] else 2)]
    web.serve([sys.executable, "-m", "rtgf_node", "dashboard", *own], port)
    return 0
