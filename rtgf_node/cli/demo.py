"""`rtgf demo`."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from rtgf_node.cli import layout, output
from rtgf_node.cli.demo_node import need_port
from rtgf_node.cli.demo_story import Story
from rtgf_node.cli.output import AsJson
from rtgf_node.errors import Code, RtgfError

DEFAULT_FOLDER = Path("demo-node")
MAX_RUNS = 1000
"""Folders of earlier demonstrations that are looked past to find a free name."""


def demo(
    *,
    folder: Annotated[
        Path | None, Parameter(help="Where to make the node; new or empty; else demo-node/N.")
    ] = None,
    lists: Annotated[
        Path | None,
        Parameter(help="A folder with the publishers' full real lists, instead of small ones."),
    ] = None,
    port: Annotated[
        int | None,
        Parameter(validator=Number(gte=1, lte=65_535), help="Port of the node; else a free one."),
    ] = None,
    keep: Annotated[
        bool, Parameter(negative="", help="Leave the node running until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Show the whole way: keys, rules, lists, tokens, answers, proof, withdrawal, audit.

    Where it runs: on this machine; it makes a node's folder, runs a real node in it over TLS on
    loopback, and leaves the folder. It fails as soon as a step does not go as told.

    Examples:
      rtgf demo
      rtgf demo --folder /tmp/rtgf --lists ./datasets --keep
    """
    if port is not None:
        need_port(port)
    where = folder or _free_folder()
    tell = output.say if as_json else _to_stdout
    outcome = Story(where, lists=lists, port=port, tell=tell).run(keep=keep)
    commands = next_commands(where)
    tell("")
    tell(f"The node's folder is left for you: {where}. Three commands to go on with:")
    for command in commands:
        tell(layout.command(f"  {command}", layout.PAGE))
    if as_json:
        output.result({**msgspec.to_builtins(outcome), "next": commands}, "", as_json=True)
    return 0


def next_commands(where: Path) -> list[str]:
    """Return three commands that work in the folder that is left, as they can be typed here."""
    program = _program()
    settings = shlex.quote(str(where / "rtgf.toml"))
    context = shlex.quote(str(where / "payments/lawful.json"))
    return [
        f"{program} serve --config {settings}",
        f"{program} status --config {settings}",
        f"{program} verify --corridor EU-UK --domain payments_aml --context {context} --explain "
        f"--config {settings}",
    ]


def _program() -> str:
    """Return how this program can be called from this shell."""
    if shutil.which("rtgf"):
        return "rtgf"
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m rtgf_node"
    here = Path.cwd()
    return shlex.quote(str(called.relative_to(here) if called.is_relative_to(here) else called))


def _free_folder() -> Path:
    for number in range(1, MAX_RUNS):
        folder = DEFAULT_FOLDER / str(number)
        if not folder.exists():
            return folder
    raise RtgfError(Code.RTGF_EXISTS, f"{DEFAULT_FOLDER} is full of earlier runs; remove some")


def _to_stdout(text: str) -> None:
    sys.stdout.write(layout.fitted(text, layout.width_of(sys.stdout)) + "\n")
    sys.stdout.flush()
