"""The dashboard is a process of its own: nothing that serves knows of it."""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded_by(module: str) -> set[str]:
    script = f"import {module}, sys; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["rtgf_node.node", "rtgf_node.cli.commands"])
def test_neither_node_nor_command_line_loads_it(module):
    assert not loaded_by(module) & {"tui", "tui.app", "textual"}


def test_it_loads_nothing_of_the_server():
    server = {"trio", "quart", "hypercorn", "sqlite3", "rtgf_node.store", "rtgf_node.actors"}
    assert not loaded_by("tui.app") & server
