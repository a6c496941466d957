"""What an import really pulls in, beside what the import contracts say of the source."""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded_by(module: str) -> set[str]:
    """Return the modules that are loaded after importing `module` in a fresh interpreter."""
    script = f"import {module}, sys; print('\\n'.join(sys.modules))"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_core_loads_nothing_that_does_io():
    loaded = loaded_by("rtgf_node.core.verification")
    assert not loaded & {"trio", "sqlite3", "quart", "hypercorn", "httpx2", "structlog", "asyncio"}


SERVER = {"trio", "quart", "hypercorn", "rtgf_node.actors", "rtgf_node.api", "rtgf_node.node"}


@pytest.mark.parametrize("module", ["rtgf_node.client", "rtgf_node.cli.commands"])
def test_client_and_command_line_start_without_the_server(module):
    assert not loaded_by(module) & SERVER


def test_the_client_loads_no_store():
    assert "rtgf_node.store" not in loaded_by("rtgf_node.client")
