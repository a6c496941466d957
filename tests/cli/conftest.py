"""Running the command line as people do: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TIMEOUT_SECONDS = 60


@pytest.fixture
def rtgf(tmp_path):
    """Run `rtgf` in an empty folder, with no settings from this shell."""

    def run(*arguments, stdin=subprocess.DEVNULL, cwd=tmp_path, **environ):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RTGF_")}
        root = str(Path(__file__).resolve().parents[2])
        return subprocess.run(
            [sys.executable, "-m", "rtgf_node", *map(str, arguments)],
            cwd=cwd,
            env={**clean, "PYTHONPATH": root, **environ},
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )

    return run


@pytest.fixture
def rtgf_here(monkeypatch, tmp_path, capsys):
    """Run `rtgf` in this process, in an empty folder: for commands that need no node, and fast."""
    from rtgf_node.cli import commands

    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RTGF_")]:
        monkeypatch.delenv(name)

    def run(*arguments):
        capsys.readouterr()
        try:
            code = commands.run([*map(str, arguments)])
        except SystemExit as stop:
            code = stop.code
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory):
    """A folder that `rtgf init` could have made; the node in it does not run."""
    from rtgf_node.cli import node_folder as making

    folder = tmp_path_factory.mktemp("nodes") / "fma"
    wish = making.Wish(
        issuer="did:web:fma.example",
        url="https://localhost:1",
        bind="127.0.0.1:1",
        metrics_bind="",
        passphrase_file=None,
        ca_days=30,
    )
    making.make(folder, wish, at=1_795_341_600)
    return folder
